"""Given events, then rows: what each read model makes of a history."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account import AccountOpened
from domain.actor import KeyCreated, KeyRevoked
from domain.events import Event
from domain.order import TERMINAL, Order, Status, decide, evolve
from domain.order_guards import Guards
from domain.order_messages import Command, OrderDispatched, OrderExpired
from domain.order_messages import Event as OrderEvent
from domain.reconciliation import Reconciled, ReconciliationRequested
from domain.refusal import Refused
from projections import api_keys, open_effects, orders, trades
from projections.api_keys import ApiKeyRow
from projections.effect import EffectRow
from projections.orders import OrderRow
from projections.trades import TradeRow
from tests.facts import facts_of, rows_of
from tests.given import fold
from tests.messages import (
    ACCEPTED,
    ACCOUNT,
    CANCEL_REQUESTED,
    CANCELLED,
    DISPATCHED,
    EXECUTED,
    EXPIRED,
    FOUND,
    NOT_AT_VENUE,
    PLACE,
    PLACED,
    REJECTED,
    SEND_BY,
    UNDELIVERABLE,
    UNKNOWN,
    WITHDRAWN,
    filled,
    order_commands,
)

OPEN = (PLACED, DISPATCHED, ACCEPTED)


def order_after(*history: Event) -> OrderRow:
    rows = rows_of(orders.PROJECTION, facts_of("order-av1", history))
    assert rows.keys() == {"av1"}
    row: OrderRow = rows["av1"]
    return row


def effect_after(*history: Event) -> EffectRow | None:
    return rows_of(open_effects.PROJECTION, facts_of("order-av1", history)).get("order-av1")


def test_a_placed_order_is_a_row() -> None:
    assert order_after(PLACED) == OrderRow(
        key="av1",
        account="main",
        connector="paper",
        pair="BTC-USDT",
        side="BUY",
        order_type="LIMIT",
        position_action="OPEN",
        quantity=Decimal("1.0"),
        price=Decimal(50000),
        outcome="requested",
        status="SUBMITTED",
        command_id="c1",
        actor="alice",
        created_at_us=1_000_001,
        updated_at_us=1_000_001,
        created_position=1,
        position=1,
    )


def test_fills_add_up_with_their_notional_and_fees() -> None:
    row = order_after(*OPEN, filled("t1", "0.4", "50000.5"), filled("t2", "0.1", "3", "0.25"))
    assert (row.filled, row.filled_notional) == (Decimal("0.5"), Decimal("20000.50"))
    assert row.fees == {"USDT": Decimal("0.35")}
    assert (row.outcome, row.status, row.is_active) == ("open", "PARTIALLY_FILLED", True)
    assert (row.position, row.created_position, row.updated_at_us) == (5, 1, 1_000_005)


WIRE: dict[str, tuple[tuple[Event, ...], str, bool, str | None]] = {
    "requested": ((PLACED,), "SUBMITTED", True, None),
    "dispatched": ((PLACED, DISPATCHED), "SUBMITTED", True, None),
    "unknown": ((PLACED, DISPATCHED, UNKNOWN), "SUBMITTED", True, "outcome unknown: timeout"),
    "found": ((PLACED, DISPATCHED, UNKNOWN, FOUND), "OPEN", True, None),
    "open": (OPEN, "OPEN", True, None),
    "partly filled": ((*OPEN, filled("t1", "0.1")), "PARTIALLY_FILLED", True, None),
    "filled": ((*OPEN, filled("t1", "1.0")), "FILLED", False, None),
    "filled before the acknowledgement": (
        (PLACED, DISPATCHED, filled("t1", "1"), ACCEPTED),
        "FILLED",
        False,
        None,
    ),
    "rejected": (
        (PLACED, DISPATCHED, REJECTED),
        "FAILED",
        False,
        "-2010: insufficient balance",
    ),
    "undeliverable": (
        (PLACED, DISPATCHED, NOT_AT_VENUE, UNDELIVERABLE),
        "FAILED",
        False,
        "undeliverable: 5 attempts, none of which reached the venue",
    ),
    "cancel asked for": ((*OPEN, CANCEL_REQUESTED), "PENDING_CANCEL", True, None),
    "cancel asked for while unknown": (
        (PLACED, DISPATCHED, UNKNOWN, CANCEL_REQUESTED),
        "PENDING_CANCEL",
        True,
        "outcome unknown: timeout",
    ),
    "withdrawn": ((PLACED, CANCEL_REQUESTED, WITHDRAWN), "CANCELLED", False, None),
    "cancelled": ((*OPEN, CANCEL_REQUESTED, CANCELLED), "CANCELLED", False, None),
    "expired": ((*OPEN, EXPIRED), "CANCELLED", False, "GTD"),
    "filled after the cancellation": (
        (*OPEN, CANCELLED, filled("t1", "1.0")),
        "FILLED",
        False,
        None,
    ),
    "partly filled after the cancellation": (
        (*OPEN, CANCELLED, filled("t1", "0.4")),
        "CANCELLED",
        False,
        None,
    ),
    "alive after a rejection": (
        (PLACED, DISPATCHED, REJECTED, filled("t1", "0.4")),
        "PARTIALLY_FILLED",
        True,
        "-2010: insufficient balance",
    ),
}


@pytest.mark.parametrize("name", WIRE)
def test_clients_read_the_status_of_the_wire(name: str) -> None:
    history, status, is_active, message = WIRE[name]
    row = order_after(*history)
    assert (row.status, row.is_active, row.error_message) == (status, is_active, message)


def test_every_status_has_a_word_on_the_wire() -> None:
    assert {fold("order", history).status for history, *_ in WIRE.values()} == set(
        get_args(Status)
    ) - {"new"}


def test_an_unknown_outcome_shows_since_when() -> None:
    row = order_after(PLACED, DISPATCHED, UNKNOWN, CANCEL_REQUESTED)
    assert row.unknown_since_us == 1_000_003
    assert order_after(PLACED, DISPATCHED, UNKNOWN, FOUND).unknown_since_us is None


def test_an_order_shows_its_attempt_and_the_exchange_s_id() -> None:
    row = order_after(PLACED, DISPATCHED, NOT_AT_VENUE, OrderDispatched(2, 7, SEND_BY), ACCEPTED)
    assert (row.attempt, row.exchange_order_id) == (2, "x1")


def test_an_event_of_an_order_that_was_never_placed_cannot_be_folded() -> None:
    with pytest.raises(ValueError, match="before it was placed"):
        order_after(DISPATCHED)


def test_a_fill_is_a_trade() -> None:
    rows = rows_of(trades.PROJECTION, facts_of("order-av1", (*OPEN, filled("t1", "0.4"))))
    assert rows == {
        "av1:t1": TradeRow(
            key="av1:t1",
            trade_id="t1",
            order_id="av1",
            account="main",
            connector="paper",
            pair="BTC-USDT",
            side="BUY",
            quantity=Decimal("0.4"),
            price=Decimal(50000),
            fee=Decimal("0.1"),
            fee_token="USDT",
            is_maker=False,
            executed_at_us=EXECUTED,
            position=4,
        )
    }


def test_a_self_trade_is_two_rows_with_one_trade_id() -> None:
    fill = filled("t1", "0.4")
    facts = [
        *facts_of("order-av1", (*OPEN, fill)),
        *facts_of("order-av2", (*OPEN, fill)),
    ]
    assert rows_of(trades.PROJECTION, facts).keys() == {"av1:t1", "av2:t1"}


OWED: dict[str, tuple[tuple[Event, ...], str | None, int]] = {
    "a placed order is to be placed": ((PLACED,), "place", 1_000_001),
    "a dispatch is to be resolved": ((PLACED, DISPATCHED), "resolve", SEND_BY),
    "an unknown outcome is to be resolved": ((PLACED, DISPATCHED, UNKNOWN), "resolve", 1_000_003),
    "an open order owes nothing": (OPEN, None, 1_000_003),
    "a cancel is to be sent": ((*OPEN, CANCEL_REQUESTED), "cancel", 1_000_004),
    "a cancel waits for the outcome": (
        (PLACED, DISPATCHED, CANCEL_REQUESTED),
        "resolve",
        1_000_003,
    ),
    "a found order is cancelled as asked": (
        (PLACED, DISPATCHED, CANCEL_REQUESTED, ACCEPTED),
        "cancel",
        1_000_004,
    ),
    "what is not there is placed again": ((PLACED, DISPATCHED, NOT_AT_VENUE), "place", 1_000_003),
}


@pytest.mark.parametrize("name", OWED)
def test_what_is_owed_to_the_outside(name: str) -> None:
    history, kind, due_us = OWED[name]
    row = effect_after(*history)
    assert row is not None
    assert (row.kind, row.due_us) == (kind, due_us)
    assert (row.account, row.connector, row.pair) == ("main", "paper", "BTC-USDT")
    assert row.client_order_id == "av1"


@pytest.mark.parametrize(
    "end", [filled("t1", "1.0"), REJECTED, CANCELLED, OrderExpired("GTD")], ids=type
)
def test_a_closed_order_owes_nothing_any_more(end: Event) -> None:
    assert effect_after(PLACED, DISPATCHED, end) is None
    assert effect_after(PLACED, DISPATCHED, end, ACCEPTED, UNKNOWN) is None


def test_an_order_that_came_alive_again_can_still_be_cancelled() -> None:
    alive = (PLACED, DISPATCHED, REJECTED, filled("t1", "0.4"), CANCEL_REQUESTED)
    row = effect_after(*alive)
    assert row is not None
    assert (row.kind, row.client_order_id, row.due_us) == ("cancel", "av1", 1_000_005)
    still = effect_after(*alive, filled("t2", "0.1"))
    assert still is not None
    assert still.kind == "cancel"
    assert effect_after(*alive, filled("t2", "0.1"), CANCELLED) is None


def test_a_wanted_reconciliation_is_owed_until_it_is_done() -> None:
    wanted = ReconciliationRequested("main", "paper", 60)
    stream = "reconciliation-main/paper/0"
    facts = facts_of(stream, (wanted,))
    rows = rows_of(open_effects.PROJECTION, facts)
    assert rows.keys() == {"reconcile-main/paper"}
    row = rows["reconcile-main/paper"]
    assert (row.kind, row.account, row.connector, row.due_us) == ("reconcile", "main", "paper", 60)
    done = facts_of(stream, (wanted, Reconciled("main", "paper", 1, 2)))
    assert rows_of(open_effects.PROJECTION, done) == {}
    assert rows_of(open_effects.PROJECTION, facts_of("account-main", (AccountOpened("a"),))) == {}


def test_a_key_is_a_row_with_its_hash_until_it_is_revoked() -> None:
    created = KeyCreated("k1", "dashboard", ("read",), "ab" * 32, 9)
    expected = ApiKeyRow(
        key="k1",
        name="dashboard",
        scopes=("read",),
        secret_sha256="ab" * 32,
        expires_at_us=9,
        created_at_us=1_000_001,
        position=1,
    )
    assert rows_of(api_keys.PROJECTION, facts_of("actor-k1", (created,))) == {"k1": expected}
    rows = rows_of(api_keys.PROJECTION, facts_of("actor-k1", (created, KeyRevoked("k1"))))
    assert (rows["k1"].revoked_at_us, rows["k1"].position) == (1_000_002, 2)


def decided(commands: list[Command]) -> tuple[Order, list[OrderEvent]]:
    guards = Guards(account=fold("account", ACCOUNT))
    order = Order()
    events: list[OrderEvent] = []
    for command in [PLACE, *commands]:
        try:
            new = decide(command, order, guards)
        except Refused:
            continue
        for event in new:
            order = evolve(order, event)
        events += new
    return order, events


@given(st.lists(order_commands, max_size=25))
def test_rows_agree_with_the_order_on_every_history(commands: list[Command]) -> None:
    order, events = decided(commands)
    row = order_after(*events)
    assert (row.outcome, row.filled, row.attempt) == (order.status, order.filled, order.attempt)
    assert row.is_cancel_requested == order.is_cancel_requested
    assert row.is_active == (order.status not in TERMINAL)
    found = rows_of(trades.PROJECTION, facts_of("order-av1", events))
    assert {trade.trade_id for trade in found.values()} == order.trades


@given(st.lists(order_commands, max_size=25))
def test_every_live_order_owes_what_its_status_says(commands: list[Command]) -> None:
    order, events = decided(commands)
    effect = effect_after(*events)
    match order.status:
        case "requested":
            assert effect is not None
            assert effect.kind == "place"
        case "dispatched" | "unknown":
            assert effect is not None
            assert effect.kind == "resolve"
        case "open" if order.is_cancel_requested:
            assert effect is not None
            assert effect.kind == "cancel"
        case "open":
            assert effect is not None
            assert effect.kind is None
            assert (effect.quantity, effect.filled) == (order.quantity, order.filled)
        case _:
            assert effect is None or effect.kind == "cancel"
