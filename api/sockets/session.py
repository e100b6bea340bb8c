"""One WebSocket of market data, from its first frame to its end.

Two tasks: one takes messages and answers them, the other sends what is due. The outlet keeps
answers before data.
"""

import asyncio
import contextlib
import logging
import uuid
from typing import Any

import msgspec
import psycopg
from litestar.types import Receive, Scope
from msgspec import Struct

from adapters.venues.registry import NoVenue
from api.deps import Deps
from api.errors import Failure
from api.http.auth import Authenticator
from api.http.throttle import Buckets
from api.market import frames
from api.market.feeds import TooManyFeeds
from api.market.subscriptions import Subscribe, Subscription, id_of, subscription
from api.sockets.login import login
from api.sockets.outlet import Outlet, Stalled

_log = logging.getLogger(__name__)
FIRST_ANSWER_SECONDS = 2.0
SUBSCRIPTIONS_MAX = 100
MESSAGES_PER_SECOND = 50.0
MESSAGES_AT_ONCE = 100.0
CLOSE_SECONDS = 1.0
SCOPE = "read"
_LOGIN_FAILED, _BROKEN, _GOING_AWAY = 4001, 1011, 1001


class _Message(Struct):
    action: str
    subscription_id: str | None = None


_decode = msgspec.json.Decoder(_Message).decode
_decode_subscribe = msgspec.json.Decoder(Subscribe).decode


