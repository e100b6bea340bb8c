"""A decision as one sentence: given(events).when(command).then(events), strictly equal.

Guards (an order's account) are given by the events of their own streams, counts as they are.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from commands import codec
from commands.catalogue import AGGREGATES, Aggregate
from commands.request import Command
from domain import tally
from domain.events import Event
from domain.refusal import Refused
from domain.switch import SwitchEngaged, SwitchLifted
from domain.tally import Tally


def fold(kind: str, history: Sequence[Event]) -> Any:
    """Return the state of an aggregate (the first word of its streams' names)."""
    state = AGGREGATES[kind].initial
    for event in history:
        state = AGGREGATES[kind].evolve(state, event)
    return state


def is_of(stream: str, event: Event) -> bool:
    """Whether a guard's event belongs to the stream, where a test speaks of one of each kind."""
    kind, _, name = stream.partition("-")
    if isinstance(event, SwitchEngaged | SwitchLifted):
        return kind == "switch" and event.scope == name
    return codec.tag_of(event).partition(".")[0] == kind


class Decision(Struct, frozen=True):
    result: tuple[Event, ...] | Refused

    def then(self, *expected: Event) -> None:
        """Compare values, types and bytes: 1.0 and 1.00 are equal but not the same."""
        assert self.result == expected
        assert [codec.encode(event) for event in expected] == [
            codec.encode(event) for event in self.events
        ]

    def then_nothing(self) -> None:
        assert self.result == ()

    def refused(self, code: str) -> None:
        assert isinstance(self.result, Refused), self.result
        assert self.result.code == code
        assert str(self.result) == self.result.text != ""

    @property
    def events(self) -> tuple[Event, ...]:
        assert not isinstance(self.result, Refused), self.result.text
        return self.result


class Given(Struct, frozen=True):
    history: tuple[Event, ...]
    guard: tuple[Event, ...] = ()
    counts: tuple[Tally, ...] = ()

    def guarded_by(self, *history: Event) -> "Given":
        return Given(self.history, history, self.counts)

    def counted(self, *counts: Tally) -> "Given":
        """Give the first tallies that the command is decided on; the others are empty."""
        return Given(self.history, self.guard, counts)

    def when(self, command: Command) -> Decision:
        kind = str(command.__struct_config__.tag).partition(".")[0]
        aggregate: Aggregate = AGGREGATES[kind]
        state = fold(kind, self.history)
        guards = [
            fold(name.partition("-")[0], [event for event in self.guard if is_of(name, event)])
            for name in aggregate.guards(command)
        ]
        if aggregate.counting is not None:
            keys = aggregate.counting.keys(command, state)
            empty = [tally.decode(key, None) for key in keys]
            guards += [*self.counts, *empty[len(self.counts) :]]
        try:
            return Decision(aggregate.decide(command, state, guards))
        except Refused as refusal:
            return Decision(refusal)


def given(*history: Event) -> Given:
    return Given(history)
