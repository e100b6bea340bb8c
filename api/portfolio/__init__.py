"""What accounts hold: now, then, and how it went."""
