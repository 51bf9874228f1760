"""The file that marks a folder of a report's pictures, and says what is in it."""

INDEX_NAME = ".dinplug-report.jsonl"
