"""`GET /audit/stream`: the log as server-sent events, from any position on and then live.

Every event once and in order. The stream outlives the store's absence: it stays open, with its
heartbeats, and goes on. It ends when its range is through, its credential no longer holds, the
server stops or another log was restored; a client that takes nothing for 20 s is cut.
"""

import asyncio
import contextlib
import logging
import re
from typing import Any

import psycopg
from litestar import Request, get
from litestar.types import Receive, Scope, Send
from msgspec import structs

from api.audit.follower import Follower, head_of
from api.audit.frames import ALIVE, OPENING, Batch, Wanted, end_frame, position_frame
from api.audit.schemas import EventMatch
from api.deps import Deps, deps_of
from api.errors import Failure, invalid
from api.http import wire
from api.http.auth import Authenticator
from api.http.body_and_headers import header
from api.http.decoding import Query
from api.lists import to_us
from api.metrics import Metrics
from api.openapi import Operation
from api.reading import POSITION_MAX
from api.reply import CLOSED

_log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 20.0
RETRY_CHECK_SECONDS = 1.0
LOOK_SECONDS = 1.0
_GONE_SECONDS = 1.0
_SCOPE = "read"
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),
    *CLOSED,
)
_query = Query(EventMatch)


@get(
    "/audit/stream",
    opt={
        "scope": _SCOPE,
        "operation": Operation(
            "Follow the log: server-sent events whose ids are positions.",
            {200: "text/event-stream", 204: None},
            query=EventMatch,
            is_stream=True,
            errors=(416,),
        ),
    },
)
async def stream(request: Request[Any, Any, Any]) -> "EventStream":
    asked: EventMatch = _query(request)
    last_seen = header(request.scope, b"last-event-id")
    after = asked.after if last_seen is None else _position(last_seen)
    return EventStream(deps_of(request), asked, after)


def _position(last_event_id: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,19}", last_event_id) or int(last_event_id) > POSITION_MAX:
        expected = "Expected a position of the log, as in the `id` of an event"
        shown = last_event_id[:200].decode("latin-1")
        raise invalid("int_parsing", ("header", "Last-Event-ID"), expected, shown)
    return int(last_event_id)


class EventStream:
    """An ASGI answer that lasts; raises Failure 416 or 503 before its first byte."""

    def __init__(self, deps: Deps, asked: EventMatch, after: int | None) -> None:
        self._deps = deps
        self._asked = asked
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tail, most = self._deps.tail, self._deps.settings.followers_max
        caller = scope["user"].name
        if tail.followers >= most or tail.is_ending:
            text = f"{tail.followers} clients follow the log, of {most} at most. Try again later."
            raise Failure(503, text, "too_many_followers", {"Retry-After": "5"})
        if (own := tail.by_caller[caller]) >= most - most // 2:
            text = f"{own} of {most} places are {caller}'s already. The others are for others."
            raise Failure(429, text, "too_many_followers", {"Retry-After": "5"})
        tail.join(caller)
        try:
            follower = await self._begin()
            told = follower.position
            first = await follower.read()
            if follower.is_done and (first is None or not first.events):
                # The one answer after which an EventSource does not come back.
                await send({"type": "http.response.start", "status": 204, "headers": [*CLOSED]})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                scope["state"]["status"] = 204
                return
            await _Stream(self._deps, follower, told, scope, receive, send).run(first)
        finally:
            tail.leave(caller)

    async def _begin(self) -> Follower:
        head = await head_of(self._deps.pool)
        after = head if self._after is None else self._after
        if after > head:
            raise Failure(
                416,
                f"Position {after} is beyond the log, which ends at {head}. Nothing was lost if it "
                "came from another log; if this one was restored from a backup, read it again from "
                "a position that it still has.",
                "position_beyond_log",
                {"Log-Position": str(head)},
            )
        asked = structs.asdict(self._asked)
        for name in ("from_time", "to_time"):
            if asked[name] is not None:
                asked[name] = to_us(asked[name], is_end=name == "to_time")
        wanted = Wanted(**{name: asked[name] for name in Wanted.__struct_fields__})
        before = POSITION_MAX if self._asked.before is None else self._asked.before
        return Follower(self._deps.pool, self._deps.tail, wanted, after, before, head)


