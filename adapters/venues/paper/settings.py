"""What a paper venue is started with.

Quantities are in base units, prices in quote per base, spreads in basis points, fees as fractions.
The account `HOUSE` is the other side of every fill: what users lose, fees included, it gains, so
that all balances of a token always add up to what was deposited.
"""

from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from adapters.venues.paper.faults import FaultRule
from adapters.venues.port import TradingRule

HOUSE = "*house*"
CANDLES_FILE = Path(__file__).with_name("eurusd_hourly.csv")


class PairTerms(Struct, frozen=True, kw_only=True):
    """One pair: its rules and the synthetic liquidity around the price of its candles."""

    rule: TradingRule
    half_spread_bp: Decimal = Decimal("0.5")
    levels: int = 20
    level_step_ticks: int = 5
    level_quantity: Decimal = Decimal(100_000)
    refill_us: int = 1_000_000
    print_us: int = 1_000_000
    """How often the tape shows a trade of nobody's, which moves no money."""
    price_max: Decimal = Decimal(1_000_000)
    candles_file: Path = CANDLES_FILE


EUR_USD = PairTerms(
    rule=TradingRule(
        pair="EUR-USD",
        base="EUR",
        quote="USD",
        tick=Decimal("0.00001"),
        lot=Decimal("0.01"),
        quantity_min=Decimal(1),
        quantity_max=Decimal(1_000_000_000),
        notional_min=Decimal(1),
        order_types=("LIMIT", "MARKET", "LIMIT_MAKER"),
    )
)


class Terms(Struct, frozen=True, kw_only=True):
    """What the engine needs to know: pairs, fees, the money of new accounts, limits."""

    pairs: tuple[PairTerms, ...] = (EUR_USD,)
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    deposits: tuple[tuple[str, Decimal], ...] = (
        ("EUR", Decimal(1_000_000)),
        ("USD", Decimal(1_000_000)),
    )
    open_orders_max: int = 10_000
    accounts_max: int = 10_000


class Settings(Struct, frozen=True, kw_only=True):
    file: Path
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    terms: Terms = Terms()
    speed: Decimal = Decimal(1)
    """How many times faster than the clock the candles are played."""
    price_step_seconds: float = 0.05
    is_test_mode: bool = False
    faults: tuple[FaultRule, ...] = ()
