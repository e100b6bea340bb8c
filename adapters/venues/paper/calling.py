"""The HTTP side that the paper venue's private and public clients share.

The surprising thing: requests that change something are POSTs because the HTTP library quietly
sends idempotent methods again when a kept connection turns out to be closed, and nothing here may
be sent twice.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import aiohttp
import msgspec
from yarl import URL

from adapters.venues.paper import wire
from adapters.venues.port import VenueRefused, VenueUnreachable

_ANSWER_MAX_BYTES = 8 * 1024 * 1024
_OK, _BAD_REQUEST, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 200, 400, 404, 429, 500

Answer = TypeVar("Answer")
_decode_refusal = msgspec.json.Decoder(wire.Refusal).decode


class Caller:
    def __init__(
        self,
        url: str,
        account: str,
        *,
        token: str | None = None,
        timeout_seconds: float = 5.0,
        connections_max: int = 100,
    ) -> None:
        self.url = url.rstrip("/")
        self.closed = asyncio.Event()
        self._headers = {wire.ACCOUNT_HEADER: account, "Content-Type": "application/json"}
        if token is not None:
            self._headers[wire.TOKEN_HEADER] = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        self.closed.set()
        if self._session is not None:
            await self._session.close()

    def http(self) -> aiohttp.ClientSession:
        """Make the session on first use: it belongs to the loop that runs then."""
        if self.closed.is_set():
            raise VenueUnreachable("this client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections_max),
                headers=self._headers,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                auto_decompress=False,
            )
        return self._session

    async def get(
        self,
        path: str,
        decoder: msgspec.json.Decoder[Answer],
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self.call("GET", path, decoder, query=query)

    async def call(
        self,
        method: str,
        path: str,
        decoder: msgspec.json.Decoder[Answer],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send once. Only an answer that decodes, or a 4xx with a code, proves anything."""
        session = self.http()
        try:
            async with session.request(
                method, _address(self.url + path), params=query, data=body, allow_redirects=False
            ) as response:
                status, text = response.status, await _read(response)
            if status == _OK:
                return finite(decoder.decode(text))
            if not _BAD_REQUEST <= status < _SERVER_ERROR or status == _TOO_MANY:
                raise VenueUnreachable(f"{method} {path}: HTTP {status}")
            refusal = _decode_refusal(text)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError) as error:
            shown = str(error) or type(error).__name__
            raise VenueUnreachable(f"{method} {path}: {shown}") from error
        raise VenueRefused(refusal.code, refusal.text)


@lru_cache(maxsize=64)
def _address(text: str) -> URL:
    """Parsed once a path: parsing is dear beside the rest of a request."""
    return URL(text, encoded=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _ANSWER_MAX_BYTES:
            raise ValueError(f"the answer is larger than {_ANSWER_MAX_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def finite(answer: Answer) -> Answer:
    """Return the answer unchanged; raises ValueError for NaN and infinities anywhere in it."""
    pending: list[Any] = [answer]
    while pending:
        part = pending.pop()
        if isinstance(part, Decimal):
            if not part.is_finite():
                raise ValueError(f"{part} is no amount")
        elif isinstance(part, tuple):
            pending.extend(part)
        elif isinstance(part, msgspec.Struct):
            pending.extend(getattr(part, name) for name in part.__struct_fields__)
    return answer
