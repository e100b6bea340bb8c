"""In what the columns of the lake are counted, as GET /analytics/tables tells it."""

from collections.abc import Mapping

POSITION = "position in the log"
_TIME = "microseconds since 1970-01-01 UTC"
_COMMON: Mapping[str, str | None] = {
    "position": POSITION,
    "exact": "JSON object by column: figures that DECIMAL(38,18) cannot hold, which are NULL here",
    "price": "quote units per base unit",
}
_OWN: Mapping[str, Mapping[str, str]] = {
    "trades": {"quantity": "base units", "notional": "quote units", "fee": "units of fee_token"},
    "orders": {
        "quantity": "base units",
        "filled": "base units",
        "filled_notional": "quote units",
    },
    "portfolio": {
        "units": "units of token",
        "available": "units of token",
        "price": "quote units per unit of token; NULL where nobody tells it",
        "value": "quote units; NULL where the price is",
    },
    "portfolio_values": {"value": "quote units, of the tokens that had a price"},
    "funding": {"amount": "units of token, negative where paid", "rate": "fraction of notional"},
    "candles": {
        "open": "quote units per base unit",
        "high": "quote units per base unit",
        "low": "quote units per base unit",
        "close": "quote units per base unit",
        "volume": "base units",
        "quote_volume": "quote units; NULL where the venue does not tell it",
        "trades": "number of trades; NULL where the venue does not tell it",
        "taker_base_volume": "base units; NULL where the venue does not tell it",
        "taker_quote_volume": "quote units; NULL where the venue does not tell it",
    },
    "events": {
        "version": "number in its stream, from 1",
        "payload": "JSON",
        "metadata": "JSON",
        "seal": "SHA-256, see docs/SEAL.md",
    },
}


def unit_of(table: str, column: str) -> str | None:
    """None of names and texts."""
    if column.endswith("_at_us"):
        return _TIME
    return _OWN.get(table, {}).get(column) or _COMMON.get(column)
