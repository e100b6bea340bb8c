"""What the venue's answer makes of an offered credential, and what is never kept of its words."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
from msgspec import structs

from adapters.memory import MemoryStore
from adapters.settings import Settings
from adapters.vault.sealing import SecretDamaged, SecretGone, WrongMasterKey
from adapters.venues.port import Access, VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from commands.codec import decode_recorded
from commands.committer import Committer
from commands.request import from_worker
from domain import account, credential
from domain.account import OpenAccount
from domain.credential import CredentialAccepted, CredentialRefused, OfferCredential
from domain.events import Event
from projections.effect import EffectRow
from workers.dispatching.context import Context, Outside
from workers.dispatching.credentials import check
from workers.dispatching.recording import Recorder

CANARY = "canary/+9e1c="
STREAM = credential.stream("main", "binance")
OFFER = OfferCredential("main", "binance", "secret-1", "print")
EFFECT = EffectRow(
    key=STREAM,
    kind="check_credential",
    account="main",
    connector="binance",
    due_us=1,
    status="new",
    detail='{"secret_id":"secret-1"}',
    correlation_id="c1",
    position=2,
)
YES, NO = True, False
Ask = Callable[[], Access]


class AnyVenue:
    """Answers `access` as told, and notes that it was closed."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.is_closed = False

    async def access(self) -> Access:
        return self._ask()

    async def close(self) -> None:
        self.is_closed = True


class Stage:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.committer = Committer(self.store)
        self.counts: Counter[str] = Counter()
        self.settings = Settings()
        for stream, command in ((account.stream("main"), OpenAccount("main")), (STREAM, OFFER)):
            self.committer.execute(from_worker("test", stream, command, correlation_id="c1"))
        self.venues: list[AnyVenue] = []
        self.given: list[Mapping[str, str]] = []

    def check(
        self, ask: Ask, *, secret: Exception | None = None, making: Exception | None = None
    ) -> bool:
        async def open_secret(secret_id: str) -> Mapping[str, str]:
            assert secret_id == "secret-1"
            if secret is not None:
                raise secret
            return {"binance_api_key": CANARY, "binance_api_secret": "s3cr3t"}

        def make_venue(connector: str, name: str, fields: Mapping[str, str]) -> Any:
            assert (connector, name) == ("binance", "main")
            if making is not None:
                raise making
            self.given.append(fields)
            self.venues.append(AnyVenue(ask))
            return self.venues[-1]

        context = Context(
            account="main",
            connector="binance",
            lease=1,
            at_desk=None,
            recorder=Recorder(self.committer, self.counts),
            side=cast("Any", None),
            outside=Outside(make_venue, open_secret, self.settings),
            window_seconds=1.0,
        )
        return asyncio.run(check(context, EFFECT))

    def last(self) -> Event:
        return decode_recorded(self.store.read_stream(STREAM)[-1])


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.committer.close()


def saying(can_trade: bool | None, can_withdraw: bool | None) -> Ask:
    return lambda: Access(can_trade=can_trade, can_withdraw=can_withdraw)


def raising(error: Exception) -> Ask:
    def ask() -> Access:
        raise error

    return ask


@pytest.mark.parametrize("access", [(YES, NO), (None, None), (YES, None)])
def test_what_may_trade_and_not_withdraw_is_accepted(
    stage: Stage, access: tuple[bool | None, bool | None]
) -> None:
    assert stage.check(saying(*access))
    assert stage.last() == CredentialAccepted("secret-1", *access)
    assert stage.given == [{"binance_api_key": CANARY, "binance_api_secret": "s3cr3t"}]
    assert stage.venues[0].is_closed


def test_checked_again_after_a_kill_it_is_accepted_once(stage: Stage) -> None:
    for _ in range(3):
        assert stage.check(saying(YES, NO))
    assert len(stage.store.read_stream(STREAM)) == 2


def test_what_may_withdraw_is_refused_unless_that_is_allowed(stage: Stage) -> None:
    assert stage.check(saying(YES, YES))
    refused = stage.last()
    assert isinstance(refused, CredentialRefused)
    assert refused.code == "may_withdraw"
    assert "AVIARY_ALLOW_WITHDRAWAL_KEYS" in refused.text


def test_what_may_withdraw_is_accepted_where_that_is_allowed(stage: Stage) -> None:
    stage.settings = structs.replace(stage.settings, allow_withdrawal_keys=True)
    assert stage.check(saying(YES, YES))
    assert stage.last() == CredentialAccepted("secret-1", YES, YES)


def test_what_may_not_trade_is_refused(stage: Stage) -> None:
    assert stage.check(saying(NO, NO))
    refused = stage.last()
    assert isinstance(refused, CredentialRefused)
    assert refused.code == "may_not_trade"


REFUSALS = {
    "-2015": (raising(VenueRefused("-2015", f"Invalid key {CANARY} s3cr3t")), None, None),
    "unusable": (raising(ValueError(f"cannot sign with {CANARY!r}")), None, None),
    "not_served": (saying(YES, NO), None, NoVenue(f"no venue for {CANARY}")),
    "secret_gone": (saying(YES, NO), SecretGone("gone"), None),
    "secret_damaged": (saying(YES, NO), SecretDamaged("changed"), None),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_keeps_the_words_but_no_field(
    stage: Stage, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    ask, secret, making = REFUSALS[code]
    with caplog.at_level(logging.DEBUG):
        assert stage.check(ask, secret=secret, making=making)
    refused = stage.last()
    assert isinstance(refused, CredentialRefused)
    assert (refused.code, refused.secret_id) == (code, "secret-1")
    assert refused.text
    for text in (refused.text, caplog.text):
        assert CANARY not in text
        assert "s3cr3t" not in text
    assert all(venue.is_closed for venue in stage.venues)


def test_a_key_that_cannot_even_be_read_is_refused(stage: Stage) -> None:
    assert stage.check(saying(YES, NO), making=ValueError(f"bad PEM {CANARY}"))
    refused = stage.last()
    assert isinstance(refused, CredentialRefused)
    assert refused.code == "unusable"
    assert CANARY not in refused.text


def test_while_the_venue_or_the_master_key_is_away_nothing_is_decided(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    away = raising(VenueUnreachable(f"timeout of https://api/x?key={CANARY}"))
    assert not stage.check(away)
    assert not stage.check(saying(YES, NO), secret=WrongMasterKey("sealed under another"))
    assert len(stage.store.read_stream(STREAM)) == 1
    assert stage.counts["credentials_unchecked"] == 1
    assert CANARY not in caplog.text
    assert "sealed under another" in caplog.text
    assert stage.venues[0].is_closed
    assert stage.check(saying(YES, NO))
    assert stage.last() == CredentialAccepted("secret-1", YES, NO)
