"""The one door to the log."""
