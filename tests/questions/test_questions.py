"""API processes ask, workers answer: over a real Postgres, with venues of our own."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
import psycopg
import pytest

from adapters.postgres import questions
from adapters.postgres.questions import Answer, Question
from adapters.venues.port import Balance, VenueBusy, VenueRefused, VenueUnreachable
from api.accounts import asking as asking_module
from api.accounts.asking import Asking
from api.errors import Failure
from tests.postgres_fixture import Database
from tests.questions.world import EUR, Venue, answering_by, desks_of
from workers.dispatching import answering

pytestmark = pytest.mark.postgres
BALANCES = Question("main", "binance", "balances")
FRESH = Question("main", "binance", "balances", '{"is_fresh":true}')


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds nobody, or no answer, finds none because a test wants it: not of a slow machine."""
    monkeypatch.setattr(asking_module, "TAKEN_SECONDS", 60.0)
    monkeypatch.setattr(asking_module, "ANSWERED_SECONDS", 60.0)
    monkeypatch.setattr(asking_module, "_CONNECT_SECONDS", 30.0)


def with_asking(database: Database, work: Callable[[Asking], Awaitable[None]]) -> None:
    async def run() -> None:
        asking = Asking(database.app_dsn)
        await asking.start()
        try:
            await work(asking)
        finally:
            await asking.close()

    asyncio.run(run())
    with psycopg.connect(database.owner_dsn) as owner:
        left = owner.execute("select count(*) from questions").fetchone()
    assert left == (0,), "what is read or given up is gone"


def decoded(text: bytes) -> list[Balance]:
    return msgspec.json.decode(text, type=list[Balance])


def test_a_question_is_answered(migrated: Callable[[], Database]) -> None:
    database, venue = migrated(), Venue()

    async def work(asking: Asking) -> None:
        async with answering_by(database, desks_of(binance=venue)):
            assert decoded(await asking.ask(BALANCES)) == [EUR]

    with_asking(database, work)


def test_a_question_that_many_ask_is_one_call_of_the_venue(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, venue = migrated(), Venue()
    heard: list[Question] = []
    find = answering.Answering._found  # noqa: SLF001 - where questions meet

    def found(self: answering.Answering, question: Question) -> asyncio.Task[Answer]:
        heard.append(question)
        return find(self, question)

    monkeypatch.setattr(answering.Answering, "_found", found)
    monkeypatch.setattr(answering, "REMEMBERED_SECONDS", 60.0)

    async def work(asking: Asking) -> None:
        other = Asking(database.app_dsn)  # Another API process.
        await other.start()
        venue.may_answer.clear()
        async with answering_by(database, desks_of(binance=venue)):
            waiting = [
                asyncio.create_task(each.ask(question))
                for each in (asking, other)
                for question in (BALANCES, FRESH)
                for _ in range(20)
            ]
            await venue.was_asked.wait()
            while len(heard) < 4:  # Two processes ask two questions.  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            venue.may_answer.set()
            assert {await task for task in waiting} == {await asking.ask(BALANCES)}
            assert venue.asked == 1
            await asking.ask(FRESH)
            assert venue.asked == 2
        await other.close()

    with_asking(database, work)


async def _untaken(database: Database) -> bool:
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        found = await owner.execute("select 1 from questions where taken_by is null")
        return await found.fetchone() is not None


def test_of_several_workers_one_that_holds_the_account_answers(
    migrated: Callable[[], Database],
) -> None:
    database, held, other, elsewhere = migrated(), Venue(), Venue(), Venue()

    async def work(asking: Asking) -> None:
        async with (
            answering_by(database, desks_of(okx=elsewhere), "w1"),
            answering_by(database, desks_of(binance=held), "w2"),
            answering_by(database, desks_of(binance=other), "w3"),
        ):
            assert decoded(await asking.ask(FRESH)) == [EUR]
            assert (held.asked + other.asked, elsewhere.asked) == (1, 0)

    with_asking(database, work)


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (VenueRefused("-2015", "Invalid API-key"), 502, "venue_refused", "-2015: Invalid API-key"),
        (VenueRefused("not_supported", "no balances"), 400, "not_supported", "no balances"),
        (VenueUnreachable("timed out"), 503, "venue_unreachable", "timed out"),
        (VenueBusy("429", 60.0), 503, "venue_unreachable", "429"),
        (ZeroDivisionError("secret"), 503, "venue_unreachable", "ZeroDivisionError"),
    ],
)
def test_what_the_venue_says_is_told(
    migrated: Callable[[], Database], error: Exception, status: int, code: str, text: str
) -> None:
    database = migrated()

    async def work(asking: Asking) -> None:
        async with answering_by(database, desks_of(binance=Venue(error))):
            with pytest.raises(Failure) as caught:
                await asking.ask(BALANCES)
            assert (caught.value.status, caught.value.body["code"]) == (status, code)
            assert text in str(caught.value)
            assert "secret" not in str(caught.value)
            if isinstance(error, VenueBusy):
                with pytest.raises(Failure, match="wants fewer requests"):
                    await asking.ask(FRESH)

    with_asking(database, work)


