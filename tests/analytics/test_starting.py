"""Queries given up while their process starts leave nothing behind."""

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from adapters.lake import sandbox
from adapters.lake.attach import Place
from adapters.lake.sandbox import Sandbox
from adapters.lake.sandbox_formats import JSON
from adapters.lake.spill import OwnFolder
from tests.analytics.test_analytics_query import processes
from tests.lakes import Lake

pytestmark = pytest.mark.postgres


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.fixture
def place(stocked: Lake, tmp_path: Path) -> Place:
    return structs.replace(stocked.reading, spill=str(tmp_path / "spill"))


async def give_up(opened: Sandbox, seconds: float) -> None:
    asked = asyncio.create_task(opened.run("select 1", JSON))
    await asyncio.sleep(seconds)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


def test_one_given_up_at_any_moment_of_its_start_leaves_nothing(place: Place) -> None:
    async def ask() -> None:
        opened = Sandbox(place)
        await opened.run("select 1", JSON)
        await opened.close()
        gc.collect()  # What earlier tests left is not closed in between.
        before, others = descriptors(), len(processes())
        for seconds in (0, 0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3):
            await give_up(opened, seconds)
        assert opened.running == 0
        await opened.close()
        assert (descriptors(), len(processes())) == (before, others)

    asyncio.run(ask())
    assert list(Path(place.spill).iterdir()) == []


def test_one_given_up_while_its_folder_is_made_leaves_no_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow(parent: Path, prefix: str) -> OwnFolder:
        goes_on.wait(60)
        return OwnFolder(parent, prefix)

    monkeypatch.setattr(sandbox, "OwnFolder", slow)

    async def ask() -> None:
        opened = Sandbox(place)
        before = len(processes())
        await give_up(opened, 0.05)
        goes_on.set()
        await opened.close()
        assert len(processes()) == before

    asyncio.run(ask())
    assert list(Path(place.spill).iterdir()) == []


def test_one_whose_process_cannot_be_started_leaves_no_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise OSError("Cannot fork")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)

    async def ask() -> None:
        opened = Sandbox(place)
        with pytest.raises(OSError, match="Cannot fork"):
            await opened.run("select 1", JSON)
        await opened.close()

    asyncio.run(ask())
    assert list(Path(place.spill).iterdir()) == []
