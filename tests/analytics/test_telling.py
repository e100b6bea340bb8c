"""What an analyst is told when the lake's login is part of what DuckDB says."""

import asyncio
from typing import Any

import pytest
from msgspec import structs
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.lake.attach import LakeUnavailable, ObjectStore
from adapters.lake.sandbox import Sandbox
from adapters.lake.sandbox_child import Setup, _scrubbed
from adapters.lake.sandbox_formats import JSON
from tests.lakes import Lake

PASSWORDS = ("plain", "it's", "back\\slash", "with space", "'\\ '", 'double"quote')


def dsn_with(password: str) -> str:
    login = {"user": "a_reader", "password": password, "host": "10.1.2.3"}
    return make_conninfo(**login, port=6543, dbname="a_lake")


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_part_of_the_login_is_told_however_it_is_escaped(password: str) -> None:
    dsn = dsn_with(password)
    setup = Setup(dsn, "/lake/", "/own", 64, ObjectStore())
    escaped = make_conninfo(password=password).partition("=")[2]
    for text in (
        f'IO Error: Unable to connect to Postgres at "{dsn}": failed',
        f"IO Error: Unable to connect to Postgres at '{dsn} connect_timeout=3'",
        'server at "10.1.2.3", port 6543 failed: FATAL: user "a_reader", database "a_lake"',
        f"{password} {escaped}",
    ):
        said = _scrubbed(text, setup)
        for secret in (password, escaped, "a_reader", "6543", "a_lake", "10.1.2.3"):
            assert secret not in said, said


def test_what_an_analyst_wrote_stays() -> None:
    setup = Setup(dsn_with("hush"), "/lake/", "/own", 64, ObjectStore())
    text = "Binder Error: no column a_lake in trades where user = 'x' and port = 6543"
    assert _scrubbed(text, setup) == text


@pytest.mark.postgres
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_failed_attach_is_one_sentence(stocked: Lake, password: str) -> None:
    login: dict[str, Any] = dict(conninfo_to_dict(stocked.reader_dsn))
    dsn = make_conninfo(**(login | {"password": password, "dbname": "no_such_lake"}))
    place = structs.replace(stocked.reading, dsn=dsn)

    async def ask() -> str:
        opened = Sandbox(place)
        try:
            with pytest.raises(LakeUnavailable) as caught:
                await opened.run("select 1", JSON)
        finally:
            await opened.close()
        return str(caught.value)

    said = asyncio.run(ask())
    assert said.startswith("The lake cannot be read: Its catalogue cannot be reached")
    for value in (login["user"], login["host"], login["port"], "no_such_lake"):
        assert str(value) not in said
