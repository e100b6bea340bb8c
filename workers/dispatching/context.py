"""What a handler of an open effect is given to work with."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg
from msgspec import Struct

from adapters.settings import Settings
from adapters.venues.port import Venue
from api.market.venues import Venues, venues_of
from domain.log import Fence
from workers.dispatching.desk import Desk
from workers.dispatching.recording import Recorder

MakeVenue = Callable[[str, str, Mapping[str, str]], Venue]
"""From connector, account and the fields of a credential; raises LookupError where there is none.
Whoever calls it closes the venue."""
OpenSecret = Callable[[str], Awaitable[Mapping[str, str]]]
"""From a secret's id to the fields of the credential; raises LookupError when it is gone."""


class Outside(Struct, frozen=True):
    """The doors to what lies outside of the log."""

    make_venue: MakeVenue
    open_secret: OpenSecret
    settings: Settings = Settings()
    make_public_venues: Callable[[Settings], Venues] = venues_of
    """Of what anybody may ask, for prices; whoever calls it closes them."""


class Context(Struct, frozen=True, kw_only=True):
    account: str
    connector: str
    lease: int
    at_desk: Desk | None
    """None where there is no active credential, or nothing that speaks to the venue."""
    recorder: Recorder
    side: psycopg.AsyncConnection[Any]
    """For questions to the database, in autocommit; shared with others."""
    outside: Outside
    window_seconds: float
    """For how long an order that is sent now may still arrive."""

    @property
    def desk(self) -> Desk:
        """The desk, for handlers that are only called where there is one."""
        if self.at_desk is None:
            raise LookupError(f"There is no desk for {self.account}/{self.connector}.")
        return self.at_desk

    @property
    def fence(self) -> Fence:
        """Refuses what is recorded under it once another dispatcher acts for the account."""
        return Fence(self.account, self.lease)