class _Stream:
    """One client's connection, from the first byte of the answer to its end."""

    def __init__(
        self,
        deps: Deps,
        follower: Follower,
        told: int,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._tail = deps.tail
        self._epoch = deps.tail.epoch
        self._follower = follower
        self._scope = scope
        self._receive = receive
        self._send = send
        self._told = told
        self._now = asyncio.get_running_loop().time
        self._gone = asyncio.create_task(self._until_gone())
        self._beat_at = self._check_at = self._now() + HEARTBEAT_SECONDS

    async def run(self, first: Batch | None) -> None:
        wire.limit_silence(self._scope, SEND_SECONDS)
        try:
            await self._open()
            await self._give(first)
            await self._follow()
            await self._write(b"", more=False)
        except TimeoutError:
            if not self._tail.is_ending:
                text = "%s was cut off at position %d: it has taken nothing for %.0f s."
                _log.warning(text, self._scope["client"], self._told, SEND_SECONDS)
            wire.abort(self._scope)
            await asyncio.wait({self._gone}, timeout=_GONE_SECONDS)
        finally:
            if self._tail.is_ending:
                wire.abort(self._scope, _GONE_SECONDS)
            self._gone.cancel()

    async def _open(self) -> None:
        """The place is told first: a client that is cut before the first event has one too."""
        metrics: Metrics = self._scope["litestar_app"].state.metrics
        metrics.count(self._scope, 200)
        start: Any = {"type": "http.response.start", "status": 200, "headers": [*_HEADERS]}
        await self._send(start)
        await self._write(OPENING + position_frame(self._told))

    async def _follow(self) -> None:
        while self._goes_on():
            if self._now() >= self._check_at and not await self._is_allowed():
                return
            moved = self._tail.moved  # Before the look, so that no move is missed after it.
            batch = self._follower.take()
            if batch is None and self._follower.is_behind:
                batch = await self._read()
            await self._give(batch)
            if self._follower.is_done:
                await self._write(end_frame(self._follower.position))
                return
            if batch is None:
                await moved.wait()
            else:
                await asyncio.sleep(0)

    def _goes_on(self) -> bool:
        is_over = self._gone.done() or self._tail.is_ending
        return not is_over and self._tail.epoch == self._epoch

    async def _read(self) -> Batch | None:
        """Read a page, with heartbeats while that takes long; None when the store is away."""
        reading = asyncio.create_task(self._follower.read())
        try:
            while self._goes_on():
                await asyncio.wait({reading}, timeout=LOOK_SECONDS)
                if reading.done():
                    return reading.result()
                await self._give(None)
        except psycopg.Error as error:
            _log.warning("A follower waits for the store: %s", error)
        finally:
            reading.cancel()
        return None

    async def _give(self, batch: Batch | None) -> None:
        if batch is not None and batch.events:
            await self._write(batch.content)
            self._told = batch.position
            self._tail.events_sent += batch.events
        elif self._now() >= self._beat_at:
            await self._beat()

    async def _beat(self) -> None:
        """Say that all is well; and how far, so that a return need not look through it again."""
        if self._follower.position > self._told:
            self._told = self._follower.position
            await self._write(position_frame(self._told))
        else:
            await self._write(ALIVE)

    async def _is_allowed(self) -> bool:
        """Whether the credential still holds. While the store is away nothing can be known."""
        auth: Authenticator = self._scope["litestar_app"].state.auth
        client = self._scope["client"]
        authorization = header(self._scope, b"authorization")
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                caller = await auth.caller(authorization, client[0] if client else "")
        except Failure:
            return False
        except (psycopg.Error, TimeoutError):
            self._check_at = self._now() + RETRY_CHECK_SECONDS
            return True
        self._check_at = self._now() + HEARTBEAT_SECONDS
        return _SCOPE in caller.scopes

    async def _write(self, content: bytes, *, more: bool = True) -> None:
        """Raise TimeoutError for a client that does not take what was sent before."""
        body: Any = {"type": "http.response.body", "body": content, "more_body": more}
        async with asyncio.timeout(0 if self._tail.is_ending else SEND_SECONDS) as deadline:
            self._tail.sending.add(deadline)
            try:
                await self._send(body)
            finally:
                self._tail.sending.discard(deadline)
        self._beat_at = self._now() + HEARTBEAT_SECONDS

    async def _until_gone(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while (await self._receive())["type"] != "http.disconnect":
                pass
