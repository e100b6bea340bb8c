"""API keys: `Authorization: Bearer av_<key id>_<secret>`, checked against the api_keys rows.

A row is kept for five seconds, or until the read models have moved on; a key revoked here ends at
once, one revoked elsewhere within a tenth of a second after it is projected.
"""

import asyncio
import hmac
import re
import time
from collections import OrderedDict
from hashlib import sha256

from msgspec import Struct

from api.deps import Caller, Pool
from api.hub import Hub
from api.reading import row
from projections import queries

_TOKEN = re.compile(rb"av_([0-9a-f]{1,64})_([0-9A-Za-z_-]{16,128})")
KEEP_SECONDS = 5.0
_RECHECK_SECONDS = 0.1
_KEPT_MAX = 10_000
_UNKNOWN_SECONDS = 1.0
_ONE = queries.load("api_keys")["one"]


class _Kept(Struct, frozen=True):
    caller: Caller | None
    secret_sha256: str
    expires_at_us: int | None
    position: int
    read_at: float


class Bearers:
    def __init__(self, pool: Pool, hub: Hub) -> None:
        self._pool = pool
        self._hub = hub
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._unknown: OrderedDict[str, _Kept] = OrderedDict()
        """Apart, so that guesses displace no key that there is."""
        self._reading: dict[str, asyncio.Task[_Kept]] = {}
        self._revoked: set[str] = set()

    async def caller(self, token: bytes) -> Caller | None:
        """None for a token that is wrong, revoked or expired; raises psycopg.Error."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        key_id = match[1].decode()
        kept = self._kept.get(key_id) or self._unknown.get(key_id)
        if kept is None or not self._is_fresh(kept):
            kept = await self._read_once(key_id)
        is_secret = hmac.compare_digest(sha256(match[2]).hexdigest(), kept.secret_sha256)
        if not is_secret or kept.caller is None or key_id in self._revoked:
            return None
        if kept.expires_at_us is not None and kept.expires_at_us <= time.time_ns() // 1000:
            return None
        return kept.caller

    def revoke(self, key_id: str) -> None:
        """Refuse the key from now on, without waiting for the read model."""
        self._revoked.add(key_id)

    def _is_fresh(self, kept: _Kept) -> bool:
        age = time.monotonic() - kept.read_at
        if kept.position == self._hub.position:
            return age < (_UNKNOWN_SECONDS if kept.caller is None else KEEP_SECONDS)
        return age < _RECHECK_SECONDS

    async def _read_once(self, key_id: str) -> _Kept:
        task = self._reading.get(key_id)
        if task is None:
            task = asyncio.create_task(self._read(key_id))
            self._reading[key_id] = task
            task.add_done_callback(lambda _: self._reading.pop(key_id, None))
        return await asyncio.shield(task)

    async def _read(self, key_id: str) -> _Kept:
        position, read_at = self._hub.position, time.monotonic()
        found = await row(self._pool, _ONE, {"key": key_id})
        if found is None:
            kept = _Kept(None, "0" * 64, None, position, read_at)
            _keep(self._unknown, key_id, kept)
            return kept
        scopes, digest, expires_at_us, revoked_at_us = found
        caller = None
        if revoked_at_us is None:
            caller = Caller(f"key:{key_id}", frozenset(scopes))
        kept = _Kept(caller, digest, expires_at_us, position, read_at)
        _keep(self._kept, key_id, kept)
        self._unknown.pop(key_id, None)
        return kept


def _keep(shelf: OrderedDict[str, _Kept], key_id: str, kept: _Kept) -> None:
    shelf[key_id] = kept
    shelf.move_to_end(key_id)
    if len(shelf) > _KEPT_MAX:
        shelf.popitem(last=False)
