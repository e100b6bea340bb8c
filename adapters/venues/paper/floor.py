"""The trading floor: engine, ledger and prices of one venue process, without HTTP.

Every method that answers about orders, trades or balances answers only what is durable, so an
order that was accepted before a lookup arrived is found by it.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from adapters.venues.market_port import PublicTrade
from adapters.venues.paper import tape
from adapters.venues.paper.committer import Committer
from adapters.venues.paper.engine import Engine, Update
from adapters.venues.paper.faults import FaultScript
from adapters.venues.paper.ledger import Ledger, RequestRow
from adapters.venues.paper.market import PriceSeries, read_bars
from adapters.venues.paper.public_streams import PublicStreams
from adapters.venues.paper.settings import PairTerms, Settings
from adapters.venues.paper.streams import Streams
from adapters.venues.port import (
    Balance,
    Candle,
    OrderBook,
    OrderRequest,
    Ticker,
    TradingRule,
    VenueOrder,
    VenueRefused,
    VenueStatus,
    VenueTrade,
)

Answer = TypeVar("Answer", bound=VenueOrder | None)


def now_us() -> int:
    return time.time_ns() // 1_000


class Floor:
    def __init__(self, settings: Settings) -> None:
        self.faults = FaultScript(settings.faults)
        self.streams = Streams()
        self.public_streams = PublicStreams(self.order_book)
        self._settings = settings
        self._ledger = Ledger(settings.file)
        self._engine = Engine(settings.terms, self._ledger.numbers())
        for account, balance in self._ledger.all_balances():
            self._engine.wallet.restore(account, balance)
        ticks = {terms.rule.pair: terms.rule.tick for terms in settings.terms.pairs}
        for order in self._ledger.resting(ticks):
            self._engine.restore(order)
        self._engine.take_changes()
        self._committer = Committer(self._engine, self._ledger, self._publish)
        anchor_us = self._anchor_us()
        self._series = {
            terms.rule.pair: self._series_of(terms, anchor_us) for terms in settings.terms.pairs
        }
        self._tape = tape.Tape(self._series)
        self._overrides: dict[str, Decimal] = {}
        for pair in self._series:
            text = self._ledger.note(f"price:{pair}")
            if text:
                self._overrides[pair] = Decimal(text)
        self._step_prices()

    async def place(self, account: str, request: OrderRequest) -> VenueOrder:
        arrived_us = now_us()
        return await self._logged(
            RequestRow(arrived_us, account, "place", request.pair, request.client_order_id, ""),
            lambda: self._engine.place(account, request, arrived_us),
        )

    async def cancel(self, account: str, pair: str, client_order_id: str) -> VenueOrder:
        """Cancel an open order; of a closed one answer the newest with this id."""
        arrived_us = now_us()
        closed = await self._logged(
            RequestRow(arrived_us, account, "cancel", pair, client_order_id, ""),
            lambda: self._engine.close((account, pair, client_order_id), arrived_us),
        )
        order = closed or self._ledger.newest_order(account, pair, client_order_id)
        if order is None:
            raise VenueRefused("unknown_order", f"{account} has no order {client_order_id}")
        return order

    async def note_fault(self, row: RequestRow) -> None:
        """Log a request that a fault kept away from the engine."""
        self._committer.log(row)
        await self._committer.durable()

    async def order(self, account: str, pair: str, client_order_id: str) -> VenueOrder | None:
        await self._committer.durable()
        order = self._ledger.newest_order(account, pair, client_order_id)
        if order is None:
            return None
        age_seconds = (now_us() - order.created_at_us) / 1_000_000
        return None if self.faults.hides(client_order_id, age_seconds) else order

    async def open_orders(self, account: str) -> list[VenueOrder]:
        await self._committer.durable()
        return self._ledger.open_orders(account)

    async def trades_since(self, account: str, sequence: int, limit: int) -> list[VenueTrade]:
        await self._committer.durable()
        return self._ledger.trades_since(account, sequence, limit)

    async def trades_of(self, account: str, pair: str, client_order_id: str) -> list[VenueTrade]:
        """Return the trades of the newest order with this id."""
        await self._committer.durable()
        order = self._ledger.newest_order(account, pair, client_order_id)
        return [] if order is None else self._ledger.trades_of(order)

    async def balances(self, account: str) -> list[Balance]:
        self._engine.wallet.open_account(account)
        await self._committer.durable()
        return self._ledger.balances(account)

    def trading_rules(self) -> list[TradingRule]:
        return [book.rule for book in self._engine.books.values()]

    def ticker(self, pair: str) -> Ticker:
        """Return the best prices; `last` is the price of the candle in progress."""
        book = self._engine.book(pair)
        now = now_us()
        bids, asks = book.levels("BUY", 1), book.levels("SELL", 1)
        last = self._price(pair, now).quantize(book.rule.tick)
        return Ticker(
            pair=pair,
            bid=bids[0][0] if bids else last,
            ask=asks[0][0] if asks else last,
            last=last,
            at_us=now,
        )

    def order_book(self, pair: str, depth: int) -> OrderBook:
        book = self._engine.book(pair)
        return OrderBook(
            pair=pair,
            bids=book.levels("BUY", depth),
            asks=book.levels("SELL", depth),
            at_us=now_us(),
        )

    def public_trades(self, pair: str, limit: int) -> list[PublicTrade]:
        self._engine.book(pair)
        return self._tape.latest(pair, limit)

    def candles(
        self, pair: str, interval: str, start_us: int | None, limit: int
    ) -> tuple[Candle, ...]:
        self._engine.book(pair)
        return self._series[pair].candles(interval, start_us, limit, now_us())

    async def set_price(self, pair: str, price: Decimal | None) -> Ticker:
        """Hold the price still, also over restarts, until it is set to None."""
        self._engine.book(pair)
        self._overrides.pop(pair, None)
        if price is not None:
            self._overrides[pair] = price
        await self._committer.note(f"price:{pair}", "" if price is None else str(price))
        self._step_prices()
        await self._committer.durable()
        return self.ticker(pair)

    async def close_order(
        self, account: str, pair: str, client_order_id: str, status: VenueStatus, reason: str
    ) -> VenueOrder:
        """Close an open order from the venue's side."""
        key = (account, pair, client_order_id)
        order = self._engine.close(key, now_us(), status, reason)
        await self._committer.durable()
        if order is None:
            raise VenueRefused("unknown_order", f"{account} has no open order {client_order_id}")
        return order

    async def ledger(self) -> dict[str, list[dict[str, object]]]:
        await self._committer.durable()
        return self._ledger.dump()

    async def run_commits(self) -> None:
        await self._committer.run()

    async def run_prices(self) -> None:
        while True:
            await asyncio.sleep(self._settings.price_step_seconds)
            self._step_prices()
            self._committer.wake()

    def cut_streams(self) -> None:
        self.streams.cut_all()
        self.public_streams.cut_all()

    def stop(self) -> None:
        """End `run_commits` after what is waiting is written."""
        self._committer.stop()

    def close(self) -> None:
        self._ledger.close()

    async def _logged(self, row: RequestRow, act: Callable[[], Answer]) -> Answer:
        """Act, and answer when both the effect and the request's row are durable."""
        self._engine.wallet.open_account(row.account)
        try:
            answer = act()
        except VenueRefused as refusal:
            self._committer.log(row._replace(outcome=refusal.code))
            await self._committer.durable()
            raise
        self._committer.log(row._replace(outcome="accepted" if answer else "not_open"))
        await self._committer.durable()
        return answer

    def _publish(self, updates: list[tuple[str, Update]]) -> None:
        for account, update in updates:
            for told in self.faults.on_stream(account, update):
                self.streams.tell(account, told)
        for pair, trade in tape.public(updates):
            self._show(pair, trade)

    def _show(self, pair: str, trade: PublicTrade) -> None:
        self._tape.add(pair, trade)
        self.public_streams.traded(pair, (trade,))

    def _step_prices(self) -> None:
        now = now_us()
        for pair in self._series:
            self._engine.advance(pair, self._price(pair, now), now)
            self.public_streams.step(pair)
            printed = self._tape.synthetic(self._engine.book(pair), now)
            if printed is not None:
                self._show(pair, printed)

    def _price(self, pair: str, at_us: int) -> Decimal:
        return self._overrides.get(pair) or self._series[pair].price(at_us)

    def _series_of(self, terms: PairTerms, anchor_us: int) -> PriceSeries:
        bars, interval_us = read_bars(terms.candles_file)
        return PriceSeries(
            bars,
            interval_us,
            anchor_us=anchor_us,
            speed=self._settings.speed,
            tick=terms.rule.tick,
        )

    def _anchor_us(self) -> int:
        """When this ledger was first opened: restarts must not rewrite the price's history."""
        text = self._ledger.note("anchor_us")
        if text is None:
            text = str(now_us())
            self._ledger.save_note("anchor_us", text)
        return int(text)
