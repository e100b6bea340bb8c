"""Placing and cancelling orders: given the log, when HTTP, then the answer and new events."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api.submitting import wait_of
from commands.codec import decode_recorded
from commands.request import Request, command_id_of, request_hash
from domain.order_messages import CancelOrder, CancelRequested, OrderPlaced, RecordFill
from tests.api.live import ORDER, Live

pytestmark = pytest.mark.postgres


def events(live: Live, order_id: str) -> list[Any]:
    return [decode_recorded(event) for event in live.deps.store.read_stream(f"order-{order_id}")]


def fill(live: Live, order_id: str) -> None:
    command = RecordFill(
        trade_id=f"t-{order_id}",
        side="BUY",
        quantity=Decimal(100),
        price=Decimal("1.05"),
        fee=Decimal("0.105"),
        fee_token="USD",
        is_maker=True,
        executed_at_us=1_760_000_000_000_000,
    )
    live.execute(f"order-{order_id}", command, f"fill-{order_id}")


def test_a_placed_order_is_in_the_log_before_its_answer(shared: Live) -> None:
    answer = shared.place()
    assert answer.status_code == 201
    body = answer.json()
    order_id = body.pop("order_id")
    assert body == {
        "account_name": "master_account",
        "connector_name": "paper",
        "trading_pair": "EUR-USD",
        "trade_type": "BUY",
        "amount": "100",
        "order_type": "LIMIT",
        "price": "1.05",
        "status": "submitted",
    }
    (placed,) = events(shared, order_id)
    assert isinstance(placed, OrderPlaced)
    assert (placed.quantity, placed.price) == (Decimal(100), Decimal("1.05"))
    assert (placed.asked_quantity, placed.asked_price) == (None, None)
    assert int(answer.headers["Log-Position"]) == shared.head()
    assert len(answer.headers["Command-Id"]) == 32
    assert "Idempotency-Replayed" not in answer.headers


def test_a_number_is_kept_as_it_was_written(shared: Live) -> None:
    text = (
        json.dumps(dict(ORDER)).replace("100", "100.10000000000000000").replace('"1.05"', "1.050")
    )
    answer = shared.client.post("/trading/orders", content=text)
    assert answer.status_code == 201
    assert answer.json()["amount"] == "100.10000000000000000"
    assert answer.json()["price"] == "1.050"


@pytest.mark.parametrize(("side", "price"), [("BUY", "1.0500"), ("SELL", "1.0501")])
def test_amount_and_price_are_cut_to_what_the_venue_takes_and_never_worse(
    shared: Live, side: str, price: str
) -> None:
    order_id = shared.placed(trade_type=side, amount="100.19", price="1.05003")
    (placed,) = events(shared, order_id)
    assert (placed.quantity, placed.price) == (Decimal("100.1"), Decimal(price))
    assert (placed.asked_quantity, placed.asked_price) == (Decimal("100.19"), Decimal("1.05003"))


def test_the_same_key_is_the_same_order(shared: Live) -> None:
    headers = {"Idempotency-Key": "once"}
    first = shared.place(headers=headers)
    head = shared.head()
    again = shared.place(headers=headers)
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Command-Id"] == first.headers["Command-Id"]
    assert again.headers["Log-Position"] == first.headers["Log-Position"]
    assert shared.head() == head


def test_a_key_cannot_be_used_for_another_request(shared: Live) -> None:
    headers = {"Idempotency-Key": "taken"}
    shared.place(headers=headers)
    answer = shared.place(headers=headers, amount=200)
    assert answer.status_code == 422
    assert answer.json()["code"] == "key_reused"
    assert "Command-Id" in answer.headers


def test_two_keys_are_refused_unless_they_are_the_same(shared: Live) -> None:
    def ask(*keys: str) -> httpx.Response:
        headers = [("Idempotency-Key", key) for key in keys]
        return shared.client.post("/trading/orders", json=dict(ORDER), headers=headers)

    answer = ask("one", "two")
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert (error["loc"], error["input"]) == (["header", "Idempotency-Key"], "one, two")
    assert ask("both", "both").status_code == 201


@pytest.mark.parametrize(
    ("prefers", "seconds"),
    [
        ([], None),
        ([b"wait=5"], 5),
        ([b'respond-async; WAIT = "05"'], 5),
        ([b"respond-async", b"wait=7"], 7),
        ([b"wait=5, wait=9"], 5),
        ([b"wait=99999999"], 60),
        ([b"wait=" + b"9" * 60], 60),
        ([b'a="x, wait=5"'], None),
        ([b'a="\\", wait=5", wait=6'], 6),
        ([b'a="x, wait=5'], None),
        ([b"wait=-1"], None),
        ([b"await=5"], None),
    ],
)
def test_only_a_preference_of_its_own_is_a_wait(prefers: list[bytes], seconds: int | None) -> None:
    assert wait_of(prefers) == seconds


@pytest.mark.parametrize("key", ["", "has space", "x" * 256])
def test_a_key_that_is_none_is_said(shared: Live, key: str) -> None:
    answer = shared.place(headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert (error["type"], error["loc"]) == ("value_error", ["header", "Idempotency-Key"])


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"account_name": "nobody"}, 404, "unknown_account"),
        ({"connector_name": "moon"}, 400, "not_tradable"),
        ({"trading_pair": "A-B"}, 400, "not_tradable"),
        ({"price": None}, 400, "price_required"),
        ({"order_type": "MARKET"}, 400, "price_not_allowed"),
        ({"amount": "0.5"}, 400, "not_tradable"),
        ({"amount": "1", "price": "1"}, 400, "not_tradable"),
        ({"amount": "2000000"}, 400, "not_tradable"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    shared: Live, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = shared.place(**fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].endswith(".")


def test_a_refusal_is_repeated_under_its_key(shared: Live) -> None:
    headers = {"Idempotency-Key": "refused"}
    first = shared.place(headers=headers, account_name="nobody")
    again = shared.place(headers=headers, account_name="nobody")
    assert again.status_code == first.status_code == 404
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "amount",
    ["NaN", "Infinity", "-1", "0", "1e999999", "1_000", "", "٣", True, [], {}, -1, 0, None],
)
def test_what_is_no_amount_is_named(shared: Live, amount: Any) -> None:
    answer = shared.place(amount=amount)
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert error["loc"] == ["body", "amount"]
    assert set(error) == {"type", "loc", "msg", "input"}


@pytest.mark.parametrize("literal", ["1e999999", "9" * 5_000, '"\\ud800"', '"\\q"'])
def test_a_literal_that_is_no_value_is_shown_as_it_was_sent(shared: Live, literal: str) -> None:
    text = json.dumps(dict(ORDER)).replace("100", literal)
    answer = shared.client.post("/trading/orders", content=text)
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert isinstance(error, dict)
    if literal == "1e999999":
        assert (error["loc"], error["input"]) == (["body", "amount"], literal)
    assert len(answer.content) < 6_000


def test_every_wrong_field_is_named(shared: Live) -> None:
    answer = shared.client.post(
        "/trading/orders", json={"account_name": "a/b", "trade_type": "HOLD", "amount": 1}
    )
    assert answer.status_code == 422
    found = {(error["loc"][1], error["type"]) for error in answer.json()["detail"]}
    assert found == {
        ("account_name", "string_pattern_mismatch"),
        ("connector_name", "missing"),
        ("trading_pair", "missing"),
        ("trade_type", "literal_error"),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"account_name":' * 70 + b"1" + b"}" * 70,
        b"[1]",
        b"null",
        b'{"account_name": "\\ud800"}',
        b'{"account_name": 1, "x": "\xff"}',
    ],
)
def test_a_body_that_is_no_order_is_a_422(shared: Live, body: bytes) -> None:
    answer = shared.client.post("/trading/orders", content=body)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)


@pytest.mark.parametrize("field", [b"amount", b"price", b"other"])
def test_invalid_utf_8_anywhere_is_no_json(shared: Live, field: bytes) -> None:
    fields = {name.encode(): json.dumps(value).encode() for name, value in ORDER.items()}
    fields[field] = b'"\xff"'
    body = b"{%b}" % b",".join(b'"%b":%b' % pair for pair in fields.items())
    answer = shared.client.post("/trading/orders", content=body)
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert error["type"] == "json_invalid"


def test_unknown_fields_are_ignored(shared: Live) -> None:
    assert shared.place(is_quickstart=True).status_code == 201


def test_a_trial_run_writes_nothing(shared: Live) -> None:
    head = shared.head()
    answer = shared.client.post("/trading/orders?dry_run=true", json=dict(ORDER))
    assert answer.status_code == 200
    assert answer.json()["dry_run"] is True
    assert [event["type"] for event in answer.json()["events"]] == ["order.placed.v1"]
    refused = shared.client.post(
        "/trading/orders?dry_run=true", json={**ORDER, "account_name": "nobody"}
    )
    assert refused.status_code == 404
    assert shared.head() == head


def cancel(live: Live, order_id: str) -> httpx.Response:
    return live.client.delete(f"/trading/orders/{order_id}")


def test_a_cancellation_is_asked_for_once(shared: Live) -> None:
    order_id = shared.placed()
    answer = cancel(shared, order_id)
    assert answer.status_code == 200
    assert answer.json() == {"message": f"Order cancellation initiated for {order_id}"}
    assert isinstance(events(shared, order_id)[1], CancelRequested)
    head = shared.head()
    assert cancel(shared, order_id).status_code == 200
    assert shared.head() == head


def test_an_unknown_order_cannot_be_cancelled(shared: Live) -> None:
    answer = cancel(shared, "avnothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")
    assert cancel(shared, "a%00b").status_code == 404
    assert cancel(shared, "a%2Fb").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/trading/orders/avnothing",
        f"/trading/orders/av{'1' * 26}",
        f"/trading/orders/av{'a' * 26}",
        f"/trading/orders/order-av{'a' * 26}",
        "/keys/nothing",
        "/keys/0123456789abcde",
        "/keys/0123456789ab",
        "/keys/0123456789abcdef",
    ],
)
def test_what_there_is_not_leaves_no_receipt(shared: Live, path: str) -> None:
    receipts = shared.sql("select count(*) from receipts")
    answer = shared.client.delete(path, headers={"Idempotency-Key": path})
    assert answer.status_code == 404
    assert answer.json()["code"] in ("unknown_order", "unknown_key")
    assert shared.sql("select count(*) from receipts") == receipts


def test_an_order_of_another_account_leaves_no_receipt(shared: Live) -> None:
    receipts = shared.sql("select count(*) from receipts")
    for order_id in ("avnothing", f"av{'a' * 26}"):
        path = f"/trading/master_account/paper/orders/{order_id}/cancel"
        assert shared.client.post(path).status_code == 404
    assert shared.sql("select count(*) from receipts") == receipts


def test_a_cancellation_that_was_refused_stays_so_under_its_key(shared: Live) -> None:
    order_id, actor = f"av{'b' * 26}", "user:tester"
    digest = request_hash(shared.deps.hash_key, [b"cancel_order", order_id.encode(), b""])
    shared.deps.committer.execute(
        Request(
            command_id=command_id_of(actor, "early"),
            actor=actor,
            stream=f"order-{order_id}",
            command=CancelOrder(),
            request_hash=digest,
            correlation_id="early",
        )
    )
    path = f"/trading/orders/{order_id}"
    answer = shared.client.delete(path, headers={"Idempotency-Key": "early"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")
    assert answer.headers["Idempotency-Replayed"] == "true"


def test_a_filled_order_cannot_be_cancelled(shared: Live) -> None:
    order_id = shared.placed()
    fill(shared, order_id)
    answer = cancel(shared, order_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "order_closed")


@pytest.mark.parametrize("is_projected", [False, True])
def test_a_cancellation_names_the_order_s_own_account(shared: Live, *, is_projected: bool) -> None:
    order_id = shared.placed()
    if is_projected:
        shared.project()
    wrong = shared.client.post(f"/trading/other/paper/orders/{order_id}/cancel")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown_order")
    right = shared.client.post(f"/trading/master_account/paper/orders/{order_id}/cancel")
    assert right.status_code == 200


def test_a_trial_cancellation_writes_nothing(shared: Live) -> None:
    order_id = shared.placed()
    answer = shared.client.delete(f"/trading/orders/{order_id}?dry_run=true")
    tags = [event["type"] for event in answer.json()["events"]]
    assert tags == ["order.cancel_requested.v1", "order.withdrawn.v1"]
    assert len(events(shared, order_id)) == 1


def test_both_spellings_of_a_path_are_one_route(shared: Live) -> None:
    assert shared.client.post("/trading/orders/", json=dict(ORDER)).status_code == 201
    assert shared.client.get("/trading/orders/").status_code == 200
