"""Funding payments, read from a venue by the dispatcher: each counts once."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest

from adapters.venues.port import FundingPayment, UserUpdate, VenueRefused, VenueUnreachable
from tests.perpetual.venue import CONNECTOR, PerpetualLedger
from tests.workers.stage import ACCOUNT, Stage, serving

pytestmark = pytest.mark.postgres
DAY = 86_400_000_000


def payment(number: int, pair: str = "BTC-USDT") -> FundingPayment:
    return FundingPayment(
        payment_id=f"p{number}",
        pair=pair,
        amount=Decimal(-number),
        token="USDT",
        rate=Decimal("0.0001"),
        position_quantity=None,
        position_side=None,
        paid_at_us=20_000 * DAY + number * DAY // 3,
    )


def rows(on: Stage) -> list[tuple[str, Decimal]]:
    with psycopg.connect(on.database.owner_dsn) as owner:
        return owner.execute("select payment_id, amount from funding order by position").fetchall()


def paid(on: Stage) -> int:
    log = on.store.read_log(0, 1_000_000)
    return sum(recorded.tag == "funding.paid.v1" for recorded in log)


def test_every_payment_is_recorded_once_in_its_order(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.payments = [payment(number) for number in range(5)]
    on.run_until(serving({CONNECTOR: venue}), lambda: len(rows(on)) == len(venue.payments))
    assert rows(on) == [(f"p{number}", Decimal(-number)) for number in range(5)]
    # The next dispatcher goes on where the last one was.
    venue.payments.append(payment(5))
    venue.funding_cursors.clear()
    on.run_until(serving({CONNECTOR: venue}), lambda: len(rows(on)) == len(venue.payments))
    assert venue.funding_cursors[0] == "5"


def test_payments_told_twice_count_once(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.payments = [payment(0), payment(1), payment(1), payment(0), payment(2)]
    on.run_until(serving({CONNECTOR: venue}), lambda: len(rows(on)) == 3)
    forget_cursor(on)  # As if killed before it was moved.
    venue.funding_cursors.clear()
    on.run_until(serving({CONNECTOR: venue}), lambda: "4" in venue.funding_cursors)
    assert venue.funding_cursors[0] is None
    assert paid(on) == 3


def forget_cursor(on: Stage) -> None:
    with psycopg.connect(on.database.owner_dsn) as owner:
        owner.execute("delete from funding_cursors")


def test_two_connectors_that_paid_under_one_id_paid_twice(on: Stage) -> None:
    venue = PerpetualLedger()
    venue.payments = [payment(0)]
    other = CONNECTOR + "_testnet"
    on.accept_credential(other, "s2")
    venues = {CONNECTOR: venue, other: venue}
    on.run_until(serving(venues), lambda: len(rows(on)) == len(venues))
    with psycopg.connect(on.database.owner_dsn) as owner:
        keys = owner.execute("select key from funding order by key").fetchall()
    assert keys == [(f"{ACCOUNT}/{CONNECTOR}/p0",), (f"{ACCOUNT}/{other}/p0",)]


@pytest.mark.parametrize("error", [VenueUnreachable("timed out"), ZeroDivisionError()])
def test_a_venue_that_fails_is_asked_again(on: Stage, error: Exception) -> None:
    venue = PerpetualLedger()
    venue.payments = [payment(0), payment(1), payment(2)]
    venue.errors["funding_payments"] = [error, error, error]
    on.run_until(serving({CONNECTOR: venue}), lambda: len(rows(on)) == len(venue.payments))


class ConnectsLate(PerpetualLedger):
    """Its stream opens when funding was asked for, in vain."""

    async def updates(self) -> AsyncIterator[UserUpdate]:
        while self.errors["funding_payments"]:  # noqa: ASYNC110 - of the ledger
            await asyncio.sleep(0.01)
        async for update in super().updates():
            yield update


def test_a_stream_that_opens_after_a_failure_does_not_put_off_the_next_attempt(on: Stage) -> None:
    venue = ConnectsLate()
    venue.payments = [payment(0)]
    venue.errors["funding_payments"] = [VenueUnreachable("timed out")]
    on.run_until(serving({CONNECTOR: venue}), lambda: len(rows(on)) == 1)


def test_a_venue_that_tells_no_payments_is_not_asked_at_every_look(on: Stage) -> None:
    venue = PerpetualLedger()
    refusal = VenueRefused("not_supported", "it tells no funding payments")
    venue.errors["funding_payments"] = [refusal] * 10
    on.run_until(serving({CONNECTOR: venue}), lambda: venue.looks > 10)
    # At the start, and when the stream was connected.
    assert len(venue.errors["funding_payments"]) >= 8
