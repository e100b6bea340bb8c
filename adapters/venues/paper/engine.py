"""Price-time-priority matching of all pairs: pure, the time comes in with every call.

Quantities are in base units, prices in quote per base, fees in the token received. Every fill is
settled against the house account, user against user too, so that the house's balance is the sum
of fees and of what the synthetic liquidity gained. The trap, as at Binance: a client order id is
refused only while the earlier order with it is open; once that is closed it places a new order.
"""

from decimal import Decimal
from typing import NamedTuple

from adapters.venues.paper.book import Book, Order, opposite, reaches
from adapters.venues.paper.rules import check_notional, checked
from adapters.venues.paper.settings import Terms
from adapters.venues.paper.wallet import Wallet
from adapters.venues.port import (
    Balance,
    OrderRequest,
    OrderUpdate,
    Side,
    TradeUpdate,
    VenueOrder,
    VenueRefused,
    VenueStatus,
    VenueTrade,
)

Update = OrderUpdate | TradeUpdate
OrderKey = tuple[str, str, str]


class Changes(NamedTuple):
    """What the engine did since it was last asked, in order, each with its account."""

    updates: list[tuple[str, Update]]
    balances: tuple[tuple[str, Balance], ...]


class Numbers(NamedTuple):
    """The last numbers given out."""

    order: int = 0
    trade: int = 0
    sequence: int = 0


