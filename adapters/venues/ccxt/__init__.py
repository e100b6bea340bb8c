"""Real venues through ccxt: see README.md for which operations of which connector are proven."""
