"""Offering credentials by HTTP, and a venue that answers: for tests of either."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from domain import credential
from domain.credential import Command, RecordCredentialAccepted, RecordCredentialRefused
from tests.api.live import Live

CANARY = "canary-0b5e55ed"
KEYS = {"binance_api_key": CANARY, "binance_api_secret": f"{CANARY}-secret"}
PATH = "/accounts/add-credential/master_account/binance"
SHOWN = "/accounts/master_account/credentials/binance"
AT_ONCE = {"Prefer": "wait=0"}
MAIN = ("master_account", "binance")
YES, NO = True, False
PAPER_URL = "http://127.0.0.1:1"
"""Of a paper venue that nobody reaches: its connector is served."""
Verdict = Callable[[str], Command]


def accepted(secret_id: str) -> Command:
    return RecordCredentialAccepted(*MAIN, secret_id, YES, NO)


def refused(secret_id: str) -> Command:
    return RecordCredentialRefused(*MAIN, secret_id, "-2015", "Invalid API-key.")


@contextmanager
def venue(live: Live, verdict: Verdict) -> Iterator[None]:
    """A worker that answers every offer so, and keeps the read models up to date."""
    stopping = threading.Event()
    stream = credential.stream(*MAIN)

    def work() -> None:
        seen: set[str] = set()
        while not stopping.wait(0.02):
            for event in live.deps.store.read_stream(stream):
                if event.tag == "credential.offered.v1" and event.seal.hex() not in seen:
                    seen.add(event.seal.hex())
                    secret_id = live.sql(
                        "select convert_from(state, 'utf8')::json ->> 'secret_id' "
                        "from events where notification_id = %s",
                        event.position,
                    )[0][0]
                    live.execute(stream, verdict(secret_id), f"verdict {event.position}")
            live.project()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def add(live: Live, body: Any = KEYS, **headers: str) -> httpx.Response:
    return live.client.post(PATH, json=body, headers=headers)


def kept(live: Live) -> list[str]:
    return [row[0] for row in live.sql("select secret_id from vault order by created_at")]


def shown(live: Live) -> dict[str, Any]:
    live.project()
    answer = live.client.get(SHOWN, params={"min_position": live.head()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
