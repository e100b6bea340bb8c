"""The dispatcher against venues that are doubles with ledgers of their own."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from adapters.postgres.connect import WRITER_OPTIONS, connect_async
from domain.account import AddConnector
from domain.order import stream
from domain.order_messages import CancelOrder, RecordAccepted
from tests.postgres_fixture import Database
from tests.workers.stage import ACCOUNT, QUICK, Ledger, RefusesStream, serving, stage
from workers.dispatching import effects
from workers.dispatching.naming import find_orders
from workers.dispatching.sending import now_us
from workers.projecting.projector import catch_up
from workers.running.pulse import Pulse

pytestmark = pytest.mark.postgres


def test_an_order_whose_lease_was_lost_is_sent_once_the_lease_is_ours_again(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Ledger()
    with stage(database) as on:
        first = on.place("first")
        names: list[str] = []

        def is_done() -> bool:
            if venue.placed == [first] and not names:
                with psycopg.connect(database.owner_dsn) as thief:
                    thief.execute(
                        """update leases set lease = lease + 1, holder = 'another',
                        expires_at = now() + interval '2 seconds'"""
                    )
                names.append(on.place("second"))
            return len(venue.placed) > 1

        on.run_until(serving({"paper": venue}), is_done)
        assert venue.placed == [first, *names]


def test_a_connector_without_a_venue_does_not_hold_up_the_others(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Ledger()
    with stage(database) as on:
        add = AddConnector("master_account", "elsewhere")
        on.say("account-master_account", add, "add")
        for number in range(2 * QUICK.in_flight_max):  # More than are ever looked at together.
            on.place(f"waits {number}", "elsewhere")
        sent = on.place("goes")
        pulse = Pulse("dispatcher")
        state = on.run_until(
            serving({"paper": venue}),
            lambda: bool(venue.placed) and pulse.state not in ("starting", "running"),
            pulse,
        )
        assert venue.placed == [sent]
        # Up to the colon is for everybody: /ready shows it without a login.
        assert state == "no venue: master_account/elsewhere"


def test_a_private_stream_that_is_refused_stops_no_order(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), RefusesStream()
    with stage(database) as on:
        first = on.place("first")
        later: list[str] = []

        def is_done() -> bool:
            if venue.streams > 1 and not later:
                later.append(on.place("second"))
            return len(venue.placed) > 1

        on.run_until(serving({"paper": venue}), is_done)
        assert venue.placed == [first, *later]


def test_an_order_is_ours_before_any_read_model_knows_it(
    migrated: Callable[[], Database],
) -> None:
    database = migrated()

    async def ask(*names: str) -> dict[str, str]:
        async with await connect_async(database.app_dsn, WRITER_OPTIONS) as connection:
            return await find_orders(connection, names)

    with stage(database) as on:
        name = on.place("unseen")  # No projector runs.
        assert asyncio.run(ask(name, "someone-elses", "")) == {name: name}
        # Venues that take shorter names know it by its beginning.
        assert asyncio.run(ask(name[:20], name[:10], "av" + "7" * 18)) == {name[:20]: name}


def test_a_cancellation_is_due_before_the_orders_that_wait_longer(
    migrated: Callable[[], Database],
) -> None:
    async def due(dsn: str) -> list[str | None]:
        async with await connect_async(dsn, WRITER_OPTIONS) as connection:
            rows = await effects.due(connection, now_us(), {(ACCOUNT, "paper"): True}, (), 3)
        return [row.kind for row in rows]

    with stage(migrated()) as on:
        resting = on.place("rests")
        for number in range(5):
            on.place(f"waits {number}")
        on.say(stream(resting), RecordAccepted("1"), "accept")
        on.say(stream(resting), CancelOrder(), "cancel")
        catch_up(on.database.app_dsn)
        assert asyncio.run(due(on.database.app_dsn)) == ["cancel", "place", "place", "place"]
