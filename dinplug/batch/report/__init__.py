"""The report of a batch: one HTML page, and a folder of small pictures beside it."""
