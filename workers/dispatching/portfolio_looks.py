"""One look at all that an account holds: each of its venues is asked, and the tokens are priced.

A venue that does not answer in time, or refuses, is silent; the others are not held up for longer.
"""

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

import psycopg
from msgspec import Struct

from adapters.venues.port import Balance, VenueRefused, VenueUnreachable
from domain.portfolio import Cause, ConnectorHeld, ObservePortfolio, SilentVenue, TokenHeld
from workers.dispatching import effects
from workers.dispatching.desk import Desk
from workers.dispatching.desks import NO_VENUE, Desks
from workers.dispatching.effects import Place
from workers.dispatching.portfolio_prices import QUOTE, PortfolioPrices, Valued
from workers.dispatching.sending import now_us

_log = logging.getLogger(__name__)
AT_ONCE_PER_CONNECTOR = 2
"""Accounts whose balances are asked for: orders wait for the same rate limit."""
POLL_SECONDS = 0.05
TEXT_MAX = 300


class Patience(Struct, frozen=True):
    """How long one look waits."""

    answer_seconds: float
    """For a venue's balances, and for prices."""
    open_seconds: float
    """For a desk that is being opened."""
    turn_seconds: float
    """Until a venue may be asked; 0 is not to wait for others."""


IN_TURN = Patience(20.0, 5.0, 60.0)
AT_ONCE = Patience(5.0, 2.0, 0.0)
"""Somebody waits for the answer, and gets none after 10 s."""


class Told(Struct, frozen=True):
    connector: str
    asked_at_us: int
    balances: tuple[Balance, ...]


class Looks:
    def __init__(
        self, desks: Desks, side: psycopg.AsyncConnection[Any], prices: PortfolioPrices
    ) -> None:
        self._desks = desks
        self._side = side
        self._prices = prices
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_PER_CONNECTOR)
        )

    async def look(self, account: str, cause: Cause, patience: Patience) -> ObservePortfolio:
        """What there is to be recorded; without any connector it says that nothing is held."""
        asked_at_us = now_us()
        standing = await effects.standing_of(self._side, account)
        for desk in self._desks.of(account):
            desk.unseen_fill_at = None  # Of a fill that is recorded from here on we may not see it.
        answering = asyncio.gather(
            *(
                self._ask((account, connector), secret_id, since_us, patience)
                for connector, (secret_id, since_us) in sorted(standing.items())
            )
        )
        pricing = self._prices.now(standing, patience.answer_seconds)
        valued, answers = await asyncio.gather(pricing, answering)
        return ObservePortfolio(
            account,
            QUOTE,
            cause,
            asked_at_us,
            tuple(_held(its, valued) for its in answers if isinstance(its, Told)),
            tuple(its for its in answers if isinstance(its, SilentVenue)),
        )

    async def _ask(
        self, place: Place, secret_id: str, since_us: int, patience: Patience
    ) -> Told | SilentVenue:
        account, connector = place
        try:
            return await self._tell(place, secret_id, patience)
        except TimeoutError:
            error = f"no answer within {patience.answer_seconds:g} s"
        except (VenueUnreachable, VenueRefused) as raised:
            error = str(raised)
        except psycopg.Error:
            raise
        except Exception as raised:  # noqa: BLE001 - one venue must not silence the others
            _log.exception("The balances of %s at %s could not be read", *place)
            error = type(raised).__name__
        _log.warning("Balances of %s at %s: %s", account, connector, error)
        return SilentVenue(connector, error[:TEXT_MAX], since_us)

    async def _tell(self, place: Place, secret_id: str, patience: Patience) -> Told:
        desk = await self._desk(place, secret_id, patience.open_seconds)
        async with AsyncExitStack() as turn:
            await self._take_turn(turn, desk.connector, patience)
            if desk.is_paused:
                raise VenueUnreachable("it wants fewer requests for the moment")
            asked_at_us = now_us()
            try:
                async with asyncio.timeout(patience.answer_seconds):
                    balances = await desk.venue.balances()
            except VenueUnreachable as error:
                desk.heed(error)
                raise
        return Told(desk.connector, asked_at_us, balances)

    async def _take_turn(self, turn: AsyncExitStack, connector: str, patience: Patience) -> None:
        if not patience.turn_seconds:
            return
        try:
            async with asyncio.timeout(patience.turn_seconds):
                await turn.enter_async_context(self._turns[connector])
        except TimeoutError:
            text = f"other accounts kept it busy for {patience.turn_seconds:g} s"
            raise VenueUnreachable(text) from None

    async def _desk(self, place: Place, secret_id: str, seconds: float) -> Desk:
        """The one with this secret; after a start or a new credential it comes in a moment."""
        give_up_at = time.monotonic() + seconds
        while True:
            desk = self._desks.open.get(place)
            if desk is not None and desk.secret_id == secret_id:
                return desk
            why = self._desks.missing.get(place)
            if why == NO_VENUE or time.monotonic() > give_up_at:
                raise VenueUnreachable(why or "it is not connected yet")
            await asyncio.sleep(POLL_SECONDS)


def _held(told: Told, valued: Valued) -> ConnectorHeld:
    tokens = {its.token: its for its in told.balances if its.total or its.available}
    return ConnectorHeld(
        told.connector,
        told.asked_at_us,
        tuple(
            TokenHeld(token, its.total, its.available, valued.price(told.connector, token))
            for token, its in sorted(tokens.items())
        ),
    )
