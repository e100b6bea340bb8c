"""Decides a batch of commands one by one, each on what the earlier ones left. Pure.

A command never fails because its neighbour did: whatever goes wrong with one is its own result.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from commands import codec
from commands.catalogue import aggregate_of
from commands.request import KeyReused, LeaseLost, Outcome, Request
from commands.seal import seal
from domain import tally
from domain.events import Event
from domain.log import Fence, Head, Metadata, Receipt, Recorded
from domain.refusal import Refused
from domain.tally import Tally

Result = Outcome | Exception


class Folded(Struct):
    """A stream folded up to a version."""

    version: int
    state: Any


class Decided(Struct):
    head: Head
    results: list[Result]
    receipts: list[Receipt]
    events: list[Recorded]


class Round:
    """The decisions of one transaction. `states` is its own working copy."""

    def __init__(
        self,
        head: Head,
        states: dict[str, Folded | Exception],
        receipts: Mapping[str, Receipt],
        held: frozenset[Fence],
        now_us: int,
        code_version: str,
        tallies: Mapping[str, Tally],
    ) -> None:
        self.states = states
        self.tallies = dict(tallies)
        self.counted: dict[str, Tally] = {}
        """Those tallies that have changed."""
        self.decided = Decided(head, [], [], [])
        self._guards: dict[tuple[str, ...], Sequence[Any]] = {}
        self._guarding: set[str] = set()
        self._receipts = dict(receipts)
        self._held = held
        self._now_us = now_us
        self._code_version = code_version

    def decide(self, request: Request, *, was_tried: bool) -> None:
        """Append the request's result; `was_tried` when an earlier COMMIT's answer was lost."""
        try:
            result: Result = self._decide(request, was_tried=was_tried)
        except Exception as error:  # noqa: BLE001 - the result of this command alone
            result = error
        self.decided.results.append(result)

    def _decide(self, request: Request, *, was_tried: bool) -> Outcome:
        earlier = self._receipts.get(request.command_id)
        if earlier is not None:
            if earlier.request_hash != request.request_hash or earlier.actor != request.actor:
                raise KeyReused(
                    "This Idempotency-Key was used before with another request. "
                    "Use a new key, or repeat the first request unchanged."
                )
            return Outcome(earlier, is_replay=not was_tried)
        if request.fence is not None and request.fence not in self._held:
            raise LeaseLost(f"Lease {request.fence.lease} of {request.fence.account!r} is lost.")
        aggregate = aggregate_of(request.stream)
        folded = self._state(request.stream)
        guards = self._guards_of(aggregate.guards(request.command))
        if aggregate.counting is not None:
            keys = aggregate.counting.keys(request.command, folded.state)
            guards = [*guards, *(tally.at(self.tallies[key], self._now_us) for key in keys)]
        try:
            events = aggregate.decide(request.command, folded.state, guards)
        except Refused as refusal:
            return Outcome(self._receipt(request, 0, refusal))
        self._record(request, events, folded)
        return Outcome(self._receipt(request, len(events)), events)

    def _guards_of(self, streams: tuple[str, ...]) -> Sequence[Any]:
        """Orders of one account have the same guards, which hardly ever change within a batch."""
        found = self._guards.get(streams)
        if found is None:
            found = self._guards[streams] = [self._state(name).state for name in streams]
            self._guarding.update(streams)
        return found

    def _state(self, stream: str) -> Folded:
        folded = self.states[stream]
        if isinstance(folded, Exception):
            raise folded
        return folded

    def _record(self, request: Request, events: Sequence[Event], folded: Folded) -> None:
        if not events:
            return
        aggregate = aggregate_of(request.stream)
        state = folded.state
        counted: dict[str, Tally] = {}
        for event in events:
            before, state = state, aggregate.evolve(state, event)
            if aggregate.counting is not None:
                for key in aggregate.counting.touched(before, event, state):
                    its = counted.get(key) or self.tallies[key]
                    counted[key] = aggregate.counting.evolve(
                        its, request.stream, event, state, self._now_us
                    )
        routing = aggregate.routing(state)
        metadata = codec.encode_metadata(
            Metadata(
                command_id=request.command_id,
                correlation_id=request.correlation_id,
                causation_id=request.causation_id,
                actor=request.actor,
                recorded_at_us=self._now_us,
                code_version=self._code_version,
                account=routing.account,
                connector=routing.connector,
                pair=routing.pair,
            )
        )
        position, previous, version = (
            self.decided.head.position,
            self.decided.head.seal,
            folded.version,
        )
        for event in events:
            position, version = position + 1, version + 1
            tag, payload = codec.tag_of(event), codec.encode(event)
            previous = seal(previous, position, request.stream, version, tag, payload, metadata)
            self.decided.events.append(
                Recorded(position, request.stream, version, tag, payload, metadata, previous)
            )
        self.decided.head = Head(position, previous)
        self.states[request.stream] = Folded(version, state)
        if request.stream in self._guarding:
            self._guards.clear()
        self.tallies.update(counted)
        self.counted.update(counted)

    def _receipt(self, request: Request, events: int, refusal: Refused | None = None) -> Receipt:
        receipt = Receipt(
            command_id=request.command_id,
            actor=request.actor,
            kind=str(request.command.__struct_config__.tag),
            request_hash=request.request_hash,
            stream=request.stream,
            outcome="accepted" if refusal is None else "refused",
            position=self.decided.head.position,
            events=events,
            recorded_at_us=self._now_us,
            code=refusal.code if refusal else None,
            text=refusal.text if refusal else None,
        )
        if not (request.is_observation and events == 0):
            self._receipts[request.command_id] = receipt
            self.decided.receipts.append(receipt)
        return receipt


def fold(states: dict[str, Folded | Exception], events: Sequence[Recorded]) -> None:
    """Bring working states up to date; a stream that cannot be read holds its error instead."""
    for recorded in events:
        folded = states[recorded.stream]
        if isinstance(folded, Exception):
            continue
        try:
            event = codec.decode_recorded(recorded)
            state = aggregate_of(recorded.stream).evolve(folded.state, event)
            states[recorded.stream] = Folded(recorded.version, state)
        except Exception as error:  # noqa: BLE001 - only commands on this stream fail
            states[recorded.stream] = error
