"""A venue's trading rules as its markets tell them, and an order held against them.

The surprising thing: ccxt rounds a price and cuts a quantity to the venue's steps without a word,
so an order that does not fit is refused here, before ccxt would place another one.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.venues.ccxt.reading import ZERO, number_or_none, pair_of, size_of
from adapters.venues.port import OrderRequest, OrderType, TradingRule, VenueRefused

_DECIMAL_PLACES = 2
_TICK_SIZE = 4


def is_ours(market: Mapping[str, Any], *, is_perpetual: bool) -> bool:
    """Spot, or perpetuals that are paid for in the quote currency."""
    if market.get("active") is False:
        return False
    if not is_perpetual:
        return bool(market.get("spot"))
    return bool(market.get("swap") and market.get("linear") and market["settle"] == market["quote"])


def rule_of(
    market: Mapping[str, Any], precision_mode: int, order_types: tuple[OrderType, ...]
) -> TradingRule | None:
    """None for a market whose steps the venue does not tell."""
    precision, limits = market["precision"], market["limits"]
    tick = _step(precision.get("price"), precision_mode)
    lot = _step(precision.get("amount"), precision_mode)
    if not tick or not lot:
        return None
    size = size_of(market)
    smallest = number_or_none((limits.get("amount") or {}).get("min"))
    largest = number_or_none((limits.get("amount") or {}).get("max"))
    return TradingRule(
        pair=pair_of(market),
        base=market["base"],
        quote=market["quote"],
        tick=tick,
        lot=lot * size,
        quantity_min=(smallest or lot) * size,
        quantity_max=largest * size if largest else None,
        notional_min=number_or_none((limits.get("cost") or {}).get("min")) or ZERO,
        order_types=order_types,
    )


def _step(precision: object, mode: int) -> Decimal | None:
    found = number_or_none(precision)
    if found is None or mode not in (_DECIMAL_PLACES, _TICK_SIZE):
        return None
    return Decimal(1).scaleb(-int(found)) if mode == _DECIMAL_PLACES else found


def check(rule: TradingRule, request: OrderRequest) -> None:
    """Raise VenueRefused for what the venue would not take, or ccxt would change."""
    quantity, price = request.quantity, request.price
    if request.order_type not in rule.order_types:
        raise VenueRefused("bad_order_type", f"{rule.pair} takes {', '.join(rule.order_types)}")
    if quantity < rule.quantity_min:
        raise VenueRefused("below_min_quantity", f"{quantity} is below {rule.quantity_min}")
    if rule.quantity_max is not None and quantity > rule.quantity_max:
        raise VenueRefused("above_max_quantity", f"{quantity} is above {rule.quantity_max}")
    if quantity % rule.lot:
        raise VenueRefused("bad_lot", f"{quantity} is no multiple of {rule.lot}")
    if request.order_type == "MARKET":
        return
    if price is None or price <= 0:
        raise VenueRefused("bad_price", f"a {request.order_type} order needs a price")
    if price % rule.tick:
        raise VenueRefused("bad_tick", f"{price} is no multiple of {rule.tick}")
    is_opening = request.position_action == "OPEN"
    if is_opening and quantity * price < rule.notional_min:
        raise VenueRefused("below_min_notional", f"{quantity * price} is below {rule.notional_min}")
