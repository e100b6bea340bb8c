"""Columns count into what an answer may be, and no process is believed that gives more."""

import asyncio
import math

import pytest

from adapters.lake import sandbox
from adapters.lake.attach import LakeUnavailable
from adapters.lake.sandbox import BadQuery, Bounds, Sandbox
from adapters.lake.sandbox_formats import ARROW, CSV, FORMATS, JSON
from tests.analytics.conftest import Desk
from tests.lakes import Lake

pytestmark = pytest.mark.postgres
BYTES_MAX = 4096
NAMES = "select " + ", ".join(f"1 as {'n' * 90}{number}" for number in range(100))
FIELDS = ", ".join(f"{'f' * 90}{number} := 1" for number in range(50))
TYPES = f"select s a, [s] b, [[s]] c from (select struct_pack({FIELDS}) s) limit 0"


def ask(lake: Lake, sql: str, kind: str, bytes_max: int = BYTES_MAX) -> sandbox.Answer:
    async def run() -> sandbox.Answer:
        opened = Sandbox(lake.reading, Bounds(bytes_max=bytes_max, memory_mb=128))
        try:
            return await opened.run(sql, kind)
        finally:
            await opened.close()

    return asyncio.run(run())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("sql", [f"{NAMES} limit 0", NAMES, TYPES])
def test_columns_alone_can_be_too_much(stocked: Lake, sql: str, kind: str) -> None:
    with pytest.raises(BadQuery, match="4096 bytes of AVIARY_ANALYTICS_BYTES_MAX") as caught:
        ask(stocked, sql, kind)
    assert caught.value.kind == "bytes"


def test_a_short_query_with_long_types_is_400(desk: Desk) -> None:
    fields = ", ".join(f"{'f' * 9000}{number} := 1" for number in range(8))
    columns = ", ".join(f"s as c{number}" for number in range(300))
    answer = desk.ask(f"select {columns} from (select struct_pack({fields}) s) limit 0")
    assert (answer.status_code, answer.json()["code"]) == (400, "query_too_large")
    assert "AVIARY_ANALYTICS_BYTES_MAX" in answer.json()["detail"]
    assert desk.ask("select 1").json()["rows"] == [[1]]


@pytest.mark.parametrize("kind", [JSON, CSV, ARROW])
def test_the_header_takes_room_from_the_rows(stocked: Lake, kind: str) -> None:
    sql = f"select repeat('x', 500) as {'n' * 1500} from range(20)"
    found = ask(stocked, sql, kind)
    assert found.cut_by == "bytes"
    assert len(found.body) <= BYTES_MAX + 200
    assert found.row_count < math.ceil(BYTES_MAX / 500)


@pytest.mark.parametrize(
    "said",
    [
        "Said(kind='ok', size=(2 << 20))",
        "Said(kind='ok', size=-1)",
        "Said(kind='ok', text='x' * (2 << 20))",
        "[1]",
    ],
)
def test_a_process_that_gives_more_than_it_may_has_failed(
    stocked: Lake, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    start = sandbox._START.replace(  # noqa: SLF001 - a process that lies
        "from adapters.lake.sandbox_child import main",
        "import adapters.lake.sandbox_child as child; from adapters.lake.sandbox_child import Said;"
        f" child._say = (lambda say: lambda a, s, b=b'': say(a, s if s.kind == 'ready' else {said}"
        ", b))(child._say); main = child.main",
    )
    monkeypatch.setattr(sandbox, "_START", start)
    with pytest.raises(LakeUnavailable, match="process of the query failed"):
        ask(stocked, "select 1", JSON)
