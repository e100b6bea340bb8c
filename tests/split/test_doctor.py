"""`aviary doctor` on processes that may run anywhere."""

import io
from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb
from rich.console import Console

from adapters.settings import Settings
from tests.postgres_fixture import Database
from workers.tools.checking import examine

pytestmark = pytest.mark.postgres
Listed = tuple[str, str, str, int, dict[str, int]]
NEEDED: tuple[Listed, ...] = tuple(
    (name, "a:1", "running", 0, {}) for name in ("dispatcher", "projector", "scheduler")
)


@pytest.fixture
def said(template: Database, database: Callable[..., Database]) -> Callable[..., tuple[bool, str]]:
    """What doctor says of these processes: name, process, state, age, detail."""

    def ask(*rows: Listed) -> tuple[bool, str]:
        made = database(template=template)
        with psycopg.connect(made.owner_dsn) as owner:
            for *row, seconds, detail in rows:
                owner.execute(
                    """insert into workers (name, process, state, alive_at, detail)
                    values (%s, %s, %s, now() - make_interval(secs => %s), %s)""",
                    (*row, seconds, Jsonb(detail)),
                )
        table, is_well = examine(Settings(database_url=made.app_dsn))
        text = io.StringIO()
        Console(file=text, width=200).print(table)
        return is_well, text.getvalue()

    return ask


Said = Callable[..., tuple[bool, str]]


def test_the_application_s_login_is_enough(said: Said) -> None:
    is_well, text = said(*NEEDED)
    assert is_well, text
    assert "all applied" in text


def test_a_needed_worker_that_nobody_runs_is_named(said: Said) -> None:
    is_well, text = said(*NEEDED[:2])
    assert not is_well
    assert "scheduler" in text
    assert "was not heard of" in text


@pytest.mark.parametrize("dead", [("stopped", 5), ("running", 300), ("failed: x", 1)])
def test_one_that_runs_is_enough_and_each_is_shown(said: Said, dead: tuple[str, int]) -> None:
    other: Listed = ("projector", "b:2", *dead, {})
    assert said(*NEEDED, other)[0]
    is_well, text = said(NEEDED[0], NEEDED[2], other)
    assert not is_well
    assert "projector at b:2" in text


def test_what_is_not_needed_may_be_stopped_and_may_not_be_lost(said: Said) -> None:
    assert said(*NEEDED, ("relay", "a:1", "stopped", 5, {}))[0]
    assert not said(*NEEDED, ("relay", "a:1", "running", 300, {}))[0]


def test_api_processes_that_do_not_share_their_secrets_are_told_apart(said: Said) -> None:
    one = ("api", "a:1", "running", 0, {"key_fingerprint": 1, "login_fingerprint": 1})
    assert said(*NEEDED, one, ("api", "b:1", *one[2:]))[0]
    for fingerprints, what in (((2, 1), "master key"), ((1, 2), "user name or password")):
        detail = dict(zip(("key_fingerprint", "login_fingerprint"), fingerprints, strict=True))
        is_well, text = said(*NEEDED, one, ("api", "b:1", "running", 0, detail))
        assert not is_well
        assert f"do not share one {what}" in text
        assert said(*NEEDED, one, ("api", "b:1", "stopped", 0, detail))[0]
