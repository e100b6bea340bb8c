"""Binance's private streams, read raw: spot by its WebSocket API, USD-M futures by a listen key.

ccxt.pro would tell the same, at a price: it parses each message twice and its numbers once more
(README.md has the figures). The socket itself is the bounded queue: a reader that is too slow
stops the reading, and Binance then cuts a stream that says StreamConnected anew.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from adapters.venues.ccxt import making
from adapters.venues.ccxt.binance_events import Reader
from adapters.venues.ccxt.errors import translate
from adapters.venues.ccxt.making import Exchange
from adapters.venues.port import StreamConnected, UserUpdate, VenueRefused, VenueUnreachable

if TYPE_CHECKING:
    from adapters.venues.ccxt.private import CcxtVenue

_log = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 20.0
_OPEN_SECONDS = 10.0
_MESSAGE_MAX_BYTES = 4 * 1024 * 1024
BACKOFF_SECONDS = (0.05, 30.0)
_KEEP_ALIVE_SECONDS = 20 * 60.0
_OVER = frozenset({"listenKeyExpired", "eventStreamTerminated", "serverShutdown"})
_OK = 200

_decode = msgspec.json.Decoder().decode


async def updates(venue: "CcxtVenue") -> AsyncGenerator[UserUpdate, None]:
    """Yield until the venue is closed; raises VenueRefused when the key is no good."""
    delay, longest = BACKOFF_SECONDS
    while not venue.line.closed.is_set():
        try:
            async with aclosing(_one_connection(venue)) as told:
                async for update in told:
                    delay = BACKOFF_SECONDS[0]
                    yield update
        except VenueUnreachable as error:
            _log.info("The private stream of %s broke: %s", venue.traits.name, error)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError) as error:
            _log.info("The private stream of %s broke: %r", venue.traits.name, error)
        if venue.line.closed.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await venue.line.closed.wait()
        delay = min(2 * delay, longest)


async def _one_connection(venue: "CcxtVenue") -> AsyncGenerator[UserUpdate, None]:
    exchange = await venue.line.call("other", _itself)
    read = Reader(venue).read
    async with making.session(exchange) as session:
        if venue.traits.is_perpetual:
            url = await venue.line.call("other", _listen_url)
        else:
            url = exchange.urls["api"]["ws"]["ws-api"]["spot"]
        socket = await open_socket(exchange, session, url)
        async with socket, _kept_open(venue, socket):
            if not venue.traits.is_perpetual:
                await _subscribe(exchange, socket)
            yield StreamConnected()
            async for message in socket:
                event = _decode(message.data)
                event = event.get("event", event)
                if event.get("e") in _OVER:
                    return
                for update in read(event):
                    yield update


async def open_socket(
    exchange: Exchange, session: aiohttp.ClientSession, url: str
) -> aiohttp.ClientWebSocketResponse:
    """By the venue's proxy; closing it waits a second at most for the other side."""
    opening = session.ws_connect(
        url,
        heartbeat=_HEARTBEAT_SECONDS,
        max_msg_size=_MESSAGE_MAX_BYTES,
        proxy=exchange.wssProxy,
        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
    )
    async with asyncio.timeout(_OPEN_SECONDS):
        return await opening


async def _itself(exchange: Exchange) -> Exchange:
    return exchange


async def _listen_url(exchange: Exchange) -> str:
    answer = await exchange.fapiPrivatePostListenKey()
    return str(exchange.get_private_ws_url("linear", answer["listenKey"]))


async def _subscribe(exchange: Exchange, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Raises VenueRefused where the venue does not let us in."""
    request = {
        "id": "1",
        "method": "userDataStream.subscribe.signature",
        "params": exchange.sign_params({}),
    }
    await socket.send_str(msgspec.json.encode(request).decode())
    answer = await socket.receive_json(timeout=_OPEN_SECONDS)
    if answer.get("status") == _OK:
        return
    said = msgspec.json.encode(answer.get("error") or answer).decode()
    refusal = translate(RuntimeError(f"binance {said}"), "other")
    if isinstance(refusal, VenueRefused) and refusal.code == "request_expired":
        raise VenueUnreachable(str(refusal))
    raise refusal


class _kept_open:  # noqa: N801 - a context manager, used as `async with`
    """Renews the listen key, and ends the socket when the venue is closed."""

    def __init__(self, venue: "CcxtVenue", socket: aiohttp.ClientWebSocketResponse) -> None:
        self._venue = venue
        self._socket = socket
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        self._tasks.append(asyncio.create_task(self._until_closed()))
        if self._venue.traits.is_perpetual:
            self._tasks.append(asyncio.create_task(self._renew()))

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_closed(self) -> None:
        await self._venue.line.closed.wait()
        await self._socket.close()

    async def _renew(self) -> None:
        """A key that cannot be renewed ends the socket: the next one gets a new key."""
        while True:
            await asyncio.sleep(_KEEP_ALIVE_SECONDS)
            try:
                await self._venue.line.call("other", _renew_key)
            except (VenueRefused, VenueUnreachable) as error:
                _log.warning("The listen key was not renewed: %s", error)
                await self._socket.close()
                return


async def _renew_key(exchange: Exchange) -> Any:
    return await exchange.fapiPrivatePutListenKey()