class Session:
    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        outlet: Outlet,
        deps: Deps,
        auth: Authenticator,
    ) -> None:
        self.connection_id = str(uuid.uuid4())
        self._held: dict[str, Subscription] = {}
        self._dropped = 0
        """By subscriptions that ended."""
        self._scope = scope
        self._receive = receive
        self._outlet = outlet
        self._feeds = deps.feeds
        self._settings = deps.settings
        self._heartbeat_seconds = deps.sockets.heartbeat_seconds
        self._auth = auth
        self._pace = Buckets(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._beat_at = self._loop.time() + self._heartbeat_seconds

    async def run(self, first: Subscribe | str | None) -> None:
        """Until the client leaves or is cut; `first` is subscribed to unasked, or why it is not."""
        connected = frames.frame("connected", connection_id=self.connection_id)
        await self._outlet.answer(connected)
        if first is not None:
            said = _error(first) if isinstance(first, str) else await self._subscribe(first)
            await self._outlet.answer(said)
        pushing = asyncio.create_task(self._push())
        try:
            await self._listen()
        finally:
            pushing.cancel()
            await asyncio.wait({pushing})
            for held in list(self._held):
                self._drop(held)

    @property
    def sent(self) -> int:
        return self._outlet.sent

    @property
    def dropped(self) -> int:
        return self._dropped + sum(held.dropped for held in self._held.values())

    @property
    def subscribed(self) -> int:
        return len(self._held)

    async def end(self) -> None:
        """The server stops."""
        await self._outlet.close(_GOING_AWAY, "The server stops.", CLOSE_SECONDS)

    async def _listen(self) -> None:
        while True:
            if wait_seconds := self._pace.take(self.connection_id):
                await asyncio.sleep(wait_seconds)
            message: Any = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            async with self._outlet.answering():
                await self._outlet.answer(await self._answer(message.get("text")))

    async def _answer(self, text: str | None) -> str:
        if text is None:
            return _error("A message is text: JSON with an `action`. This one was binary.")
        try:
            asked = _decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            return _error(f"A message is a JSON object with an `action`: {error}.")
        match asked.action:
            case "ping":
                return frames.frame("pong")
            case "unsubscribe":
                return self._unsubscribe(asked.subscription_id)
            case "subscribe":
                try:
                    wanted = _decode_subscribe(text)
                except msgspec.MsgspecError as error:
                    return _error(f"This cannot be subscribed to: {error}.")
                return await self._subscribe(wanted)
        known = "subscribe, unsubscribe, ping"
        return _error(f"Unknown action {asked.action[:64]!r}; there are: {known}.")

    async def _subscribe(self, asked: Subscribe) -> str:
        """Waits a little for a feed that begins, so that an unknown pair is told at once."""
        if id_of(asked) not in self._held and len(self._held) >= SUBSCRIPTIONS_MAX:
            text = f"This connection has {SUBSCRIPTIONS_MAX} subscriptions, as many as one may."
            return _error(f"{text} Unsubscribe from one, or open another.")
        try:
            made = subscription(self._feeds, asked, self._loop.time())
        except (NoVenue, TooManyFeeds) as error:
            return _error(str(error))
        made.feed.listeners += 1
        try:
            await made.feed.until(lambda: made.feed.state != "starting", FIRST_ANSWER_SECONDS)
            if made.feed.is_over:
                return _error(f"{made.id} cannot be had: {made.feed.refusal}.")
            made.feed.listeners += 1
        finally:
            made.feed.listeners -= 1
        self._drop(made.id)
        self._held[made.id] = made
        self._changed.set()
        return frames.frame("subscribed", subscription_id=made.id)

    def _unsubscribe(self, subscription_id: str | None) -> str:
        if subscription_id is None or not self._drop(subscription_id):
            return _error(f"There is no subscription {subscription_id!r} on this connection.")
        return frames.frame("unsubscribed", subscription_id=subscription_id)

    def _drop(self, subscription_id: str) -> bool:
        held = self._held.pop(subscription_id, None)
        if held is None:
            return False
        held.feed.listeners -= 1
        held.feed.touch()
        self._dropped += held.dropped
        return True

    async def _push(self) -> None:
        try:
            while await self._is_allowed():
                now = self._loop.time()
                for due in [held for held in self._held.values() if held.due <= now]:
                    await self._give(due)
                await self._until_due()
            await self._outlet.push(lambda: [_error("Authentication failed")])
            await self._outlet.close(_LOGIN_FAILED, "Authentication failed", CLOSE_SECONDS)
        except Stalled:
            client = self._scope["client"]
            _log.warning("%s was cut off: it takes nothing of its market data.", client)
        except OSError:
            pass  # The client left; the other task hears of it.
        except Exception:  # noqa: BLE001 - logged; the client is told that we are at fault
            _log.exception("A connection of market data failed")
            with contextlib.suppress(OSError):
                await self._outlet.close(_BROKEN, "Internal error.", CLOSE_SECONDS)

    async def _give(self, held: Subscription) -> None:
        def is_wanted() -> bool:
            return self._held.get(held.id) is held

        if held.feed.is_over:
            text = _error(f"{held.id} ended: {held.feed.refusal}.", held.id)
            await self._outlet.push(lambda: [text], is_wanted)
            if is_wanted():
                self._drop(held.id)
            return
        await self._outlet.push(lambda: held.take(self._loop.time()), is_wanted)

    async def _is_allowed(self) -> bool:
        """Beats when it is time, and looks then whether the credential still holds."""
        if self._loop.time() < self._beat_at:
            return True
        self._beat_at = self._loop.time() + self._heartbeat_seconds
        try:
            await login(self._scope, self._settings, self._auth, SCOPE)
        except Failure:
            return False
        except psycopg.Error as error:
            _log.warning("Whether a credential holds is not known now: %s", error)
        await self._outlet.push(lambda: [frames.frame("heartbeat")])
        return True

    async def _until_due(self) -> None:
        due = min((self._beat_at, *(held.due for held in self._held.values())))
        timer = self._loop.call_at(due, self._changed.set)
        await self._changed.wait()
        self._changed.clear()
        timer.cancel()


def _error(text: str, subscription_id: str | None = None) -> str:
    if subscription_id is None:
        return frames.frame("error", message=text)
    return frames.frame("error", message=text, subscription_id=subscription_id)
