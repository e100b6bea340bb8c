"""The exchange of one process, without HTTP: both markets, accounts, ledger, faults, clock.

Whoever changes something calls `commit` before answering: it writes the ledger, then tells the
streams. Nothing awaits between the two, so nobody sees what is not durable.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import cast

from tests.doubles.binance.candles import Candles
from tests.doubles.binance.engine import Engine
from tests.doubles.binance.faults import FaultScript
from tests.doubles.binance.ledger import Ledger
from tests.doubles.binance.margin import Margin, PositionKey
from tests.doubles.binance.records import (
    ZERO,
    Account,
    Funds,
    Income,
    Order,
    Position,
    PublicTrade,
    RequestRow,
    Trade,
    UserEvent,
)
from tests.doubles.binance.spot_wallet import SpotWallet
from tests.doubles.binance.symbols import Market

Publish = Callable[[Market, list[UserEvent], list[PublicTrade]], None]
MARKETS: tuple[Market, Market] = ("spot", "futures")


class Exchange:
    def __init__(self, file: Path) -> None:
        self.faults = FaultScript()
        self.requests: Counter[str] = Counter()
        self.accounts: dict[str, Account] = {}
        """By API key."""
        self.clock_offset_ms = 0
        self.listen_keys: dict[str, str] = {}
        """Account by its listen key (futures)."""
        self.lives: dict[tuple[Market, str], asyncio.Task[None]] = {}
        """Books that move by themselves."""
        self.publish: Publish = lambda _market, _events, _trades: None
        self.publish_books: Callable[[], None] = lambda: None
        """Tells what changed in the books and numbers it; a snapshot is taken after it."""
        self.wallet = SpotWallet()
        self.margin = Margin(
            lambda name: self.engines["futures"].books[name].mid,
            lambda account: self.engines["futures"].open.get(account, {}).values(),
        )
        self.engines: dict[Market, Engine] = {
            "spot": Engine("spot", self.wallet),
            "futures": Engine("futures", self.margin),
        }
        self._ledger = Ledger(file)
        self._request_number = 0
        self._restore()
        self.candles = {market: Candles(market, self._started_ms) for market in MARKETS}
        self._ledger.commit()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.clock_offset_ms

    def add_account(self, account: Account) -> None:
        self.accounts[account.key] = account
        self._ledger.put(account.key, account)

    def listen_key(self, account: str) -> str:
        """The account's key, made when it has none."""
        for key, owner in self.listen_keys.items():
            if owner == account:
                return key
        key = secrets.token_hex(32)
        self.listen_keys[key] = account
        return key

    def revoke(self, key: str) -> None:
        self._ledger.forget(self.accounts.pop(key), key)

    def log_request(self, row: RequestRow) -> None:
        self._request_number += 1
        self._ledger.put(f"{self._request_number:012}", row)

    def logged_requests(self) -> list[RequestRow]:
        self._ledger.commit()
        return [row for _, row in self._ledger.read(RequestRow)]

    def note(self, name: str, value: object) -> None:
        """Keep a setting: `mid:market:symbol`, `leverage:symbol:account`, `hedged::account`."""
        self._ledger.note(name, value)

    def commit(self) -> None:
        """Make durable and tell what happened; raises sqlite3.Error, and then tells nothing."""
        changes = {market: self.engines[market].take_changes() for market in MARKETS}
        for market, changed in changes.items():
            for order in changed.orders.values():
                self._ledger.put(f"{market}:{order.order_id:012}", order)
            for trade in changed.trades:
                self._ledger.put(f"{market}:{trade.trade_id:012}:{trade.order_id}", trade)
            for public in changed.public:
                self.candles[market].add(public)
        for (account, asset), funds in self.wallet.take_touched().items():
            self._ledger.put(f"spot:{asset}:{account}", funds)
        touched = self.margin.take_touched()
        for account, balance in touched.wallets.items():
            self._ledger.put(f"futures:USDT:{account}", Funds(balance))
        for key, position in touched.positions.items():
            account, symbol, side = key
            self._ledger.put(f"{symbol}:{side}:{account}", position)
        for income in touched.incomes:
            self._ledger.put(f"{income.transaction_id:012}", income)
        self._ledger.commit()
        for market, changed in changes.items():
            books = self.engines[market].books.values()
            if changed.events or changed.public or any(book.is_touched for book in books):
                self.publish(market, changed.events, changed.public)

    def close(self) -> None:
        self._ledger.close()

    def _restore(self) -> None:
        for key, account in self._ledger.read(Account):
            self.accounts[key] = account
        for key, funds in self._ledger.read(Funds):
            market, asset, owner = key.split(":", 2)
            if market == "spot":
                self.wallet.funds[owner, asset] = funds
            else:
                self.margin.wallets[owner] = funds.free
        for key, position in self._ledger.read(Position):
            symbol, side, owner = key.split(":", 2)
            self.margin.positions[cast("PositionKey", (owner, symbol, side))] = position
        self.margin.incomes.extend(income for _, income in self._ledger.read(Income))
        for _, order in self._ledger.read(Order):
            self.engines[order.market].restore(order)
        for _, trade in self._ledger.read(Trade):
            engine = self.engines[trade.market]
            engine.add_trade(trade)
            engine.last_trade_id = max(engine.last_trade_id, trade.trade_id)
        self._request_number = sum(1 for _ in self._ledger.read(RequestRow))
        self._restore_notes()

    def _restore_notes(self) -> None:
        notes = self._ledger.notes()
        self._started_ms = int(str(notes.get("started_ms", self.now_ms())))
        self.note("started_ms", self._started_ms)
        for name, value in notes.items():
            match name.split(":", 2):
                case ["mid", market, symbol]:
                    book = self.engines[cast("Market", market)].books[symbol]
                    book.mid = Decimal(str(value))
                case ["leverage", symbol, account]:
                    self.margin.leverage[account, symbol] = int(str(value))
                case ["hedged", _, account] if value:
                    self.margin.hedged.add(account)
        for engine in self.engines.values():
            for book in engine.books.values():
                book.refill()
                book.take_delta()

    def last_price(self, market: Market, symbol: str) -> Decimal:
        public = self.engines[market].public[symbol]
        return public[-1].price if public else self.engines[market].books[symbol].mid

    def deposit(self, account: str, market: Market, asset: str, amount: Decimal) -> None:
        if market == "spot":
            funds = self.wallet.of(account, asset)
            funds.free = max(ZERO, funds.free + amount)
        else:
            self.margin.deposit(account, amount)

    def pay_funding(self, name: str, rate: Decimal) -> int:
        """Move `rate` of every position's value from the longs to the shorts, or back."""
        now_ms, engine = self.now_ms(), self.engines["futures"]
        mark, paid = engine.book(name).mid, 0
        for (account, symbol, side), position in tuple(self.margin.positions.items()):
            if symbol != name or not position.amount:
                continue
            payment = (-position.amount * mark * rate).quantize(Decimal("1E-8"))
            self.margin.pay(account, name, "FUNDING_FEE", payment, now_ms)
            row = (name, side, position.amount, position.entry_price)
            engine.tell(self.margin.told(account, "FUNDING_FEE", row))
            paid += 1
        return paid
