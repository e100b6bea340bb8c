"""Accounts, credentials and connectors: one scene for each method of the client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.client.shapes import MESSAGE, RULE, Map, check
from tests.client.stand import Ground, Play, listed


@asynccontextmanager
async def own_account(at: Play, name: str) -> AsyncIterator[Ground]:
    """An account for one scene, gone after it."""
    own = at.ground._replace(account=f"{name}_{at.ground.connector}")
    await at.client.accounts.add_account(own.account)
    try:
        yield own
    finally:
        await at.client.accounts.delete_account(own.account)


async def list_accounts(at: Play) -> None:
    names = await at.client.accounts.list_accounts()
    check(names, [str])
    assert at.ground.account in names


async def add_account(at: Play) -> None:
    name = f"added_{at.ground.connector}"
    check(await at.client.accounts.add_account(name), MESSAGE)
    await listed(at.client.accounts.list_accounts, name=name, is_so=True)
    await at.client.accounts.delete_account(name)


async def delete_account(at: Play) -> None:
    name = f"deleted_{at.ground.connector}"
    await at.client.accounts.add_account(name)
    check(await at.client.accounts.delete_account(name), MESSAGE)
    await listed(at.client.accounts.list_accounts, name=name, is_so=False)


async def list_account_credentials(at: Play) -> None:
    names = await at.client.accounts.list_account_credentials(at.ground.account)
    check(names, [str])
    assert at.ground.connector in names


async def add_credential(at: Play) -> None:
    accounts = at.client.accounts
    async with own_account(at, "adder") as own:
        for _ in range(2):  # The second takes the place of the first.
            fields = await asyncio.to_thread(at.stand.credential, own)
            added = await accounts.add_credential(own.account, own.connector, fields)
            check(added, MESSAGE)
            await listed(
                lambda: accounts.list_account_credentials(own.account),
                name=own.connector,
                is_so=True,
            )


async def delete_credential(at: Play) -> None:
    accounts = at.client.accounts
    async with own_account(at, "deleter") as own:
        fields = await asyncio.to_thread(at.stand.credential, own)
        await accounts.add_credential(own.account, own.connector, fields)
        for _ in range(2):  # Deleting what is not there is no error.
            check(await accounts.delete_credential(own.account, own.connector), MESSAGE)
            await listed(
                lambda: accounts.list_account_credentials(own.account),
                name=own.connector,
                is_so=False,
            )


async def list_connectors(at: Play) -> None:
    names = await at.client.connectors.list_connectors()
    check(names, [str])
    assert at.ground.connector in names


async def get_config_map(at: Play) -> None:
    fields = await at.client.connectors.get_config_map(at.ground.connector)
    check(fields, Map({"type": str, "required": bool}))
    assert set(fields) == set(await asyncio.to_thread(at.stand.credential, at.ground))


async def get_trading_rules(at: Play) -> None:
    rules = await at.client.connectors.get_trading_rules(at.ground.connector)
    check(rules, Map(RULE))
    only = [at.ground.pair, "NO-SUCH"]
    some = await at.client.connectors.get_trading_rules(at.ground.connector, only)
    assert some[at.ground.pair] == rules[at.ground.pair]
    check(some["NO-SUCH"], {"error": str})


async def get_supported_order_types(at: Play) -> None:
    told = await at.client.connectors.get_supported_order_types(at.ground.connector)
    check(told, {"connector": str, "supported_order_types": [str]})
    assert set(told["supported_order_types"]) == {"LIMIT", "LIMIT_MAKER", "MARKET"}


SCENES = {
    "accounts.list_accounts": list_accounts,
    "accounts.add_account": add_account,
    "accounts.delete_account": delete_account,
    "accounts.list_account_credentials": list_account_credentials,
    "accounts.add_credential": add_credential,
    "accounts.delete_credential": delete_credential,
    "connectors.list_connectors": list_connectors,
    "connectors.get_config_map": get_config_map,
    "connectors.get_trading_rules": get_trading_rules,
    "connectors.get_supported_order_types": get_supported_order_types,
}
