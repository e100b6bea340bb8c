"""Prices of the last snapshot: of which connectors' they may be."""

from decimal import Decimal

import pytest
from msgspec import structs

from adapters.venues.connectors import is_real
from domain.account import AddConnector
from domain.order_messages import RecordFill
from tests.api.conftest import live
from tests.api.holding import NOON_US, observe
from tests.api.live import Live
from tests.messages import PLACE

__all__ = ["live"]
pytestmark = pytest.mark.postgres
MAIN = "master_account"
TESTNET = "binance_perpetual_testnet"
BOOKS = (
    *(("okx", "AAA-USDT"), ("okx", "BBB-USDT"), ("okx", "CCC-BBB")),
    *(("paper", "AAA-USDT"), ("paper", "BBB-USDT"), (TESTNET, "CCC-USDT")),
)


def open_in(live: Live, connector: str, pair: str) -> None:
    """A holding of 1 in that book."""
    order = f"av{live.head()}"
    live.execute(f"account-{MAIN}", AddConnector(MAIN, connector), f"connect {order}")
    place = structs.replace(
        PLACE, account=MAIN, connector=connector, pair=pair, client_order_id=order
    )
    live.execute(f"order-{order}", place, f"place {order}")
    one = Decimal(1)
    fill = RecordFill(order, "BUY", one, one, Decimal(0), "USDT", is_maker=False, executed_at_us=1)
    live.execute(f"order-{order}", fill, f"fill {order}")


def test_play_money_prices_no_holding_of_a_real_venue_nor_the_other_way_round(live: Live) -> None:
    assert [is_real(name) for name in ("okx", "binance", "paper", TESTNET)] == [True] * 2 + [
        False
    ] * 2
    for connector, pair in BOOKS:
        open_in(live, connector, pair)
    held = {
        TESTNET: {"AAA": ("1", "1"), "BBB": ("1", "2")},
        "paper": {"AAA": ("1", "3"), "CCC": ("1", "4")},
        "binance": {"BBB": ("1", "50"), "CCC": ("1", "100")},
        "okx": {},
    }
    observe(live, MAIN, NOON_US, held)
    head = live.project()
    found = live.client.get("/portfolio/pnl", params={"as_of": head}).json()["data"]
    prices = {(its["connector_name"], its["trading_pair"]): its["price"] for its in found}
    assert prices == {
        ("okx", "AAA-USDT"): None,
        ("okx", "BBB-USDT"): 50,
        ("okx", "CCC-BBB"): 2,
        ("paper", "AAA-USDT"): 3,
        ("paper", "BBB-USDT"): None,
        (TESTNET, "CCC-USDT"): None,
    }
