"""Funding rates: every eight hours, made up from the time, so that history never changes."""

_PERIOD_MS = 8 * 3_600_000


def next_funding_ms(now_ms: int) -> int:
    return (now_ms // _PERIOD_MS + 1) * _PERIOD_MS


def rate(name: str, at_ms: int) -> str:
    """Of the payment due at `at_ms`; between -0.0005 and 0.0015."""
    number = (at_ms // _PERIOD_MS + len(name) * 7) * 37 % 21
    return f"{(number - 5) * 10 / 100_000:.8f}"


def times(start_ms: int | None, end_ms: int, limit: int) -> list[int]:
    """The payments due within [start, end]; the last `limit` without start."""
    last = end_ms // _PERIOD_MS * _PERIOD_MS
    if start_ms is None:
        return list(range(last - (limit - 1) * _PERIOD_MS, last + 1, _PERIOD_MS))
    first = -(-start_ms // _PERIOD_MS) * _PERIOD_MS
    return list(range(first, last + 1, _PERIOD_MS))[:limit]
