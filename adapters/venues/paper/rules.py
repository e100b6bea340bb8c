"""What the venue refuses before it looks at money or the book.

Quantities are in base units, prices in quote per base. Every refusal is a VenueRefused with a
stable code.
"""

from decimal import Decimal

from adapters.venues.paper.settings import PairTerms
from adapters.venues.port import OrderRequest, VenueRefused


def checked(terms: PairTerms, request: OrderRequest) -> tuple[Decimal, int | None]:
    """Return the quantity in the lot's own digits, and the limit price in ticks (None: MARKET)."""
    rule = terms.rule
    quantity, price = request.quantity, request.price
    if request.order_type not in rule.order_types:
        raise VenueRefused("bad_order_type", f"{rule.pair} takes {rule.order_types}")
    if quantity < rule.quantity_min:
        raise VenueRefused("below_min_quantity", f"{quantity} is below {rule.quantity_min}")
    if rule.quantity_max is not None and quantity > rule.quantity_max:
        raise VenueRefused("above_max_quantity", f"{quantity} is above {rule.quantity_max}")
    if quantity % rule.lot:
        raise VenueRefused("bad_lot", f"{quantity} is no multiple of {rule.lot}")
    quantity = int(quantity / rule.lot) * rule.lot
    if request.order_type == "MARKET":
        if price is not None:
            raise VenueRefused("bad_price", "a MARKET order has no price")
        return quantity, None
    if price is None:
        raise VenueRefused("bad_price", f"a {request.order_type} order needs a price")
    if price > terms.price_max:
        raise VenueRefused("bad_price", f"{price} is above {terms.price_max}")
    if price % rule.tick:
        raise VenueRefused("bad_tick", f"{price} is no multiple of {rule.tick}")
    check_notional(terms, quantity * price)
    return quantity, int(price / rule.tick)


def check_notional(terms: PairTerms, notional: Decimal) -> None:
    if notional < terms.rule.notional_min:
        raise VenueRefused("below_min_notional", f"{notional} is below {terms.rule.notional_min}")
