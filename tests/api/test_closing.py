"""Closing positions by HTTP, at a perpetual venue whose positions were observed."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from commands.codec import decode_recorded
from domain.credential import OfferCredential
from domain.limits import SetLimits
from domain.order_messages import DispatchOrder, OrderPlaced, RecordRejected
from domain.position import ObserveNoPosition, ObservePosition, PositionSide
from domain.switch import EngageSwitch, LiftSwitch
from tests.api.live import EUR_USD, Live, running
from tests.market.scripted import ScriptedVenue
from tests.messages import fill_of
from tests.postgres_fixture import Database

pytestmark = pytest.mark.postgres
ACCOUNT, CONNECTOR, PAIR = "master_account", "binance_perpetual", "BTC-USDT"
RULE = structs.replace(EUR_USD, pair=PAIR, base="BTC", quote="USDT", quantity_min=Decimal("0.1"))
BODY = {"account_name": ACCOUNT, "connector_name": CONNECTOR, "trading_pair": PAIR}


@pytest.fixture
def perpetual(
    database: Callable[..., Database], seeded: Database, tmp_path: Path
) -> Iterator[Live]:
    venues = {
        CONNECTOR: ScriptedVenue(RULE, name=CONNECTOR),
        "paper": ScriptedVenue(EUR_USD),
    }
    with running(database(template=seeded), tmp_path, venues) as live:
        offered = OfferCredential(ACCOUNT, CONNECTOR)
        live.execute(f"credential-{ACCOUNT}/{CONNECTOR}", offered, "offer")
        yield live


def hold(live: Live, quantity: str, side: PositionSide = "LONG", at: int = 1) -> None:
    stream = f"position-{ACCOUNT}/{CONNECTOR}/{PAIR}"
    seen: ObservePosition | ObserveNoPosition
    if Decimal(quantity):
        amount = Decimal(quantity)
        seen = ObservePosition(ACCOUNT, CONNECTOR, PAIR, side, amount, None, None, None, at)
    else:
        seen = ObserveNoPosition(ACCOUNT, CONNECTOR, PAIR, side, at)
    live.execute(stream, seen, f"hold {side} {quantity} {at}")
    live.project()


def close(live: Live, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return live.client.post("/trading/close-position", json=BODY | fields, headers=headers or {})


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_all_of_a_position_is_closed_by_an_order_on_the_other_side(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    answer = close(perpetual)
    assert answer.status_code == 201
    body = answer.json()
    order_id = body.pop("order_id")
    assert body == {
        "account_name": ACCOUNT,
        "connector_name": CONNECTOR,
        "trading_pair": PAIR,
        "side": "SELL",
        "amount": "2.5",
        "status": "submitted",
    }
    placed = decode_recorded(perpetual.deps.store.read_stream(f"order-{order_id}")[0])
    assert isinstance(placed, OrderPlaced)
    assert (placed.position_action, placed.order_type, placed.price) == ("CLOSE", "MARKET", None)


def test_a_short_position_is_bought_back(perpetual: Live) -> None:
    hold(perpetual, "2.5", "SHORT")
    assert close(perpetual).json()["side"] == "BUY"


def test_a_part_is_closed_at_a_limit(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    answer = close(perpetual, amount="1.23", order_type="LIMIT", price="50000.00001")
    assert answer.json()["amount"] == "1.2"  # In the venue's lots.
    order_id = answer.json()["order_id"]
    placed = decode_recorded(perpetual.deps.store.read_stream(f"order-{order_id}")[0])
    assert isinstance(placed, OrderPlaced)
    assert (placed.price, placed.asked_price) == (Decimal("50000.0001"), Decimal("50000.00001"))


def test_one_close_is_in_flight(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    order_id = close(perpetual, amount="1").json()["order_id"]
    again = close(perpetual, amount="1")
    assert refused(again) == (409, "close_in_flight")
    assert order_id in again.json()["detail"]
    perpetual.project()
    assert perpetual.client.delete(f"/trading/orders/{order_id}").status_code == 200
    assert close(perpetual, amount="1").status_code == 201


def test_what_was_closed_is_not_closed_again_before_the_venue_shows_it(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    order_id = close(perpetual).json()["order_id"]
    perpetual.execute(f"order-{order_id}", fill_of("t1", "2.5"), "fill")
    assert refused(close(perpetual)) == (404, "no_position")
    hold(perpetual, "0", at=2**60)
    assert refused(close(perpetual)) == (404, "no_position")


def test_a_rejected_close_makes_room_for_the_next(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    order_id = close(perpetual).json()["order_id"]
    perpetual.execute(f"order-{order_id}", DispatchOrder(1, 1, 0, ACCOUNT), "dispatch")
    perpetual.execute(f"order-{order_id}", RecordRejected("-2022", "no", 1), "reject")
    assert close(perpetual).status_code == 201


def test_there_is_nothing_to_close(perpetual: Live) -> None:
    perpetual.project()
    assert refused(close(perpetual)) == (404, "no_position")
    assert refused(close(perpetual, position_side="LONG")) == (404, "no_position")
    hold(perpetual, "2.5")
    assert refused(close(perpetual, position_side="SHORT")) == (404, "no_position")


def test_with_both_sides_open_one_must_be_named(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    hold(perpetual, "1.5", "SHORT")
    assert refused(close(perpetual)) == (400, "position_side_required")
    assert close(perpetual, position_side="SHORT").json()["amount"] == "1.5"
    assert close(perpetual, position_side="LONG").json()["amount"] == "2.5"


def test_more_than_is_held_cannot_be_closed(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    assert refused(close(perpetual, amount="2.6")) == (400, "exceeds_position")


def test_a_spot_connector_has_no_positions(perpetual: Live) -> None:
    answer = close(perpetual, connector_name="paper", trading_pair="EUR-USD")
    assert refused(answer) == (400, "not_perpetual")


def test_a_limit_needs_a_price_and_the_market_takes_none(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    assert refused(close(perpetual, order_type="LIMIT")) == (400, "price_required")
    assert refused(close(perpetual, price="1")) == (400, "price_not_allowed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": -1},
        {"amount": "x"},
        {"price": "1e99"},
        {"position_side": "UP"},
        {"order_type": 1},
        {"quantity": "1"},  # Without an amount all of the position would be closed.
    ],
)
def test_bad_input_is_a_422(perpetual: Live, wrong: dict[str, Any]) -> None:
    answer = close(perpetual, **wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", next(iter(wrong))]


def test_a_repeated_request_has_its_first_answer_whatever_became_of_the_position(
    perpetual: Live,
) -> None:
    hold(perpetual, "2.5", "SHORT")
    key = {"Idempotency-Key": "close-it"}
    first = close(perpetual, headers=key)
    hold(perpetual, "0", "SHORT", at=2)
    again = close(perpetual, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json()) == (201, first.json())


def test_limits_do_not_stop_a_close_and_the_kill_switch_does(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    limits = SetLimits(ACCOUNT, Decimal("0.01"), 0, 0)
    perpetual.execute(f"limits-{ACCOUNT}", limits, "limits")
    perpetual.execute("switch-*", EngageSwitch("*", ""), "engage")
    assert refused(close(perpetual)) == (409, "kill_switch")
    perpetual.execute("switch-*", LiftSwitch("*", ""), "lift")
    assert close(perpetual).status_code == 201


def test_a_dry_run_closes_nothing(perpetual: Live) -> None:
    hold(perpetual, "2.5")
    answer = perpetual.client.post("/trading/close-position?dry_run=true", json=BODY)
    tags = [event["type"] for event in answer.json()["events"]]
    assert tags == ["order.placed.v1", "order.close_started.v1"]
    assert close(perpetual).status_code == 201


def test_an_order_that_reduces_a_position_is_not_limited(perpetual: Live) -> None:
    limits = SetLimits(ACCOUNT, Decimal("0.01"), 0, 0)
    perpetual.execute(f"limits-{ACCOUNT}", limits, "limits")
    order = {"amount": "1", "price": "50000", "trade_type": "SELL"} | BODY
    assert perpetual.place(**order).status_code == 400
    assert perpetual.place(**order, position_action="CLOSE").status_code == 201
    # At a spot venue CLOSE reduces nothing.
    assert refused(perpetual.place(position_action="CLOSE")) == (400, "notional_limit")
