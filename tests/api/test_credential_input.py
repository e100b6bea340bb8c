"""What may be put in as a credential; whatever else comes is named, refused and never repeated."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.live import Live, running
from tests.api.offering import AT_ONCE, CANARY, KEYS, PAPER_URL, PATH, kept
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def shared(
    database: Callable[..., Database], seeded: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("api")
    with running(database(template=seeded), folder, paper_url=PAPER_URL) as server:
        yield server


WRONG: dict[str, tuple[str, Any, list[str]]] = {
    "a field is missing": ("binance", {"binance_api_key": CANARY}, ["binance_api_secret"]),
    "all are missing": ("binance", {}, ["binance_api_key", "binance_api_secret"]),
    "null is missing": ("binance", KEYS | {"binance_api_secret": None}, ["binance_api_secret"]),
    "a field is unknown": ("binance", KEYS | {"extra": CANARY}, ["extra"]),
    "a text is empty": ("binance", KEYS | {"binance_api_key": ""}, ["binance_api_key"]),
    "a text is a number": ("binance", KEYS | {"binance_api_key": 7}, ["binance_api_key"]),
    "a text is a list": ("binance", KEYS | {"binance_api_key": [CANARY]}, ["binance_api_key"]),
    "a text has a zero byte": ("binance", KEYS | {"binance_api_key": "a\0b"}, ["binance_api_key"]),
    "a text is too long": ("binance", KEYS | {"binance_api_key": "x" * 10001}, ["binance_api_key"]),
    "a truth is a text": (
        "coinbase_advanced_trade",
        {
            "coinbase_advanced_trade_api_key": CANARY,
            "coinbase_advanced_trade_api_secret": CANARY,
            "use_auth_for_public_endpoints": CANARY,
        },
        ["use_auth_for_public_endpoints"],
    ),
    "a whole number is one of no connector": (
        "lighter",
        {
            "lighter_l1_address": CANARY,
            "lighter_account_index": 10**4_000,
            "lighter_api_key_index": -5,
            "lighter_api_private_key": CANARY,
            "lighter_account_limit": CANARY,
        },
        ["lighter_account_index", "lighter_api_key_index"],
    ),
    "a choice is another": (
        "okx",
        {
            "okx_api_key": CANARY,
            "okx_secret_key": CANARY,
            "okx_passphrase": CANARY,
            "okx_registration_sub_domain": CANARY,
        },
        ["okx_registration_sub_domain"],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_fields_are_each_named_and_never_repeated(shared: Live, what: str) -> None:
    connector, body, fields = WRONG[what]
    by_path = shared.client.post(f"/accounts/add-credential/master_account/{connector}", json=body)
    by_body = shared.client.put(
        "/accounts/master_account", json={"connector_name": connector, "credentials": body}
    )
    for answer, place in ((by_path, ["body"]), (by_body, ["body", "credentials"])):
        assert answer.status_code == 422
        assert [entry["loc"] for entry in answer.json()["detail"]] == [
            [*place, field] for field in fields
        ]
        assert CANARY not in answer.text
    assert kept(shared) == []


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense " + CANARY.encode(),
        b'["' + CANARY.encode() + b'"]',
        b'"' + CANARY.encode() + b'"',
        b'{"a": ' * 100,
        b"\xff" + CANARY.encode(),
        b'{"connector_name": {"a": "' + CANARY.encode() + b'"}, "credentials": "x"}',
        b'{"connector_name": "binance", "credentials": "' + CANARY.encode() + b'"}',
        b'{"credentials": ["' + CANARY.encode() + b'"]}',
    ],
)
def test_a_body_of_another_shape_is_a_422_and_never_repeated(shared: Live, body: bytes) -> None:
    for answer in (
        shared.client.post(PATH, content=body),
        shared.client.put("/accounts/master_account", content=body),
    ):
        assert answer.status_code == 422
        assert CANARY not in answer.text


def test_connectors_that_cannot_be_used_are_said(shared: Live) -> None:
    for connector, status, code in (
        ("nowhere", 404, "unknown_connector"),
        ("dexalot", 400, "not_served"),
        ("a b", 400, "invalid_name"),
    ):
        answer = shared.client.post(
            f"/accounts/add-credential/master_account/{connector}", json=KEYS
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert CANARY not in answer.text


def test_names_that_are_none_are_400(shared: Live) -> None:
    for answer in (
        shared.client.get("/accounts/a b/credentials"),
        shared.client.get("/accounts/master_account/credentials/a b"),
        shared.client.post("/accounts/add-credential/a b/binance", json=KEYS),
        shared.client.post("/accounts/delete-credential/a b/binance"),
        shared.client.put("/accounts/a b", json={"connector_name": "binance", "credentials": KEYS}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_name")
    assert shared.client.get("/accounts/nobody/credentials").status_code == 404
    assert shared.client.get("/accounts/nobody/credentials/binance").status_code == 404
    own = shared.client.get("/accounts/master_account/credentials/paper", headers={})
    assert own.status_code in (200, 404)


NAMES = [
    "a%00b",
    "%ff",
    "%C3%A9",
    "x" * 300,
    "a%2Fb",
    "a%0A",
    "..",
    "%20",
    "-" * 65,
    "a;b",
    "'",
    "%22",
]
BODIES: list[bytes] = [
    b"",
    b"null",
    b"7",
    b"[1]",
    b'{"binance_api_key": 1e999}',
    b'{"binance_api_key": 1' + b"0" * 400 + b"}",
    b'{"binance_api_key": "\\ud800"}',
    b'{"\\u0000": "x"}',
    b'{"' + b"k" * 5000 + b'": 1}',
    b'{"connector_name": null, "credentials": null}',
    b'{"connector_name": "' + b"n" * 500 + b'", "credentials": {}}',
    b'{"connector_name": "binance", "credentials": {"binance_api_key": {"a": [[[]]]}}}',
    b'{"connector_name": "lighter", "credentials": {"lighter_api_key_index": 1' + b"0" * 30 + b"}}",
    b'{"account_name": "x", "account_name": "y z"}',
    b"[" * 5000,
    b"\x00\xff\xfe",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_a_fault_of_ours(shared: Live, name: str) -> None:
    for method, path in (
        ("GET", f"/accounts/{name}/credentials"),
        ("GET", f"/accounts/master_account/credentials/{name}"),
        ("DELETE", f"/accounts/{name}"),
        ("PUT", f"/accounts/{name}"),
        ("POST", f"/accounts/add-account?account_name={name}"),
        ("POST", f"/accounts/delete-account?account_name={name}"),
        ("POST", f"/accounts/add-credential/{name}/binance"),
        ("POST", f"/accounts/add-credential/master_account/{name}"),
        ("POST", f"/accounts/delete-credential/{name}/{name}"),
    ):
        answer = shared.client.request(method, path)
        assert 400 <= answer.status_code < 500, (method, path, answer.text)
        assert answer.json()["detail"]


@pytest.mark.parametrize("body", BODIES)
def test_no_body_is_a_fault_of_ours(shared: Live, body: bytes) -> None:
    for method, path in (
        ("POST", "/accounts"),
        ("PUT", "/accounts/master_account"),
        ("POST", PATH),
    ):
        answer = shared.client.request(method, path, content=body, headers=AT_ONCE)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.json()["detail"]
    assert kept(shared) == []
