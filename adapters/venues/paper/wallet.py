"""Balances per account and token: what is there, and how much of it orders have locked.

Amounts are exact decimals and nothing rounds. An account exists from its first request on, with
the deposits of the settings.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from adapters.venues.paper.settings import HOUSE
from adapters.venues.port import Balance, VenueRefused

ZERO = Decimal(0)


class Funds(Struct):
    total: Decimal
    available: Decimal


class Wallet:
    def __init__(self, deposits: Iterable[tuple[str, Decimal]], accounts_max: int) -> None:
        self._deposits = tuple(deposits)
        self._accounts_max = accounts_max
        self._funds: dict[str, dict[str, Funds]] = {HOUSE: {}}
        self._touched: set[tuple[str, str]] = set()

    def open_account(self, account: str) -> None:
        """Give a new account its deposits; raises VenueRefused when there are too many."""
        if account in self._funds:
            return
        if len(self._funds) > self._accounts_max:
            raise VenueRefused("too_many_accounts", f"at most {self._accounts_max} accounts")
        self._funds[account] = {}
        for token, amount in self._deposits:
            self.receive(account, token, amount)

    def restore(self, account: str, balance: Balance) -> None:
        tokens = self._funds.setdefault(account, {})
        tokens[balance.token] = Funds(balance.total, balance.available)

    def lock(self, account: str, token: str, amount: Decimal) -> None:
        """Set `amount` aside for an order; raises VenueRefused `insufficient_balance`."""
        funds = self._of(account, token)
        if funds.available < amount:
            raise VenueRefused(
                "insufficient_balance", f"{amount} {token} needed, {funds.available} available"
            )
        funds.available -= amount

    def release(self, account: str, token: str, amount: Decimal) -> None:
        self._of(account, token).available += amount

    def spend(self, account: str, token: str, *, locked: Decimal, spent: Decimal) -> None:
        """Pay `spent` out of what was `locked` for it; the rest is available again."""
        funds = self._of(account, token)
        funds.total -= spent
        funds.available += locked - spent
        self._move(HOUSE, token, spent)

    def receive(self, account: str, token: str, amount: Decimal) -> None:
        self._move(account, token, amount)

    def pay_out(self, account: str, token: str, amount: Decimal) -> None:
        """Move `amount` from the house to the account: the proceeds of a fill, fee deducted."""
        self._move(HOUSE, token, -amount)
        self._move(account, token, amount)

    def take_touched(self) -> tuple[tuple[str, Balance], ...]:
        """Return the balances that changed since the last call."""
        touched = tuple(
            (account, self._balance(account, token)) for account, token in self._touched
        )
        self._touched.clear()
        return touched

    def balances(self, account: str) -> tuple[Balance, ...]:
        return tuple(self._balance(account, token) for token in sorted(self._funds[account]))

    def accounts(self) -> tuple[str, ...]:
        return tuple(self._funds)

    def _balance(self, account: str, token: str) -> Balance:
        funds = self._funds[account][token]
        return Balance(token=token, total=funds.total, available=funds.available)

    def _move(self, account: str, token: str, amount: Decimal) -> None:
        funds = self._of(account, token)
        funds.total += amount
        funds.available += amount

    def _of(self, account: str, token: str) -> Funds:
        tokens = self._funds[account]
        funds = tokens.get(token)
        if funds is None:
            funds = tokens[token] = Funds(ZERO, ZERO)
        self._touched.add((account, token))
        return funds
