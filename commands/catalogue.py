"""Every aggregate that the log knows, by the first word of its streams' names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from domain import account, actor, order, order_messages, reconciliation
from domain.events import Event
from domain.log import Routing


class Aggregate(Struct, frozen=True):
    initial: Any
    decide: Callable[[Any, Any, Sequence[Any]], tuple[Event, ...]]
    evolve: Callable[[Any, Any], Any]
    guards: Callable[[Any], tuple[str, ...]]
    routing: Callable[[Any], Routing]


def _no_guards(_command: object) -> tuple[str, ...]:
    return ()


def _decide_order(
    command: order_messages.Command, state: order.Order, guards: Sequence[account.Account]
) -> tuple[order_messages.Event, ...]:
    return order.decide(command, state, guards[0] if guards else account.Account())


def _decide_reconciliation(
    command: reconciliation.Command,
    state: reconciliation.Reconciliation,
    guards: Sequence[account.Account],
) -> tuple[reconciliation.Event, ...]:
    return reconciliation.decide(command, state, guards[0] if guards else account.Account())


AGGREGATES: Mapping[str, Aggregate] = {
    "account": Aggregate(
        account.Account(),
        lambda command, state, _guards: account.decide(command, state),
        account.evolve,
        _no_guards,
        account.routing,
    ),
    "actor": Aggregate(
        actor.Actor(),
        lambda command, state, _guards: actor.decide(command, state),
        actor.evolve,
        _no_guards,
        actor.routing,
    ),
    "reconciliation": Aggregate(
        reconciliation.Reconciliation(),
        _decide_reconciliation,
        reconciliation.evolve,
        reconciliation.guards,
        reconciliation.routing,
    ),
    "order": Aggregate(order.Order(), _decide_order, order.evolve, order.guards, order.routing),
}


def aggregate_of(stream: str) -> Aggregate:
    return AGGREGATES[stream.partition("-")[0]]
