"""Every aggregate that the log knows, by the first word of its streams' names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from commands.codec import LogIsNewer
from domain import (
    account,
    actor,
    counting,
    credential,
    funding,
    limits,
    order,
    order_guards,
    order_messages,
    perpetual,
    portfolio,
    position,
    reconciliation,
    switch,
)
from domain.events import Event
from domain.log import Recorded, Routing
from domain.tally import Tally


class Counting(Struct, frozen=True):
    """How an aggregate's events are counted in tallies; see `domain/tally.py`."""

    keys: Callable[[Any, Any], tuple[str, ...]]
    """Of a command and the stream's state. The states of these follow those of the guards."""
    touched: Callable[[Any, Any, Any], tuple[str, ...]]
    """By an event, given the states before and after it; each is one of the command's keys."""
    evolve: Callable[[Any, str, Any, Any, int], Tally]
    """From tally, stream, event, state after it, and when it was recorded."""


class Aggregate(Struct, frozen=True):
    initial: Any
    decide: Callable[[Any, Any, Sequence[Any]], tuple[Event, ...]]
    evolve: Callable[[Any, Any], Any]
    guards: Callable[[Any], tuple[str, ...]]
    routing: Callable[[Any], Routing]
    topic: str
    """The last word of its Kafka topic's name."""
    counting: Counting | None = None
    is_long: bool = False
    """Its streams grow for as long as there is trading: what is not known of one is folded before
    the log's lock is taken."""
    whole: tuple[str, ...] = ()
    """Tags of events that leave nothing of the state before them: the last is enough to fold from.
    """


def _no_guards(_command: object) -> tuple[str, ...]:
    return ()


def _decide_order(
    command: order_messages.Command, state: order.Order, guards: Sequence[Any]
) -> tuple[order_messages.Event, ...]:
    return order.decide(command, state, order_guards.guards_of(command, guards))


def _decide_perpetual(
    command: perpetual.Command, state: perpetual.Perpetual, guards: Sequence[Any]
) -> tuple[perpetual.Event, ...]:
    found, its = guards or (account.Account(), credential.Credential())
    return perpetual.decide(command, state, found, its)


AGGREGATES: Mapping[str, Aggregate] = {
    "account": Aggregate(
        account.Account(),
        lambda command, state, counted: account.decide(command, state, *counted),
        account.evolve,
        _no_guards,
        account.routing,
        "accounts",
        Counting(account.counted, lambda *_: (), lambda counted, *_: counted),
    ),
    "actor": Aggregate(
        actor.Actor(),
        lambda command, state, _guards: actor.decide(command, state),
        actor.evolve,
        _no_guards,
        actor.routing,
        "actors",
    ),
    "credential": Aggregate(
        credential.Credential(),
        lambda command, state, guards: credential.decide(command, state, guards[0]),
        credential.evolve,
        credential.guards,
        credential.routing,
        "credentials",
    ),
    "funding": Aggregate(
        funding.Funding(),
        lambda command, state, _guards: funding.decide(command, state),
        funding.evolve,
        _no_guards,
        funding.routing,
        "funding",
    ),
    "limits": Aggregate(
        limits.Limits(),
        lambda command, state, guards: limits.decide(command, state, guards[0]),
        limits.evolve,
        limits.guards,
        limits.routing,
        "limits",
    ),
    "perpetual": Aggregate(
        perpetual.Perpetual(),
        _decide_perpetual,
        perpetual.evolve,
        perpetual.guards,
        perpetual.routing,
        "perpetuals",
    ),
    "portfolio": Aggregate(
        portfolio.Portfolio(),
        lambda command, state, guards: portfolio.decide(command, state, guards[0]),
        portfolio.evolve,
        portfolio.guards,
        portfolio.routing,
        "portfolios",
        is_long=True,
        whole=(str(portfolio.PortfolioObserved.__struct_config__.tag),),
    ),
    "position": Aggregate(
        position.Position(),
        lambda command, state, _guards: position.decide(command, state),
        position.evolve,
        _no_guards,
        position.routing,
        "positions",
        Counting(counting.position_keys, counting.position_touched, counting.position_evolve),
        is_long=True,
    ),
    "reconciliation": Aggregate(
        reconciliation.Reconciliation(),
        lambda command, state, _guards: reconciliation.decide(command, state),
        reconciliation.evolve,
        _no_guards,
        reconciliation.routing,
        "reconciliations",
    ),
    "switch": Aggregate(
        switch.Switch(),
        lambda command, state, guards: switch.decide(command, state, *guards),
        switch.evolve,
        switch.guards,
        switch.routing,
        "switches",
    ),
    "order": Aggregate(
        order.Order(),
        _decide_order,
        order.evolve,
        order_guards.streams,
        order.routing,
        "orders",
        Counting(counting.keys, counting.touched, counting.evolve),
    ),
}


def aggregate_of(stream: str) -> Aggregate:
    return AGGREGATES[stream.partition("-")[0]]


def topics(prefix: str) -> tuple[str, ...]:
    """Every Kafka topic that there is, in a fixed order."""
    return tuple(sorted(f"{prefix}.{aggregate.topic}" for aggregate in AGGREGATES.values()))


def topic_of(recorded: Recorded, prefix: str) -> str:
    """The Kafka topic of an event; LogIsNewer where this version has no such aggregate."""
    aggregate = AGGREGATES.get(recorded.stream.partition("-")[0])
    if aggregate is None:
        raise LogIsNewer(recorded.tag, recorded.position)
    return f"{prefix}.{aggregate.topic}"
