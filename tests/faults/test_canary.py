"""A secret that was put in by HTTP is found nowhere but in the vault, and there only sealed.

It is looked for as it is and as it is usually encoded: in every answer, in every table, in the
logs of all processes, and in every file that Postgres has written.
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.settings import load
from adapters.vault.vault import Vault
from tests.doubles.binance_process import BinanceProcess
from tests.faults.processes import until
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

AWKWARD = 'c4nary/+=&"\\\n\u00e9 '
ADD = "/accounts/add-credential/master_account/binance"
SHOWN = "/accounts/master_account/credentials/binance"


def spellings(secret: str) -> dict[str, bytes]:
    """What to look for. Of the base64 of a longer text, in each of its three alignments."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "json": json.dumps(secret)[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for shift in range(3):
        cut = raw[shift : shift + (len(raw) - shift) // 3 * 3]
        found[f"base64 from {shift}"] = base64.b64encode(cut)
        found[f"urlsafe from {shift}"] = base64.urlsafe_b64encode(cut)
    hexed = {f"hex of {how}": text.hex().encode() for how, text in found.items()}
    return found | hexed


class Haystack:
    def __init__(self, secrets: list[str]) -> None:
        self._needles = [
            (secret[:4], how, text) for secret in secrets for how, text in spellings(secret).items()
        ]
        self.bytes_seen = 0

    def look(self, where: str, text: bytes) -> None:
        self.bytes_seen += len(text)
        for name, how, needle in self._needles:
            assert needle not in text, f"{name}... stands in {where} ({how})"


class Talk:
    """Requests whose answers are kept."""

    def __init__(self, port: int) -> None:
        self.answers: list[httpx.Response] = []
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", auth=("admin", "admin"), timeout=60
        )

    def __call__(self, method: str, path: str, **asked: object) -> httpx.Response:
        answer = self._client.request(method, path, **asked)  # type: ignore[arg-type]
        self.answers.append(answer)
        return answer

    def close(self) -> None:
        self._client.close()

    def is_ready(self) -> bool:
        """Whether the API answers and the workers work."""
        try:
            return self._client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False


def fields(key: str, secret: str) -> dict[str, str]:
    return {"binance_api_key": key, "binance_api_secret": secret}


def tables(dsn: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, as text and, where it is bytes, as those too."""
    with psycopg.connect(dsn) as owner:
        names = owner.execute(
            "select tablename from pg_tables where schemaname = 'public' order by 1"
        ).fetchall()
        for (name,) in names:
            for row in owner.execute(f'select t.*, t::text from "{name}" t'.encode()):
                for value in row:
                    text = bytes(value) if isinstance(value, bytes) else str(value).encode()
                    yield name, text


def live_through(talk: Talk, good: list[dict[str, str]]) -> None:
    """Everything that can happen to a credential, and trading with it."""
    bad = fields(AWKWARD + "key", AWKWARD + "secret")
    assert talk("POST", ADD, json=bad).status_code == 400
    assert talk("POST", ADD, json=bad | {"more": AWKWARD}).status_code == 422
    assert talk("POST", ADD, json={"binance_api_key": [AWKWARD]}).status_code == 422
    assert talk("POST", ADD, content=json.dumps(bad)[:-1]).status_code == 422
    assert talk("POST", ADD, params={"dry_run": "true"}, json=bad).status_code == 200
    put = {"connector_name": "binance", "credentials": AWKWARD}
    assert talk("PUT", "/accounts/master_account", json=put).status_code == 422
    nobody = "/accounts/add-credential/nobody/binance"
    assert talk("POST", nobody, json=good[0]).status_code == 404
    for _ in range(2):  # The second time it is a replay.
        kept = {"Idempotency-Key": "canary"}
        assert talk("POST", ADD, json=good[0], headers=kept).json()["status"] == "accepted"
    assert talk("POST", ADD, json=bad, headers=kept).status_code == 422
    order = {
        "account_name": "master_account",
        "connector_name": "binance",
        "trading_pair": "BTC-USDT",
        "trade_type": "BUY",
        "order_type": "LIMIT",
        "amount": "0.01",
        "price": "20000",
    }
    until(lambda: talk("POST", "/trading/orders", json=order).status_code == 201, "rules are known")
    name = talk.answers[-1].json()["order_id"]
    until(lambda: _status(talk, name) == "OPEN", "the order is open at the venue")
    assert talk("DELETE", f"/trading/orders/{name}").status_code == 200
    until(lambda: _status(talk, name) == "CANCELLED", "the order is cancelled")
    assert (
        talk(
            "PUT",
            "/accounts/master_account",
            json={"connector_name": "binance", "credentials": good[1]},
        ).status_code
        == 200
    )
    for path in (SHOWN, "/accounts/master_account/credentials", "/metrics", "/ready", "/keys"):
        until(lambda path=path: talk("GET", path).status_code == 200, path)  # type: ignore[misc]
    assert talk("GET", "/audit/events", params={"limit": 1000}).status_code == 200
    commands = {answer.headers.get("Command-Id") for answer in talk.answers} - {None}
    for command in commands:
        talk("GET", f"/audit/commands/{command}")
    assert len(commands) > 5


def _status(talk: Talk, name: str) -> str | None:
    found = talk("POST", "/trading/orders/search", json={}).json()["data"]
    return next((str(row["status"]) for row in found if row["order_id"] == name), None)


def test_a_secret_is_nowhere_but_sealed_in_the_vault(
    scene: World, binance_double: BinanceProcess, cluster: EmbeddedPostgres
) -> None:
    began = time.time()
    good = [fields(*binance_double.new_account("canary", spot={"USDT": "1000"})) for _ in range(2)]
    scene.environment |= {
        "VENUE_URL_BINANCE": binance_double.url,
        "AVIARY_LOG_LEVEL": "debug",
    }
    api, worker = scene.door("api").start(), scene.worker().start()
    with closing(Talk(scene.door_port)) as talk:
        until(talk.is_ready, "API and workers are ready")
        live_through(talk, good)
    secrets = [value for each in good for value in each.values()]
    hay = Haystack([*secrets, AWKWARD + "key", AWKWARD + "secret"])
    for answer in talk.answers:
        where = f"the answer to {answer.request.method} {answer.request.url.path}"
        hay.look(where, answer.content + repr(answer.headers).encode())
    for name, text in tables(scene.database.owner_dsn):
        hay.look(f"the table {name}", text)
    scene.stop_workers()
    api.kill()
    for log in (api.log, worker.log):
        assert log.stat().st_size > 0
        hay.look(f"the log {log.name}", log.read_bytes())
    vault = Vault(scene.database.app_dsn, load(scene.environment, None))
    (kept,) = vault.kept()
    assert vault.open(kept.secret_id).values == good[1]  # It is there: the others look in earnest.
    for file in _files_of(cluster, since=began):
        with suppress(FileNotFoundError):  # Postgres itself has removed it.
            hay.look(f"Postgres' file {file}", file.read_bytes())
    assert hay.bytes_seen > 1_000_000


def _files_of(cluster: EmbeddedPostgres, since: float) -> list[Path]:
    """Tables, indexes, the write-ahead log and the server's own log, those that were written."""
    with psycopg.connect(cluster.dsn("superuser", "postgres"), autocommit=True) as superuser:
        superuser.execute("checkpoint")
    found = []
    for path in cluster.data_dir.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime > since:
                found.append(path)
    assert "pg_wal" in {path.parent.name for path in found}
    return found
