"""Keeps the read models: folds pages of the log, rebuilds, and parks what cannot be folded."""
