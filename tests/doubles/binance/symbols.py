"""What is traded here: three spot pairs, one of them with odd steps, and two perpetuals.

Prices are in quote per base, quantities in base units. Fees are rates of the traded value.
"""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

Market = Literal["spot", "futures"]
MAKER_FEE: dict[Market, Decimal] = {"spot": Decimal("0.001"), "futures": Decimal("0.0002")}
TAKER_FEE: dict[Market, Decimal] = {"spot": Decimal("0.001"), "futures": Decimal("0.0005")}
LEVERAGE_MAX = 125
_PERPETUAL_DELIVERY_MS = 4_133_404_800_000


class Symbol(Struct, frozen=True, kw_only=True):
    market: Market
    base: str
    quote: str
    price: Decimal
    """The middle of the book before a test moves it."""
    tick: Decimal
    lot: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    market_quantity_max: Decimal
    notional_min: Decimal
    price_max: Decimal
    level_quantity: Decimal
    """What the market maker offers at each price."""

    @property
    def name(self) -> str:
        return self.base + self.quote

    @property
    def price_decimals(self) -> int:
        return decimals(self.tick)


def decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _symbol(market: Market, base: str, price: str, tick: str, lot: str, **other: str) -> Symbol:
    amounts = {
        "quantity_min": lot,
        "quantity_max": "9000",
        "market_quantity_max": "120",
        "notional_min": "5",
        "price_max": "1000000",
        "level_quantity": "5",
    } | other
    return Symbol(
        market=market,
        base=base,
        quote="USDT",
        price=Decimal(price),
        tick=Decimal(tick),
        lot=Decimal(lot),
        **{name: Decimal(text) for name, text in amounts.items()},
    )


SYMBOLS: dict[Market, dict[str, Symbol]] = {
    "spot": {
        symbol.name: symbol
        for symbol in (
            _symbol("spot", "BTC", "60000", "0.01", "0.00001"),
            _symbol("spot", "ETH", "3000", "0.01", "0.0001", level_quantity="50"),
            _symbol(
                "spot",
                "PEPE",
                "0.00001023",
                "0.00000001",
                "1",
                quantity_max="92141578",
                market_quantity_max="9000000",
                notional_min="1",
                price_max="1",
                level_quantity="40000000",
            ),
        )
    },
    "futures": {
        symbol.name: symbol
        for symbol in (
            _symbol(
                "futures", "BTC", "60000", "0.1", "0.001", quantity_max="1000", notional_min="100"
            ),
            _symbol(
                "futures",
                "ETH",
                "3000",
                "0.01",
                "0.001",
                quantity_max="10000",
                market_quantity_max="2000",
                notional_min="20",
                level_quantity="50",
            ),
        )
    },
}


def exchange_info(market: Market, now_ms: int, names: set[str] | None) -> dict[str, Any]:
    describe = _spot if market == "spot" else _perpetual
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 6000,
            },
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        ],
        "exchangeFilters": [],
        "symbols": [
            describe(symbol)
            for name, symbol in SYMBOLS[market].items()
            if names is None or name in names
        ],
    }


def _filters(symbol: Symbol) -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": amount(symbol.market, symbol.tick),
            "maxPrice": amount(symbol.market, symbol.price_max),
            "tickSize": amount(symbol.market, symbol.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": amount(symbol.market, symbol.quantity_min),
            "maxQty": amount(symbol.market, symbol.quantity_max),
            "stepSize": amount(symbol.market, symbol.lot),
        },
    ]


def _spot(symbol: Symbol) -> dict[str, Any]:
    return {
        "symbol": symbol.name,
        "status": "TRADING",
        "baseAsset": symbol.base,
        "baseAssetPrecision": 8,
        "quoteAsset": symbol.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_filters(symbol),
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": fixed(symbol.market_quantity_max),
                "stepSize": "0.00000000",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": fixed(symbol.notional_min),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _perpetual(symbol: Symbol) -> dict[str, Any]:
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY_MS,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "marginAsset": symbol.quote,
        "pricePrecision": symbol.price_decimals,
        "quantityPrecision": decimals(symbol.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            *_filters(symbol),
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": short(symbol.quantity_min),
                "maxQty": short(symbol.market_quantity_max),
                "stepSize": short(symbol.lot),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": short(symbol.notional_min)},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def fixed(number: Decimal) -> str:
    """With eight decimals, as spot writes every amount."""
    return f"{number:.8f}"


def short(number: Decimal) -> str:
    """Without trailing zeros, as futures write amounts."""
    return f"{number.normalize():f}" if number else "0"


def amount(market: Market, number: Decimal) -> str:
    return fixed(number) if market == "spot" else short(number)
