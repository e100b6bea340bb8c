"""Signs of life in the table `workers`: what is stored, what is swept, what a clean stop says."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from tests.postgres_fixture import Database
from workers.running.beating import beating
from workers.running.pulse import Pulse, process_name

pytestmark = pytest.mark.postgres


class Listing:
    def __init__(self, database: Database) -> None:
        self.dsn = database.app_dsn
        self._owner_dsn = database.owner_dsn

    def sql(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._owner_dsn, autocommit=True) as owner:
            cursor = owner.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    async def until(self, condition: str) -> None:
        """Wait until some row fulfils it."""
        async with asyncio.timeout(60):
            query = f"select 1 from workers where {condition}"
            while not await asyncio.to_thread(self.sql, query):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)


@pytest.fixture
def listing(migrated: Callable[[], Database]) -> Listing:
    return Listing(migrated())


def test_a_clean_stop_says_stopped(listing: Listing) -> None:
    async def scenario() -> None:
        pulse = Pulse("projector")
        async with beating(listing.dsn, [pulse]):
            pulse.beat("running", position=7)
            await listing.until("state = 'running' and position = 7")
            pulse.beat("stopped")

    asyncio.run(scenario())
    assert listing.sql("select name, process, state from workers") == [
        ("projector", process_name(), "stopped")
    ]


def test_one_that_never_beat_is_not_listed(listing: Listing) -> None:
    async def scenario() -> None:
        alive, hung = Pulse("projector"), Pulse("relay")
        async with beating(listing.dsn, [alive, hung]):
            alive.beat("running")
            await listing.until("name = 'projector'")

    asyncio.run(scenario())
    assert listing.sql("select name from workers") == [("projector",)]


def test_what_was_silent_for_an_hour_is_removed_by_whoever_beats(listing: Listing) -> None:
    listing.sql(
        "insert into workers (name, process, state, alive_at) values "
        "('relay', 'gone:1', 'running', now() - interval '61 minutes'), "
        "('relay', 'silent:1', 'running', now() - interval '59 minutes')"
    )

    async def scenario() -> None:
        pulse = Pulse("projector")
        async with beating(listing.dsn, [pulse]):
            pulse.beat("running")
            await listing.until("not exists (select from workers where process = 'gone:1')")

    asyncio.run(scenario())
    assert listing.sql("select process from workers where name = 'relay'") == [("silent:1",)]


def test_a_process_that_comes_back_under_its_name_starts_anew(listing: Listing) -> None:
    """Of API processes the one that has been there longest is right about the master key."""
    listing.sql(
        "insert into workers (name, process, state, started_at) values "
        f"('api', '{process_name()}', 'running', now() - interval '1 day')"
    )

    async def scenario() -> None:
        pulse = Pulse("api")
        async with beating(listing.dsn, [pulse]):
            pulse.beat("running", position=1)
            await listing.until("position = 1 and started_at > now() - interval '1 hour'")

    asyncio.run(scenario())


def test_a_store_that_is_away_holds_up_no_stop() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(10):
            async with beating("postgresql://someone@127.0.0.1:1/aviary", [Pulse("relay")]):
                pass

    asyncio.run(scenario())
