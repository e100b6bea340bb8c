"""Kill -9 of the venue: what it acknowledged is there once, the rest is whole or absent."""

import asyncio
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.venues.port import (
    Balance,
    Side,
    VenueOrder,
    VenueRefused,
    VenueTrade,
    VenueUnreachable,
)
from tests.venues.paper_process import PAIR, PaperProcess, order, running

ACCOUNT = "crash"
WRITERS = 16


async def place_until_killed(process: PaperProcess, kill_after: int) -> list[VenueOrder]:
    """Place as fast as it goes; SIGKILL the venue at an acknowledgement, the rest in flight."""
    acknowledged: list[VenueOrder] = []
    venue = process.venue(ACCOUNT)

    async def write(writer: int) -> None:
        for number in range(100_000):
            side: Side = "BUY" if number % 2 else "SELL"
            resting = "1.0" if side == "BUY" else "1.9"
            price = None if number % 3 == 0 else resting
            try:
                placed = await venue.place(order(f"w{writer}-{number}", side, "10", price))
            except VenueUnreachable:
                return
            acknowledged.append(placed)
            if len(acknowledged) == kill_after:
                process.kill()

    try:
        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    finally:
        await venue.close()
    return acknowledged


async def state(process: PaperProcess) -> tuple[tuple[VenueOrder, ...], tuple[Balance, ...]]:
    venue = process.venue(ACCOUNT)
    try:
        return await venue.open_orders(), await venue.balances()
    finally:
        await venue.close()


@pytest.mark.faults
def test_everything_acknowledged_survives_kill_9_exactly_once(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        process.price("1.2")
        earlier: set[str] = set()
        for kill_after in (50, 211, 400):
            acknowledged = asyncio.run(place_until_killed(process, kill_after))
            process.start()
            dump = process.test("GET", "ledger")
            numbers = [str(row["exchange_order_id"]) for row in dump["orders"]]
            assert len(numbers) == len(set(numbers))
            assert earlier <= set(numbers)
            earlier = set(numbers)
            stored = {str(row["exchange_order_id"]): row for row in dump["orders"]}
            for placed in acknowledged:
                row = stored[placed.exchange_order_id]
                assert row["client_order_id"] == placed.client_order_id
                assert row["status"] == placed.status
                assert Decimal(row["filled_quantity"]) == placed.filled_quantity
            check_books(dump["orders"], dump["trades"], dump["balances"])
            cancel_everything(process)


def check_books(
    orders: list[dict[str, str]], trades: list[dict[str, str]], balances: list[dict[str, str]]
) -> None:
    """The three tables tell one story: fills of orders, money of fills, locks of open orders."""
    filled = {row["exchange_order_id"]: Decimal(0) for row in orders}
    money = {"EUR": Decimal(1_000_000), "USD": Decimal(1_000_000)}
    for trade in trades:
        quantity, price = Decimal(trade["quantity"]), Decimal(trade["price"])
        sign = 1 if trade["side"] == "BUY" else -1
        filled[trade["exchange_order_id"]] += quantity
        money["EUR"] += sign * quantity
        money["USD"] -= sign * quantity * price
        money[trade["fee_token"]] -= Decimal(trade["fee"])
    locked = {"EUR": Decimal(0), "USD": Decimal(0)}
    for row in orders:
        assert filled[row["exchange_order_id"]] == Decimal(row["filled_quantity"])
        if row["status"] == "open":
            left = Decimal(row["quantity"]) - Decimal(row["filled_quantity"])
            token = "USD" if row["side"] == "BUY" else "EUR"
            locked[token] += left * (Decimal(row["price"]) if token == "USD" else 1)
    for row in balances:
        if row["account"] == ACCOUNT:
            assert Decimal(row["total"]) == money[row["token"]]
            assert Decimal(row["available"]) == money[row["token"]] - locked[row["token"]]


def cancel_everything(process: PaperProcess) -> None:
    """Only an engine that rests its orders again can cancel them and free their money."""

    async def scenario() -> None:
        venue = process.venue(ACCOUNT)
        try:
            resting = await venue.open_orders()
            await asyncio.gather(*(venue.cancel(PAIR, one.client_order_id) for one in resting))
            assert all(one.total == one.available for one in await venue.balances())
        finally:
            await venue.close()

    asyncio.run(scenario())


def test_a_polite_stop_and_start_changes_nothing(tmp_path: Path) -> None:
    async def fill_the_book(process: PaperProcess) -> tuple[VenueTrade, ...]:
        venue = process.venue(ACCOUNT)
        try:
            await venue.place(order("rests", "BUY", "100", "1.1"))
            await venue.place(order("fills", "SELL", "100", None))
            return (await venue.trades_since(None, [PAIR])).trades
        finally:
            await venue.close()

    with running(tmp_path) as process:
        process.price("1.2")
        trades = asyncio.run(fill_the_book(process))
        before = asyncio.run(state(process))
        assert process.stop() == 0
        process.start()
        assert asyncio.run(state(process)) == before
        process.price("1.05")
        assert process.ledger("orders", ACCOUNT)[0]["status"] == "filled"
        assert len(process.ledger("trades", ACCOUNT)) == len(trades) + 1


def test_the_request_log_counts_every_send(tmp_path: Path) -> None:
    async def scenario(process: PaperProcess) -> None:
        venue = process.venue(ACCOUNT)
        try:
            await venue.place(order("a"))
            for late in (False, True):
                with pytest.raises(VenueRefused):
                    await venue.place(order("a", expires_in_seconds=-1 if late else 30))
            await venue.cancel(PAIR, "a")
            await venue.cancel(PAIR, "a")
            with pytest.raises(VenueRefused):
                await venue.cancel(PAIR, "b")
        finally:
            await venue.close()

    with running(tmp_path) as process:
        asyncio.run(scenario(process))
        process.kill()
        process.start()
        rows = process.ledger("requests", ACCOUNT)
    assert [(row["kind"], row["client_order_id"], row["outcome"]) for row in rows] == [
        ("place", "a", "accepted"),
        ("place", "a", "duplicate_client_order_id"),
        ("place", "a", "request_expired"),
        ("cancel", "a", "accepted"),
        ("cancel", "a", "not_open"),
        ("cancel", "b", "not_open"),
    ]


def test_a_ledger_belongs_to_one_process(tmp_path: Path) -> None:
    with running(tmp_path):
        second = subprocess.run(
            [sys.executable, "-m", "adapters.venues.paper", "--file", tmp_path / "venue.sqlite"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert second.returncode == 1
    assert "belongs to a running venue" in second.stderr


def test_a_ledger_is_read_by_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "venue.sqlite").touch(0o644)
    with running(tmp_path):
        made = list(tmp_path.glob("venue.sqlite*"))
        assert len(made) > 1
        assert {file.stat().st_mode & 0o777 for file in made} == {0o600}


def test_a_ledger_that_cannot_be_written_ends_the_venue(tmp_path: Path) -> None:
    async def scenario(process: PaperProcess) -> None:
        venue = process.venue(ACCOUNT)
        try:
            await venue.place(order("a"))
            other = sqlite3.connect(tmp_path / "venue.sqlite")
            other.execute("drop table requests")
            other.close()
            with pytest.raises(VenueUnreachable):
                await venue.place(order("b"))
        finally:
            await venue.close()

    with running(tmp_path) as process:
        asyncio.run(scenario(process))
        assert process.wait() == 1
