"""Credentials at rest: sealed row by row, each with a key of its own under a master key."""
