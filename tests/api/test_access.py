"""Who may do what, how often, and what everybody sees."""

import asyncio
import base64
import concurrent.futures
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from litestar.routes import HTTPRoute

from api import app
from api.http import auth, bearers
from api.http import body_and_headers as http
from api.http.bearers import Bearers
from api.http.throttle import FORGET_SECONDS, Buckets, Failures
from tests.api.live import ORDER, PASSWORD, USER, Live, running
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def unhurried(
    database: Callable[..., Database],
    seeded: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Live]:
    """An API for whose pauses after failed logins no time passes."""
    monkeypatch.setattr(auth, "Failures", lambda free: Failures(free, lambda: 0.0))
    with running(database(template=seeded), tmp_path) as live:
        yield live


def make_key(live: Live, *scopes: str, **fields: Any) -> httpx.Response:
    return live.client.post("/keys", json={"name": "bot", "scopes": list(scopes), **fields})


def bearer(live: Live, *scopes: str, **fields: Any) -> httpx.Client:
    token = make_key(live, *scopes, **fields).json()["token"]
    live.project()
    return live.connect(token=token)


def test_every_route_says_its_scope(shared: Live) -> None:
    handlers = [
        handler
        for route in shared.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.http_methods != {"OPTIONS"}
    ]
    assert len(handlers) > 20
    for handler in handlers:
        assert handler.opt["scope"] in {"read", "trade", "admin", "analyse", None}, handler
    open_paths = {path for h in handlers if h.opt["scope"] is None for path in h.paths}
    assert open_paths == {
        *("/", "/health", "/ready", "/ready/api", "/openapi.json", "/docs", "/redoc"),
        "/docs/assets/{name:str}",
    }


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, "Not authenticated"),
        ("Basic", "Not authenticated"),
        ("Basic !!!", "Not authenticated"),
        ("Digest x", "Not authenticated"),
        ("Bearer nonsense", "Incorrect username or password"),
        (f"Bearer av_0123456789ab_{'0' * 64}", "Incorrect username or password"),
    ],
)
def test_without_credentials_nothing_is_shown(shared: Live, header: str | None, text: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{shared.url}/trading/orders", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"detail": text}
    assert answer.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize("credential", [(USER, "wrong"), ("wrong", PASSWORD), ("", "")])
def test_both_fields_must_be_right(live: Live, credential: tuple[str, str]) -> None:
    with live.connect(credential) as client:
        answer = client.get("/trading/orders")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Incorrect username or password"}


def test_many_at_once_with_the_right_password_all_come_in(live: Live) -> None:
    def ask(_: int) -> int:
        with live.connect((USER, PASSWORD)) as client:
            return client.get("/trading/orders").status_code

    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(20))) == {200}


