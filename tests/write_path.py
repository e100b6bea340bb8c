"""The write path as a state machine, beside a model that fits on a page.

Commands, retries, lost answers, crashes, projecting and rebuilding in any order; after each step
the promises hold: P-L1 to P-L6, P-V4, P-R1, P-R2.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commands import codec
from commands.committer import Committer
from commands.recounting import Recount
from commands.request import Command as AnyCommand
from commands.request import KeyReused, Request
from commands.store import Store
from domain import tally
from domain.limits import SetLimits
from domain.log import Recorded
from domain.order import stream
from domain.order_messages import Command, OrderFilled
from domain.switch import EngageSwitch, LiftSwitch
from domain.switch import stream as switch_stream
from domain.tally import AccountTally
from projections import PROJECTIONS
from projections.projection import Projection
from tests.folds import fold_in_memory
from tests.messages import fill_of, observations
from tests.stores import WatchedStore, cancelling, check_log, opening, placing, request_for
from tests.write_model import WORTH, Model, open_orders
from workers.projecting.folding import facts_of, fold_page

ORDERS = st.sampled_from(["av1", "av2", "av3"])
SCOPES = st.sampled_from(["*", "main"])
LIMITS = st.builds(
    SetLimits,
    st.just("main"),
    st.sampled_from([None, WORTH, WORTH - 1]),
    st.sampled_from([None, None, 1, 2]),
    st.sampled_from([None, None, 2]),
)


class Backend(Protocol):
    """A store, and read models that follow it."""

    def reopen(self) -> Store:
        """Open the same log as a new process would."""

    def project(self, size: int) -> None: ...

    def rebuild(self, projection: Projection) -> None: ...

    def rows(self, projection: Projection) -> Mapping[str, Any]: ...

    def checkpoint(self, projection: Projection) -> int: ...

    def close(self) -> None: ...


class MemoryBackend:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[str, dict[str, Any]] = {p.name: {} for p in PROJECTIONS}
        self._checkpoints = {p.name: 0 for p in PROJECTIONS}

    def reopen(self) -> Store:
        return self._store

    def project(self, size: int) -> None:
        for projection in PROJECTIONS:
            self._fold(projection, size)

    def _fold(self, projection: Projection, size: int) -> None:
        rows = self._rows[projection.name]

        def load(_projection: Projection, keys: Sequence[str]) -> Mapping[str, Any]:
            return {key: rows[key] for key in keys if rows.get(key) is not None}

        page = self._store.read_log(self._checkpoints[projection.name], size)
        folding = fold_page(projection, facts_of(page), load, set())
        assert not folding.parked
        rows.update(folding.rows)
        self._checkpoints[projection.name] += len(page)

    def rebuild(self, projection: Projection) -> None:
        self._rows[projection.name] = {}
        self._checkpoints[projection.name] = 0
        self._fold(projection, 1_000_000)

    def rows(self, projection: Projection) -> Mapping[str, Any]:
        return {key: row for key, row in self._rows[projection.name].items() if row is not None}

    def checkpoint(self, projection: Projection) -> int:
        return self._checkpoints[projection.name]

    def close(self) -> None:
        """Nothing to close."""


class WritePath(RuleBasedStateMachine):
    make_backend: ClassVar[Callable[[], Backend]]

    def __init__(self) -> None:
        super().__init__()
        self.backend = type(self).make_backend()
        self.model = Model()
        self.seen: list[Recorded] = []
        self.keys = 0
        self._open()
        for request in opening():
            self._execute(request)

    def _open(self) -> None:
        self.store = WatchedStore(self.backend.reopen())
        self.committer = Committer(self.store, clock=lambda: 1_700_000_000_000_000)

    def _execute(self, request: Request) -> None:
        name = request.stream.removeprefix("order-")
        refusal = self.model.refusal_of(name, self.store.read_log(0, 1_000_000))
        self.model.answered(request, self.committer.execute(request), refusal)

    def _new(self, on: str, command: AnyCommand) -> Request:
        self.keys += 1
        return request_for(on, command, f"key {self.keys}")

    @rule(order=ORDERS)
    def place(self, order: str) -> None:
        self.keys += 1
        self._execute(placing(order, f"key {self.keys}"))

    @rule(order=ORDERS)
    def cancel(self, order: str) -> None:
        self.keys += 1
        self._execute(cancelling(order, f"key {self.keys}"))

    @rule(order=ORDERS, command=observations)
    def record(self, order: str, command: Command) -> None:
        self._execute(self._new(stream(order), command))

    @rule(order=ORDERS, trade=st.sampled_from(["t1", "t2", "t3"]))
    def fill(self, order: str, trade: str) -> None:
        self._execute(self._new(stream(order), fill_of(trade, "0.4")))

    @rule(scope=SCOPES)
    def engage(self, scope: str) -> None:
        self._execute(self._new(switch_stream(scope), EngageSwitch(scope, "")))

    @rule(scope=SCOPES)
    def lift(self, scope: str) -> None:
        self._execute(self._new(switch_stream(scope), LiftSwitch(scope, "")))

    @rule(asked=LIMITS)
    def limit(self, asked: SetLimits) -> None:
        self._execute(self._new("limits-main", asked))

    @rule(index=st.integers(0, 1000))
    def retry(self, index: int) -> None:
        if self.model.requests:
            self._execute(self.model.requests[index % len(self.model.requests)])

    @rule(index=st.integers(0, 1000))
    def retry_with_another_body(self, index: int) -> None:
        if not self.model.requests:
            return
        earlier = self.model.requests[index % len(self.model.requests)]
        other = Request(
            command_id=earlier.command_id,
            actor=earlier.actor,
            stream=earlier.stream,
            command=earlier.command,
            request_hash=b"another body",
            correlation_id=earlier.correlation_id,
        )
        with pytest.raises(KeyReused):
            self.committer.execute(other)

    @rule(fault=st.sampled_from(["before", "after"]))
    def the_next_commit_breaks(self, fault: str) -> None:
        self.store.faults.append(fault)

    @rule()
    def crash(self) -> None:
        self.committer.close()
        self._open()

    @rule(size=st.integers(1, 9))
    def project(self, size: int) -> None:
        self.backend.project(size)

    @rule(projection=st.sampled_from(PROJECTIONS))
    def rebuild(self, projection: Projection) -> None:
        self.backend.rebuild(projection)

    @invariant()
    def promises_are_kept(self) -> None:
        self.the_log_keeps_its_promises()
        self.a_fill_counts_once()
        self.counts_are_those_of_the_log()
        self.rows_are_the_fold_up_to_their_checkpoint()

    def the_log_keeps_its_promises(self) -> None:
        log = check_log(self.store)  # P-L3, P-L4: dense, no holes, sealed
        assert log[: len(self.seen)] == self.seen, "P-L5: events never change"
        self.seen = log
        assert self.store.find_receipts(list(self.model.receipts)) == self.model.receipts
        written = 0
        for command_id, receipt in self.model.receipts.items():
            last = receipt.position
            for event in log[last - receipt.events : last]:
                assert event.stream == receipt.stream, "P-L1: what was answered is in the log"
                metadata = codec.decode_metadata(event.metadata)
                assert (metadata.command_id, metadata.actor) == (command_id, "alice"), "P-L6"
            written += receipt.events
        assert written == len(log)

    def a_fill_counts_once(self) -> None:
        found: dict[str, dict[str, Decimal]] = {}
        for recorded in self.seen:
            event = codec.decode_recorded(recorded)
            if isinstance(event, OrderFilled):
                fills = found.setdefault(recorded.stream.removeprefix("order-"), {})
                assert event.trade_id not in fills
                fills[event.trade_id] = event.quantity
        assert found == self.model.fills

    def counts_are_those_of_the_log(self) -> None:
        counted = Recount({})
        counted.take(self.seen, lambda _: ())
        kept = self.store.read_tallies()
        assert {key: tally.decode(key, state) for key, state in kept.items()} == counted.tallies
        account = counted.tallies.get("account-main", AccountTally())
        assert isinstance(account, AccountTally)
        assert account == AccountTally(
            open_orders(self.seen), account.minute, len(self.model.placed)
        )

    def rows_are_the_fold_up_to_their_checkpoint(self) -> None:
        for projection in PROJECTIONS:
            until = self.backend.checkpoint(projection)
            expected = fold_in_memory(self.seen[:until], projection)
            found = self.backend.rows(projection)
            assert found == {k: row for k, row in expected.items() if row is not None}

    def teardown(self) -> None:
        self.committer.close()
        self.backend.close()
