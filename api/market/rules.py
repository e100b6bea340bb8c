"""What each connector lets one trade: public rules, read when first asked for and then kept fresh.

Old rules stay good while a venue is away: they change rarely, and the venue has the last word.
Rules that nobody has asked for in a while are dropped.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from adapters.venues.port import OrderType, Side, TradingRule, VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.market.venues import Venues

_log = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
REFRESH_SHARE = 600
"""Reading rules may take so small a part of the time: a large venue's are read more seldom."""
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 30.0
LOAD_SECONDS = 60.0
IDLE_SECONDS = 3600.0
FIRST_WAIT_SECONDS = 5.0
"""How long an order waits for rules that nobody has asked for before."""
AGAIN_SECONDS = 1.5
"""How long somebody waits after a first reading has failed."""
_exact = Context(prec=100)


class NotTradable(Exception):  # noqa: N818 - says what is so
    """The venue would refuse such an order; str() says why."""


class RulesUnknown(Exception):  # noqa: N818 - says what is so
    """The connector's rules were never read: nobody can say what it would take."""


class Markets:
    """`always` names the connectors whose rules are read at the start and never dropped."""

    def __init__(self, venues: Venues, always: Collection[str] = ()) -> None:
        self._venues = venues
        self._always = tuple(always)
        self._kept: dict[str, _Kept] = {}

    def start(self) -> None:
        for name in self._always:
            self._keep(name)

    async def close(self) -> None:
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def rule(self, connector: str, pair: str) -> TradingRule:
        """Raise NotTradable for what there is not, RulesUnknown when they cannot be told yet."""
        try:
            rules = await self.rules(connector)
        except NoVenue as error:
            raise NotTradable(str(error)) from None
        rule = rules.get(pair)
        if rule is None:
            raise NotTradable(f"{connector!r} does not trade {pair!r}.")
        return rule

    async def rules(
        self, connector: str, wait_seconds: float | None = None
    ) -> Mapping[str, TradingRule]:
        """All rules by pair. Raises NoVenue, and RulesUnknown when they cannot be told yet."""
        kept = self._kept.get(connector)
        if kept is None:
            self._venues.check(connector)
            kept = self._keep(connector)
        kept.used_at = time.monotonic()
        if kept.read_at is None:
            await _first(connector, kept, wait_seconds or FIRST_WAIT_SECONDS)
        return kept.by_pair

    def warm(self, connectors: Collection[str]) -> None:
        """Begin to read rules that will be asked for soon; what has no venue is passed over."""
        for name in connectors:
            if name not in self._kept and self._venues.has(name):
                self._keep(name)

    def are_awaited(self, connector: str) -> bool:
        """Whether there are such rules, and whoever asks now must wait for them."""
        kept = self._kept.get(connector)
        return self._venues.has(connector) and (kept is None or kept.read_at is None)

    def age_seconds(self, connector: str) -> float:
        """Of rules that were just answered."""
        read_at = self._kept[connector].read_at
        return 0.0 if read_at is None else time.monotonic() - read_at

    def ages(self) -> Iterator[tuple[str, float]]:
        """Connectors whose rules are known, with their age in seconds."""
        for name, kept in self._kept.items():
            if kept.read_at is not None:
                yield name, time.monotonic() - kept.read_at

    def _keep(self, name: str) -> "_Kept":
        kept = self._kept[name] = _Kept()
        kept.task = asyncio.create_task(self._refresh(name, kept), name=f"rules-{name}")
        return kept

    async def _refresh(self, name: str, kept: "_Kept") -> None:
        retry_seconds = RETRY_SECONDS
        while name in self._always or time.monotonic() - kept.used_at < IDLE_SECONDS:
            began_at = time.monotonic()
            try:
                async with asyncio.timeout(LOAD_SECONDS), self._venues.use(name) as venue:
                    found = await venue.trading_rules()
                    kept.by_pair = {rule.pair: rule for rule in found}
                    kept.read_at = time.monotonic() - venue.rules_age_seconds
            except Exception as error:  # noqa: BLE001 - logged, told to who asks, and tried again
                is_expected = isinstance(error, VenueUnreachable | VenueRefused | TimeoutError)
                text = "The trading rules of %s could not be read: %r"
                _log.warning(text, name, error, exc_info=None if is_expected else error)
                kept.error = str(error) or "no answer in time"
                pause_seconds = retry_seconds
                retry_seconds = min(2 * retry_seconds, RETRY_SECONDS_MAX)
            else:
                kept.read.set()
                retry_seconds = RETRY_SECONDS
                took_seconds = time.monotonic() - began_at
                pause_seconds = max(REFRESH_SECONDS, REFRESH_SHARE * took_seconds)
            kept.tried.set()
            await asyncio.sleep(pause_seconds)
        del self._kept[name]


class _Kept:
    """The rules of one connector, and what keeps them fresh."""

    def __init__(self) -> None:
        self.by_pair: Mapping[str, TradingRule] = {}
        self.read_at: float | None = None
        """When the venue said so: a venue's client may have kept its answer."""
        self.read = asyncio.Event()
        self.tried = asyncio.Event()
        self.used_at = time.monotonic()
        self.error = ""
        self.task: asyncio.Task[None] | None = None


async def _first(connector: str, kept: _Kept, wait_seconds: float) -> None:
    """Wait for the first reading, or until it failed and was not better soon after."""
    try:
        async with asyncio.timeout(wait_seconds):
            await kept.tried.wait()
            async with asyncio.timeout(AGAIN_SECONDS):
                await kept.read.wait()
    except TimeoutError:
        why = f" The venue: {kept.error}." if kept.error else ""
        raise RulesUnknown(
            f"The trading rules of {connector!r} are not loaded yet. Try again shortly.{why}"
        ) from None


def fit(
    rule: TradingRule, side: Side, order_type: OrderType, quantity: Decimal, price: Decimal | None
) -> tuple[Decimal, Decimal | None]:
    """Cut to the venue's lot and tick, never worse than asked. Raises NotTradable.

    The quantity goes down; a buyer's price goes down, a seller's up.
    """
    if order_type not in rule.order_types:
        takes = ", ".join(rule.order_types)
        raise NotTradable(f"{rule.pair} takes no {order_type} orders; it takes: {takes}.")
    cut = _step(quantity, rule.lot, ROUND_FLOOR)
    if cut < rule.quantity_min or not cut:
        raise NotTradable(
            f"An amount of {quantity} (in lots of {rule.lot}: {cut}) is below {rule.pair}'s "
            f"minimum of {rule.quantity_min}."
        )
    if rule.quantity_max is not None and cut > rule.quantity_max:
        raise NotTradable(f"{quantity} is above {rule.pair}'s maximum of {rule.quantity_max}.")
    if price is None:
        return cut, None
    moved = fit_price(rule, side, price)
    notional = _exact.multiply(cut, moved)
    if notional < rule.notional_min:
        raise NotTradable(
            f"{cut} at {moved} is worth {notional}, below {rule.pair}'s minimum of "
            f"{rule.notional_min}."
        )
    return cut, moved


def fit_price(rule: TradingRule, side: Side, price: Decimal) -> Decimal:
    moved = _step(price, rule.tick, ROUND_FLOOR if side == "BUY" else ROUND_CEILING)
    if not moved:
        raise NotTradable(f"A price of {price} is below {rule.pair}'s tick of {rule.tick}.")
    return moved


def _step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """The nearest multiple in that direction; a value that is one stays as it was written."""
    if not step or not _exact.remainder(value, step):
        return value
    steps = _exact.divide(value, step).to_integral_value(rounding)
    return _exact.multiply(steps, step)
