"""Every method of five routers of the client, unmodified, through three connectors."""

import inspect

import pytest
from hummingbot_api_client import routers

from tests.client import scenes_accounts, scenes_market, scenes_portfolio, scenes_trading
from tests.client.stand import Ground, Play, Scene, Stand

pytestmark = pytest.mark.postgres

SCENES: dict[str, Scene] = {
    **scenes_accounts.SCENES,
    **scenes_trading.SCENES,
    **scenes_market.SCENES,
    **scenes_portfolio.SCENES,
}
ROUTERS = {
    "accounts": routers.AccountsRouter,
    "connectors": routers.ConnectorsRouter,
    "trading": routers.TradingRouter,
    "market_data": routers.MarketDataRouter,
    "portfolio": routers.PortfolioRouter,
}
ELSEWHERE = {
    "accounts.add_gateway_wallet": "the gateway is not served yet",
    "accounts.remove_gateway_wallet": "the gateway is not served yet",
    "accounts.list_gateway_wallets": "the gateway is not served yet",
    "accounts.set_default_gateway_wallet": "the gateway is not served yet",
}


def test_no_method_of_the_client_is_left_out() -> None:
    methods = {
        f"{name}.{method}"
        for name, router in ROUTERS.items()
        for method, _ in inspect.getmembers(router, inspect.iscoroutinefunction)
        if not method.startswith("_")
    }
    assert set(SCENES) | set(ELSEWHERE) == methods
    assert not set(SCENES) & set(ELSEWHERE)


@pytest.mark.parametrize("method", SCENES)
def test_method(stand: Stand, ground: Ground, method: str) -> None:
    stand.play(lambda client: SCENES[method](Play(stand, client, ground)))
