"""`aviary health`: whether this host's process of a name is well."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.settings import Settings
from adapters.values import BadSetting
from tests.ports import free_port
from tests.postgres_fixture import Database
from workers.tools.health import check

pytestmark = pytest.mark.postgres
HERE = socket.gethostname()


@pytest.fixture
def listed(migrated: Callable[[], Database]) -> Callable[..., Settings]:
    """Settings of a database in which these processes have beaten: name, process, state, age."""

    def make(*rows: tuple[str, str, str, int]) -> Settings:
        database = migrated()
        with psycopg.connect(database.owner_dsn) as owner:
            for name, process, state, seconds in rows:
                owner.execute(
                    """insert into workers (name, process, state, alive_at)
                    values (%s, %s, %s, now() - make_interval(secs => %s))""",
                    (name, process, state, seconds),
                )
        return Settings(database_url=database.app_dsn)

    return make


@pytest.mark.parametrize(
    ("process", "state", "seconds", "is_well"),
    [
        (f"{HERE}:1", "running", 0, True),
        (f"{HERE}:1", "standby", 0, True),
        (f"{HERE}:1", "running", 60, False),
        (f"{HERE}:1", "failed: x", 0, False),
        (f"{HERE}:1", "stopped", 0, False),
        ("elsewhere:1", "running", 0, False),
    ],
)
def test_a_worker_is_well_when_this_host_s_process_runs(
    listed: Callable[..., Settings], process: str, state: str, seconds: int, *, is_well: bool
) -> None:
    settings = listed(("relay", process, state, seconds))
    assert check(settings, "relay")[0] is is_well


def test_all_are_well_when_each_is(listed: Callable[..., Settings]) -> None:
    rows = [(name, f"{HERE}:1", "running", 0) for name in ("dispatcher", "projector")]
    is_well, text = check(listed(*rows), "all")
    assert not is_well
    assert text.splitlines()[-1] == "No scheduler of this host was heard of."
    assert check(listed(*rows, ("scheduler", f"{HERE}:1", "running", 0)), "all")[0]


def test_a_database_that_is_away_is_said() -> None:
    nowhere = Settings(database_url="postgresql://someone:hush@127.0.0.1:1/aviary")
    is_well, text = check(nowhere, "relay")
    assert not is_well
    assert "The database cannot be asked" in text
    assert "hush" not in text


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready/api" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_without_a_database_none_is_started_to_be_asked(tmp_path: Path) -> None:
    is_well, text = check(Settings(data_dir=tmp_path), "relay")
    assert not is_well
    assert f"No database runs in {tmp_path}" in text
    assert not list(tmp_path.iterdir())


def test_the_api_is_well_when_it_can_take_commands() -> None:
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - what a container listens on
        for status in (200, 503):
            with answering(status) as port:
                settings = Settings(host=host, port=port, password="long enough")
                assert check(settings, "api")[0] is (status == 200)
    assert not check(Settings(port=free_port()), "api")[0]


def test_a_name_that_nothing_has_is_refused() -> None:
    with pytest.raises(BadSetting, match="'projctor' is none of api, paper, dispatcher"):
        check(Settings(), "projctor")
