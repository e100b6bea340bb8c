"""Accounts and credentials, as the client asks for them."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientResponseError

from tests.client.shapes import MESSAGE, check
from tests.client.stand import GROUNDS, Ground, Stand, listed

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("method", "arguments", "status"),
    [
        ("add_account", ("master_account",), 400),
        ("add_account", ("no/slashes",), 400),
        ("delete_account", ("master_account",), 400),
        ("delete_account", ("nobody",), 404),
        ("list_account_credentials", ("nobody",), 404),
        ("list_account_credentials", ("no.dots",), 400),
        ("add_credential", ("master_account", "binance", {}), 422),
        ("add_credential", ("master_account", "no_such_connector", {}), 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    stand: Stand, method: str, arguments: tuple[Any, ...], status: int
) -> None:
    async def scene(client: Any) -> None:
        with pytest.raises(ClientResponseError) as refused:
            await getattr(client.accounts, method)(*arguments)
        assert refused.value.status == status
        assert refused.value.message

    stand.play(scene)


def test_a_credential_comes_replaces_and_goes(stand: Stand, ground: Ground) -> None:
    own = ground._replace(account=f"holder_{ground.connector}")

    async def scene(client: Any) -> None:
        accounts = client.accounts
        await accounts.add_account(own.account)
        for _ in range(2):
            fields = await asyncio.to_thread(stand.credential, own)
            added = await accounts.add_credential(own.account, own.connector, fields)
            check(added, MESSAGE)
            await listed(
                lambda: accounts.list_account_credentials(own.account),
                name=own.connector,
                is_so=True,
            )
        for _ in range(2):  # Deleting what is not there is no error.
            check(await accounts.delete_credential(own.account, own.connector), MESSAGE)
            await listed(
                lambda: accounts.list_account_credentials(own.account),
                name=own.connector,
                is_so=False,
            )
        check(await accounts.delete_account(own.account), MESSAGE)

    stand.play(scene)


@pytest.mark.parametrize("connector", ["binance", "binance_perpetual"])
def test_a_credential_that_the_venue_refuses_leaves_the_old_one(
    stand: Stand, connector: str
) -> None:
    own = GROUNDS[connector]._replace(account=f"keeper_{connector}")

    async def scene(client: Any) -> None:
        accounts = client.accounts
        await accounts.add_account(own.account)
        fields = await asyncio.to_thread(stand.credential, own)
        await accounts.add_credential(own.account, connector, fields)
        wrong = fields | {f"{connector}_api_secret": "0" * 64}
        with pytest.raises(ClientResponseError) as refused:
            await accounts.add_credential(own.account, connector, wrong)
        assert refused.value.status == 400
        assert "0" * 64 not in refused.value.message
        await listed(
            lambda: accounts.list_account_credentials(own.account), name=connector, is_so=True
        )

    stand.play(scene)


def test_a_key_that_may_withdraw_is_refused(stand: Stand) -> None:
    own = GROUNDS["binance"]._replace(account="withdrawer")

    async def scene(client: Any) -> None:
        await client.accounts.add_account(own.account)
        fields = await asyncio.to_thread(lambda: stand.credential(own, can_withdraw=True))
        with pytest.raises(ClientResponseError) as refused:
            await client.accounts.add_credential(own.account, own.connector, fields)
        assert refused.value.status == 400
        assert "withdraw" in refused.value.message
        assert await client.accounts.list_account_credentials(own.account) == []

    stand.play(scene)
