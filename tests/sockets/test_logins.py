"""Who gets in: greeted first, or told why not and closed with 4001."""

import asyncio
import logging
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.http.auth import FREE_FAILURES
from api.sockets.open_sockets import OpenSockets
from tests.postgres_fixture import Database
from tests.sockets.served import PASSWORD, TOKEN, USER, Raw, Served, opened, serving
from tests.venues.paper_process import PaperProcess
from workers.projecting.projector import catch_up

pytestmark = pytest.mark.postgres


async def greeting(served: Served, query: str, **options: Any) -> dict[str, Any]:
    async with opened(served.socket_url(query=query), **options) as raw:
        frame = await raw.next()
        if frame["type"] == "error":
            assert await raw.closed() == 4001
        return frame


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", basic(f"{USER}:{PASSWORD}")),
        (f"token={TOKEN}", {}),
        (f"username={USER}&password=correct%20horse", {}),
        (f"token={TOKEN}", {"Origin": "http://elsewhere.example"}),
    ],
)
def test_the_first_frame_greets_who_may_listen(
    served: Served, query: str, headers: dict[str, str]
) -> None:
    frame = asyncio.run(greeting(served, query, headers=headers))
    assert frame["type"] == "connected"
    assert isinstance(frame["connection_id"], str)
    assert isinstance(frame["timestamp"], float)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("token=", {}),
        ("token=not-base64", {}),
        (f"username={USER}", {}),
        (f"username={USER}&password=wrong", {}),
        ("&".join("a=1" for _ in range(50)), {}),
        (f"token={TOKEN}", basic(f"{USER}:wrong too")),
        ("", {"Authorization": "Bearer av_00_0123456789abcdef"}),
        ("", basic(f"{USER}:{PASSWORD}") | {"Origin": "http://elsewhere.example"}),
    ],
)
def test_a_stranger_is_told_so_and_closed_with_4001(
    served: Served, query: str, headers: dict[str, str]
) -> None:
    frame = asyncio.run(greeting(served, query, headers=headers))
    assert (frame["type"], frame["message"]) == ("error", "Authentication failed")


def test_a_page_of_ours_may_use_what_its_browser_remembers(served: Served) -> None:
    headers = basic(f"{USER}:{PASSWORD}") | {"Origin": served.url}
    assert asyncio.run(greeting(served, "", headers=headers))["type"] == "connected"


def test_a_plus_in_a_token_need_not_be_escaped(
    log: Database, venue: PaperProcess, tmp_path: Path
) -> None:
    password = "~~~???>>>"
    token = b64encode(f"{USER}:{password}".encode()).decode()
    assert "+" in token
    with serving(log.app_dsn, venue.url, tmp_path, password=password) as served:
        assert asyncio.run(greeting(served, f"token={token}"))["type"] == "connected"


def test_guesses_are_slowed_down_as_everywhere(
    log: Database, venue: PaperProcess, tmp_path: Path
) -> None:
    def is_held_back(served: Served, guess: int) -> bool:
        """By both doors. A slow machine may find the pause over, and then the next is longer."""
        query = f"username={USER}&password={guess}"
        frame = asyncio.run(greeting(served, query))
        with served.client() as client:
            client.auth = (USER, f"and by the other door {guess}")
            status = client.get("/market-data/active-feeds").status_code
        return "Too many failed logins" in frame["detail"] and status == 429

    with serving(log.app_dsn, venue.url, tmp_path) as served:
        assert any(is_held_back(served, guess) for guess in range(2 * FREE_FAILURES))


def make_key(served: Served, log: Database, scope: str) -> tuple[str, dict[str, str]]:
    """The key's id and the header that shows it."""
    with served.client() as client:
        made = client.post("/keys", json={"name": scope, "scopes": [scope]}).json()
    catch_up(log.app_dsn)
    return made["key_id"], {"Authorization": f"Bearer {made['token']}"}


def test_a_key_must_be_one_that_may_read(served: Served, log: Database) -> None:
    _, reader = make_key(served, log, "read")
    assert asyncio.run(greeting(served, "", headers=reader))["type"] == "connected"
    _, trader = make_key(served, log, "trade")
    assert "scope 'read'" in asyncio.run(greeting(served, "", headers=trader))["detail"]


def test_a_key_that_is_revoked_is_closed_at_the_next_heartbeat(
    log: Database, venue: PaperProcess, tmp_path: Path
) -> None:
    async def scenario(served: Served, key_id: str, headers: dict[str, str]) -> None:
        async with opened(served.socket_url(query=""), headers=headers) as raw:
            assert (await raw.next())["type"] == "connected"
            assert (await raw.next())["type"] == "heartbeat"
            with served.client() as client:
                await asyncio.to_thread(client.delete, f"/keys/{key_id}")
            assert (await raw.next_of("error"))["message"] == "Authentication failed"
            assert await raw.closed() == 4001

    sockets = OpenSockets(10, heartbeat_seconds=0.1)
    with serving(log.app_dsn, venue.url, tmp_path, sockets) as served:
        asyncio.run(scenario(served, *make_key(served, log, "read")))


def test_a_password_in_a_query_is_in_no_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        asyncio.run(greeting(served, f"username={USER}&password=canary-of-the-query"))
        asyncio.run(greeting(served, f"token={TOKEN}"))
    assert "canary-of-the-query" not in caplog.text
    assert TOKEN not in caplog.text


def test_other_paths_answer_an_upgrade_as_any_request(served: Served) -> None:
    async def scenario() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await http.ws_connect(served.socket_url("/ws/executors"))
            assert caught.value.status == 404

    asyncio.run(scenario())


def test_places_are_limited_and_one_caller_has_half_of_them(
    log: Database, venue: PaperProcess, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with opened(served.socket_url()) as first:
            assert (await first.next())["type"] == "connected"
            async with opened(served.socket_url()) as second:
                frame = await second.next()
                assert frame["type"] == "error"
                assert "1 of 2 places" in frame["message"]
                assert await second.closed() == 1013
        await until_greeted(served)

    async def until_greeted(served: Served) -> None:
        """The place is free once the server has seen the other leave."""
        async with asyncio.timeout(60):
            while True:
                async with opened(served.socket_url()) as again:
                    if (await again.next())["type"] == "connected":
                        return

    with serving(log.app_dsn, venue.url, tmp_path, sockets_max=2) as served:
        asyncio.run(scenario(served))


def test_a_server_that_stops_says_that_it_goes_away(
    log: Database, venue: PaperProcess, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> int | None:
        async with opened(served.socket_url()) as raw:
            await raw.next()
            served.server.should_exit = True
            return await goodbye(raw)

    async def goodbye(raw: Raw) -> int | None:
        return await raw.closed()

    with serving(log.app_dsn, venue.url, tmp_path) as served:
        assert asyncio.run(scenario(served)) == 1001
