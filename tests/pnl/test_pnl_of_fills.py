"""What fills make, by average cost and first in, first out: by hand, and against brute force."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import pnl
from domain.order_messages import OrderFilled, Side
from domain.pnl import Book, Fifo, Lot
from tests.pnl.brute_force import count

PAIR = "BTC-USDT"
SPOT, PERPETUAL = "binance", "binance_perpetual"


def fill(side: Side, quantity: str, price: str, fee: str = "0 USDT") -> OrderFilled:
    charged, token = fee.split()
    amounts = (Decimal(quantity), Decimal(price), Decimal(charged))
    return OrderFilled("t", side, *amounts, token, is_maker=False, executed_at_us=1)


def book_of(fills: Sequence[OrderFilled], connector: str = SPOT) -> Book:
    book = Book()
    for one in fills:
        book = pnl.record(book, one, connector, PAIR)
    return book


def realised(book: Book) -> list[Decimal]:
    """By average cost, and first in, first out."""
    assert book.fifo is not None
    return [book.average.realised, book.fifo.realised]


def held(book: Book) -> list[Decimal]:
    return [book.average.quantity, book.average.cost]


def test_average_cost_and_first_in_first_out_differ_until_the_position_is_closed() -> None:
    bought = [fill("BUY", "1", "100"), fill("BUY", "1", "200")]
    book = book_of([*bought, fill("SELL", "1", "250")])
    assert realised(book) == [100, 150]
    assert held(book) == [1, 150]
    assert book.fifo == Fifo((Lot(Decimal(1), Decimal(200)),), Decimal(150))
    assert realised(book_of([*bought, fill("SELL", "1", "250"), fill("SELL", "1", "150")])) == [
        100,
        100,
    ]


def test_a_short_earns_when_the_price_falls() -> None:
    book = book_of([fill("SELL", "2", "100"), fill("BUY", "1", "90")], PERPETUAL)
    assert realised(book) == [10, 10]
    assert held(book) == [-1, -100]
    assert pnl.unrealised(book.average.quantity, book.average.cost, Decimal(70)) == 30
    assert pnl.breakeven(*held(book)) == 100
    assert pnl.side_of(book.average.quantity) == "SHORT"


def test_one_fill_may_close_a_long_and_open_a_short_at_its_price() -> None:
    book = book_of([fill("BUY", "1", "100"), fill("SELL", "3", "110")])
    assert realised(book) == [10, 10]
    assert held(book) == [-2, -220]
    assert book.fifo == Fifo((Lot(Decimal(2), Decimal(110)),), Decimal(10))


def test_a_spot_fee_in_base_is_taken_out_of_what_was_bought_and_counts_once() -> None:
    book = book_of(
        [
            fill("BUY", "1", "100", "0.001 BTC"),
            fill("SELL", "0.999", "100", "0.0999 USDT"),
        ]
    )
    assert [*held(book), book.average.realised] == [0, 0, 0]
    assert book.fees == {"BTC": Decimal("0.001"), "USDT": Decimal("0.0999")}
    assert book.fees_quote == Decimal("0.1999")
    assert [book.bought, book.bought_notional] == [1, 100]
    cash = -100 + Decimal("99.9") - Decimal("0.0999")
    assert book.average.realised - book.fees_quote == cash


def test_a_fee_in_base_changes_no_position_of_a_perpetual() -> None:
    book = book_of([fill("BUY", "1", "100", "0.001 BTC")], PERPETUAL)
    assert book.average.quantity == 1
    assert book.fees_quote == Decimal("0.1")


def test_a_fee_in_another_token_is_named_and_in_no_figure_in_quote() -> None:
    book = book_of([fill("BUY", "1", "100", "0.002 BNB"), fill("BUY", "1", "100", "1 USDT")])
    assert book.fees_quote == 1
    assert pnl.not_converted(PAIR, book.fees) == ["BNB"]


def test_a_rebate_is_a_fee_below_zero() -> None:
    book = book_of([fill("BUY", "1", "100", "-0.01 USDT")])
    assert book.fees_quote == Decimal("-0.01")


def test_a_third_is_rounded_and_nothing_of_it_is_left_when_the_position_is_closed() -> None:
    book = book_of([fill("BUY", "3", "100"), fill("BUY", "4", "33.33"), fill("SELL", "2", "50")])
    seventh = Fraction(2, 7) * (300 + 4 * Fraction("33.33"))
    error = abs(Fraction(book.average.realised) - (100 - seventh))
    assert 0 < error <= Fraction(1, 2 * 10**pnl.COST_DIGITS)
    flat = pnl.record(book, fill("SELL", "5", "50"), SPOT, PAIR)
    assert flat.average.realised == Decimal(350) - 300 - 4 * Decimal("33.33")
    assert flat.average.cost == 0


def test_more_digits_than_python_keeps_by_itself_are_kept() -> None:
    big, fine = "123456789012345678.123456789012345678", "0.000000000000000001"
    book = book_of([fill("SELL", big, "1"), fill("SELL", fine, fine), fill("BUY", big, "1")])
    assert book.average.quantity == -Decimal(fine)
    book = pnl.record(book, fill("BUY", fine, "1"), SPOT, PAIR)
    assert book.average.realised == Decimal("1E-36") - Decimal("1E-18")


def lots(number: int) -> list[OrderFilled]:
    return [fill("BUY", "1", str(100 + n)) for n in range(number)]


def test_lots_of_one_price_in_a_row_are_one() -> None:
    book = book_of([fill("BUY", "1", "100"), fill("BUY", "2", "100.0"), fill("BUY", "1", "101")])
    assert book.fifo is not None
    assert book.fifo.lots == (Lot(Decimal(3), Decimal(100)), Lot(Decimal(1), Decimal(101)))


def test_beyond_the_bound_first_in_first_out_is_unknown_until_the_position_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pnl, "LOTS_MAX", 3)
    assert book_of(lots(3)).fifo is not None
    fills = [*lots(4), fill("SELL", "2", "150")]
    book = book_of(fills)
    assert book.fifo is None
    assert book.average.quantity == 2
    more = [*fills, fill("SELL", "2", "160"), fill("BUY", "1", "170")]
    right = count(more, SPOT, PAIR)
    again = book_of(more)
    assert again.fifo is not None
    assert Fraction(again.fifo.realised) == right.fifo_realised == right.average_realised
    crossed = book_of([*fills, fill("SELL", "3", "160")])
    assert crossed.fifo is not None
    assert crossed.fifo.lots == (Lot(Decimal(1), Decimal(160)),)
    assert crossed.fifo.realised == Decimal(620 - 406)


amounts = st.one_of(
    st.decimals("0.000001", "20", places=6),
    st.sampled_from([Decimal(1), Decimal(2), Decimal("0.5")]),
    st.integers(1, 10**36 - 1).map(lambda n: Decimal(n).scaleb(-18)),
)
fills = st.builds(
    OrderFilled,
    st.just("t"),
    st.sampled_from(["BUY", "SELL"]),
    amounts,
    amounts,
    st.one_of(st.just(Decimal(0)), st.decimals("-0.01", "0.5", places=8)),
    st.sampled_from(["BTC", "USDT", "BNB"]),
    st.booleans(),
    st.integers(1, 2**50),
)


@settings(max_examples=300)
@given(st.lists(fills, max_size=30), st.sampled_from([SPOT, PERPETUAL]))
def test_any_history_comes_to_what_brute_force_comes_to(
    history: list[OrderFilled], connector: str
) -> None:
    with localcontext() as context:
        context.prec = 3  # Nothing may hang on the precision that happens to be set.
        book = book_of(history, connector)
    right = count(history, connector, PAIR)
    average, fifo = book.average, book.fifo
    assert fifo is not None
    assert Fraction(average.quantity) == right.quantity
    assert Fraction(fifo.realised) == right.fifo_realised
    assert Fraction(pnl.fifo_cost(average, fifo)) == right.fifo_cost
    of_lots = sum((Fraction(lot.quantity) * Fraction(lot.price) for lot in fifo.lots), Fraction(0))
    assert of_lots == abs(right.fifo_cost)
    if not right.reductions:
        assert Fraction(average.realised) == right.average_realised
    bound = Fraction(right.reductions, 2 * 10**pnl.COST_DIGITS)
    assert abs(Fraction(average.realised) - right.average_realised) <= bound
    assert abs(Fraction(average.cost) - right.average_cost) <= bound
    if not right.quantity:
        assert Fraction(average.realised) == right.average_realised
        assert average.cost == 0
    assert {token: Fraction(fee) for token, fee in book.fees.items()} == right.fees
    for name in ("bought", "bought_notional", "sold", "sold_notional", "fees_quote", "trades"):
        assert Fraction(getattr(book, name)) == getattr(right, name), name