def test_guessing_is_slowed_down_and_the_right_user_is_not(unhurried: Live) -> None:
    live = unhurried
    assert live.client.get("/trading/orders").status_code == 200
    with live.connect() as client:
        answers = [client.get("/trading/orders", auth=(USER, f"guess{n}")) for n in range(6)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 401, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert live.client.get("/trading/orders").status_code == 200


def test_a_password_may_hold_a_colon_and_any_letter(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, password="a:b ü") as live:
        credential = base64.b64encode(f"{USER}:a:b ü".encode()).decode()
        headers = {"Authorization": f"bAsIc {credential}"}
        assert httpx.get(f"{live.url}/trading/orders", headers=headers).status_code == 200


def test_a_key_may_do_what_its_scopes_say(live: Live) -> None:
    with bearer(live, "read") as reader, bearer(live, "trade") as trader:
        assert reader.get("/trading/orders").status_code == 200
        refused = reader.post("/trading/orders", json=dict(ORDER))
        assert refused.status_code == 403
        assert "'trade'" in refused.json()["detail"]
        placed = trader.post("/trading/orders", json=dict(ORDER))
        assert placed.status_code == 201
        assert trader.get("/trading/orders").status_code == 403
        assert trader.get("/keys").status_code == 403
    (event,) = live.client.get("/audit/events", params={"tag": "order.placed.v1"}).json()["data"]
    assert event["actor"].startswith("key:")


def test_a_secret_is_shown_once_and_stored_nowhere(live: Live) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"name": "bot", "scopes": ["read"], "expires_at": 32503680000}
    first = live.client.post("/keys", json=body, headers=headers)
    again = live.client.post("/keys", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() | {"token": None}
    secret = first.json()["token"].rpartition("_")[2]
    assert len(secret) == 64
    live.project()
    (shown,) = live.client.get("/keys").json()["data"]
    assert shown["key_id"] == first.json()["key_id"]
    assert shown["expires_at"] == "3000-01-01T00:00:00+00:00"
    assert secret not in live.client.get("/audit/events").text
    with live.connect(token=first.json()["token"][:-1] + "!") as client:
        assert client.get("/trading/orders").status_code == 401


def test_a_revoked_key_is_refused_at_once(live: Live) -> None:
    token = make_key(live, "read").json()["token"]
    live.project()
    key_id = token.split("_")[1]
    with live.connect(token=token) as client:
        assert client.get("/trading/orders").status_code == 200
        assert live.client.delete(f"/keys/{key_id}").status_code == 200
        assert client.get("/trading/orders").status_code == 401
    assert live.client.delete(f"/keys/{key_id}").status_code == 200
    live.project()
    (shown,) = live.client.get("/keys").json()["data"]
    assert shown["revoked_at"] is not None
    assert live.client.delete("/keys/nothing").status_code == 404


def test_an_expired_key_is_refused(live: Live) -> None:
    with bearer(live, "read", expires_at=1) as client:
        assert client.get("/trading/orders").status_code == 401


@pytest.mark.parametrize(
    "fields", [{"scopes": []}, {"scopes": ["root"]}, {"name": ""}, {"expires_at": -1}]
)
def test_a_key_that_cannot_be_is_a_422(shared: Live, fields: dict[str, Any]) -> None:
    answer = shared.client.post("/keys", json={"name": "x", "scopes": ["read"], **fields})
    assert answer.status_code == 422


def test_too_many_requests_are_held_back_and_cancellations_are_not(
    database: Callable[..., Database],
    seeded: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "Buckets", lambda rate, burst: Buckets(rate, burst, lambda: 0.0))
    made = database(template=seeded)
    with running(made, tmp_path, rate_per_second=1, rate_burst=2) as live:
        order_id = live.placed()
        assert live.place().status_code == 201
        held = live.place()
        assert held.status_code == 429
        assert held.headers["Retry-After"] == "1"
        assert live.client.delete(f"/trading/orders/{order_id}").status_code == 200


def test_bodies_have_a_limit_also_when_they_come_in_chunks(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    with running(database(template=seeded), tmp_path, body_bytes_max=2000) as live:
        whole = live.client.post("/trading/orders", content=b" " * 2001)
        parts = live.client.post("/trading/orders", content=(b" " * 500 for _ in range(5)))
        for answer in (whole, parts):
            assert answer.status_code == 413
            assert answer.json() == {"detail": "Request Entity Too Large"}


def test_a_body_that_does_not_come_is_a_408(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.1)
    credential = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    url = httpx.URL(live.url)
    with socket.create_connection((url.host, url.port)) as client:
        client.sendall(
            b"POST /trading/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            b"Authorization: Basic %b\r\n\r\n{" % credential.encode()
        )
        client.settimeout(20)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'{"detail":"The body was not whole' in answer


def test_other_origins_are_not_let_in_unless_named(
    shared: Live, database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> None:
    origin = {"Origin": "http://localhost:3000"}
    allow = "Access-Control-Allow-Origin"
    assert allow not in shared.client.get("/", headers=origin).headers
    named = ("http://localhost:3000",)
    with running(database(template=seeded), tmp_path, cors_allow_origins=named) as live:
        assert live.client.get("/", headers=origin).headers[allow] == named[0]
        other = live.client.get("/", headers={"Origin": "http://localhost:3001"})
        assert allow not in other.headers
        preflight = httpx.options(
            f"{live.url}/trading/orders",
            headers=origin | {"Access-Control-Request-Method": "POST"},
        )
        assert preflight.headers[allow] == named[0]


def test_every_answer_carries_security_headers(shared: Live) -> None:
    for path in ("/", "/trading/orders", "/nowhere", "/docs"):
        headers = httpx.get(shared.url + path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert len(headers.get_list("Content-Security-Policy")) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/trading/orders?account_names=%ff"),
        ("GET", "/trading/orders?cursor=%F0%9F"),
        ("GET", "/audit/streams/a%0ab"),
        ("GET", "/audit/commands/%00"),
        ("GET", "/audit/events?actor=%00"),
        ("DELETE", "/trading/orders/%ff"),
        ("DELETE", f"/trading/orders/{'a' * 5000}"),
        ("DELETE", "/keys/%00"),
        ("POST", "/trading/a%00/b/orders/c/cancel"),
    ],
)
def test_odd_bytes_in_an_address_are_the_client_s_fault(
    shared: Live, method: str, path: str
) -> None:
    assert shared.client.request(method, path).status_code in (404, 422)


def test_unknown_routes_and_methods_have_the_contract_s_words(shared: Live) -> None:
    missing = httpx.get(f"{shared.url}/nowhere")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    method = httpx.patch(f"{shared.url}/trading/orders")
    assert (method.status_code, method.json()) == (405, {"detail": "Method Not Allowed"})
    assert "POST" in method.headers["Allow"]


def test_a_bucket_fills_with_time() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 2.0, lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert buckets.take("b") == 0.0
    now[0] = 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0


def test_each_further_failure_doubles_the_pause() -> None:
    now = [0.0]
    failures = Failures(2, lambda: now[0])
    assert failures.begin("a") == 0.0
    assert failures.begin("a") == 0.0
    assert failures.begin("a") == 1.0
    now[0] = 1.0
    assert failures.begin("a") == 0.0
    assert failures.begin("a") == 2.0
    failures.succeeded("a")
    assert failures.begin("a") == 0.0


def test_the_pause_stays_a_minute_after_thousands_of_failures() -> None:
    now = [0.0]
    failures = Failures(2, lambda: now[0])
    for _ in range(1_100):
        failures.begin("a")
        now[0] += 60.0
    now[0] -= 60.0
    assert failures.begin("a") == 60.0


def test_failures_are_forgotten_after_a_quarter_of_an_hour_without_one() -> None:
    now = [0.0]
    failures = Failures(2, lambda: now[0])
    for _ in range(10):
        failures.begin("a")
        now[0] += 60.0
    now[0] += FORGET_SECONDS
    assert [failures.begin("a"), failures.begin("a")] == [0.0, 0.0]
    assert failures.begin("a") == 1.0


def test_a_password_that_was_right_before_is_not_held_back_when_it_is_checked_again(
    unhurried: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = unhurried
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    assert live.client.get("/trading/orders").status_code == 200
    with live.connect() as client:
        for number in range(6):
            held = client.get("/trading/orders", auth=(USER, f"guess{number}"))
    assert held.status_code == 429
    assert live.client.get("/trading/orders").status_code == 200


def test_a_password_in_use_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, checked = [0.0], []

    class Hasher:
        def hash(self, _password: str) -> str:
            return "hash"

        def verify(self, _hash: str, password: bytes) -> bool:
            checked.append(password)
            return True

    async def ask() -> None:
        authenticator = auth.Authenticator(USER, PASSWORD, cast("Bearers", None))
        for _ in range(5):
            await authenticator.caller(header, "here")
            now[0] += auth.REMEMBER_SECONDS - 1
        now[0] += 2
        await authenticator.caller(header, "here")

    header = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
    monkeypatch.setattr(auth, "_hasher", Hasher())
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: now[0]))
    asyncio.run(ask())
    assert len(checked) == 2


def test_unknown_keys_are_slowed_down_and_valid_ones_from_there_are_not(unhurried: Live) -> None:
    live = unhurried
    with bearer(live, "read") as valid, live.connect() as client:
        statuses = []
        for number in range(auth.FREE_FAILURES_OF_ADDRESS + 1):
            token = f"av_{number:012x}_{'0' * 64}"
            answer = client.get("/trading/orders", headers={"Authorization": f"Bearer {token}"})
            statuses.append(answer.status_code)
        assert statuses == [401] * auth.FREE_FAILURES_OF_ADDRESS + [429]
        assert int(answer.headers["Retry-After"]) >= 1
        assert valid.get("/trading/orders").status_code == 200
    assert live.client.get("/trading/orders").status_code == 200


def test_an_unknown_key_is_not_looked_for_each_time(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def row(_pool: object, _query: str, values: dict[str, str]) -> None:
        asked.append(values["key"])

    monkeypatch.setattr(bearers, "row", row)
    monkeypatch.setattr(bearers, "_UNKNOWN_SECONDS", 60.0)
    monkeypatch.setattr(bearers, "_RECHECK_SECONDS", 60.0)
    with live.connect(token=f"av_0123456789ab_{'0' * 64}") as client:
        for _ in range(3):
            assert client.get("/trading/orders").status_code == 401
    assert asked == ["0123456789ab"]
