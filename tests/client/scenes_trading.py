"""Orders, trades, positions, funding: one scene for each method of the client."""

import asyncio
import time
from typing import Any

from aiohttp import ClientResponseError

from tests.client.shapes import (
    FUNDING,
    MESSAGE,
    ORDER,
    PLACED,
    POSITION,
    TRADE,
    Literally,
    check,
    page,
)
from tests.client.stand import Play, eventually, place, settled
from tests.doubles.binance_client import RawClient

SUCCESS = {"status": Literally("success"), "message": str}
MODE = {
    "position_mode": tuple(Literally(name) for name in ("HEDGE", "ONEWAY", "UNKNOWN")),
    "connector": str,
    "account": str,
}


async def refused(question: Any) -> int:
    """The status that the client's call is refused with."""
    try:
        answer = await question
    except ClientResponseError as error:
        return error.status
    raise AssertionError(f"it was answered: {answer!r}")


def here(at: Play) -> dict[str, list[str]]:
    return {"account_names": [at.ground.account], "connector_names": [at.ground.connector]}


async def paged(method: Any, key: str, **filters: Any) -> list[str]:
    """All rows, two a page, as a client reads them: each once, and as many as was said."""
    seen: list[str] = []
    cursor = None
    while True:
        found = await method(**filters, limit=2, cursor=cursor)
        seen += [row[key] for row in found["data"]]
        cursor = found["pagination"]["next_cursor"]
        if not found["pagination"]["has_more"]:
            break
    assert len(seen) == len(set(seen)) == found["pagination"]["total_count"]
    return seen


async def bought(at: Play) -> dict[str, Any]:
    """The row of a MARKET BUY that has filled."""
    placed = await place(at.client, at.ground, order_type="MARKET", price=None)
    return await settled(at.client, placed["order_id"], "FILLED")


async def place_order(at: Play) -> None:
    placed = await place(at.client, at.ground)
    check(placed, PLACED)
    assert (placed["amount"], placed["price"]) == (
        str(at.ground.amount),
        str(at.ground.far_price),
    )
    row = await settled(at.client, placed["order_id"], "OPEN")
    assert row["exchange_order_id"]
    await at.client.trading.cancel_order(at.ground.account, at.ground.connector, placed["order_id"])
    filled = await bought(at)
    check(filled, ORDER)
    assert filled["filled_amount"] == at.ground.amount
    assert filled["average_fill_price"] > at.ground.far_price
    assert filled["fee_paid"] > 0
    assert filled["fee_currency"]
    assert await refused(place(at.client, at.ground, trading_pair="NO-SUCH")) == 400
    assert await refused(place(at.client, at.ground, price=None)) == 400
    assert await refused(place(at.client, at.ground, amount=1e-9)) == 400
    assert await refused(place(at.client, at.ground, account_name="nobody")) == 404


async def cancel_order(at: Play) -> None:
    ground, trading = at.ground, at.client.trading
    placed = await place(at.client, ground)
    order_id = placed["order_id"]
    await settled(at.client, order_id, "OPEN")
    told = await trading.cancel_order(ground.account, ground.connector, order_id)
    check(told, MESSAGE)
    assert order_id in told["message"]
    await settled(at.client, order_id, "CANCELLED")
    assert await refused(trading.cancel_order(ground.account, ground.connector, "none")) == 404


async def get_active_orders(at: Play) -> None:
    placed = [(await place(at.client, at.ground))["order_id"] for _ in range(3)]
    for order_id in placed:
        await settled(at.client, order_id, "OPEN")
    filters = here(at) | {"trading_pairs": [at.ground.pair]}
    check(await at.client.trading.get_active_orders(**filters), page(ORDER))
    seen = await paged(at.client.trading.get_active_orders, "order_id", **filters)
    assert set(placed) <= set(seen)
    for order_id in placed:
        await at.client.trading.cancel_order(at.ground.account, at.ground.connector, order_id)
        await settled(at.client, order_id, "CANCELLED")
    left = await at.client.trading.get_active_orders(**here(at))
    assert not {row["order_id"] for row in left["data"]} & set(placed)


async def search_orders(at: Play) -> None:
    row = await bought(at)
    now = int(time.time())
    search = at.client.trading.search_orders
    found = await search(
        **here(at),
        trading_pairs=[at.ground.pair],
        status="FILLED",
        start_time=now - 3_600,
        end_time=now + 60,
        limit=1_000,
    )
    check(found, page(ORDER))
    assert row["order_id"] in {each["order_id"] for each in found["data"]}
    assert {each["status"] for each in found["data"]} == {"FILLED"}
    every = await paged(search, "order_id", **here(at), status="FILLED")
    assert row["order_id"] in every
    for nothing in (
        {"trading_pairs": ["NO-SUCH"]},
        {"account_names": ["nobody"]},
        {"connector_names": ["okx"]},
        {"start_time": now + 3_600},
        {"end_time": now - 36_000},
    ):
        assert (await search(**nothing))["data"] == []


