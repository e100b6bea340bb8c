"""What only Binance tells about a key: whether it may trade and whether it may withdraw."""

from adapters.venues.ccxt.errors import translate
from adapters.venues.ccxt.making import Exchange
from adapters.venues.port import Access, Traits, VenueRefused

_ABSENT = ("NotSupported", "ExchangeNotAvailable", "BadRequest", "ExchangeError")
"""What a testnet says. The real venue has restrictions: there these only mean that it did not
answer, and a key that may withdraw must not pass because of that."""


async def access(exchange: Exchange, traits: Traits) -> Access:
    """The key's own restrictions; the testnets, which have none, tell only the account's."""
    try:
        told = await exchange.sapiGetAccountApiRestrictions()
    except Exception as error:
        refusal = translate(error, "other")
        if isinstance(refusal, VenueRefused) and refusal.code == "bad_credential":
            raise
        if not exchange.isSandboxModeEnabled or type(error).__name__ not in _ABSENT:
            raise
        account = await _account(exchange, traits)
        return Access(can_trade=_flag(account.get("canTrade")), can_withdraw=None)
    trades = "enableFutures" if traits.is_perpetual else "enableSpotAndMarginTrading"
    return Access(
        can_trade=_flag(told.get(trades)), can_withdraw=_flag(told.get("enableWithdrawals"))
    )


async def _account(exchange: Exchange, traits: Traits) -> dict[str, object]:
    if traits.is_perpetual:
        return dict(await exchange.fapiPrivateV2GetAccount())
    return dict(await exchange.privateGetAccount())


def _flag(value: object) -> bool | None:
    return None if value is None else str(value).lower() == "true"
