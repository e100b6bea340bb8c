"""Small counts that a decision needs and no single stream holds; kept in the append transaction.

A tally is a function of the log and nothing else: `aviary rebuild tallies` makes equal ones. Times
are integer UTC microseconds; a minute is a whole one of the clock, counted since 1970.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct, structs

from domain.amounts import minus

MINUTE_US = 60_000_000
SETTLED_US = 30_000_000
"""So long after a fill the venue's position is believed, though it did not change since."""
ZERO = Decimal(0)
_ACCOUNT, _CLOSE = "account", "close"


class AccountTally(Struct, frozen=True):
    open_orders: int = 0
    """Those that are not closed, whether they have reached their venue or not."""
    minute: int = 0
    placed_in_minute: int = 0


class CloseTally(Struct, frozen=True):
    """One side of one position, and the orders that close it."""

    live: tuple[str, ...] = ()
    """Streams of those orders that are not closed yet."""
    held: Decimal = ZERO
    """What the venue showed last, in base units."""
    asked_at_us: int = 0
    """When it was asked."""
    filled: Decimal = ZERO
    """What closes have taken off the position since, as far as the venue may not have shown it."""
    filled_at_us: int = 0

    @property
    def left(self) -> Decimal:
        return max(ZERO, minus(self.held, self.filled))


Tally = AccountTally | CloseTally
_DECODE: dict[str, Callable[[bytes], Tally]] = {
    _ACCOUNT: msgspec.json.Decoder(AccountTally).decode,
    _CLOSE: msgspec.json.Decoder(CloseTally).decode,
}
_EMPTY: dict[str, Tally] = {_ACCOUNT: AccountTally(), _CLOSE: CloseTally()}
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def of_account(account: str) -> str:
    return f"{_ACCOUNT}-{account}"


def of_close(account: str, connector: str, pair: str, side: str) -> str:
    """By the side of the orders: SELL closes LONG."""
    return f"{_CLOSE}-{account}/{connector}/{pair}/{side}"


def decode(key: str, state: bytes | None) -> Any:
    """The tally under a key; an empty one where nothing was counted yet."""
    kind = key.partition("-")[0]
    return _EMPTY[kind] if state is None else _DECODE[kind](state)


def encode(tally: Tally) -> bytes:
    return _encode(tally)


def at(tally: Any, now_us: int) -> Any:
    """The tally as a decision at this time sees it: another minute begins with none.

    A clock that is behind the last one counts in the minute that was reached.
    """
    if isinstance(tally, AccountTally):
        minute = now_us // MINUTE_US
        return tally if minute <= tally.minute else AccountTally(tally.open_orders, minute)
    if abs(now_us - tally.filled_at_us) > SETTLED_US and tally.filled:  # Clocks are set back, too.
        return structs.replace(tally, filled=ZERO, filled_at_us=0)
    return tally
