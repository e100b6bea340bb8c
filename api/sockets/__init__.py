"""WebSockets: live market data."""
