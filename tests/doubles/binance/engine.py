"""Matching for one market: price, then time; everything it does is told in `take_changes`.

What an order must hold, and what a fill moves, is the settlement's: `spot_wallet` or `margin`.
"""

from collections import deque
from decimal import Decimal
from typing import NamedTuple

from msgspec import structs

from tests.doubles.binance import refusals
from tests.doubles.binance.book import Book, opposite, reaches
from tests.doubles.binance.records import (
    ZERO,
    Execution,
    NewOrder,
    Order,
    OrderEvent,
    PublicTrade,
    Status,
    Trade,
    UserEvent,
)
from tests.doubles.binance.settlement import Settlement
from tests.doubles.binance.symbols import SYMBOLS, Market

_PUBLIC_TRADES_MAX = 5_000


class Changes(NamedTuple):
    events: list[UserEvent]
    orders: dict[int, Order]
    trades: list[Trade]
    public: list[PublicTrade]


class Engine:
    def __init__(self, market: Market, settlement: Settlement) -> None:
        self.market = market
        self.books = {name: Book(symbol) for name, symbol in SYMBOLS[market].items()}
        self.orders: dict[int, Order] = {}
        self.open: dict[str, dict[int, Order]] = {}
        self.trades: list[Trade] = []
        self.public: dict[str, deque[PublicTrade]] = {
            name: deque(maxlen=_PUBLIC_TRADES_MAX) for name in self.books
        }
        self.last_order_id = 0
        self.last_trade_id = 0
        self._settlement = settlement
        self._by_client_id: dict[tuple[str, str, str], Order] = {}
        self._trades_of: dict[int, list[Trade]] = {}
        self._orders_of: dict[tuple[str, str], list[Order]] = {}
        self._account_trades: dict[tuple[str, str], list[Trade]] = {}
        self._changes = Changes([], {}, [], [])

    def restore(self, order: Order) -> None:
        """Know an order of the ledger again; in the order of their ids."""
        self._enlist(order)
        self.last_order_id = max(self.last_order_id, order.order_id)
        if order.is_open:
            self.books[order.symbol].rest(order)

    def book(self, name: str) -> Book:
        book = self.books.get(name)
        if book is None:
            raise refusals.bad_symbol()
        return book

    def find(self, account: str, symbol: str, client_order_id: str) -> Order | None:
        return self._by_client_id.get((account, symbol, client_order_id))

    def trades_of(self, order: Order) -> list[Trade]:
        return self._trades_of.get(order.order_id, [])

    def orders_in(self, account: str, symbol: str) -> list[Order]:
        return self._orders_of.get((account, symbol), [])

    def trades_in(self, account: str, symbol: str) -> list[Trade]:
        return self._account_trades.get((account, symbol), [])

    def add_trade(self, trade: Trade) -> None:
        self.trades.append(trade)
        self._trades_of.setdefault(trade.order_id, []).append(trade)
        self._account_trades.setdefault((trade.account, trade.symbol), []).append(trade)

    def place(self, account: str, new: NewOrder, now_ms: int) -> Order:
        """Accept and match one order that has passed the filters."""
        book = self.book(new.symbol)
        book.refill()
        takes, cost = book.cost(new.side, new.quantity, new.price)
        if (new.type == "LIMIT_MAKER" or new.time_in_force == "GTX") and takes:
            if self.market == "spot":
                raise refusals.would_match()
            raise refusals.would_be_taker()
        locked = self._settlement.reserve(account, new, cost, takes)
        order = self._accept(account, new, locked, now_ms)
        if new.time_in_force != "FOK" or takes == new.quantity:
            self._match(book, order, now_ms)
        if order.remaining and order.is_open:
            if new.type == "MARKET" or new.time_in_force in {"IOC", "FOK"}:
                self._close(book, order, "EXPIRED", now_ms)
            else:
                book.rest(order)
        return order

    def cancel(self, order: Order, now_ms: int, cancel_id: str = "") -> None:
        self._close(self.books[order.symbol], order, "CANCELED", now_ms, cancel_id)

    def fill(self, order: Order, quantity: Decimal, now_ms: int) -> None:
        """Let somebody outside trade against a resting order."""
        book = self.books[order.symbol]
        self._trade(book, order.price, quantity, now_ms, maker=order, taker=None)

    def move(self, name: str, price: Decimal, now_ms: int) -> None:
        """Move the maker's ladder; resting orders that it reaches fill at their own price."""
        book = self.book(name)
        book.mid = price
        for maker_side in ("SELL", "BUY"):
            sign = 1 if maker_side == "SELL" else -1
            side = opposite(maker_side)
            first = price // book.symbol.tick * book.symbol.tick + sign * book.step
            while (best := book.best_resting(side)) is not None and reaches(side, best, first):
                for order in book.resting_at(side, best):
                    self.fill(order, order.remaining, now_ms)
        book.refill()

    def print_trade(
        self, name: str, price: Decimal, quantity: Decimal, now_ms: int, *, is_buyer_maker: bool
    ) -> None:
        """A public trade between others."""
        self.last_trade_id += 1
        trade = PublicTrade(
            symbol=name,
            trade_id=self.last_trade_id,
            price=price,
            quantity=quantity,
            time_ms=now_ms,
            is_buyer_maker=is_buyer_maker,
        )
        self.public[name].append(trade)
        self._changes.public.append(trade)

    def take_changes(self) -> Changes:
        changes, self._changes = self._changes, Changes([], {}, [], [])
        return changes

    def tell(self, event: UserEvent | None) -> None:
        if event is not None:
            self._changes.events.append(event)

    def _accept(self, account: str, new: NewOrder, locked: Decimal, now_ms: int) -> Order:
        self.last_order_id += 1
        order = Order(
            market=self.market,
            symbol=new.symbol,
            order_id=self.last_order_id,
            account=account,
            client_order_id=new.client_order_id,
            side=new.side,
            type=new.type,
            time_in_force=new.time_in_force,
            quantity=new.quantity,
            price=new.price or ZERO,
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=locked,
            position_side=new.position_side,
            reduce_only=new.reduce_only,
        )
        self._enlist(order)
        self._tell(order, "NEW")
        self.tell(self._settlement.holdings_event(order))
        return order

    def _enlist(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self._orders_of.setdefault((order.account, order.symbol), []).append(order)
        self._by_client_id[order.account, order.symbol, order.client_order_id] = order
        if order.is_open:
            self.open.setdefault(order.account, {})[order.order_id] = order

    def _match(self, book: Book, taker: Order, now_ms: int) -> None:
        side = opposite(taker.side)
        limit = None if taker.type == "MARKET" else taker.price
        for price, _ in book.offers(taker.side, limit):
            for maker in book.resting_at(side, price):
                if not taker.remaining or not taker.is_open:
                    return
                quantity = min(taker.remaining, maker.remaining)
                self._trade(book, price, quantity, now_ms, maker=maker, taker=taker)
            if not taker.remaining or not taker.is_open:
                return
            quantity = min(taker.remaining, book.maker[side].get(price, ZERO))
            if quantity:
                book.take_from_maker(side, price, quantity)
                self._trade(book, price, quantity, now_ms, maker=None, taker=taker)

    def _trade(
        self,
        book: Book,
        price: Decimal,
        quantity: Decimal,
        now_ms: int,
        *,
        maker: Order | None,
        taker: Order | None,
    ) -> None:
        """One trade id for both sides; None is somebody outside."""
        buyer_makes = maker.side == "BUY" if maker else taker is not None and taker.side == "SELL"
        self.print_trade(book.symbol.name, price, quantity, now_ms, is_buyer_maker=buyer_makes)
        if maker is not None:
            self._settle(book, maker, price, quantity, now_ms, is_maker=True)
        if taker is not None:
            self._settle(book, taker, price, quantity, now_ms, is_maker=False)

    def _settle(
        self,
        book: Book,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        now_ms: int,
        *,
        is_maker: bool,
    ) -> None:
        allowed = self._settlement.fill_limit(order, quantity)
        if not allowed:
            self._close(book, order, "EXPIRED", now_ms)
            return
        moved = self._settlement.settle(order, price, allowed, now_ms, is_maker=is_maker)
        order.filled += allowed
        order.quote_filled += price * allowed
        order.updated_ms = now_ms
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        trade = Trade(
            market=self.market,
            symbol=order.symbol,
            trade_id=self.last_trade_id,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            account=order.account,
            side=order.side,
            price=price,
            quantity=allowed,
            fee=moved.fee,
            fee_asset=moved.fee_asset,
            is_maker=is_maker,
            time_ms=now_ms,
            position_side=order.position_side,
            realized=moved.realized,
        )
        self.add_trade(trade)
        self._changes.trades.append(trade)
        if is_maker:
            book.touch(order.side, order.price)
        if not order.remaining:
            self._settlement.release(order)
            book.discard(order)
            del self.open[order.account][order.order_id]
        self._tell(order, "TRADE", trade)
        self.tell(self._settlement.holdings_event(order))
        if allowed < quantity and order.is_open:
            self._close(book, order, "EXPIRED", now_ms)

    def _close(
        self, book: Book, order: Order, status: Status, now_ms: int, cancel_id: str = ""
    ) -> None:
        book.discard(order)
        self._settlement.release(order)
        order.status, order.updated_ms = status, now_ms
        del self.open[order.account][order.order_id]
        self._tell(order, "CANCELED" if status == "CANCELED" else "EXPIRED", None, cancel_id)
        self.tell(self._settlement.holdings_event(order))

    def _tell(
        self, order: Order, execution: Execution, trade: Trade | None = None, cancel_id: str = ""
    ) -> None:
        self._changes.orders[order.order_id] = order
        self.tell(OrderEvent(structs.replace(order), execution, trade, cancel_id))
