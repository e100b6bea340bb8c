"""Fetches the candles that are not kept yet, page by page, and keeps each page at once.

A candle is kept when it is closed for certain: its time is over by our clock, and either the venue
shows a later one or it is over for long. (Clocks differ, and some venues amend a candle shortly
after its end.) Where a venue has no candles (a market that was closed, a coin that
was not listed yet) the span is remembered too, so that it is not asked for again.
"""

from collections.abc import Sequence

from adapters.postgres.candles import Save
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Candle, VenueRefused
from api.market.intervals import Length

GRACE_US = 10_000_000
PAGE = 1000
_EMPTY_STEPS = 100
"""How far an empty page is believed to reach: venues look ahead by their own page at least."""
_SETTLED_US = 120_000_000
"""How long ago a span must be, to be believed without candles or with its last one: venues publish
late, and their clocks may be behind ours."""

Span = tuple[int, int]


def gaps(spans: Sequence[Span], start_us: int, end_us: int) -> list[Span]:
    """What of a span the others, in ascending order, leave open."""
    found: list[Span] = []
    for begin, end in spans:
        if start_us < begin:
            found.append((start_us, min(begin, end_us)))
        start_us = max(start_us, end)
    if start_us < end_us:
        found.append((start_us, end_us))
    return found


def closed_before(length: Length, now_us: int) -> int:
    """Candles that begin before this are over by our clock."""
    return now_us - GRACE_US - length.most_us + 1


async def fetch(
    venue: PublicVenue,
    pair: str,
    interval: str,
    length: Length,
    span: Span,
    now_us: int,
    save: Save,
) -> None:
    """Fill a span that ends at `closed_before` at the latest; saved pages stay when cancelled."""
    at_us, end_us = span
    final_us = closed_before(length, now_us)
    settled_us = now_us - max(2 * length.most_us, _SETTLED_US)
    page_max = PAGE
    while at_us < end_us:
        wanted = -(-(end_us - at_us) // length.least_us)
        try:
            told = await venue.candles(pair, interval, at_us, min(page_max, wanted + 1))
        except VenueRefused as refusal:
            if refusal.code != "too_many_candles" or page_max == 1:
                raise
            page_max //= 2
            continue
        page = after(at_us, told)
        closed = [candle for candle in page if candle.start_us < final_us]
        if closed and closed[-1] is page[-1] and page[-1].start_us > settled_us:
            closed.pop()
        if not page:
            looked_us = min(at_us + _EMPTY_STEPS * length.least_us, end_us)
            reached_us = min(looked_us, settled_us)
        elif len(closed) < len(page):
            looked_us = reached_us = page[len(closed)].start_us
        else:
            looked_us = reached_us = closed[-1].start_us + length.least_us
        if reached_us > at_us:
            await save(closed, at_us, reached_us)
        if looked_us == at_us:
            return
        at_us = looked_us


def after(start_us: int, candles: Sequence[Candle]) -> list[Candle]:
    """From a time on, each once, in order: not every venue keeps to what it was asked for."""
    found = {candle.start_us: candle for candle in candles if candle.start_us >= start_us}
    return [found[start] for start in sorted(found)]
