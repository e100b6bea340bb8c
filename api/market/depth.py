"""What an order book says about the price of a volume and the volume at a price: exact sums.

A buyer takes the asks, cheapest first; a seller the bids, dearest first. Amounts are in base units,
volumes in quote in quote units. The surprising thing: a price is answered only where the whole
volume can be had; a book that holds less says how much, and that this is partial.
"""

from decimal import Context, Decimal

from msgspec import Struct

from adapters.venues.port import OrderBook

_exact = Context(prec=200)
"""Wide enough for sums of whatever levels a venue may tell."""
_ZERO = Decimal(0)


class Depth(Struct, frozen=True, kw_only=True):
    price: Decimal | None = None
    """The worst level that was needed, or that lies within the price."""
    volume: Decimal | None = None
    quote_volume: Decimal | None = None
    average_price: Decimal | None = None
    """To 28 digits: a quotient."""
    is_partial: bool
    """The book as far as it was told ends before what was asked for does."""


def price_for_volume(book: OrderBook, volume: Decimal, *, is_buy: bool) -> Depth:
    """The worst price at which this much can be had at once."""
    sum_ = _ZERO
    for price, amount in _side(book, is_buy=is_buy):
        sum_ = _exact.add(sum_, amount)
        if sum_ >= volume:
            return Depth(price=price, volume=volume, is_partial=False)
    return Depth(volume=sum_, is_partial=True)


def price_for_quote_volume(book: OrderBook, quote_volume: Decimal, *, is_buy: bool) -> Depth:
    """As `price_for_volume`, for a volume in quote units."""
    sum_ = _ZERO
    for price, amount in _side(book, is_buy=is_buy):
        sum_ = _exact.fma(price, amount, sum_)
        if sum_ >= quote_volume:
            return Depth(price=price, quote_volume=quote_volume, is_partial=False)
    return Depth(quote_volume=sum_, is_partial=True)


def volume_for_price(book: OrderBook, price: Decimal, *, is_buy: bool) -> Depth:
    """How much can be had at this price or better."""
    sum_ = _ZERO
    worst = None
    for level, amount in _side(book, is_buy=is_buy):
        if level > price if is_buy else level < price:
            return Depth(price=worst, volume=sum_, is_partial=False)
        sum_ = _exact.add(sum_, amount)
        worst = level
    return Depth(price=worst, volume=sum_, is_partial=True)


def quote_volume_for_price(book: OrderBook, price: Decimal, *, is_buy: bool) -> Depth:
    """As `volume_for_price`, in quote units."""
    sum_ = _ZERO
    for level, amount in _side(book, is_buy=is_buy):
        if level > price if is_buy else level < price:
            return Depth(quote_volume=sum_, is_partial=False)
        sum_ = _exact.fma(level, amount, sum_)
    return Depth(quote_volume=sum_, is_partial=True)


def vwap_for_volume(book: OrderBook, volume: Decimal, *, is_buy: bool) -> Depth:
    """The average price of this much; of the last level only what is needed counts."""
    taken = cost = _ZERO
    for price, amount in _side(book, is_buy=is_buy):
        part = min(amount, _exact.subtract(volume, taken))
        taken = _exact.add(taken, part)
        cost = _exact.fma(price, part, cost)
        if taken >= volume:
            return Depth(volume=taken, average_price=cost / taken, is_partial=False)
    return Depth(volume=taken, is_partial=True)


def _side(book: OrderBook, *, is_buy: bool) -> tuple[tuple[Decimal, Decimal], ...]:
    return book.asks if is_buy else book.bids