def test_no_worker_and_a_silent_venue_are_told_apart(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_module, "ANSWERED_SECONDS", 1.2)
    database, silent = migrated(), Venue()

    async def work(asking: Asking) -> None:
        silent.may_answer.clear()
        async with answering_by(database, desks_of(binance=silent)):
            with pytest.raises(Failure, match="does not answer"):
                await asking.ask(BALANCES)
            monkeypatch.setattr(asking_module, "TAKEN_SECONDS", 0.6)
            with pytest.raises(Failure, match="No worker holds account 'main' at 'okx'"):
                await asking.ask(Question("main", "okx", "balances"))

    with_asking(database, work)


def test_a_question_asked_before_there_was_a_worker_is_answered_by_the_next(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Venue()

    async def work(asking: Asking) -> None:
        waiting = asyncio.create_task(asking.ask(BALANCES))
        while not await _untaken(database):
            await asyncio.to_thread(time.sleep, 0.01)
        async with answering_by(database, desks_of(binance=venue)):
            assert decoded(await waiting) == [EUR]

    with_asking(database, work)


def test_one_who_gives_up_does_not_end_the_question_of_others(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Venue()

    async def work(asking: Asking) -> None:
        venue.may_answer.clear()
        async with answering_by(database, desks_of(binance=venue)):
            impatient, patient = (asyncio.create_task(asking.ask(BALANCES)) for _ in range(2))
            await venue.was_asked.wait()
            impatient.cancel()
            venue.may_answer.set()
            assert decoded(await patient) == [EUR]

    with_asking(database, work)


def test_old_questions_are_not_taken_and_then_swept(migrated: Callable[[], Database]) -> None:
    database = migrated()
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute(
            """insert into questions (id, account, connector, kind, asked_at)
            values ('old', 'main', 'binance', 'balances', now() - interval '31 seconds')"""
        )

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(
            database.owner_dsn, autocommit=True
        ) as owner:
            assert await questions.take(owner, [("main", "binance")], "w", 10) == []
            assert await questions.sweep(owner, 60) == 0
            assert await questions.sweep(owner, 30) == 1

    asyncio.run(work())


def test_too_many_questions_are_refused(
    migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_module, "ASKED_MAX", 3)
    database, venue = migrated(), Venue()

    async def work(asking: Asking) -> None:
        venue.may_answer.clear()
        names = [f"c{number}" for number in range(4)]
        desks = desks_of("main", **dict.fromkeys(names, venue))
        async with answering_by(database, desks):
            waiting = [
                asyncio.create_task(asking.ask(Question("main", name, "balances")))
                for name in names[:3]
            ]
            await asyncio.sleep(0)
            with pytest.raises(Failure, match="3 questions wait"):
                await asking.ask(Question("main", names[3], "balances"))
            venue.may_answer.set()
            await asyncio.gather(*waiting)

    with_asking(database, work)


def test_questions_are_asked_again_after_every_session_was_cut(
    migrated: Callable[[], Database],
) -> None:
    database, venue = migrated(), Venue()

    async def work(asking: Asking) -> None:
        for _ in range(2):
            async with answering_by(database, desks_of(binance=venue)):
                assert decoded(await asking.ask(FRESH)) == [EUR]
            async with await psycopg.AsyncConnection.connect(
                database.app_dsn, autocommit=True
            ) as other:
                await other.execute(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                    where usename = session_user and datname = current_database()
                        and pid <> pg_backend_pid()"""
                )

    with_asking(database, work)
