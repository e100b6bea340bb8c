"""From a connector's name to the venue behind it: its public side, or one account's own."""

from collections.abc import Mapping

from adapters.settings import Settings
from adapters.venues.connectors import connectors
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Venue

PAPER = "paper"


class NoVenue(LookupError):  # noqa: N818 - reads as the fact it states
    """There is no such connector, or nothing that can speak to its venue; str() says which."""


def served(settings: Settings) -> tuple[str, ...]:
    """Names of the connectors that can be traded through here, in order."""
    return tuple(
        name
        for name, connector in connectors().items()
        if connector.ccxt is not None or (name == PAPER and settings.paper_url is not None)
    )


def public_venue(settings: Settings, name: str) -> PublicVenue:
    """The public side of a venue, not connected yet. Raises NoVenue."""
    if name == PAPER and settings.paper_url is not None:
        from adapters.venues.paper.public import PaperMarket

        return PaperMarket(settings.paper_url, token=settings.paper_token)
    if _is_in_ccxt(name):
        from adapters.venues.ccxt.public import CcxtMarket

        return CcxtMarket(settings, name)
    raise _unserved(settings, name)


def private_venue(
    settings: Settings, name: str, account: str, credential: Mapping[str, str]
) -> Venue:
    """An account at a venue, with the fields of its credential (none for `paper`)."""
    if name == PAPER and settings.paper_url is not None:
        from adapters.venues.paper.client import PaperVenue

        return PaperVenue(
            settings.paper_url, account, token=settings.paper_token, connections_max=256
        )
    if _is_in_ccxt(name):
        from adapters.venues.ccxt.perpetual import CcxtPerpetualVenue
        from adapters.venues.ccxt.private import CcxtVenue

        kind = CcxtPerpetualVenue if connectors()[name].is_perpetual else CcxtVenue
        return kind(settings, name, credential)
    raise _unserved(settings, name)


def _is_in_ccxt(name: str) -> bool:
    connector = connectors().get(name)
    return connector is not None and connector.ccxt is not None


def _unserved(settings: Settings, name: str) -> NoVenue:
    if name not in connectors():
        return NoVenue(f"There is no connector {name!r}.")
    known = ", ".join(served(settings))
    return NoVenue(f"The connector {name!r} cannot be traded through here; these can: {known}.")