class Engine:
    def __init__(self, terms: Terms, numbers: Numbers = Numbers()) -> None:  # noqa: B008 - immutable
        self.wallet = Wallet(terms.deposits, terms.accounts_max)
        self.books = {pair.rule.pair: Book(pair) for pair in terms.pairs}
        self._terms = terms
        self._order, self._trade, self._sequence = numbers
        self._open: dict[OrderKey, Order] = {}
        self._open_counts: dict[str, int] = {}
        self._updates: list[tuple[str, Update]] = []

    def place(self, account: str, request: OrderRequest, now_us: int) -> VenueOrder:
        """Accept and match one order; raises VenueRefused and then has changed nothing."""
        if now_us > request.expires_at_us:
            late_us = now_us - request.expires_at_us
            raise VenueRefused("request_expired", f"arrived {late_us} us after its expiry")
        book = self.book(request.pair)
        if (account, request.pair, request.client_order_id) in self._open:
            raise VenueRefused("duplicate_client_order_id", "an order with this id is open")
        if self._open_counts.get(account, 0) >= self._terms.open_orders_max:
            raise VenueRefused("too_many_orders", f"{self._terms.open_orders_max} are open")
        quantity, ticks = checked(book.terms, request)
        locked = self._required(book, request.side, quantity, ticks)
        if request.order_type == "LIMIT_MAKER":
            best = next(book.offers(opposite(request.side)), None)
            if best and reaches(request.side, ticks, best.ticks):
                raise VenueRefused("would_cross", "it would trade at once, as a taker")
        self.wallet.open_account(account)
        self.wallet.lock(account, _paid_token(book, request.side), locked)
        order = self._accept(account, request, quantity, ticks, locked, now_us)
        self._match(book, order, now_us)
        if order.remaining:
            if ticks is None:
                self._close(book, order, "cancelled", "no_liquidity_left", now_us)
            else:
                book.rest(ticks, order)
        return order.seen()

    def close(
        self,
        key: OrderKey,
        now_us: int,
        status: VenueStatus = "cancelled",
        reason: str | None = None,
    ) -> VenueOrder | None:
        """Close an open order; None when there is none with this account, pair and id."""
        order = self._open.get(key)
        if order is None:
            return None
        self._close(self.books[order.pair], order, status, reason, now_us)
        return order.seen()

    def advance(self, pair: str, mid: Decimal, now_us: int) -> None:
        """Move the synthetic liquidity to `mid`; resting orders it reaches fill as makers."""
        book = self.books[pair]
        book.liquidity.move(mid, now_us)
        sides: tuple[Side, Side] = ("BUY", "SELL")
        for side in sides:
            other = opposite(side)
            while (order := book.best_order(side)) is not None:
                level = next(book.liquidity.levels(other), None)
                if level is None or order.ticks is None or not reaches(side, order.ticks, level[0]):
                    break
                quantity = min(order.remaining, level[1])
                book.liquidity.take(other, level[0], quantity, now_us)
                self._fill(book, order.ticks, quantity, now_us, maker=order, taker=None)

    def restore(self, order: Order) -> None:
        """Rest an open order again; call in the order in which they were accepted."""
        if order.ticks is None:
            raise ValueError(f"order {order.number} is open without a price: the ledger is damaged")
        self._enlist(order)
        self.books[order.pair].rest(order.ticks, order)

    def take_changes(self) -> Changes:
        updates, self._updates = self._updates, []
        return Changes(updates, self.wallet.take_touched())

    def book(self, pair: str) -> Book:
        book = self.books.get(pair)
        if book is None:
            raise VenueRefused("unknown_pair", f"{pair} is not traded here")
        return book

    def _required(self, book: Book, side: Side, quantity: Decimal, ticks: int | None) -> Decimal:
        """Return what the order must lock; raises VenueRefused for a MARKET order without match."""
        if ticks is not None:
            return quantity if side == "SELL" else quantity * ticks * book.rule.tick
        left, cost = quantity, Decimal(0)
        for offer in book.offers(opposite(side)):
            taken = min(left, offer.quantity)
            cost += taken * offer.ticks * book.rule.tick
            left -= taken
            if not left:
                break
        if left == quantity:
            raise VenueRefused("no_liquidity", "nothing rests on the other side")
        check_notional(book.terms, cost)
        return quantity - left if side == "SELL" else cost

    def _accept(
        self,
        account: str,
        request: OrderRequest,
        quantity: Decimal,
        ticks: int | None,
        locked: Decimal,
        now_us: int,
    ) -> Order:
        self._order += 1
        tick = self.books[request.pair].rule.tick
        order = Order(
            number=self._order,
            account=account,
            client_order_id=request.client_order_id,
            pair=request.pair,
            side=request.side,
            order_type=request.order_type,
            quantity=quantity,
            price=None if ticks is None else ticks * tick,
            ticks=ticks,
            remaining=quantity,
            locked=locked,
            created_at_us=now_us,
            updated_at_us=now_us,
        )
        self._enlist(order)
        self._updates.append((account, OrderUpdate(order.seen())))
        return order

    def _enlist(self, order: Order) -> None:
        self._open[order.account, order.pair, order.client_order_id] = order
        self._open_counts[order.account] = self._open_counts.get(order.account, 0) + 1

    def _match(self, book: Book, taker: Order, now_us: int) -> None:
        other = opposite(taker.side)
        while taker.remaining:
            offer = next(book.offers(other), None)
            if offer is None or not reaches(taker.side, taker.ticks, offer.ticks):
                return
            quantity = min(taker.remaining, offer.quantity)
            if offer.order is None:
                book.liquidity.take(other, offer.ticks, quantity, now_us)
            self._fill(book, offer.ticks, quantity, now_us, maker=offer.order, taker=taker)

    def _fill(
        self,
        book: Book,
        ticks: int,
        quantity: Decimal,
        now_us: int,
        *,
        maker: Order | None,
        taker: Order | None,
    ) -> None:
        """One trade id for both sides; None stands for the synthetic liquidity."""
        self._trade += 1
        if maker is not None:
            self._settle(book, maker, ticks, quantity, now_us, fee_rate=self._terms.maker_fee)
        if taker is not None:
            self._settle(
                book, taker, ticks, quantity, now_us, fee_rate=self._terms.taker_fee, is_maker=False
            )

    def _settle(
        self,
        book: Book,
        order: Order,
        ticks: int,
        quantity: Decimal,
        now_us: int,
        *,
        fee_rate: Decimal,
        is_maker: bool = True,
    ) -> None:
        tick = book.rule.tick
        price = ticks * tick
        if order.side == "BUY":
            spent, received, token = price * quantity, quantity, book.rule.base
            lock_ticks = ticks if order.ticks is None else order.ticks
            unlocked = lock_ticks * tick * quantity
        else:
            spent, received, token = quantity, price * quantity, book.rule.quote
            unlocked = quantity
        fee = received * fee_rate
        order.locked -= unlocked
        order.remaining -= quantity
        order.updated_at_us = now_us
        self.wallet.spend(
            order.account, _paid_token(book, order.side), locked=unlocked, spent=spent
        )
        self.wallet.pay_out(order.account, token, received - fee)
        self._sequence += 1
        trade = VenueTrade(
            trade_id=str(self._trade),
            sequence=self._sequence,
            client_order_id=order.client_order_id,
            exchange_order_id=str(order.number),
            pair=order.pair,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_token=token,
            is_maker=is_maker,
            executed_at_us=now_us,
        )
        self._updates.append((order.account, TradeUpdate(trade)))
        if order.remaining:
            self._updates.append((order.account, OrderUpdate(order.seen())))
        else:
            self._close(book, order, "filled", None, now_us)

    def _close(
        self, book: Book, order: Order, status: VenueStatus, reason: str | None, now_us: int
    ) -> None:
        book.discard(order)
        if order.locked:
            self.wallet.release(order.account, _paid_token(book, order.side), order.locked)
        order.locked = Decimal(0)
        order.status, order.reason, order.updated_at_us = status, reason, now_us
        del self._open[order.account, order.pair, order.client_order_id]
        self._open_counts[order.account] -= 1
        self._updates.append((order.account, OrderUpdate(order.seen())))


def _paid_token(book: Book, side: Side) -> str:
    return book.rule.quote if side == "BUY" else book.rule.base
