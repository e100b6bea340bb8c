"""How each venue that ccxt speaks to differs from the others, one row each.

Lengths are in characters, times in microseconds. What a row says beyond Binance's rests on the
venue's documentation and ccxt's source, not on a run (README.md).
"""

import re
from typing import Literal

from msgspec import Struct

from adapters.venues.connectors import Connector

IdForm = Literal["text", "hex", "number", "digits"]
"""`hex`: 0x and 32 hexadecimal digits; `number`: below 2**32; `digits`: below 10**length."""


class Manner(Struct, frozen=True, kw_only=True):
    id_length_max: int = 32
    id_form: IdForm = "text"
    id_prefix: str = ""
    """The venue wants every client order id to begin so."""
    by_client_id: frozenset[Literal["lookup", "cancel"]] = frozenset()
    """What ccxt does by client order id; the rest goes by the venue's own number, which is found by
    reading through open and closed orders."""
    has_request_expiry: bool = False
    """A request carries a time after which the venue refuses it, and ccxt lets us set it."""
    lookup_lag_us: int = 10_000_000
    clock_skew_max_us: int = 1_000_000
    pages_trades_by_id: bool = False
    """From a trade's number on; otherwise from a time on, with a day as the beginning."""
    trades_page_max: int = 100
    is_proven: bool = False
    """By the contract suite against a server that speaks the venue's protocol."""


_CANCEL: frozenset[Literal["lookup", "cancel"]] = frozenset({"cancel"})
_LOOKUP: frozenset[Literal["lookup", "cancel"]] = frozenset({"lookup"})
_BOTH = _CANCEL | _LOOKUP
_BINANCE = Manner(
    id_length_max=36,
    by_client_id=_BOTH,
    has_request_expiry=True,  # timestamp + recvWindow
    lookup_lag_us=5_000_000,
    pages_trades_by_id=True,
    trades_page_max=1000,
    is_proven=True,
)

MANNERS: dict[str, Manner] = {
    "backpack": Manner(id_form="number", by_client_id=_CANCEL),
    "binance": _BINANCE,
    "binanceusdm": _BINANCE,
    "bingx": Manner(id_length_max=40, by_client_id=_CANCEL),
    "bitget": Manner(id_length_max=50, by_client_id=_BOTH),
    "bitrue": Manner(by_client_id=_BOTH),
    "bitstamp": Manner(id_length_max=36, by_client_id=_LOOKUP),
    "btcmarkets": Manner(),
    "bybit": Manner(id_length_max=36),
    "coinbase": Manner(id_length_max=36),
    "derive": Manner(by_client_id=_CANCEL),
    "dydx": Manner(id_form="number"),
    "foxbit": Manner(id_form="digits", id_length_max=18),
    "gate": Manner(id_length_max=30, id_prefix="t-"),
    "gemini": Manner(id_length_max=36),
    "grvt": Manner(id_form="digits", id_length_max=18, by_client_id=_BOTH),
    "htx": Manner(id_length_max=64, by_client_id=_BOTH),
    "hyperliquid": Manner(id_form="hex", id_length_max=34, by_client_id=_BOTH),
    "kraken": Manner(id_length_max=18, by_client_id=_BOTH),
    "kucoin": Manner(id_length_max=40, by_client_id=_BOTH),
    "kucoinfutures": Manner(id_length_max=40, by_client_id=_BOTH),
    "lighter": Manner(id_form="digits", id_length_max=14),
    "mexc": Manner(by_client_id=_BOTH),
    "ndax": Manner(id_form="digits", id_length_max=18),
    "okx": Manner(by_client_id=_BOTH),
    "pacifica": Manner(by_client_id=_CANCEL),
}
"""By ccxt's name of the venue; connectors of one venue share it."""


def manner(connector: Connector) -> Manner:
    if connector.ccxt is None:
        raise ValueError("Only a connector with a counterpart in ccxt has a manner.")
    return MANNERS[connector.ccxt.id]


def to_theirs(manner: Manner, ours: str) -> str:
    """Our client order id as the venue takes it, a pure function.

    Text is a prefix of ours (18 characters of it hold 80 random bits); numbers come from its bits.
    """
    if manner.id_form == "text":
        return (manner.id_prefix + ours)[: manner.id_length_max]
    bits = _bits(ours)
    match manner.id_form:
        case "hex":
            return f"0x{bits & (2**128 - 1):032x}"
        case "number":
            return str(bits % 2**32)
        case "digits":
            return str(bits % 10**manner.id_length_max)


def is_reversible(manner: Manner, ours: str) -> bool:
    """Whether ours can be read back from theirs alone, without having sent it ourselves."""
    return manner.id_form == "text" and len(manner.id_prefix + ours) <= manner.id_length_max


def to_ours(manner: Manner, theirs: str) -> str:
    """Of one that `is_reversible`; what does not begin as the venue wants it is not ours."""
    return theirs.removeprefix(manner.id_prefix)


def _bits(ours: str) -> int:
    """A number that spreads like a random one: FNV-1a, 128 bits, the same in every process."""
    mixed = 0x6C62272E07BB014262B821756295C58D
    for byte in ours.encode():
        mixed = ((mixed ^ byte) * 0x0000000001000000000000000000013B) % 2**128
    return mixed


def id_pattern(manner: Manner) -> re.Pattern[str]:
    """What the venue takes as a client order id, as far as its documents say."""
    match manner.id_form:
        case "hex":
            return re.compile(r"0x[0-9a-f]{32}")
        case "number" | "digits":
            return re.compile(rf"[0-9]{{1,{manner.id_length_max}}}")
        case "text":
            room = manner.id_length_max - len(manner.id_prefix)
            return re.compile(rf"{manner.id_prefix}[A-Za-z0-9_-]{{1,{room}}}")
