"""One outcome per command id, whatever else happens: on both stores."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from msgspec import structs

from commands import codec
from commands.committer import Committer, Limits
from commands.request import (
    KeyReused,
    LeaseLost,
    Outcome,
    Overloaded,
    Request,
    command_id_of,
)
from commands.store import Store
from domain.account import AccountOpened, AddConnector, OpenAccount
from domain.log import Fence, StoreUnavailable
from domain.order_messages import (
    CancelRequested,
    DispatchOrder,
    OrderDispatched,
    OrderPlaced,
    OrderWithdrawn,
)
from tests.messages import SEND_BY
from tests.stores import (
    Opened,
    WatchedStore,
    cancelling,
    check_log,
    held,
    opening,
    placing,
    request_for,
)

NOW = 1_700_000_000_000_000


@contextmanager
def committing(store: Store, limits: Limits | None = None) -> Iterator[Committer]:
    committer = Committer(store, limits=limits or Limits(), clock=lambda: NOW, code_version="1.2.3")
    try:
        yield committer
    finally:
        committer.close()


@pytest.fixture
def committer(opened: Opened) -> Iterator[Committer]:
    with committing(opened.store) as running:
        for request in opening():
            running.execute(request)
        yield running


def tags(store: Store, stream: str) -> list[str]:
    return [event.tag for event in store.read_stream(stream)]


def together(opened: Opened, *requests: Request) -> tuple[list[Outcome | BaseException], list[int]]:
    """Run the requests in one batch, behind one that opens the account `plug`."""
    watched = WatchedStore(opened.store)

    async def run() -> list[Outcome | BaseException]:
        with committing(watched) as committer:
            with held(opened):
                plug = committer.submit(opening("plug")[0])
                await asyncio.to_thread(watched.began.acquire)
                waiting = [committer.submit(request) for request in requests]
            await plug
            return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(run()), watched.batches


def test_a_command_is_stored_with_its_receipt(opened: Opened, committer: Committer) -> None:
    request = placing("av1")
    outcome = committer.execute(request)
    receipt = outcome.receipt
    assert (receipt.outcome, receipt.position, receipt.events) == ("accepted", 3, 1)
    assert (receipt.actor, receipt.kind, receipt.stream) == ("alice", "order.place", "order-av1")
    assert receipt.recorded_at_us == NOW
    assert not outcome.is_replay
    assert isinstance(outcome.events[0], OrderPlaced)
    assert opened.again().find_receipts([request.command_id]) == {request.command_id: receipt}


def test_every_event_names_its_cause(opened: Opened, committer: Committer) -> None:
    request = structs.replace(placing("av1"), correlation_id="trace-1", causation_id="2")
    committer.execute(request)
    metadata = codec.decode_metadata(check_log(opened.store)[-1].metadata)
    assert (metadata.command_id, metadata.actor) == (request.command_id, "alice")
    assert (metadata.correlation_id, metadata.causation_id) == ("trace-1", "2")
    assert (metadata.recorded_at_us, metadata.code_version) == (NOW, "1.2.3")
    assert (metadata.account, metadata.connector, metadata.pair) == ("main", "paper", "BTC-USDT")


def test_a_repeated_command_has_the_first_outcome(opened: Opened, committer: Committer) -> None:
    first = committer.execute(placing("av1"))
    again = committer.execute(placing("av1"))
    assert again == Outcome(first.receipt, (), is_replay=True)
    assert len(check_log(opened.store)) == 3


def test_the_same_key_fifty_times_at_once_is_one_event(
    opened: Opened, committer: Committer
) -> None:
    async def all_at_once() -> list[Outcome]:
        return await asyncio.gather(*(committer.submit(placing("av1")) for _ in range(50)))

    outcomes = asyncio.run(all_at_once())
    assert len({outcome.receipt.position for outcome in outcomes}) == 1
    assert all(outcome.receipt == outcomes[0].receipt for outcome in outcomes)
    assert sum(outcome.is_replay for outcome in outcomes) == 49
    assert len(check_log(opened.store)) == 3


def test_the_same_key_from_fifty_threads_is_one_event(opened: Opened, committer: Committer) -> None:
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(committer.execute, [placing("av1")] * 50))
    assert len({outcome.receipt.command_id for outcome in outcomes}) == 1
    assert sum(outcome.is_replay for outcome in outcomes) == 49
    assert len(check_log(opened.store)) == 3


def test_a_key_with_another_body_is_refused_and_writes_nothing(
    opened: Opened, committer: Committer
) -> None:
    first = committer.execute(placing("av1", "key"))
    with pytest.raises(KeyReused):
        committer.execute(placing("av2", "key"))
    with pytest.raises(KeyReused):
        committer.execute(placing("av1", "key", quantity="2.0"))
    assert len(check_log(opened.store)) == 3
    found = opened.store.find_receipts([first.receipt.command_id])
    assert found == {first.receipt.command_id: first.receipt}


def test_a_reused_key_in_one_batch_fails_alone(opened: Opened, committer: Committer) -> None:
    assert committer.outcomes
    (first, reused), batches = together(opened, placing("av1", "key"), placing("av2", "key"))
    assert isinstance(first, Outcome)
    assert isinstance(reused, KeyReused)
    assert batches == [1, 1]


def test_the_same_key_of_another_actor_is_another_command(
    opened: Opened, committer: Committer
) -> None:
    one = committer.execute(placing("av1", "key"))
    two = committer.execute(placing("av2", "key", actor="bob"))
    assert one.receipt.command_id != two.receipt.command_id
    assert two.receipt.outcome == "accepted"
    assert len(check_log(opened.store)) == 4


def test_another_actor_with_the_same_command_id_is_turned_away(committer: Committer) -> None:
    request = placing("av1")
    committer.execute(request)
    with pytest.raises(KeyReused):
        committer.execute(structs.replace(request, actor="bob"))


def test_keys_of_two_actors_cannot_be_shifted_into_each_other() -> None:
    assert command_id_of("al", "ice-1") != command_id_of("alice", "-1")
    assert command_id_of("1", "1:a") != command_id_of("11", ":a")


def test_a_refusal_consumes_its_key(opened: Opened, committer: Committer) -> None:
    refused = committer.execute(cancelling("av1"))
    assert (refused.receipt.outcome, refused.receipt.code) == ("refused", "unknown_order")
    assert (refused.receipt.position, refused.receipt.events) == (2, 0)
    committer.execute(placing("av1"))
    again = committer.execute(cancelling("av1"))
    assert again == Outcome(refused.receipt, (), is_replay=True)
    assert tags(opened.store, "order-av1") == ["order.placed.v1"]


def test_what_is_so_already_is_accepted_without_events(
    opened: Opened, committer: Committer
) -> None:
    outcome = committer.execute(request_for("account-main", AddConnector("main", "paper"), "again"))
    assert (outcome.receipt.outcome, outcome.receipt.events) == ("accepted", 0)
    assert outcome.receipt.position == 2
    assert len(check_log(opened.store)) == 2


def dispatching(order: str, fence: Fence | None = None, attempt: int = 1) -> Request:
    command = DispatchOrder(attempt, 7, SEND_BY)
    return request_for(f"order-{order}", command, f"dispatch {order} {attempt}", fence=fence)


def test_a_lost_lease_does_not_consume_the_key(opened: Opened, committer: Committer) -> None:
    committer.execute(placing("av1"))
    with pytest.raises(LeaseLost):
        committer.execute(dispatching("av1", Fence("main", 7)))
    assert len(check_log(opened.store)) == 3
    opened.lend("main", 7)
    outcome = committer.execute(dispatching("av1", Fence("main", 7)))
    assert outcome.events == (OrderDispatched(1, 7, SEND_BY),)
    assert not outcome.is_replay


def test_a_receipt_is_answered_though_the_lease_is_lost_by_now(
    opened: Opened, committer: Committer
) -> None:
    committer.execute(placing("av1"))
    opened.lend("main", 7)
    first = committer.execute(dispatching("av1", Fence("main", 7)))
    opened.lend("main", 8)
    again = committer.execute(dispatching("av1", Fence("main", 7)))
    assert again == Outcome(first.receipt, (), is_replay=True)


def test_one_that_raises_and_one_refused_leave_their_neighbours_alone(
    opened: Opened, committer: Committer
) -> None:
    committer.execute(placing("av1"))
    (lost, refused, fine), batches = together(
        opened,
        dispatching("av1", Fence("main", 7)),
        cancelling("nowhere"),
        placing("av2"),
    )
    assert isinstance(lost, LeaseLost)
    assert isinstance(refused, Outcome)
    assert refused.receipt.code == "unknown_order"
    assert isinstance(fine, Outcome)
    assert fine.receipt.outcome == "accepted"
    assert batches == [1, 2]
    check_log(opened.store)


BAD: dict[str, Request] = {
    "a stream of no aggregate": request_for("nonsense-1", OpenAccount("x"), "bad 1"),
    "a command of another aggregate": request_for("order-av9", OpenAccount("x"), "bad 2"),
    "an actor that is no text": structs.replace(placing("av9"), actor="\ud800"),
    "an actor with a zero byte": structs.replace(placing("av9"), actor="a\x00b"),
    "a stream with a zero byte": request_for("account-a\x00b", OpenAccount("x"), "bad 3"),
    "a guard with a zero byte": request_for(
        "order-av9",
        structs.replace(placing("av9").command, account="a\x00b"),
        "bad 4",
    ),
    "a correlation id of a megabyte": structs.replace(
        placing("av9"), correlation_id="".join(chr(33 + n * n % 90) for n in range(1_000_000))
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_whatever_is_wrong_with_one_command_is_its_own_trouble(
    opened: Opened, committer: Committer, bad: str
) -> None:
    before = committer.execute(placing("av0"))
    (first, _, last), _ = together(opened, placing("av1"), BAD[bad], placing("av2"))
    assert isinstance(first, Outcome), first
    assert isinstance(last, Outcome), last
    assert not first.is_replay
    assert not last.is_replay
    assert last.receipt.position > first.receipt.position > before.receipt.position
    check_log(opened.store)


def test_commands_of_one_batch_see_each_other(opened: Opened, committer: Committer) -> None:
    assert committer.outcomes
    (placed, cancelled, again), batches = together(
        opened, placing("av1"), cancelling("av1"), placing("av1", "other key")
    )
    assert isinstance(placed, Outcome)
    assert isinstance(cancelled, Outcome)
    assert isinstance(again, Outcome)
    assert cancelled.events == (CancelRequested(), OrderWithdrawn())
    assert again.receipt.code == "order_exists"
    assert batches == [1, 3]


def test_a_guard_of_the_same_batch_counts(opened: Opened) -> None:
    outcomes, _ = together(
        opened,
        placing("av1", "too early"),
        *opening(),
        placing("av1"),
    )
    codes = [outcome.receipt.code for outcome in outcomes if isinstance(outcome, Outcome)]
    assert codes == ["unknown_account", None, None, None]
    assert tags(opened.store, "order-av1") == ["order.placed.v1"]


def test_a_guard_that_another_process_changed_is_seen(opened: Opened, committer: Committer) -> None:
    command = structs.replace(placing("x").command, connector="binance")
    first = committer.execute(request_for("order-av1", command, "first"))
    assert first.receipt.code == "unknown_connector"
    with committing(opened.again()) as other:
        other.execute(request_for("account-main", AddConnector("main", "binance"), "add"))
    second = committer.execute(request_for("order-av1", command, "second"))
    assert second.receipt.outcome == "accepted"


def test_a_stream_that_another_process_moved_is_read_again(
    opened: Opened, committer: Committer
) -> None:
    with committing(opened.again()) as other:
        committer.execute(placing("av1"))
        other.execute(cancelling("av1"))
        outcome = committer.execute(dispatching("av1"))
        assert outcome.receipt.code == "not_dispatchable"
        other.execute(placing("av2"))
        committer.execute(placing("av3"))
        assert committer.execute(dispatching("av2")).receipt.outcome == "accepted"
        assert other.execute(cancelling("av2")).events == (CancelRequested(),)
    check_log(opened.store)


def test_two_committers_never_decide_on_stale_state(opened: Opened) -> None:
    orders = [f"av{n}" for n in range(40)]
    results: dict[str, list[str]] = {order: [] for order in orders}

    def race(store: Store, make: Callable[[str], Request], names: list[str]) -> None:
        with committing(store, Limits(batch_max=3)) as committer:
            for name in names:
                committer.execute(make(name))

    with committing(opened.store) as committer:
        for request in opening():
            committer.execute(request)
        for order in orders:
            committer.execute(placing(order))
    with ThreadPoolExecutor(2) as pool:
        racing = [
            pool.submit(race, opened.again(), cancelling, orders),
            pool.submit(race, opened.again(), dispatching, orders),
        ]
        for future in racing:
            future.result()
    for event in check_log(opened.store):
        if event.stream.startswith("order-"):
            results[event.stream.removeprefix("order-")].append(event.tag.split(".")[1])
    for history in results.values():
        assert history in (
            ["placed", "cancel_requested", "withdrawn"],
            ["placed", "dispatched", "cancel_requested"],
        )


def test_two_committers_take_a_shared_key_once(opened: Opened) -> None:
    with committing(opened.store) as one, committing(opened.again()) as two:
        for request in opening():
            one.execute(request)
        requests = [placing(f"av{n}") for n in range(30)]
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(c.execute, r) for r in requests for c in (one, two, one, two)]
            outcomes = [future.result() for future in futures]
    assert sum(not outcome.is_replay for outcome in outcomes) == 30
    assert len(check_log(opened.store)) == 32


def test_a_small_cache_decides_the_same(opened: Opened) -> None:
    with committing(opened.store, Limits(cached_streams_max=1)) as committer:
        for request in [*opening(), placing("av1"), placing("av2"), cancelling("av1")]:
            assert committer.execute(request).receipt.outcome == "accepted"
    assert tags(opened.store, "order-av1")[-1] == "order.withdrawn.v1"


def test_too_many_waiting_commands_are_turned_away_without_a_trace(opened: Opened) -> None:
    watched = WatchedStore(opened.store)

    async def run() -> list[Outcome]:
        with committing(watched, Limits(in_flight_max=3)) as committer:
            with held(opened):
                first = committer.submit(opening()[0])
                await asyncio.to_thread(watched.began.acquire)
                waiting = [committer.submit(request) for request in opening("b")]
                with pytest.raises(Overloaded, match="3 commands wait"):
                    committer.submit(opening()[1])
                with pytest.raises(Overloaded):
                    committer.execute(opening()[1])
            outcomes = [await first, *(await asyncio.gather(*waiting))]
            return [*outcomes, await committer.submit(opening()[1])]

    outcomes = asyncio.run(run())
    assert [outcome.is_replay for outcome in outcomes] == [False] * 4
    assert len(check_log(opened.store)) == 4


def test_a_batch_is_bounded(opened: Opened) -> None:
    watched = WatchedStore(opened.store)

    async def run() -> None:
        with committing(watched, Limits(batch_max=4)) as committer:
            with held(opened):
                plug = committer.submit(opening()[0])
                await asyncio.to_thread(watched.began.acquire)
                waiting = [committer.submit(opening(f"a{n}")[0]) for n in range(10)]
            await asyncio.gather(plug, *waiting)

    asyncio.run(run())
    assert watched.batches == [1, 4, 4, 2]


def test_closing_finishes_what_waits_and_takes_no_more(opened: Opened) -> None:
    watched = WatchedStore(opened.store)
    committer = Committer(watched)
    answers: list[Future[Outcome]] = []
    with ThreadPoolExecutor(10) as pool:
        with held(opened):
            answers.append(pool.submit(committer.execute, opening()[0]))
            watched.began.acquire()
            answers += [pool.submit(committer.execute, opening(f"a{n}")[0]) for n in range(5)]
            while len(committer._waiting) < 5:  # noqa: SLF001 - the threads are on their way
                threading.Event().wait(0.001)
            closing = pool.submit(committer.close)
        closing.result()
        assert all(answer.result().receipt.outcome == "accepted" for answer in answers)
    with pytest.raises(StoreUnavailable, match="is stopping"):
        committer.execute(opening("late")[0])
    assert len(check_log(opened.store)) == 6


def test_a_commit_whose_answer_is_lost_has_one_outcome(opened: Opened) -> None:
    watched = WatchedStore(opened.store)
    with committing(watched) as committer:
        for request in opening():
            committer.execute(request)
        watched.faults = ["after"]
        outcome = committer.execute(placing("av1"))
        assert (outcome.receipt.outcome, outcome.receipt.position) == ("accepted", 3)
        assert not outcome.is_replay
        assert committer.execute(placing("av1")).is_replay
        assert committer.outcomes["order.place", "accepted"] == 1
    assert len(check_log(opened.store)) == 3


def test_a_commit_that_failed_is_done_again_once(opened: Opened) -> None:
    watched = WatchedStore(opened.store)
    with committing(watched) as committer:
        for request in opening():
            committer.execute(request)
        watched.faults = ["before", "before", "after"]
        outcome = committer.execute(placing("av1"))
        assert not outcome.is_replay
        assert outcome.receipt.position == 3
        assert committer.execute(cancelling("av1")).receipt.outcome == "accepted"
    assert tags(opened.store, "order-av1") == [
        "order.placed.v1",
        "order.cancel_requested.v1",
        "order.withdrawn.v1",
    ]
    check_log(opened.store)


def test_a_refusal_whose_commit_s_answer_is_lost_stays_a_refusal(opened: Opened) -> None:
    watched = WatchedStore(opened.store)
    watched.faults = ["after"]
    with committing(watched) as committer:
        outcome = committer.execute(placing("av1"))
    assert outcome.receipt.code == "unknown_account"
    assert not outcome.is_replay


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_replay_stays_one_though_its_batch_was_broken_off(opened: Opened, fault: str) -> None:
    watched = WatchedStore(opened.store)

    async def run() -> list[Outcome]:
        with committing(watched) as committer:
            for request in [*opening(), placing("av1")]:
                await committer.submit(request)
            while watched.began.acquire(blocking=False):
                pass
            with held(opened):
                plug = committer.submit(opening("plug")[0])
                await asyncio.to_thread(watched.began.acquire)
                watched.faults = ["", fault]
                requests = [placing("av1"), placing("av2"), placing("av2")]
                waiting = [committer.submit(request) for request in requests]
            await plug
            return await asyncio.gather(*waiting)

    assert [outcome.is_replay for outcome in asyncio.run(run())] == [True, False, True]
    check_log(opened.store)


def test_a_store_that_stays_away_leaves_the_key_unused(opened: Opened) -> None:
    watched = WatchedStore(opened.store)
    committer = Committer(watched)
    for request in opening():
        committer.execute(request)
    watched.faults = ["before"] * 1000
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            watched.began.acquire()
        answer = pool.submit(committer.execute, placing("av1"))
        watched.began.acquire()
        committer.close()  # A stopping committer gives up at once.
        with pytest.raises(StoreUnavailable):
            answer.result()
    assert opened.store.find_receipts([placing("av1").command_id]) == {}
    assert len(check_log(opened.store)) == 2
    with committing(opened.again()) as next_one:
        outcome = next_one.execute(placing("av1"))
    assert not outcome.is_replay
    assert outcome.receipt.position == 3


def test_commands_are_counted_by_kind_and_outcome(committer: Committer) -> None:
    committer.execute(placing("av1"))
    committer.execute(placing("av1"))
    committer.execute(cancelling("nowhere"))
    with pytest.raises(KeyReused):
        committer.execute(placing("av1", quantity="2.0"))
    counted: dict[tuple[str, str], int] = dict(committer.outcomes)
    assert counted["order.place", "accepted"] == 1
    assert counted["order.place", "replayed"] == 1
    assert counted["order.place", "KeyReused"] == 1
    assert counted["order.cancel", "refused"] == 1


def test_a_waiter_that_gave_up_changes_nothing(opened: Opened) -> None:
    watched = WatchedStore(opened.store)

    async def run() -> None:
        with committing(watched) as committer:
            with held(opened):
                waiting = committer.submit(opening()[0])
                await asyncio.to_thread(watched.began.acquire)
                waiting.cancel()
            assert (await committer.submit(opening()[0])).is_replay

    asyncio.run(run())
    events = [codec.decode_recorded(event) for event in check_log(opened.store)]
    assert events == [AccountOpened("main")]
