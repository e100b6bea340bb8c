"""A read model that is new, as after an upgrade, is filled beside the others and delays none."""

from contextlib import closing

import psycopg
import pytest

from projections import PROJECTIONS
from tests.folds import copy_log, texts, texts_of_pure_fold, written
from tests.postgres_fixture import Database
from tests.stores import cancelling, empty, opening, placing
from workers.projecting.projector import Projector, catch_up

pytestmark = pytest.mark.postgres
ORDERS = [f"av{number}" for number in range(20)]
LOG = written(
    [*opening(), *(placing(order) for order in ORDERS), *(cancelling(order) for order in ORDERS)]
)
OLD = tuple(its for its in PROJECTIONS if its.name not in ("trades", "limits"))
PAGE = 5


@pytest.fixture
def database(shared: Database) -> Database:
    empty(shared)
    return shared


def standing(database: Database) -> dict[str, int]:
    with psycopg.connect(database.owner_dsn) as owner:
        return dict(owner.execute("select projection, position from checkpoints").fetchall())


def test_the_others_go_on_from_where_they_stand(database: Database) -> None:
    before = len(LOG) - 3
    copy_log(database, LOG[:before])
    catch_up(database.app_dsn, OLD)
    copy_log(database, LOG[before:])
    with closing(Projector(database.app_dsn, page_events=PAGE)) as folding:
        progress = folding.step()
        assert (progress.position, progress.events) == (PAGE, 3 + PAGE)
        found = standing(database)
        assert found.pop("trades") == found.pop("limits") == PAGE
        assert set(found.values()) == {len(LOG)}
        while folding.step().events:
            pass
    assert set(standing(database).values()) == {len(LOG)}
    assert texts(database) == texts_of_pure_fold(database, LOG)


def test_several_that_are_behind_by_different_lengths_end_together(database: Database) -> None:
    copy_log(database, LOG[:30])
    for number, projection in enumerate(PROJECTIONS):
        with closing(Projector(database.app_dsn, (projection,), page_events=number + 1)) as alone:
            alone.step()
    copy_log(database, LOG[30:])
    catch_up(database.app_dsn)
    assert set(standing(database).values()) == {len(LOG)}
    assert texts(database) == texts_of_pure_fold(database, LOG)


def test_those_behind_never_pass_the_others(database: Database) -> None:
    copy_log(database, LOG)
    with closing(Projector(database.app_dsn, OLD, page_events=7)) as alone:
        alone.step()
    with closing(Projector(database.app_dsn, page_events=PAGE)) as folding:
        folding.step()
        found = standing(database)
        assert found["orders"] == 7 + PAGE
        assert found["trades"] == PAGE
        folding.step()
        folding.step()
        found = standing(database)
        assert found["orders"] == 7 + 3 * PAGE
        assert found["trades"] == 3 * PAGE
