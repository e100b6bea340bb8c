import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from adapters.postgres.migrate import pending
from projections import PROJECTIONS
from projections.projection import Projection
from tests.catalogue import catalogue
from tests.postgres_fixture import Database
from workers.running.database import MIGRATIONS

pytestmark = pytest.mark.postgres
EXPECTED = Path(__file__).parent / "catalogue.txt"


def test_all_migrations_make_the_expected_catalogue(migrated: Callable[[], Database]) -> None:
    database = migrated()
    assert pending(database.owner_dsn, MIGRATIONS) == []
    found = catalogue(database.owner_dsn)
    if os.environ.get("AVIARY_ACCEPT") == "catalogue":
        EXPECTED.write_text(found)
    assert found == EXPECTED.read_text()


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_the_columns_of_a_read_model_are_the_fields_of_its_row(
    migrated: Callable[[], Database], projection: Projection
) -> None:
    text = catalogue(migrated().owner_dsn)
    columns = {
        line.split()[0].removeprefix(projection.name + ".")
        for line in text.splitlines()
        if line.startswith(projection.name + ".")
    }
    assert columns == {field.name for field in structs.fields(projection.row_type)}
