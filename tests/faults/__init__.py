"""Kills, freezes and starves real processes; the venue's own ledger is the judge."""
