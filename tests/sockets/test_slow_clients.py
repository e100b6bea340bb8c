"""Clients that read slowly or not at all: bounded memory, told what they missed, cut in the end."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.http import wire
from api.sockets.open_sockets import OpenSockets
from api.sockets.outlet import BACKLOG_BYTES
from tests.postgres_fixture import Database
from tests.sockets.served import PAIR, Served, connected, serving, subscribe
from tests.sockets.slow import Slow, slow
from tests.venues.paper_process import running

pytestmark = pytest.mark.postgres
BOOK = f"order_book_paper_{PAIR}"
LARGE = [subscribe("candles", interval=each, max_records=1000) for each in ("1s", "1m", "3m", "5m")]
"""Each begins with a frame of 200 kB, more than all buffers of a slow client together."""
FRAME_BYTES_MAX = 300_000


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - the server's thread has no event for us
            await asyncio.sleep(0.02)


async def fill(client: Slow) -> None:
    """Ask for more than it can take without reading, and read no more than the answers."""
    for message in LARGE:
        await client.send(**message)
        await client.next_of("subscribed")


def backlog(served: Served) -> int:
    """What the server holds for its clients beside the kernel."""
    return sum(
        wire._transport(session._outlet.scope).get_write_buffer_size()  # type: ignore[attr-defined]  # noqa: SLF001
        for session in list(served.deps.sockets._open)  # noqa: SLF001
    )


def test_a_client_that_takes_nothing_is_cut_and_others_do_not_notice(
    log: Database, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with slow(served) as client, connected(served) as other:
            await other.ask(**subscribe("trades"))
            await fill(client)
            await until(lambda: backlog(served) > BACKLOG_BYTES)
            assert backlog(served) <= FRAME_BYTES_MAX
            await other.next_of("trades")
            await until(lambda: len(served.deps.sockets._open) == 1)  # noqa: SLF001
            await other.next_of("trades")
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await client.next_of("an end")

    sockets = OpenSockets(10, stall_seconds=3.0)
    with running(tmp_path) as venue, serving(log.app_dsn, venue.url, tmp_path, sockets) as served:
        asyncio.run(scenario(served))


def test_a_client_that_was_slow_is_told_how_much_it_missed(log: Database, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with slow(served) as client:
            await client.send(**subscribe("order_book"))
            await client.next_of("order_book")
            await fill(client)
            await until(lambda: backlog(served) > BACKLOG_BYTES)
            feed = served.deps.feeds.pair("paper", PAIR)
            number = feed.book_number
            begin = time.monotonic()
            await until(lambda: feed.book_number > number + 4 and time.monotonic() > begin + 1.5)
            assert backlog(served) <= FRAME_BYTES_MAX
            while True:
                dropped = await client.next_of("dropped")
                following = await client.next()
                assert following["subscription_id"] == dropped["subscription_id"]
                assert dropped["count"] >= 1
                if dropped["subscription_id"] == BOOK:
                    break
            with served.client() as http:
                seen = (await asyncio.to_thread(http.get, "/metrics")).text
            line = next(row for row in seen.splitlines() if row.startswith("socket_dropped_total"))
            assert float(line.split()[1]) >= dropped["count"]

    with (
        running(tmp_path, "--speed", "1000") as venue,
        serving(log.app_dsn, venue.url, tmp_path) as served,
    ):
        asyncio.run(scenario(served))
