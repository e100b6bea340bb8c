"""Futures accounts: one USDT wallet, positions (one-way or hedge), leverage, payments.

Cross margin only. What an order needs is its notional at the account's leverage, of the part that
does not make a position smaller.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from tests.doubles.binance import refusals
from tests.doubles.binance.records import (
    ZERO,
    HoldingsEvent,
    Income,
    IncomeKind,
    NewOrder,
    Order,
    Position,
    PositionSide,
    Side,
)
from tests.doubles.binance.settlement import Moved
from tests.doubles.binance.symbols import MAKER_FEE, TAKER_FEE

ASSET = "USDT"
LEVERAGE_DEFAULT = 20
_DUST = Decimal("0.00000001")
PositionKey = tuple[str, str, PositionSide]


class Touched(NamedTuple):
    wallets: dict[str, Decimal]
    positions: dict[PositionKey, Position]
    incomes: list[Income]


class Margin:
    def __init__(
        self, mark: Callable[[str], Decimal], open_orders: Callable[[str], Iterable[Order]]
    ) -> None:
        self.wallets: dict[str, Decimal] = {}
        self.positions: dict[PositionKey, Position] = {}
        self.leverage: dict[tuple[str, str], int] = {}
        self.hedged: set[str] = set()
        self.incomes: list[Income] = []
        self._mark = mark
        self._open_orders = open_orders
        self._touched_wallets: set[str] = set()
        self._touched_positions: set[PositionKey] = set()
        self._new_incomes: list[Income] = []

    def take_touched(self) -> Touched:
        touched = Touched(
            {account: self.wallets[account] for account in self._touched_wallets},
            {key: self.positions[key] for key in self._touched_positions},
            self._new_incomes,
        )
        self._touched_wallets, self._touched_positions = set(), set()
        self._new_incomes = []
        return touched

    def leverage_of(self, account: str, symbol: str) -> int:
        return self.leverage.get((account, symbol), LEVERAGE_DEFAULT)

    def position(self, account: str, symbol: str, side: PositionSide) -> Position:
        return self.positions.get((account, symbol, side), Position())

    def positions_of(self, account: str) -> list[tuple[str, PositionSide, Position]]:
        """Those that are not empty."""
        return [
            (symbol, side, position)
            for (owner, symbol, side), position in sorted(self.positions.items())
            if owner == account and position.amount
        ]

    def unrealized(self, symbol: str, position: Position) -> Decimal:
        return position.amount * (self._mark(symbol) - position.entry_price)

    def available(self, account: str) -> Decimal:
        held = ZERO
        for symbol, _, position in self.positions_of(account):
            notional = abs(position.amount) * self._mark(symbol)
            held += notional / self.leverage_of(account, symbol)
            held -= self.unrealized(symbol, position)
        for order in self._open_orders(account):
            if not self._reduces(account, order.symbol, order.side, order.position_side):
                notional = order.remaining * order.price
                held += notional / self.leverage_of(account, order.symbol)
        return self.wallets.get(account, ZERO) - held

    def pay(
        self,
        account: str,
        symbol: str,
        kind: IncomeKind,
        amount: Decimal,
        now_ms: int,
    ) -> None:
        """Book an amount into the wallet, or out of it; nothing where it is 0."""
        if not amount:
            return
        self.deposit(account, amount)
        income = Income(
            account=account,
            symbol=symbol,
            kind=kind,
            amount=amount,
            asset=ASSET,
            time_ms=now_ms,
            transaction_id=len(self.incomes) + 1,
        )
        self.incomes.append(income)
        self._new_incomes.append(income)

    def deposit(self, account: str, amount: Decimal) -> None:
        self.wallets[account] = self.wallets.get(account, ZERO) + amount
        self._touched_wallets.add(account)

    def reserve(self, account: str, new: NewOrder, cost: Decimal, takes: Decimal) -> Decimal:
        """Nothing is locked: open orders are counted whenever somebody asks what is available."""
        is_hedged = account in self.hedged
        if is_hedged != (new.position_side != "BOTH"):
            raise refusals.wrong_position_side()
        if is_hedged and new.reduce_only:
            raise refusals.reduce_only_not_required()
        closable = self._closable(account, new.symbol, new.side, new.position_side)
        is_reducing = new.reduce_only or (is_hedged and self._is_closing(new))
        if is_reducing and (not closable or (is_hedged and new.quantity > closable)):
            raise refusals.reduce_only_rejected()
        opening = ZERO if is_reducing else max(ZERO, new.quantity - closable)
        price = new.price or (cost / takes if takes else self._mark(new.symbol))
        if opening * price / self.leverage_of(account, new.symbol) > self.available(account):
            raise refusals.insufficient_margin()
        return ZERO

    def release(self, order: Order) -> None:
        """Nothing was locked."""

    def fill_limit(self, order: Order, quantity: Decimal) -> Decimal:
        if not order.reduce_only and order.position_side == "BOTH":
            return quantity
        if order.position_side != "BOTH" and (order.side == "BUY") == (
            order.position_side == "LONG"
        ):
            return quantity
        closable = self._closable(order.account, order.symbol, order.side, order.position_side)
        return min(quantity, closable)

    def settle(
        self, order: Order, price: Decimal, quantity: Decimal, now_ms: int, *, is_maker: bool
    ) -> Moved:
        key = (order.account, order.symbol, order.position_side)
        position = self.positions.setdefault(key, Position())
        self._touched_positions.add(key)
        signed = quantity if order.side == "BUY" else -quantity
        realized = _apply(position, signed, price)
        position.updated_ms = now_ms
        rate = (MAKER_FEE if is_maker else TAKER_FEE)["futures"]
        fee = (price * quantity * rate).quantize(_DUST)
        self.pay(order.account, order.symbol, "REALIZED_PNL", realized, now_ms)
        self.pay(order.account, order.symbol, "COMMISSION", -fee, now_ms)
        return Moved(fee, ASSET, realized)

    def holdings_event(self, order: Order) -> HoldingsEvent | None:
        """Of fills only; opening or cancelling an order changes neither wallet nor position."""
        if order.status not in {"PARTIALLY_FILLED", "FILLED"}:
            return None
        position = self.position(order.account, order.symbol, order.position_side)
        row = (order.symbol, order.position_side, position.amount, position.entry_price)
        return self.told(order.account, "ORDER", row)

    def told(
        self,
        account: str,
        reason: str,
        *positions: tuple[str, PositionSide, Decimal, Decimal],
    ) -> HoldingsEvent:
        wallet = self.wallets.get(account, ZERO)
        return HoldingsEvent(account, "futures", reason, ((ASSET, wallet, wallet),), positions)

    def _closable(self, account: str, symbol: str, side: Side, held: PositionSide) -> Decimal:
        """How much an order of `side` can take off the position."""
        amount = self.position(account, symbol, held).amount
        return max(ZERO, -amount if side == "BUY" else amount)

    def _reduces(self, account: str, symbol: str, side: Side, held: PositionSide) -> bool:
        return bool(self._closable(account, symbol, side, held))

    @staticmethod
    def _is_closing(new: NewOrder) -> bool:
        return (new.side == "SELL") == (new.position_side == "LONG")


def _apply(position: Position, signed: Decimal, price: Decimal) -> Decimal:
    """Add a fill to a position; returns what it realized."""
    amount = position.amount
    if not amount or (amount > 0) == (signed > 0):
        value = abs(amount) * position.entry_price + abs(signed) * price
        position.amount = amount + signed
        position.entry_price = (value / abs(position.amount)).quantize(_DUST)
        return ZERO
    closed = min(abs(amount), abs(signed))
    gain = (price - position.entry_price) * (closed if amount > 0 else -closed)
    position.amount = amount + signed
    if not position.amount:
        position.entry_price = ZERO
    elif (position.amount > 0) != (amount > 0):
        position.entry_price = price
    return gain.quantize(_DUST)
