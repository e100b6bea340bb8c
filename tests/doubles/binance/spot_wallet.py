"""Spot funds: what an account has free, and what its open orders hold."""

from decimal import Decimal

from tests.doubles.binance import refusals
from tests.doubles.binance.records import ZERO, Funds, HoldingsEvent, NewOrder, Order, Side
from tests.doubles.binance.settlement import Moved
from tests.doubles.binance.symbols import MAKER_FEE, SYMBOLS, TAKER_FEE, Symbol

_DUST = Decimal("0.00000001")


class SpotWallet:
    def __init__(self) -> None:
        self.funds: dict[tuple[str, str], Funds] = {}
        self._touched: set[tuple[str, str]] = set()

    def of(self, account: str, asset: str) -> Funds:
        self._touched.add((account, asset))
        return self.funds.setdefault((account, asset), Funds())

    def assets(self, account: str) -> dict[str, Funds]:
        return {asset: funds for (owner, asset), funds in self.funds.items() if owner == account}

    def take_touched(self) -> dict[tuple[str, str], Funds]:
        touched = {key: self.funds[key] for key in self._touched}
        self._touched.clear()
        return touched

    def reserve(self, account: str, new: NewOrder, cost: Decimal, takes: Decimal) -> Decimal:
        symbol = SYMBOLS["spot"][new.symbol]
        if new.side == "SELL":
            needed = takes if new.price is None else new.quantity
        else:
            needed = cost if new.price is None else new.quantity * new.price
        funds = self.of(account, _paid(symbol, new.side))
        if funds.free < needed:
            raise refusals.insufficient_balance()
        funds.free -= needed
        funds.locked += needed
        return needed

    def release(self, order: Order) -> None:
        funds = self.of(order.account, _paid(SYMBOLS["spot"][order.symbol], order.side))
        funds.locked -= order.locked
        funds.free += order.locked
        order.locked = ZERO

    def fill_limit(self, order: Order, quantity: Decimal) -> Decimal:
        del order
        return quantity

    def settle(
        self, order: Order, price: Decimal, quantity: Decimal, now_ms: int, *, is_maker: bool
    ) -> Moved:
        del now_ms
        symbol = SYMBOLS["spot"][order.symbol]
        if order.side == "BUY":
            spent, received, asset = price * quantity, quantity, symbol.base
            unlocked = spent if order.type == "MARKET" else order.price * quantity
        else:
            spent, received, asset = quantity, price * quantity, symbol.quote
            unlocked = quantity
        rate = (MAKER_FEE if is_maker else TAKER_FEE)["spot"]
        fee = (received * rate).quantize(_DUST)
        order.locked -= unlocked
        paid = self.of(order.account, _paid(symbol, order.side))
        paid.locked -= unlocked
        paid.free += unlocked - spent
        self.of(order.account, asset).free += received - fee
        return Moved(fee, asset, ZERO)

    def holdings_event(self, order: Order) -> HoldingsEvent:
        symbol = SYMBOLS["spot"][order.symbol]
        return self.told(order.account, (symbol.base, symbol.quote))

    def told(self, account: str, assets: tuple[str, ...]) -> HoldingsEvent:
        """What the account's stream says of these assets now."""
        funds = [(asset, self.of(account, asset)) for asset in assets]
        rows = tuple((asset, held.free, held.locked) for asset, held in funds)
        return HoldingsEvent(account, "spot", "ORDER", rows)


def _paid(symbol: Symbol, side: Side) -> str:
    return symbol.quote if side == "BUY" else symbol.base
