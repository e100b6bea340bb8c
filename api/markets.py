"""What each connector lets one trade: public rules, asked for again every minute.

Old rules stay good while a venue is away: they change rarely, and the venue has the last word.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Protocol

from adapters.venues.port import OrderType, Side, TradingRule, VenueRefused, VenueUnreachable

_log = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
RETRY_SECONDS = 1.0
FIRST_WAIT_SECONDS = 2.0
_exact = Context(prec=100)


class RulesSource(Protocol):
    """The part of a venue that is needed here."""

    async def trading_rules(self) -> tuple[TradingRule, ...]: ...

    async def close(self) -> None: ...


class NotTradable(Exception):  # noqa: N818 - says what is so
    """The venue would refuse such an order; str() says why."""


class RulesUnknown(Exception):  # noqa: N818 - says what is so
    """The connector's rules were never read: nobody can say what it would take."""


class Markets:
    def __init__(self, venues: Mapping[str, RulesSource]) -> None:
        self._venues = venues
        self._rules: dict[str, Mapping[str, TradingRule]] = {}
        self._loaded = {name: asyncio.Event() for name in venues}
        self._tasks: Sequence[asyncio.Task[None]] = ()

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._refresh(name, venue), name=f"rules-{name}")
            for name, venue in self._venues.items()
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for venue in self._venues.values():
            await venue.close()

    async def rule(self, connector: str, pair: str) -> TradingRule:
        """Raise NotTradable for what there is not, RulesUnknown when they cannot be told yet."""
        if connector not in self._venues:
            known = ", ".join(sorted(self._venues)) or "none"
            raise NotTradable(f"There is no connector {connector!r} here; there are: {known}.")
        if connector not in self._rules:
            await self._first(connector)
        rule = self._rules[connector].get(pair)
        if rule is None:
            raise NotTradable(f"{connector!r} does not trade {pair!r}.")
        return rule

    async def _first(self, connector: str) -> None:
        try:
            await asyncio.wait_for(self._loaded[connector].wait(), FIRST_WAIT_SECONDS)
        except TimeoutError:
            raise RulesUnknown(
                f"The trading rules of {connector!r} are not loaded yet. Try again shortly."
            ) from None

    async def _refresh(self, name: str, venue: RulesSource) -> None:
        while True:
            pause_seconds = REFRESH_SECONDS
            try:
                self._rules[name] = {rule.pair: rule for rule in await venue.trading_rules()}
                self._loaded[name].set()
            except (VenueUnreachable, VenueRefused) as error:
                _log.warning("The trading rules of %s could not be read: %s", name, error)
                pause_seconds = RETRY_SECONDS
            except Exception:  # noqa: BLE001 - logged, and tried again
                _log.exception("Reading the trading rules of %s failed", name)
                pause_seconds = RETRY_SECONDS
            await asyncio.sleep(pause_seconds)


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
    moved = _step(price, rule.tick, ROUND_FLOOR if side == "BUY" else ROUND_CEILING)
    if not moved:
        raise NotTradable(f"A price of {price} is below {rule.pair}'s tick of {rule.tick}.")
    notional = _exact.multiply(cut, moved)
    if notional < rule.notional_min:
        raise NotTradable(
            f"{cut} at {moved} is worth {notional}, below {rule.pair}'s minimum of "
            f"{rule.notional_min}."
        )
    return cut, moved


def _step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """The nearest multiple in that direction; a value that is one stays as it was written."""
    if not step or not _exact.remainder(value, step):
        return value
    steps = _exact.divide(value, step).to_integral_value(rounding)
    return _exact.multiply(steps, step)
