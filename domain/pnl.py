"""Profit and loss of one account, connector and pair, out of our own fills alone. Pure.

Quantities are signed base units, above 0 for a long; money is in the pair's quote token, exact.
`cost` has the quantity's sign: what was paid for a long, less what was received for a short, so
that an open quantity is worth `quantity * price - cost`, whatever its side.

Conventions:

* Fills count in the order of the log, in which we came to know them. One that crosses zero closes
  what was open and opens the rest at its own price. What was held before our first fill is not
  known: selling it is a short here. LONG and SHORT of a hedged pair are one net quantity.
* Realised is before fees; fees stand beside it, in their own token and, where that is the pair's
  base or quote, in quote. A fee in base is worth its quantity at the fill's price; at spot it is
  also taken out of what came in (or goes out on top of it), at the same price. So realised less
  fees is right, and no fee counts twice.
* Average cost is kept as quantity and cost. The one figure that is rounded is the part of a cost
  that leaves with a part of a quantity: half to even, at 36 digits after the point. What leaves is
  taken from what stays, so the roundings end with the position: once flat, realised is exactly
  what came in less what went out.
* First in, first out keeps lots and rounds nothing. Lots that follow each other at one price are
  one. Beyond LOTS_MAX lots its figures are None until the quantity is next 0: then both methods
  have realised the same, and it is known again.
* Linear contracts: an inverse one, settled in base, is not told apart.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from typing import Literal

from msgspec import Struct, structs

from domain.amounts import minus, plus, times
from domain.order_messages import OrderFilled

ZERO = Decimal(0)
LOTS_MAX = 2_000
COST_DIGITS = 36
"""After the point, of a cost that was divided: as many as two amounts multiplied can have."""
PERPETUAL = "_perpetual"
"""Stands in the name of every perpetual connector, and of no other."""

_FINEST = Decimal(1).scaleb(-COST_DIGITS)
_WIDE = Context(prec=300, rounding=ROUND_HALF_EVEN)
_CHECKED = Context(prec=300, traps=[Inexact])
"""Python's own operators, the signs among them, round to 28 digits."""


class Lot(Struct, frozen=True, array_like=True):
    """What is still open of fills at one price."""

    quantity: Decimal
    """Above 0, on whichever side the whole is."""
    price: Decimal


