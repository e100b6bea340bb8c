"""What the command line says of the lake: whether it can be read, and how far it is."""

from typing import Any

import psycopg

from adapters.lake.attach import LakeUnavailable, attach, place_for_reading, told
from adapters.lake.tables import FOLDED
from adapters.settings import Settings

_POSITIONS = "select projection, position from checkpoints order by projection"
_SPOOLED = "select count(*) - count(refused), count(refused) from lake_spool"


def examine_lake(
    settings: Settings, reader: psycopg.Connection[Any], head: int
) -> list[tuple[str, str, bool]]:
    place = place_for_reading(settings)
    if place is None:
        return [("lake", "none is configured", True)]
    import duckdb

    try:
        lake = attach(place)
        try:
            positions = dict(lake.execute(_POSITIONS).fetchall())
            for table in FOLDED:  # Its files, too.
                lake.execute(f"select max(md5(account)) from {table}").fetchall()
        finally:
            lake.close()
    except (duckdb.Error, LakeUnavailable) as error:
        return [("lake", told(error), False)]
    behind = {table: head - int(positions.get(table, 0)) for table in FOLDED}
    is_near = all(0 <= events <= settings.lag_max_events for events in behind.values())
    how = ", ".join(f"{table} {events}" for table, events in behind.items())
    waiting, refused = reader.execute(_SPOOLED).fetchone() or (0, 0)
    return [
        ("lake", f"events behind: {how}", is_near),
        ("lake spool", f"{waiting} entries wait, {refused} are refused", not refused),
    ]
