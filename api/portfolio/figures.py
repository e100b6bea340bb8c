"""Sums over what accounts hold, in exact decimals. No I/O.

Values are rounded to 6 places and percentages, which are of the whole, to 4, at the very end.
A token without a price is in no sum and is named instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import msgspec
from msgspec import Struct

from domain.amounts import plus
from projections.portfolio_documents import TokenItem
from projections.portfolios import PortfolioRow

_ZERO = Decimal(0)
_wide = Context(prec=200, rounding=ROUND_HALF_EVEN)
_decode = msgspec.json.Decoder(dict[str, list[TokenItem]]).decode


class Holding(Struct, frozen=True):
    account: str
    connector: str
    token: str
    units: Decimal
    available: Decimal
    value: Decimal | None


class _Sum(Struct):
    value: Decimal = _ZERO
    units: Decimal = _ZERO
    priced: Decimal = _ZERO
    """Of the units."""
    available: Decimal = _ZERO

    def add(self, holding: Holding) -> None:
        self.units = plus(self.units, holding.units)
        self.available = plus(self.available, holding.available)
        if holding.value is not None:
            self.value = plus(self.value, holding.value)
            self.priced = plus(self.priced, holding.units)


def connectors_of(row: PortfolioRow) -> Mapping[str, Sequence[TokenItem]]:
    return _decode(row.document)


def holdings(rows: Iterable[PortfolioRow]) -> list[Holding]:
    return [
        Holding(
            row.key,
            connector,
            item.token,
            item.units,
            item.available_units,
            item.value if isinstance(item.value, Decimal) else None,
        )
        for row in rows
        for connector, items in connectors_of(row).items()
        for item in items
    ]


def unpriced(held: Iterable[Holding]) -> list[str]:
    return sorted({its.token for its in held if its.value is None})


def total(held: Iterable[Holding]) -> Decimal:
    whole = _Sum()
    for its in held:
        whole.add(its)
    return whole.value


def by_token(held: Sequence[Holding]) -> list[dict[str, Any]]:
    """Rows as TokenTotal; the most valuable first, those without a price last."""
    sums: dict[str, _Sum] = {}
    for its in held:
        sums.setdefault(its.token, _Sum()).add(its)
    no_price = set(unpriced(held))
    shown = [
        _token_total(token, its, is_whole=token not in no_price) for token, its in sums.items()
    ]
    return sorted(shown, key=lambda row: (row["value"] is None, -(row["value"] or 0), row["token"]))


def _token_total(token: str, its: _Sum, *, is_whole: bool) -> dict[str, Any]:
    """Nobody has told a price where nothing of it is priced."""
    has_price = is_whole or bool(its.priced)
    row = {
        "token": token,
        "units": its.units,
        "price": _price(its) if has_price else None,
        "value": rounded(its.value, 6) if has_price else None,
        "available_units": its.available,
    }
    if not is_whole:
        row["unpriced_units"] = _wide.subtract(its.units, its.priced)
    return row


def _price(its: _Sum) -> Decimal | None:
    """The average by units; exact where all units have one price."""
    if not its.priced:
        return None
    found = _wide.divide(its.value, its.priced)
    return rounded(found, 18) if len(found.as_tuple().digits) > 38 else found  # noqa: PLR2004


def distribution(held: Sequence[Holding]) -> dict[str, Any]:
    """The fields of Distribution that are figures."""
    priced = [its for its in held if its.value is not None]
    whole = total(priced)
    tokens: dict[str, list[Holding]] = {}
    for its in priced:
        tokens.setdefault(its.token, []).append(its)
    shown = [_token_share(token, its, whole) for token, its in tokens.items()]
    shown.sort(key=lambda row: (-row["total_value"], row["token"]))
    return {
        "total_portfolio_value": rounded(whole, 6),
        "token_count": len(shown),
        "distribution": shown,
        "tokens": {
            row["token"]: {"value": row["total_value"], "percentage": row["percentage"]}
            for row in shown
        },
    }


def _token_share(token: str, held: Sequence[Holding], whole: Decimal) -> dict[str, Any]:
    all_of_it = _sum_of(held)
    accounts: dict[str, list[Holding]] = {}
    for its in held:
        accounts.setdefault(its.account, []).append(its)
    return {
        "token": token,
        "total_value": rounded(all_of_it.value, 6),
        "total_units": all_of_it.units,
        "percentage": percentage(all_of_it.value, whole),
        "accounts": {account: _account_share(own, whole) for account, own in accounts.items()},
    }


def _account_share(held: Sequence[Holding], whole: Decimal) -> dict[str, Any]:
    own = _sum_of(held)
    return {
        "value": rounded(own.value, 6),
        "units": own.units,
        "percentage": percentage(own.value, whole),
        "connectors": {
            its.connector: {"value": rounded(its.value or _ZERO, 6), "units": its.units}
            for its in held
        },
    }


def accounts_distribution(rows: Sequence[PortfolioRow], held: Sequence[Holding]) -> dict[str, Any]:
    """The fields of AccountsDistribution that are figures; an account without value is there."""
    whole = total(held)
    accounts: dict[str, list[Holding]] = {}
    for its in held:
        accounts.setdefault(its.account, []).append(its)
    shown = [_account_part(row, accounts.get(row.key, ()), whole) for row in rows]
    shown.sort(key=lambda found: (-found["total_value"], found["account"]))
    return {
        "total_portfolio_value": rounded(whole, 6),
        "account_count": len(shown),
        "distribution": shown,
    }


def _account_part(row: PortfolioRow, own: Sequence[Holding], whole: Decimal) -> dict[str, Any]:
    value = total(own)
    connectors: dict[str, list[Holding]] = {}
    for its in own:
        connectors.setdefault(its.connector, []).append(its)
    return {
        "account": row.key,
        "total_value": rounded(value, 6),
        "percentage": percentage(value, whole),
        "connectors": {
            connector: _part(total(connectors.get(connector, ())), whole)
            for connector in connectors_of(row)
        },
    }


def _part(value: Decimal, whole: Decimal) -> dict[str, Decimal]:
    return {"value": rounded(value, 6), "percentage": percentage(value, whole)}


def _sum_of(held: Iterable[Holding]) -> _Sum:
    found = _Sum()
    for its in held:
        found.add(its)
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    """Half to even, without an exponent: 12.500000."""
    return _wide.quantize(value, Decimal(1).scaleb(-places))


def percentage(part: Decimal, whole: Decimal) -> Decimal:
    """0 of nothing."""
    if whole <= 0:
        return Decimal("0.0000")
    return rounded(_wide.divide(_wide.multiply(part, Decimal(100)), whole), 4)