class Average(Struct, frozen=True):
    """By average cost."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO


class Fifo(Struct, frozen=True):
    """First in, first out, of the same quantity."""

    lots: tuple[Lot, ...] = ()
    realised: Decimal = ZERO


class Book(Struct, frozen=True):
    """All that is known of one pair; begins empty."""

    average: Average = Average()
    fifo: Fifo | None = Fifo()
    """None where there are too many lots."""
    bought: Decimal = ZERO
    bought_notional: Decimal = ZERO
    sold: Decimal = ZERO
    sold_notional: Decimal = ZERO
    fees: Mapping[str, Decimal] = {}
    """By token, as they were charged; below 0 where the venue paid."""
    fees_quote: Decimal = ZERO
    """Of those that are in base or quote."""
    trades: int = 0


def is_perpetual(connector: str) -> bool:
    return PERPETUAL in connector


def tokens_of(pair: str) -> tuple[str, str]:
    """Base and quote; the quote is empty where the name has none."""
    base, _, quote = pair.partition("-")
    return base, quote


def not_converted(pair: str, fees: Mapping[str, Decimal]) -> list[str]:
    """Tokens whose fees are in no figure in quote."""
    return sorted(fees.keys() - set(tokens_of(pair)))


def record(book: Book, fill: OrderFilled, connector: str, pair: str) -> Book:
    """The book after one more trade."""
    base, quote = tokens_of(pair)
    is_buy = fill.side == "BUY"
    notional = times(fill.quantity, fill.price)
    change = fill.quantity if is_buy else fill.quantity.copy_negate()
    fee_quote = ZERO
    if fill.fee and fill.fee_token == base:
        fee_quote = times(fill.fee, fill.price)
        if not is_perpetual(connector):
            change = minus(change, fill.fee)
    elif fill.fee and fill.fee_token == quote:
        fee_quote = fill.fee
    average = trade(book.average, change, fill.price)
    return structs.replace(
        book,
        average=average,
        fifo=_first_out(book.fifo, book.average, average, change, fill.price),
        bought=plus(book.bought, fill.quantity) if is_buy else book.bought,
        bought_notional=plus(book.bought_notional, notional) if is_buy else book.bought_notional,
        sold=book.sold if is_buy else plus(book.sold, fill.quantity),
        sold_notional=book.sold_notional if is_buy else plus(book.sold_notional, notional),
        fees=_charged(book.fees, fill),
        fees_quote=plus(book.fees_quote, fee_quote),
        trades=book.trades + 1,
    )


def trade(held: Average, change: Decimal, price: Decimal) -> Average:
    """By average cost, after so much came in (above 0) or went out at a price."""
    if not is_opposite(held.quantity, change):
        cost = plus(held.cost, times(change, price))
        return Average(plus(held.quantity, change), cost, held.realised)
    closed = min(change.copy_abs(), held.quantity.copy_abs()).copy_sign(held.quantity)
    released = _part(held.cost, closed, held.quantity)
    left = Average(
        minus(held.quantity, closed),
        minus(held.cost, released) or ZERO,
        plus(held.realised, minus(times(closed, price), released)),
    )
    rest = plus(change, closed)
    return trade(left, rest, price) if rest else left


def fifo_cost(average: Average, fifo: Fifo) -> Decimal:
    """What the open lots cost, with the sign of the quantity.

    Not summed: realised less cost is what came in less what went out, however it is counted.
    """
    return plus(average.cost, minus(fifo.realised, average.realised))


def unrealised(quantity: Decimal, cost: Decimal, price: Decimal) -> Decimal:
    """What the open quantity would bring at a price, less what it cost; exact."""
    return _CHECKED.subtract(_CHECKED.multiply(quantity, price), cost)


def breakeven(quantity: Decimal, cost: Decimal) -> Decimal | None:
    """The average price of what is open, to 36 digits after the point; None of nothing."""
    return quotient(cost, quantity) if quantity else None


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """To 36 digits after the point, half to even."""
    return _rounded(_WIDE.divide(dividend, divisor))


def side_of(quantity: Decimal) -> Literal["LONG", "SHORT", "FLAT"]:
    if not quantity:
        return "FLAT"
    return "LONG" if quantity > 0 else "SHORT"


def is_opposite(quantity: Decimal, change: Decimal) -> bool:
    return bool(quantity) and bool(change) and (quantity > 0) != (change > 0)


def _first_out(
    fifo: Fifo | None, before: Average, after: Average, change: Decimal, price: Decimal
) -> Fifo | None:
    """The lots after a trade that the average has counted already."""
    if not after.quantity:
        return Fifo((), after.realised)  # Flat: however it was counted, it is the same.
    if is_opposite(before.quantity, after.quantity):
        return Fifo((Lot(after.quantity.copy_abs(), price),), after.realised)
    if fifo is None or not change:
        return fifo
    if not is_opposite(before.quantity, change):
        return _bought(fifo, change.copy_abs(), price)
    return _released(fifo, before.quantity, change.copy_abs(), price)


def _bought(fifo: Fifo, quantity: Decimal, price: Decimal) -> Fifo | None:
    """With a lot more, or None where they are too many."""
    last = fifo.lots[-1] if fifo.lots else None
    if last is not None and last.price == price:
        lots = (*fifo.lots[:-1], Lot(plus(last.quantity, quantity), last.price))
    elif len(fifo.lots) >= LOTS_MAX:
        return None
    else:
        lots = (*fifo.lots, Lot(quantity, price))
    return Fifo(lots, fifo.realised)


def _released(fifo: Fifo, held: Decimal, quantity: Decimal, price: Decimal) -> Fifo:
    """Without what a trade of the other side, smaller than what is open, takes of the oldest."""
    realised, left, gone = fifo.realised, quantity, 0
    lots = fifo.lots
    for lot in lots:
        taken = min(lot.quantity, left)
        gain = times(taken, minus(price, lot.price))
        realised = plus(realised, gain if held > 0 else gain.copy_negate())
        left = minus(left, taken)
        if taken < lot.quantity:
            first = Lot(minus(lot.quantity, taken), lot.price)
            return Fifo((first, *lots[gone + 1 :]), realised)
        gone += 1
        if not left:
            break
    return Fifo(lots[gone:], realised)


def _charged(fees: Mapping[str, Decimal], fill: OrderFilled) -> Mapping[str, Decimal]:
    if not fill.fee:
        return fees
    return {**fees, fill.fee_token: plus(fees.get(fill.fee_token, ZERO), fill.fee)}


def _part(cost: Decimal, closed: Decimal, quantity: Decimal) -> Decimal:
    """The part of a cost that a part of a quantity bears."""
    if closed == quantity:
        return cost
    return _rounded(_WIDE.divide(_CHECKED.multiply(cost, closed), quantity))


def _rounded(value: Decimal) -> Decimal:
    """To COST_DIGITS after the point, without zeros at the end."""
    shown = _WIDE.quantize(value, _FINEST).normalize(_WIDE)
    _, _, exponent = shown.as_tuple()
    is_whole = isinstance(exponent, int) and exponent > 0
    return _WIDE.quantize(shown, Decimal(1)) if is_whole else shown
