"""How long a dispatcher waits, and how much it does at once."""

from msgspec import Struct


class DispatcherLimits(Struct, frozen=True):
    window_seconds: float = 5.0
    lease_seconds: float = 10.0
    in_flight_max: int = 64
    """Effects of one desk that are acted upon at once."""
    retrying_max: int = 256
    """With so many of its effects waiting to be tried again, a desk sends no new orders."""
    funding_seconds: float = 3600.0
    """Between two looks for funding payments."""
    portfolio_seconds: float = 0.0
    """Between two snapshots of what an account holds; 0 is to take them only when asked."""
    retry_first_seconds: float = 0.5
    retry_max_seconds: float = 30.0
