"""Who is calling: HTTP Basic for the one user, bearer keys for programs.

A Basic credential that was checked (Argon2, both fields always) is remembered for a minute after
its last use, by a keyed hash under a key that only this process has. One that was right before is
never held back by what others from its address got wrong.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from hashlib import blake2b, sha256

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from api.deps import Caller
from api.errors import Failure
from api.http.bearers import Bearers
from api.http.throttle import Failures, retry_after
from domain.actor import SCOPES

_log = logging.getLogger(__name__)
REMEMBER_SECONDS = 60.0
FREE_FAILURES = 5
FREE_FAILURES_OF_ADDRESS = 50
_REMEMBERED_MAX = 1_000
_HASHING_AT_ONCE = 2
_CHALLENGE = {"WWW-Authenticate": "Basic"}
_hasher = PasswordHasher()


def missing() -> Failure:
    return Failure(401, "Not authenticated", headers=_CHALLENGE)


def wrong() -> Failure:
    return Failure(401, "Incorrect username or password", headers=_CHALLENGE)


def _too_many(wait_seconds: float) -> Failure:
    headers = retry_after(wait_seconds)
    return Failure(
        429, f"Too many failed logins. Try again in {headers['Retry-After']} s.", headers=headers
    )


class Authenticator:
    """`caller` answers who calls, or raises Failure 401 or 429."""

    def __init__(self, username: str, password: str, bearers: Bearers) -> None:
        self.failures = 0
        """Refused credentials since start, for the metrics."""
        self._bearers = bearers
        self._username = sha256(username.encode()).digest()
        self._user = Caller(f"user:{username}", frozenset(SCOPES))
        self._password = password
        self._password_hash = ""
        self._process_key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._checking: dict[bytes, asyncio.Task[bool]] = {}
        self._hashing = asyncio.Semaphore(_HASHING_AT_ONCE)
        self._by_pair = Failures(FREE_FAILURES)
        self._by_address = Failures(FREE_FAILURES_OF_ADDRESS)
        self._by_bearers_address = Failures(FREE_FAILURES_OF_ADDRESS)

    async def caller(self, header: bytes | None, address: str) -> Caller:
        if header is None:
            raise missing()
        scheme, _, credential = header.partition(b" ")
        match scheme.lower():
            case b"basic":
                return await self._basic(credential.strip(), address)
            case b"bearer":
                return await self._bearer(credential.strip(), address)
            case _:
                raise missing()

    async def _bearer(self, token: bytes, address: str) -> Caller:
        """A valid key is looked for first: it is never held back by what others got wrong."""
        caller = await self._bearers.caller(token)
        if caller is not None:
            return caller
        self.failures += 1
        if wait_seconds := self._by_bearers_address.begin(address):
            raise _too_many(wait_seconds)
        raise wrong()

    async def _basic(self, credential: bytes, address: str) -> Caller:
        digest = blake2b(credential, key=self._process_key, digest_size=32).digest()
        remembered_until = self._remembered.get(digest)
        if remembered_until is not None and remembered_until > time.monotonic():
            self._remember(digest)
            return self._user
        try:
            decoded = base64.b64decode(credential, validate=True)
        except binascii.Error:
            raise missing() from None
        username, colon, password = decoded.partition(b":")
        if not colon:
            raise missing()
        # Equal credentials that come together are checked once, and count once.
        task = self._checking.get(digest)
        if task is None:
            pair = (sha256(username).digest(), address)
            if remembered_until is None:
                self._throttle(pair, address)
            task = asyncio.create_task(self._check(password, pair))
            self._checking[digest] = task
            task.add_done_callback(lambda _: self._checking.pop(digest, None))
        if not await asyncio.shield(task):
            self.failures += 1
            _log.warning("Wrong username or password from %s", address)
            raise wrong()
        self._remember(digest)
        return self._user

    def _throttle(self, pair: tuple[bytes, str], address: str) -> None:
        wait_seconds = self._by_pair.begin(pair) or self._by_address.begin(address)
        if wait_seconds:
            raise _too_many(wait_seconds)

    async def _check(self, password: bytes, pair: tuple[bytes, str]) -> bool:
        async with self._hashing:
            is_password = await asyncio.to_thread(self._verify, password)
        is_user = hmac.compare_digest(pair[0], self._username)
        if is_user and is_password:
            self._by_pair.succeeded(pair)
            self._by_address.succeeded(pair[1])
            return True
        return False

    def _verify(self, password: bytes) -> bool:
        if not self._password_hash:
            self._password_hash = _hasher.hash(self._password)
        try:
            return _hasher.verify(self._password_hash, password)
        except VerifyMismatchError:
            return False

    def _remember(self, digest: bytes) -> None:
        self._remembered[digest] = time.monotonic() + REMEMBER_SECONDS
        self._remembered.move_to_end(digest)
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
