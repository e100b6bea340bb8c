"""The one check that every amount and price passes before it becomes money.

Plain or scientific decimal notation, no signs, no names such as NaN, no underscores; above zero,
at most 38 significant digits, at most 18 digits before the point and 18 after it.
"""

import re
from decimal import Context, Decimal, Inexact

_PATTERN = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_LIMIT = Decimal(10) ** 18
_FINEST = Decimal("1E-18")
_DIGITS_MAX = 38


_exact = Context(prec=120, traps=[Inexact])
plus = _exact.add
"""Exact addition: Python's own `+` rounds to 28 digits."""
minus = _exact.subtract
"""Exact subtraction."""
times = _exact.multiply
"""Exact multiplication of two amounts."""


class BadAmount(ValueError):  # noqa: N818 - reads as the fact it states
    """The text is no amount that can be traded; str() says why."""


def amount(text: str) -> Decimal:
    """Return the exact decimal that `text` spells, or raise BadAmount saying what is wrong."""
    if not _PATTERN.fullmatch(text):
        shown = text if len(text) <= 40 else text[:40] + "..."  # noqa: PLR2004
        raise BadAmount(f"{shown!r} is not a plain positive decimal number such as 0.25")
    value = Decimal(text)
    digits = value.as_tuple().digits
    if not value:
        raise BadAmount("must be greater than 0")
    if value >= _LIMIT:
        raise BadAmount(f"{text} is too large: at most 18 digits before the point")
    if _exact.remainder(value, _FINEST):
        raise BadAmount(f"{text} is too fine: at most 18 digits after the point")
    if len(digits) > _DIGITS_MAX:
        raise BadAmount(f"{text} has more than 38 digits")
    return value
