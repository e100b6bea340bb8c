"""The portfolio: one scene for each method of the client."""

import time
from typing import Any

import pytest

from tests.client.scenes_trading import refused
from tests.client.shapes import Iso, Map, Number, check
from tests.client.stand import Play, answered

TOKEN = {"token": str, "units": Number, "price": (Number, None), "available_units": Number}
STATE = Map(Map([TOKEN]))
HISTORY = {
    "data": [{"timestamp": Iso, "state": STATE}],
    "pagination": {
        "limit": int,
        "has_more": bool,
        "next_cursor": (str, None),
        "current_cursor": (str, None),
        "filters": {
            "account_names": ([str], None),
            "connector_names": ([str], None),
            "start_time": (int, None),
            "end_time": (int, None),
            "interval": str,
        },
    },
}
DISTRIBUTION = {
    "total_portfolio_value": Number,
    "token_count": int,
    "distribution": [
        {
            "token": str,
            "total_value": Number,
            "total_units": Number,
            "percentage": Number,
            "accounts": Map(
                {
                    "value": Number,
                    "units": Number,
                    "percentage": Number,
                    "connectors": Map({"value": Number, "units": Number}),
                }
            ),
        }
    ],
    "account_filter": str,
    "tokens": Map({"value": Number, "percentage": Number}),
}
ACCOUNTS = {
    "total_portfolio_value": Number,
    "account_count": int,
    "distribution": [
        {
            "account": str,
            "total_value": Number,
            "percentage": Number,
            "connectors": Map({"value": Number, "percentage": Number}),
        }
    ],
}
SUMMARY = {
    "total_value": Number,
    "account_count": int,
    "connector_count": int,
    "token_count": int,
    "top_tokens": [{"token": str, "value": Number, "percentage": Number}],
    "accounts": [str],
}


async def seen(at: Play) -> list[dict[str, Any]]:
    """The connector's tokens, once a snapshot of now is taken."""
    portfolio, ground = at.client.portfolio, at.ground
    state = await answered(
        lambda: portfolio.get_state([ground.account], [ground.connector], refresh=True)
    )
    check(state, STATE)
    assert list(state) == [ground.account]
    assert list(state[ground.account]) == [ground.connector]
    rows: list[dict[str, Any]] = state[ground.account][ground.connector]
    assert rows
    assert all(row["units"] for row in rows)
    return rows


async def get_state(at: Play) -> None:
    rows = await seen(at)
    assert any(row["value"] > 0 for row in rows if row["price"] is not None)
    whole = await at.client.portfolio.get_state()
    check(whole, STATE)
    assert at.ground.connector in whole[at.ground.account]
    filtered = await at.client.portfolio.get_state([at.ground.account], ["no_such_connector"])
    assert filtered == {at.ground.account: {}}
    again = await at.client.portfolio.get_state()
    assert set(whole) <= set(again)
    assert set(whole[at.ground.account]) == set(again[at.ground.account])
    assert await at.client.portfolio.get_state(skip_gateway=True)


async def get_history(at: Play) -> None:
    await seen(at)
    portfolio, account = at.client.portfolio, at.ground.account
    page = await portfolio.get_history([account], [at.ground.connector], limit=10)
    check(page, HISTORY)
    newest = page["data"][0]["state"]
    assert list(newest) == [account]
    assert list(newest[account]) == [at.ground.connector]
    since = int(time.time()) - 86_400
    day = await portfolio.get_history(start_time=since, interval="1d", limit=1)
    check(day, HISTORY)
    assert day["pagination"]["filters"]["interval"] == "1d"
    if day["pagination"]["has_more"]:
        rest = await portfolio.get_history(cursor=day["pagination"]["next_cursor"], interval="1d")
        check(rest, HISTORY)
    assert (await portfolio.get_history(end_time=since))["data"] == []
    assert await refused(portfolio.get_history(interval="2h")) == 422
    assert await refused(portfolio.get_history(cursor="garbage")) == 422


async def get_distribution(at: Play) -> None:
    await seen(at)
    portfolio, account = at.client.portfolio, at.ground.account
    one = await portfolio.get_distribution([account], [at.ground.connector])
    check(one, DISTRIBUTION)
    assert one["account_filter"] == account
    assert sum(row["percentage"] for row in one["distribution"]) == pytest.approx(100, abs=0.01)
    accounts = list(await portfolio.get_state())
    several = await portfolio.get_distribution(accounts)
    check(several, DISTRIBUTION)
    assert several["token_count"] == len(several["distribution"]) > 0
    assert several["distribution"] == (await portfolio.get_distribution())["distribution"]


async def get_accounts_distribution(at: Play) -> None:
    await seen(at)
    told = await at.client.portfolio.get_accounts_distribution()
    check(told, ACCOUNTS)
    own = next(row for row in told["distribution"] if row["account"] == at.ground.account)
    assert own["connectors"][at.ground.connector]["value"] > 0


async def get_total_value(at: Play) -> None:
    rows = await seen(at)
    value = await at.client.portfolio.get_total_value(at.ground.account, at.ground.connector)
    assert value == pytest.approx(sum(row.get("value", 0) for row in rows), rel=0.05)
    assert await at.client.portfolio.get_total_value() >= value * 0.95


async def get_token_holdings(at: Play) -> None:
    rows = await seen(at)
    token = rows[0]["token"]
    held = await at.client.portfolio.get_token_holdings(token, at.ground.account)
    assert held["total_units"] >= rows[0]["units"] * 0.95
    assert at.ground.connector in {place["connector"] for place in held["locations"]}


async def get_portfolio_summary(at: Play) -> None:
    await seen(at)
    told = await at.client.portfolio.get_portfolio_summary(at.ground.account)
    check(told, SUMMARY)
    assert told["top_tokens"][0]["value"] > 0
    assert told["token_count"] >= len(told["top_tokens"]) > 0
    whole = await at.client.portfolio.get_portfolio_summary()
    check(whole, SUMMARY)
    assert at.ground.account in whole["accounts"]


SCENES = {
    f"portfolio.{scene.__name__}": scene
    for scene in (
        get_state,
        get_history,
        get_distribution,
        get_accounts_distribution,
        get_total_value,
        get_token_holdings,
        get_portfolio_summary,
    )
}
