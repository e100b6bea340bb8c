"""The public client, unmodified, against a whole installation."""
