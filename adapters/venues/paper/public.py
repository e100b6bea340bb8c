"""The paper venue's public side: the port `PublicVenue`."""

from collections.abc import Collection

import msgspec

from adapters.venues.paper.calling import Caller
from adapters.venues.port import Candle, OrderBook, Ticker, TradingRule, VenueRefused

_rules = msgspec.json.Decoder(tuple[TradingRule, ...])
_ticker = msgspec.json.Decoder(Ticker)
_book = msgspec.json.Decoder(OrderBook)
_candles = msgspec.json.Decoder(tuple[Candle, ...])
_NOBODY = "market-data"


class PaperMarket:
    name = "paper"
    is_perpetual = False

    def __init__(self, url: str, *, token: str | None = None, timeout_seconds: float = 5.0) -> None:
        """The venue wants an account's name of everybody: ours here is nobody's."""
        self._caller = Caller(url, _NOBODY, token=token, timeout_seconds=timeout_seconds)

    async def trading_rules(self) -> tuple[TradingRule, ...]:
        return await self._caller.get("/rules", _rules)

    async def tickers(self, pairs: Collection[str] | None = None) -> tuple[Ticker, ...]:
        if pairs is None:
            pairs = [rule.pair for rule in await self.trading_rules()]
        found = [await self._known(pair) for pair in pairs]
        return tuple(ticker for ticker in found if ticker is not None)

    async def _known(self, pair: str) -> Ticker | None:
        try:
            return await self._caller.get("/ticker", _ticker, {"pair": pair})
        except VenueRefused as refusal:
            if refusal.code == "unknown_pair":
                return None
            raise

    async def order_book(self, pair: str, depth: int = 10) -> OrderBook:
        return await self._caller.get("/book", _book, {"pair": pair, "depth": str(depth)})

    async def candles(
        self, pair: str, interval: str, start_us: int | None = None, limit: int = 500
    ) -> tuple[Candle, ...]:
        query = {"pair": pair, "interval": interval, "limit": str(limit)}
        if start_us is not None:
            query["start_us"] = str(start_us)
        return await self._caller.get("/candles", _candles, query)

    async def close(self) -> None:
        await self._caller.close()
