"""All that clients and venues may rely on, as a model that fits on a page."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from commands import codec
from commands.request import Outcome, Request
from domain.limits import SetLimits
from domain.log import Receipt, Recorded
from domain.order import Order, evolve
from domain.order_messages import RecordFill
from domain.switch import EngageSwitch, LiftSwitch

WORTH = Decimal("50000.0")
"""Of every order that is placed here."""


def open_orders(log: Sequence[Recorded]) -> int:
    """Count them from the orders themselves."""
    states: dict[str, Order] = {}
    for recorded in log:
        if recorded.stream.startswith("order-"):
            event = codec.decode_recorded(recorded)
            before = states.get(recorded.stream, Order())
            states[recorded.stream] = evolve(before, event)  # type: ignore[arg-type]  # an order's
    return sum(state.is_live for state in states.values())


class Model(Struct):
    """All that clients and venues may rely on, without events, versions or seals."""

    receipts: dict[str, Receipt] = {}
    requests: list[Request] = []
    placed: set[str] = set()
    fills: dict[str, dict[str, Decimal]] = {}
    engaged: set[str] = set()
    limits: SetLimits = SetLimits("main")

    def refusal_of(self, name: str, log: Sequence[Recorded]) -> str | None:
        """Answer the code with which the order is to be refused, if it is new and sent now."""
        if self.engaged:
            return "kill_switch"
        if name in self.placed:
            return "order_exists"
        worth = self.limits.notional_per_order
        if worth is not None and worth < WORTH:
            return "notional_limit"
        if self.limits.open_orders is not None and open_orders(log) >= self.limits.open_orders:
            return "open_orders_limit"
        most = self.limits.orders_per_minute  # The clock stands still: it is all one minute.
        return "orders_per_minute_limit" if most is not None and len(self.placed) >= most else None

    def answered(self, request: Request, outcome: Outcome, refusal: str | None) -> None:
        earlier = self.receipts.get(request.command_id)
        assert outcome.is_replay == (earlier is not None)
        if earlier is not None:
            assert outcome.receipt == earlier, "P-L2: one outcome for ever"
            return
        receipt = outcome.receipt
        self.receipts[request.command_id] = receipt
        self.requests.append(request)
        name = request.stream.removeprefix("order-")
        kind = receipt.kind
        if kind == "order.place":
            assert receipt.code == refusal
            if refusal is None:
                self.placed.add(name)
        elif isinstance(request.command, EngageSwitch):
            assert receipt.events == (request.command.scope not in self.engaged)
            self.engaged.add(request.command.scope)
        elif isinstance(request.command, LiftSwitch):
            assert receipt.events == (request.command.scope in self.engaged)
            self.engaged.discard(request.command.scope)
        elif isinstance(request.command, SetLimits):
            self.limits = request.command
        elif kind.startswith("order.") and name not in self.placed:
            assert receipt.code == "unknown_order"
        elif isinstance(request.command, RecordFill):
            known = self.fills.setdefault(name, {})
            assert receipt.events == (request.command.trade_id not in known), "P-V4"
            known.setdefault(request.command.trade_id, request.command.quantity)
