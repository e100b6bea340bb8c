"""Where large queries spill: every DuckDB has a folder of its own, and leaves none."""

import multiprocessing
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from adapters.lake.attach import Place, attach
from adapters.lake.spill import OwnFolder
from tests.lakes import Lake, attached, written

ROWS = "select distinct md5(range::varchar) as y from range(2000000)"
LARGE = f"select count(*) from ({ROWS})"


@pytest.fixture
def place(lake: Lake) -> Place:
    with written(lake.writing):
        pass
    return structs.replace(lake.reading, memory_mb=64)


@pytest.mark.postgres
def test_those_that_spill_at_once_do_not_meet(place: Place) -> None:
    found: list[object] = []

    def ask() -> None:
        with closing(attach(place)) as lake:
            found.extend(lake.execute(LARGE).fetchone() for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(2_000_000,)] * 9
    assert list(Path(place.spill).iterdir()) == []


@pytest.mark.postgres
def test_one_that_closes_takes_nothing_from_another(place: Place) -> None:
    with attached(place) as lake:
        lake.execute(f"create temp table x as from ({ROWS})")
        spilled = next(path for path in Path(place.spill).glob("*/*") if path.stat().st_size)
        with attached(place) as other:
            assert other.execute(LARGE).fetchone() == (2_000_000,)
        assert spilled.exists()
        assert lake.execute("select count(*) from x").fetchone() == (2_000_000,)


@pytest.mark.postgres
def test_one_that_cannot_attach_leaves_no_folder(place: Place) -> None:
    import duckdb

    away = structs.replace(place, dsn="postgresql://nobody@127.0.0.1:1/lake")
    with pytest.raises(duckdb.Error):
        attach(away)
    assert list(Path(place.spill).iterdir()) == []


def test_what_a_killed_one_left_is_swept_and_what_is_held_is_not(tmp_path: Path) -> None:
    held = OwnFolder(tmp_path, "x-")
    process = multiprocessing.get_context("spawn").Process(target=OwnFolder, args=(tmp_path, "x-"))
    process.start()
    process.join()
    (tmp_path / "x-stale").mkdir()
    (tmp_path / "x-stale" / "file").touch()
    (tmp_path / "y-other").mkdir()
    new = OwnFolder(tmp_path, "x-")
    assert {str(path) for path in tmp_path.iterdir()} == {
        *(held.path, new.path, str(tmp_path / "y-other"))
    }
    held.remove()
    held.remove()
    assert not Path(held.path).exists()


def test_many_at_once_have_each_their_own(tmp_path: Path) -> None:
    made: list[OwnFolder] = []
    threads = [
        threading.Thread(target=lambda: made.append(OwnFolder(tmp_path, "x-"))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({folder.path for folder in made}) == 40
    assert all(Path(folder.path).exists() for folder in made)
