"""How long candles are, by their names on the wire."""

from msgspec import Struct

_SECOND_US = 1_000_000
_DAY = 86_400


class Length(Struct, frozen=True):
    """In microseconds; only months differ in length."""

    least_us: int
    most_us: int


def _fixed(seconds: int) -> Length:
    return Length(seconds * _SECOND_US, seconds * _SECOND_US)


LENGTHS = {
    "1s": _fixed(1),
    **{f"{n}m": _fixed(n * 60) for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": _fixed(n * 3600) for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": _fixed(n * _DAY) for n in (1, 3)},
    "1w": _fixed(7 * _DAY),
    "1M": Length(28 * _DAY * _SECOND_US, 31 * _DAY * _SECOND_US),
}
