"""Restore many photos: plan, journal, run, events, and how they are shown."""
