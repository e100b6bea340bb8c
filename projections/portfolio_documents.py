"""What one connector of a snapshot looks like on the wire, made once, when it is folded.

Figures are JSON numbers with all their digits. The surprising thing: a token without a price has a
`price` of null and no `value` at all, because clients add up values that are there.
"""

from decimal import Decimal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from domain.amounts import plus, times
from domain.portfolio import ConnectorHeld, TokenHeld


class TokenItem(Struct, frozen=True):
    token: str
    units: Decimal
    price: Decimal | None
    """Null where no market told it: such a token is in no sum."""
    value: Decimal | UnsetType = UNSET
    """Units times price; not there without a price."""
    available_units: Decimal = Decimal(0)
    is_stale: bool | UnsetType = UNSET
    """True where the venue was silent and this is what it told before; otherwise not there."""


_encode = msgspec.json.Encoder(decimal_format="number").encode


def document(held: ConnectorHeld) -> str:
    """A JSON list of TokenItem."""
    return _encode([_item(token, held) for token in held.tokens]).decode()


def value(held: ConnectorHeld) -> Decimal:
    """What those tokens are worth together that have a price."""
    total = Decimal(0)
    for token in held.tokens:
        if token.price is not None:
            total = plus(total, times(token.units, token.price))
    return total


def _item(token: TokenHeld, held: ConnectorHeld) -> TokenItem:
    return TokenItem(
        token=token.token,
        units=token.units,
        price=token.price,
        value=UNSET if token.price is None else times(token.units, token.price),
        available_units=token.available,
        is_stale=held.is_carried or UNSET,
    )
