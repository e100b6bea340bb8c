"""Every event once and in order, whatever happens to the connections meanwhile."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres.embedded import EmbeddedPostgres, StopMode
from api.audit import follower, log_tail
from api.audit import stream as stream_route
from api.reading import rows
from benchmarks.place import place_request
from commands.committer import Committer
from tests.api.following import cut_listener, following
from tests.api.live import PASSWORD, USER, Live, running
from tests.faults.processes import until
from tests.postgres_fixture import Database
from tests.seeding import begin
from workers.running.database import Dsns

pytestmark = pytest.mark.postgres
SECONDS = 120.0


async def place(committer: Committer, count: int) -> None:
    """Place so many orders, eight at a time; the gaps between them vary by themselves."""

    async def some() -> None:
        for _ in range(count // 8):
            await committer.submit(place_request())

    await asyncio.gather(*(some() for _ in range(8)))


@contextmanager
def placing(live: Live, count: int) -> Iterator[None]:
    """Thousands are appended while the body runs."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(place(live.deps.committer, count))
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed


def await_head(live: Live, position: int) -> None:
    until(lambda: live.head() >= position, f"the log reaches {position}", SECONDS)


def followed(live: Live, after: int, until: int) -> list[int]:
    with live.connect((USER, PASSWORD)) as client, following(live, None, client, after=after) as it:
        return it.until(until)


def test_followers_that_come_at_any_time_miss_nothing_and_see_nothing_twice(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "RING_EVENTS", 40)  # So all change between ring and pages.
    monkeypatch.setattr(follower, "PAGE_EVENTS", 7)
    start, count = live.head(), 2_000
    end = start + count
    with ThreadPoolExecutor(6) as threads, placing(live, count):
        found = []
        for share in range(6):
            await_head(live, start + share * count // 8)
            found.append(threads.submit(followed, live, 0, end))
        for future in found:
            assert future.result(SECONDS) == list(range(1, end + 1))


def test_the_ring_and_the_pages_meet_wherever_a_client_begins(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "RING_EVENTS", 5)
    monkeypatch.setattr(follower, "PAGE_EVENTS", 1)
    with following(live) as first:
        assert first.next() is not None
        for _ in range(12):
            live.placed()
            first.until(live.head())
        head = live.head()
        for after in range(head):
            with following(live, after=after, before=head + 1) as stream:
                assert stream.until(head) == list(range(after + 1, head + 1))


def test_a_client_that_is_cut_again_and_again_sees_everything_once(live: Live) -> None:
    start, count = live.head(), 1_600
    end, seen = start + count, [start]
    with placing(live, count):
        while seen[-1] < end:
            with following(live, last_seen=seen[-1]) as stream:
                seen += stream.until(min(end, seen[-1] + 100))
    assert seen == list(range(start, end + 1))


def test_events_come_also_when_the_listening_connection_is_cut(live: Live) -> None:
    start, count = live.head(), 2_000
    with following(live, after=start) as stream, placing(live, count):
        seen = stream.until(start + 100)
        assert cut_listener(live) == 1
        seen += stream.until(start + count)
    assert seen == list(range(start + 1, start + count + 1))


def test_events_come_also_when_no_notification_does(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "CHANNEL", "nobody_notifies_here")
    start = live.head()
    with following(live, after=start) as stream:
        for position in (start + 1, start + 2, start + 3):
            live.placed()
            assert stream.until(position) == [position]


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, Live]]:
    """An API on a server of its own, which the test may stop."""
    with EmbeddedPostgres(tmp_path / "cluster") as server:
        dsns = Dsns(server.dsn("app"), server.dsn("owner"))
        begin(dsns)
        with running(Database("aviary", dsns.owner, dsns.app), tmp_path) as live:
            yield server, live


@pytest.mark.faults
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_streams_outlive_the_store_s_absence(
    fragile: tuple[EmbeddedPostgres, Live], monkeypatch: pytest.MonkeyPatch, mode: StopMode
) -> None:
    server, live = fragile
    monkeypatch.setattr(stream_route, "HEARTBEAT_SECONDS", 0.5)
    start = live.head()
    with following(live, after=start) as stream:
        live.placed()
        assert stream.until(start + 1) == [start + 1]
        server.stop(mode)
        stream.wait_for_comment()
        with following(live) as refused:
            assert refused.answer.status_code == 503
            assert refused.answer.json()["code"] == "store_unavailable"
        stream.wait_for_comment()
        server.start()
        asyncio.run(place(live.deps.committer, 400))
        assert stream.until(start + 401) == list(range(start + 2, start + 402))


@pytest.mark.faults
def test_a_replay_waits_for_the_store_and_goes_on(
    fragile: tuple[EmbeddedPostgres, Live],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, live = fragile
    monkeypatch.setattr(stream_route, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(follower, "PAGE_EVENTS", 5)
    asyncio.run(place(live.deps.committer, 800))
    end, middle = live.head(), 500
    is_there, is_away = threading.Event(), threading.Event()

    async def held(pool: Any, query: str, values: Mapping[str, Any]) -> Any:
        if values["after"] == middle and not is_there.is_set():
            is_there.set()
            await asyncio.to_thread(is_away.wait, SECONDS)
        return await rows(pool, query, values)

    monkeypatch.setattr(follower, "rows", held)
    with following(live, after=0) as stream:
        seen = stream.until(10)
        assert is_there.wait(SECONDS)
        server.stop("immediate")
        is_away.set()
        until(lambda: "A follower waits for the store" in caplog.text, "the store is missed")
        seen += stream.wait_for_comment()
        assert seen[-1] == middle, "the store went away in the middle"
        server.start()
        seen += stream.until(end)
    assert seen == list(range(1, end + 1))
