"""Profit and loss of our own fills, pair by pair, with what is open at its latest price."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec
from litestar import Request, get
from msgspec import Struct

from api.audit.events import iso
from api.deps import deps_of
from api.http.decoding import Query
from api.lists import listing_of, reads
from api.portfolio.pnl_prices import Book, Price, live_prices, observed_prices
from api.reply import Reply
from api.schemas import ActiveFilter, Pagination
from domain import pnl
from domain.amounts import plus

_SUMMARY = (
    "Profit and loss of our own fills by account, connector and pair, in the pair's quote token, "
    "in the order in which pairs were first traded. Realised is before fees, by average cost and "
    "first in, first out; unrealised is at `price`, as it was at `priced_at`. Funding is not in "
    "it, nor what was held before our first fill. With as_of, prices are the last snapshot's."
)


class Figures(Struct, frozen=True):
    """By one method, in the pair's quote token."""

    realized_pnl_quote: float
    """Before fees."""
    open_cost_quote: float
    """What the open quantity cost; below 0 what a short was sold for."""
    breakeven_price: float | None
    """Before fees; null where nothing is open."""
    unrealized_pnl_quote: float | None
    """Null where something is open and no price is known."""


class PnlItem(Struct, frozen=True):
    account_name: str
    connector_name: str
    trading_pair: str
    position_side: Literal["LONG", "SHORT", "FLAT"]
    net_amount_base: float
    """Bought less sold, at spot less fees in base; below 0 for a short."""
    average_cost: Figures
    fifo: Figures | None
    """Null while more than 2000 lots of different prices are open, until the next time that
    nothing is."""
    price: float | None
    """Null where nothing is open, or no price is known."""
    priced_at: str | None
    price_source: Literal["ticker", "portfolio"] | None
    """The venue's ticker for the pair, or the prices of the account's last snapshot."""
    buy_amount_base: float
    buy_amount_quote: float
    sell_amount_base: float
    sell_amount_quote: float
    volume_base: float
    volume_quote: float
    fees: dict[str, float]
    """By the token they were charged in; below 0 where the venue paid."""
    cum_fees_quote: float
    """Those in base (at their fills' prices) and in quote."""
    fees_not_converted: list[str]
    """Tokens whose fees are not in `cum_fees_quote`."""
    trades: int
    first_trade_at: str
    last_trade_at: str


class PnlPage(Struct, frozen=True):
    data: list[PnlItem]
    pagination: Pagination


class _Row(Struct, frozen=True):
    account: str
    connector: str
    pair: str
    quantity: Decimal
    cost: Decimal
    realised: Decimal
    fifo_cost: Decimal | None
    fifo_realised: Decimal | None
    bought: Decimal
    bought_notional: Decimal
    sold: Decimal
    sold_notional: Decimal
    fees: dict[str, Decimal]
    fees_quote: Decimal
    trades: int
    first_trade_us: int
    last_trade_us: int

    @property
    def book(self) -> Book:
        return Book(self.account, self.connector, self.pair)


_decode = msgspec.json.Decoder(list[_Row]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_query = Query(ActiveFilter)


@get("/portfolio/pnl", opt=reads(_SUMMARY, PnlPage, query=ActiveFilter))
async def profit_and_loss(request: Request[Any, Any, Any]) -> Reply:
    async def complete(items: bytes, position: int, is_now: bool) -> bytes:
        found = _decode(items)
        prices = await _prices(request, found, position, is_now=is_now)
        return _encode([_item(row, prices.get(row.book)) for row in found])

    return await listing_of(request, "pnl").page(request, _query(request), complete)


async def _prices(
    request: Request[Any, Any, Any], found: list[_Row], position: int, *, is_now: bool
) -> Mapping[Book, Price]:
    """Of the pairs in which something is open."""
    books = {row.book for row in found if row.quantity}
    live = await live_prices(request.app.state.quotes, books) if is_now else {}
    rest = await observed_prices(deps_of(request), books - live.keys(), position)
    return {**rest, **live}


def _item(row: _Row, price: Price | None) -> dict[str, Any]:
    """A PnlItem, with all digits."""
    fifo = None
    if row.fifo_cost is not None and row.fifo_realised is not None:
        fifo = _figures(row.quantity, row.fifo_cost, row.fifo_realised, price)
    return {
        "account_name": row.account,
        "connector_name": row.connector,
        "trading_pair": row.pair,
        "position_side": pnl.side_of(row.quantity),
        "net_amount_base": row.quantity,
        "average_cost": _figures(row.quantity, row.cost, row.realised, price),
        "fifo": fifo,
        "price": price and price.price,
        "priced_at": price and iso(price.at_us),
        "price_source": price and price.source,
        "buy_amount_base": row.bought,
        "buy_amount_quote": row.bought_notional,
        "sell_amount_base": row.sold,
        "sell_amount_quote": row.sold_notional,
        "volume_base": plus(row.bought, row.sold),
        "volume_quote": plus(row.bought_notional, row.sold_notional),
        "fees": row.fees,
        "cum_fees_quote": row.fees_quote,
        "fees_not_converted": pnl.not_converted(row.pair, row.fees),
        "trades": row.trades,
        "first_trade_at": iso(row.first_trade_us),
        "last_trade_at": iso(row.last_trade_us),
    }


def _figures(
    quantity: Decimal, cost: Decimal, realised: Decimal, price: Price | None
) -> dict[str, Decimal | None]:
    unrealised = None if price is None else pnl.unrealised(quantity, cost, price.price)
    return {
        "realized_pnl_quote": realised,
        "open_cost_quote": cost,
        "breakeven_price": pnl.breakeven(quantity, cost),
        "unrealized_pnl_quote": unrealised if quantity else Decimal(0),
    }
