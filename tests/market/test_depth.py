"""What a book says, against a brute force that buys unit by unit."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from adapters.venues.port import OrderBook
from api.market.depth import (
    Depth,
    price_for_quote_volume,
    price_for_volume,
    quote_volume_for_price,
    volume_for_price,
    vwap_for_volume,
)

Level = tuple[Decimal, Decimal]
amounts = st.decimals("0.001", "1000", places=3)
whole = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), max_size=8)


def book_of(levels: list[Level]) -> OrderBook:
    """The same levels on both sides, each in its order."""
    ascending = tuple(sorted(dict(levels).items()))
    return OrderBook(pair="A-B", bids=ascending[::-1], asks=ascending, at_us=0)


def units(book: OrderBook, *, is_buy: bool) -> list[Decimal]:
    """The price of each unit, best first; amounts are whole."""
    side = book.asks if is_buy else book.bids
    return [price for price, amount in side for _ in range(int(amount))]


@given(whole, st.integers(1, 90), st.booleans())
def test_volumes_are_filled_unit_by_unit(
    levels: list[tuple[int, int]], volume: int, is_buy: bool
) -> None:
    book = book_of([(Decimal(price), Decimal(amount)) for price, amount in levels])
    prices = units(book, is_buy=is_buy)
    taken = prices[:volume]
    found = price_for_volume(book, Decimal(volume), is_buy=is_buy)
    average = vwap_for_volume(book, Decimal(volume), is_buy=is_buy)
    assert found.is_partial is average.is_partial is (len(prices) < volume)
    assert found.volume == average.volume == len(taken)
    if found.is_partial:
        assert (found.price, average.average_price) == (None, None)
    else:
        assert found.price == taken[-1]
        assert average.average_price == sum(taken) / Decimal(volume)


@given(whole, st.integers(1, 60), st.booleans())
def test_a_price_takes_every_unit_that_is_no_worse(
    levels: list[tuple[int, int]], price: int, is_buy: bool
) -> None:
    book = book_of([(Decimal(level), Decimal(amount)) for level, amount in levels])
    prices = units(book, is_buy=is_buy)
    taken = [unit for unit in prices if (unit <= price if is_buy else unit >= price)]
    volume = volume_for_price(book, Decimal(price), is_buy=is_buy)
    quote = quote_volume_for_price(book, Decimal(price), is_buy=is_buy)
    assert volume.volume == len(taken)
    assert volume.price == (taken[-1] if taken else None)
    assert quote.quote_volume == sum(taken)
    assert volume.is_partial is quote.is_partial is (len(taken) == len(prices))


@given(whole, st.integers(1, 900), st.booleans())
def test_quote_volumes_are_filled_level_by_level(
    levels: list[tuple[int, int]], wanted: int, is_buy: bool
) -> None:
    book = book_of([(Decimal(price), Decimal(amount)) for price, amount in levels])
    worth = 0
    needed = None
    for price in units(book, is_buy=is_buy):
        worth += int(price)
        if worth >= wanted:
            needed = price
            break
    found = price_for_quote_volume(book, Decimal(wanted), is_buy=is_buy)
    if needed is None:
        assert found == Depth(quote_volume=Decimal(worth), is_partial=True)
    else:
        assert found == Depth(price=needed, quote_volume=Decimal(wanted), is_partial=False)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=30))
def test_sums_are_exact(levels: list[Level]) -> None:
    book = book_of(levels)
    every = book.asks[-1][0]
    volume = volume_for_price(book, every, is_buy=True).volume
    worth = quote_volume_for_price(book, every, is_buy=True).quote_volume
    assert volume is not None
    assert worth is not None
    assert Fraction(volume) == sum(Fraction(amount) for _, amount in book.asks)
    assert Fraction(worth) == sum(Fraction(price) * Fraction(amt) for price, amt in book.asks)
    average = vwap_for_volume(book, volume, is_buy=True).average_price
    assert average is not None
    assert abs(Fraction(average) - Fraction(worth) / Fraction(volume)) < Fraction(1, 10**20)


def test_digits_beyond_a_float_are_counted() -> None:
    book = book_of([(Decimal(1), Decimal(10**15)), (Decimal(2), Decimal("1E-18"))])
    every = Decimal("1000000000000000.000000000000000001")
    assert volume_for_price(book, Decimal(2), is_buy=True).volume == every
    found = price_for_volume(book, every, is_buy=True)
    assert (found.price, found.is_partial) == (Decimal(2), False)


def test_an_empty_side_holds_nothing() -> None:
    book = book_of([])
    assert price_for_volume(book, Decimal(1), is_buy=True) == Depth(
        volume=Decimal(0), is_partial=True
    )
    assert volume_for_price(book, Decimal(1), is_buy=False) == Depth(
        volume=Decimal(0), is_partial=True
    )