async def get_trades(at: Play) -> None:
    order_id = (await bought(at))["order_id"]
    get = at.client.trading.get_trades
    found = await get(**here(at), trading_pairs=[at.ground.pair], trade_types=["BUY"], limit=1_000)
    check(found, page(TRADE))
    ours = [row for row in found["data"] if row["order_id"] == order_id]
    assert sum(row["amount"] for row in ours) == at.ground.amount
    every = await paged(get, "trade_id", **here(at))
    assert {row["trade_id"] for row in ours} <= set(every)
    assert (await get(**here(at), trade_types=["SELL"]))["data"] == []
    assert (await get(start_time=int(time.time()) + 3_600))["data"] == []


async def get_recent_trades(at: Play) -> None:
    order_id = (await bought(at))["order_id"]
    recent = await at.client.trading.get_recent_trades(
        at.ground.pair, account_name=at.ground.account, connector_name=at.ground.connector
    )
    check(recent, page(TRADE))
    assert order_id in {row["order_id"] for row in recent["data"]}


async def get_positions(at: Play) -> None:
    get = at.client.trading.get_positions
    if not at.ground.is_perpetual:
        assert (await get(**here(at)))["data"] == []
        return
    await bought(at)

    def is_told(told: Any) -> bool:
        # Until the venue is asked again the row may be of what was bought at the far price alone.
        return any(row["entry_price"] > at.ground.far_price for row in told["data"][:1])

    found = await eventually(lambda: get(**here(at)), is_told, "a position at the market's price")
    check(found, page(POSITION))
    row = found["data"][0]
    assert (row["trading_pair"], row["side"]) == (at.ground.pair, "LONG")
    assert row["amount"] > 0


async def get_open_positions(at: Play) -> None:
    found = await at.client.trading.get_open_positions(at.ground.account, at.ground.connector)
    check(found, page(POSITION))


async def get_funding_payments(at: Play) -> None:
    get = at.client.trading.get_funding_payments
    if not at.ground.is_perpetual:
        assert (await get(**here(at)))["data"] == []
        return
    own = at.ground._replace(account="paid_trader")

    def traded_and_paid() -> dict[str, str]:
        """What happened at the venue before its credential came here."""
        fields = at.stand.credential(own)
        key, secret = fields.values()
        with RawClient(at.stand.exchange.url, key, secret, "futures") as direct:
            direct.placed(type="MARKET", price=None, timeInForce=None, quantity="0.1")
        at.stand.exchange.control("funding", symbol=own.symbol, rate="0.0001")
        return fields

    fields = await asyncio.to_thread(traded_and_paid)
    await at.client.accounts.add_account(own.account)
    await at.client.accounts.add_credential(own.account, own.connector, fields)
    found = await eventually(
        lambda: get(account_names=[own.account], trading_pair=own.pair),
        lambda told: bool(told["data"]),
        "a funding payment",
    )
    check(found, page(FUNDING))
    assert found["data"][0]["funding_payment"] < 0
    assert found["data"][0]["fee_currency"] == "USDT"


async def get_position_mode(at: Play) -> None:
    question = at.client.trading.get_position_mode(at.ground.account, at.ground.connector)
    if not at.ground.is_perpetual:
        assert await refused(question) == 400
        return
    told = await question
    check(told, MODE)
    assert (told["connector"], told["account"]) == (at.ground.connector, at.ground.account)


async def set_position_mode(at: Play) -> None:
    ground, trading = at.ground, at.client.trading
    if not ground.is_perpetual:
        asked = trading.set_position_mode(ground.account, ground.connector, "HEDGE")
        assert await refused(asked) == 400
        return
    own = "mode_setter"
    fields = await asyncio.to_thread(at.stand.credential, ground._replace(account=own))
    await at.client.accounts.add_account(own)
    await at.client.accounts.add_credential(own, ground.connector, fields)
    for mode in ("HEDGE", "ONEWAY", "ONEWAY"):
        check(await trading.set_position_mode(own, ground.connector, mode), SUCCESS)
        told = await eventually(
            lambda: trading.get_position_mode(own, ground.connector),
            lambda told, mode=mode: told["position_mode"] == mode,  # type: ignore[misc]
            mode,
        )
        check(told, MODE)
    wrong = await refused(trading.set_position_mode(own, ground.connector, "SIDEWAYS"))
    assert wrong in {400, 422}


async def set_leverage(at: Play) -> None:
    ground, trading = at.ground, at.client.trading
    if not ground.is_perpetual:
        asked = trading.set_leverage(ground.account, ground.connector, ground.pair, 5)
        assert await refused(asked) == 400
        return
    check(await trading.set_leverage(ground.account, ground.connector, ground.pair, 9), SUCCESS)
    too_much = trading.set_leverage(ground.account, ground.connector, ground.pair, 126)
    assert await refused(too_much) == 422


SCENES = {
    f"trading.{scene.__name__}": scene
    for scene in (
        place_order,
        cancel_order,
        get_active_orders,
        search_orders,
        get_trades,
        get_recent_trades,
        get_positions,
        get_open_positions,
        get_funding_payments,
        get_position_mode,
        set_position_mode,
        set_leverage,
    )
}
