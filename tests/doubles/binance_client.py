"""Speaks the raw wire to the Binance double: signs, and shows what came back."""

import hashlib
import hmac
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from tests.tls import TLS

PREFIX = {"spot": "/api/v3", "futures": "/fapi/v1"}


class RawClient:
    def __init__(self, url: str, key: str = "", secret: str = "", market: str = "spot") -> None:
        self._secret = secret
        self._prefix = PREFIX[market]
        self._http = httpx.Client(base_url=url, headers={"X-MBX-APIKEY": key}, verify=TLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def sign(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters with a timestamp, unless they have one, and their signature."""
        stamped = {"timestamp": int(time.time() * 1_000)} | parameters
        text = urlencode(stamped)
        digest = hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return stamped | {"signature": digest}

    def call(self, method: str, path: str, /, **parameters: Any) -> httpx.Response:
        """A signed request; a path without a leading slash is under the market's prefix."""
        return self.send(method, path, self.sign(parameters))

    def send(
        self, method: str, path: str, parameters: dict[str, Any], timeout: float = 20.0
    ) -> httpx.Response:
        address = path if path.startswith("/") else f"{self._prefix}/{path}"
        if method == "POST":
            return self._http.post(address, data=parameters, timeout=timeout)
        return self._http.request(method, address, params=parameters, timeout=timeout)

    def place(self, client_order_id: str = "", **fields: Any) -> httpx.Response:
        """A LIMIT BUY of 0.01 BTC far below the market, but for what `fields` say; None omits."""
        order = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": "50000",
            "newClientOrderId": client_order_id or None,
            "newOrderRespType": "RESULT",
        } | fields
        sent = {name: value for name, value in order.items() if value is not None}
        return self.call("POST", "order", **sent)

    def placed(self, client_order_id: str = "", **fields: Any) -> dict[str, Any]:
        answer = self.place(client_order_id, **fields)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def order(self, client_order_id: str) -> dict[str, Any]:
        answer = self.call("GET", "order", symbol="BTCUSDT", origClientOrderId=client_order_id)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def funds(self, asset: str) -> tuple[str, str]:
        """What is free and what is locked (spot)."""
        for row in self.call("GET", "account").json()["balances"]:
            if row["asset"] == asset:
                return row["free"], row["locked"]
        return "0.00000000", "0.00000000"


def refusal(answer: httpx.Response) -> tuple[int, int]:
    """Status and code."""
    return answer.status_code, answer.json()["code"]
