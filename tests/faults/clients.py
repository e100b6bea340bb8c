"""Clients of the two doors to the log: the API over HTTP, and a bare committer over a socket.

A client that hears nothing, or that the store is away, tries again with the same key.
"""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tests.faults.intents import PAPER, Ground, Intent, Place
from tests.faults.writer import Told

LOGIN = "Basic " + base64.b64encode(b"admin:admin").decode()
ANSWER_SECONDS = 30.0
RETRY_SECONDS = 0.05
_decode_told = msgspec.json.Decoder(Told).decode


class Unanswered(Exception):  # noqa: N818 - says what is known
    """No answer, or one that promises nothing: the same request may be sent again."""


class Answer(Struct, frozen=True):
    is_accepted: bool
    order: str
    is_replay: bool = False
    code: str | None = None


class Client(Protocol):
    def send(self, intent: Intent) -> Answer:
        """Send once; raises Unanswered."""


class WriterClient:
    def __init__(self, port: int) -> None:
        self._port = port

    def send(self, intent: Intent) -> Answer:
        try:
            with socket.create_connection(("127.0.0.1", self._port), ANSWER_SECONDS) as connection:
                connection.sendall(msgspec.json.encode(intent) + b"\n")
                line = connection.makefile("rb").readline()
        except OSError as error:
            raise Unanswered(str(error)) from error
        if not line:
            raise Unanswered("the connection ended")
        told = _decode_told(line)
        if told.outcome == "unavailable":
            raise Unanswered("unavailable")
        assert told.outcome in ("accepted", "refused"), told
        return Answer(told.outcome == "accepted", intent.order, told.is_replay, told.code)


class Reply(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: Any


class HttpClient:
    def __init__(self, port: int, login: str = LOGIN, ground: Ground = PAPER) -> None:
        self._port = port
        self._login = login
        self._ground = ground

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request on a connection of its own; raises Unanswered when no answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        sent = {"Authorization": self._login} | {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(str(error)) from error
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, headers, json.loads(text) if text else None)

    def request(self, intent: Intent) -> Reply:
        if isinstance(intent, Place):
            body = order_body(intent, self._ground)
            return self.call("POST", "/trading/orders", body, Idempotency_Key=intent.key)
        place = f"{self._ground.account}/{self._ground.connector}"
        path = f"/trading/{place}/orders/{intent.order}/cancel"
        return self.call("POST", path, Idempotency_Key=intent.key)

    def send(self, intent: Intent) -> Answer:
        reply = self.request(intent)
        if reply.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            raise Unanswered(str(reply.body))
        is_replay = reply.headers.get("idempotency-replayed") == "true"
        if reply.status in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
            order = reply.body["order_id"] if isinstance(intent, Place) else intent.order
            assert order == intent.order
            return Answer(is_accepted=True, order=order, is_replay=is_replay)
        assert reply.status == http.HTTPStatus.CONFLICT, reply
        return Answer(False, intent.order, is_replay, reply.body["code"])  # noqa: FBT003


def order_body(place: Place, ground: Ground = PAPER) -> dict[str, str]:
    body = {
        "account_name": ground.account,
        "connector_name": ground.connector,
        "trading_pair": ground.pair,
        "trade_type": place.side,
        "amount": str(place.quantity),
        "order_type": place.order_type,
    }
    return body if place.price is None else body | {"price": str(place.price)}


class Insistent:
    """Repeats every request until it is answered, and remembers what was answered."""

    def __init__(self, client: Client, seconds: float = 60.0) -> None:
        self.retries = 0
        self.placed: dict[str, Answer] = {}
        self.cancelled: dict[str, Answer] = {}
        self.times: dict[str, tuple[float, float]] = {}
        """When each order was first sent and when it was answered, in monotonic seconds."""
        self._client = client
        self._seconds = seconds
        self._lock = threading.Lock()

    def _try(self, intent: Intent) -> Answer | None:
        try:
            return self._client.send(intent)
        except Unanswered:
            with self._lock:
                self.retries += 1
            return None

    def send(self, intent: Intent) -> Answer:
        started = time.monotonic()
        give_up_at = started + self._seconds
        while (answer := self._try(intent)) is None:
            assert time.monotonic() < give_up_at, f"{intent} got no answer"
            time.sleep(RETRY_SECONDS)
        with self._lock:
            if isinstance(intent, Place):
                self.placed[answer.order] = answer
                self.times.setdefault(answer.order, (started, time.monotonic()))
            else:
                self.cancelled[answer.order] = answer
        return answer
