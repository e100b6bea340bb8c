"""The client's synchronous twin speaks to the same routes."""

import warnings

import pytest
from hummingbot_api_client import SyncHummingbotAPIClient

from tests.client.shapes import ORDER, PLACED, check, page
from tests.client.stand import CLIENTS_OWN_WARNINGS, GROUNDS, PASSWORD, USER, Stand

pytestmark = pytest.mark.postgres


def test_an_order_by_the_synchronous_client(stand: Stand) -> None:
    ground = GROUNDS["binance"]
    with warnings.catch_warnings():
        for text in CLIENTS_OWN_WARNINGS:
            warnings.filterwarnings("ignore", text, DeprecationWarning)
        with SyncHummingbotAPIClient(stand.url, USER, PASSWORD) as client:
            assert ground.account in client.accounts.list_accounts()
            placed = client.trading.place_order(
                ground.account,
                ground.connector,
                ground.pair,
                "SELL",
                ground.amount,
                order_type="LIMIT",
                price=90_000,
            )
            check(placed, PLACED)
            check(client.trading.search_orders(limit=5), page(ORDER))
            client.trading.cancel_order(ground.account, ground.connector, placed["order_id"])
