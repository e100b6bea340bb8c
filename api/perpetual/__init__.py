"""Perpetual venues: positions, leverage, position mode, funding."""
