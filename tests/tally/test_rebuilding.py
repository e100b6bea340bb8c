"""`aviary rebuild tallies`, and what it repairs."""

from contextlib import closing

import psycopg
import pytest

from adapters.postgres.log import PostgresLog
from domain.tally import of_account
from tests.folds import run
from tests.postgres_fixture import Database
from tests.stores import empty, opening, placing
from workers.running.database import Dsns
from workers.tools.rebuilding import NAMES, TALLIES, rebuild

pytestmark = pytest.mark.postgres


def test_tallies_are_rebuilt_by_name(shared: Database) -> None:
    empty(shared)
    with closing(PostgresLog(shared.app_dsn)) as store:
        run(store, [*opening(), placing("av1"), placing("av2")])
        kept = store.read_tallies()
        with psycopg.connect(shared.owner_dsn) as owner:
            owner.execute("""update tallies set state = '{"open_orders": 77}'""")
            owner.execute("insert into tallies values ('account-nobody', '{}')")
        dsns = Dsns(shared.app_dsn, shared.owner_dsn)
        seen: list[tuple[int, int]] = []
        assert rebuild(dsns, TALLIES, lambda at, head: seen.append((at, head))) == (
            "tallies: counted up to position 4"
        )
        assert seen[-1] == (4, 4)
        assert store.read_tallies() == kept
        assert set(kept) == {of_account("main")}


def test_all_includes_tallies() -> None:
    assert NAMES[-1] == TALLIES
    assert "orders" in NAMES
