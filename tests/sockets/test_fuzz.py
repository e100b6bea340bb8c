"""Whatever is sent is answered by one frame, and the connection goes on."""

import asyncio
import json
import logging
from typing import Any

import pytest
from aiohttp import WSMsgType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sockets.served import PAIR, Served, connected, subscribe

pytestmark = pytest.mark.postgres
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["paper", "a/b", "..", "1m", "9m", "candles", "order_book", "trades", "\x00"]),
)
_FIELDS = st.sampled_from(
    ["type", "connector", "trading_pair", "interval", "depth", "max_records", "update_interval"]
)
_CHANGED = st.builds(
    lambda kind, odd: subscribe(kind) | odd,
    st.sampled_from(["order_book", "trades", "candles"]),
    st.dictionaries(_FIELDS, _ODD, min_size=1, max_size=3),
)
_ANY = st.builds(
    lambda action, odd: {"action": action} | odd,
    st.one_of(st.sampled_from(["ping", "subscribe", "unsubscribe", ""]), _ODD),
    st.dictionaries(st.one_of(_FIELDS, st.text(max_size=5)), _ODD, max_size=4),
)


# What was subscribed to in between is heard of too: frames of data are passed over.
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(_CHANGED, _ANY, _ODD), min_size=1, max_size=10))
def test_every_message_gets_one_answer(served: Served, messages: list[Any]) -> None:
    async def scenario() -> None:
        async with connected(served) as raw:
            for message in messages:
                await raw.socket.send_str(json.dumps(message))
                while (answer := await raw.next())["type"] not in (
                    *("subscribed", "unsubscribed", "pong", "error"),
                ):
                    pass
                assert "subscription_id" not in answer or answer["type"] != "error"
            await raw.send(action="ping")
            await raw.next_of("pong")

    asyncio.run(scenario())
    assert all(feed.pair == PAIR for feed in served.deps.feeds.of() if feed.is_fresh)


def test_a_text_that_is_none_closes_the_connection_and_says_so_without_a_traceback(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with connected(served) as raw:
            await raw.socket.send_frame(b'{"action": "ping\xff"}', WSMsgType.TEXT)
            assert await raw.closed() == 1007

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    # Feeds of what was asked for before go on in their own tasks.
    here = [record for record in caplog.records if not record.name.startswith("api.market")]
    assert not [record for record in here if record.exc_info]
