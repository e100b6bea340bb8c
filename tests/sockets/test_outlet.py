"""One frame at a time, answers before data; and a client that takes nothing ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from api.sockets import outlet as module
from api.sockets.outlet import Outlet, Stalled


class Wire:
    """What is sent is taken when the test lets it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_asked = asyncio.Event()
        self.aborted = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.is_asked.set()
        await self.is_open.wait()
        self.sent.append(message.get("text", message["type"]))

    def abort(self) -> None:
        self.aborted.set()


def play(scenario: Callable[[Wire, Outlet], Awaitable[None]], stall_seconds: float = 10.0) -> None:
    async def run() -> None:
        wire = Wire()
        scope = cast("Any", {"extensions": {"aviary.connection": {"transport": wire}}})
        async with asyncio.timeout(60):
            await scenario(wire, Outlet(scope, wire.send, stall_seconds))

    asyncio.run(run())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(module, "QUIET_MAX_SECONDS", 0.8)


def test_no_data_is_begun_between_a_question_and_its_answer() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        async with outlet.answering():
            pushing = asyncio.create_task(outlet.push(lambda: ["data"]))
            await asyncio.sleep(0)
            await outlet.answer("answer")
        assert wire.sent == ["answer"]
        await pushing
        assert wire.sent == ["answer", "data"]

    play(scenario)


def test_a_question_that_comes_while_data_is_under_way_is_answered_before_more_of_it() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        wire.is_open.clear()
        pushing = asyncio.create_task(outlet.push(lambda: ["one", "two"]))
        await wire.is_asked.wait()
        is_asking = asyncio.Event()

        async def ask() -> None:
            async with outlet.answering():
                is_asking.set()
                await outlet.answer("answer")

        asking = asyncio.create_task(ask())
        await is_asking.wait()
        wire.is_open.set()
        await asyncio.gather(pushing, asking)
        assert wire.sent == ["one", "answer", "two"]

    play(scenario)


def test_the_next_question_is_answered_before_data_too() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        pushing = None
        for number in range(3):
            async with outlet.answering():
                pushing = pushing or asyncio.create_task(outlet.push(lambda: ["data"]))
                await outlet.answer(f"answer {number}")
            await asyncio.sleep(0)
        assert pushing is not None
        await pushing
        assert wire.sent == ["answer 0", "answer 1", "answer 2", "data"]

    play(scenario)


def test_a_question_that_comes_in_the_pause_before_data_is_answered_first() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        async with outlet.answering():
            await outlet.answer("first")
        pushing = asyncio.create_task(outlet.push(lambda: ["data"]))
        await asyncio.sleep(0)
        async with outlet.answering():
            await asyncio.sleep(0.3)  # Longer than the pause.
            await outlet.answer("second")
        await pushing
        assert wire.sent == ["first", "second", "data"]

    play(scenario)


def test_a_client_that_never_stops_asking_gets_its_data() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        pushing = asyncio.create_task(outlet.push(lambda: ["data"]))
        while not pushing.done():
            async with outlet.answering():
                await outlet.answer("answer")
            await asyncio.sleep(0.001)
        assert wire.sent[-1] in ("data", "answer")
        assert "data" in wire.sent

    play(scenario)


def test_what_is_no_longer_wanted_is_not_sent() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        wanted = [True]
        async with outlet.answering():
            pushing = asyncio.create_task(outlet.push(lambda: ["data"], lambda: wanted[0]))
            await asyncio.sleep(0)
            wanted[0] = False
            await outlet.answer("unsubscribed")
        await pushing
        assert wire.sent == ["unsubscribed"]

    play(scenario)


def test_data_is_made_when_it_can_be_sent() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        latest = ["old"]
        async with outlet.answering():
            pushing = asyncio.create_task(outlet.push(lambda: [latest[0]]))
            await asyncio.sleep(0)
            latest[0] = "new"
            await outlet.answer("answer")
        await pushing
        assert wire.sent == ["answer", "new"]

    play(scenario)


def test_a_client_that_takes_nothing_is_cut() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        wire.is_open.clear()
        with pytest.raises(Stalled):
            await outlet.push(lambda: ["data"])
        await wire.aborted.wait()

    play(scenario, stall_seconds=0.05)


def test_a_goodbye_that_nobody_takes_cuts_the_connection() -> None:
    async def scenario(wire: Wire, outlet: Outlet) -> None:
        wire.is_open.clear()
        await outlet.close(1001, "The server stops.", 0.05)
        await wire.aborted.wait()

    play(scenario)
