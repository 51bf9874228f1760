"""Measure restored pictures against clean ones the way the papers do."""
