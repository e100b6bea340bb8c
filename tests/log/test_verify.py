"""What `aviary verify` finds when somebody with the owner's rights changed the stored log."""

from pathlib import Path

import psycopg
import pytest

from adapters.postgres.connect import READER_OPTIONS, connect
from commands.seal import SealBroken
from domain.log import Head
from tests.folds import copy_log, written
from tests.postgres_fixture import Database
from tests.stores import empty, opening, placing
from workers.tools import history
from workers.tools.checking import BROKEN, CLEAN, UNREADABLE, verify_file

LOG = [*opening(), placing("av1"), placing("av2")]


def verify(database: Database) -> Head:
    with connect(database.app_dsn, READER_OPTIONS, autocommit=True) as reader:
        row = reader.execute("select position, seal from log_head").fetchone()
        assert row
        verified = history.verify(history.pages(reader, 0), Head())
        history.check_head(verified, Head(*row))
        return verified


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("tampering", "position"),
    [
        ("update events set state = state || ' '::bytea where notification_id = 2", 2),
        ("update events set metadata = metadata || ' '::bytea where notification_id = 3", 3),
        ("update events set topic = 'order.placed.v2' where notification_id = 3", 3),
        ("update events set originator_id = 'order-x' where notification_id = 1", 1),
        ("update events set originator_version = 9 where notification_id = 4", 4),
        ("delete from events where notification_id = 1", 1),
        ("delete from events where notification_id = 3", 3),
        ("delete from events where notification_id = 4", 4),
        ("update log_head set position = 3", 5),
        ("update log_head set seal = decode(repeat('00', 32), 'hex')", 5),
    ],
)
def test_the_owner_s_tampering_is_found_at_its_position(
    shared: Database, tampering: str, position: int
) -> None:
    empty(shared)
    copy_log(shared, written(LOG))
    assert verify(shared).position == 4
    with psycopg.connect(shared.owner_dsn) as owner:
        owner.execute(tampering.encode())
    with pytest.raises(SealBroken) as caught:
        verify(shared)
    assert caught.value.position == position


def test_an_export_is_judged_by_exit_code_and_sentence(tmp_path: Path) -> None:
    lines = [history.to_line(event) + b"\n" for event in written(LOG)]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(lines))
    code, text = verify_file(path, lambda _at, _of: None)
    assert (code, text.startswith("Clean up to position 4, seal ")) == (CLEAN, True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    code, text = verify_file(path, lambda _at, _of: None)
    assert (code, text.startswith("Broken at position 2: ")) == (BROKEN, True)
    path.write_bytes(b"no log")
    assert verify_file(path, lambda _at, _of: None)[0] == UNREADABLE
    assert verify_file(tmp_path / "absent", lambda _at, _of: None)[0] == UNREADABLE
