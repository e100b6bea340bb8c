"""Shows a credential that was offered to its venue, and records what the venue lets it do.

Killed at any instruction it runs again from the beginning: the venue is only asked. What a venue or
its library says may repeat what it was sent, so no word of theirs is kept with a field in it.
"""

import logging
from collections.abc import Mapping

import msgspec

from adapters.vault.fields import without
from adapters.vault.sealing import SecretDamaged, WrongMasterKey
from adapters.venues.port import Access, Venue, VenueRefused, VenueUnreachable
from commands.crashpoint import crashpoint
from domain import credential
from domain.credential import RecordCredentialAccepted, RecordCredentialRefused
from projections.credential_effects import CheckDetail
from projections.effect import EffectRow
from workers.dispatching.context import Context

_log = logging.getLogger(__name__)
_TEXT_MAX = 500
_detail = msgspec.json.Decoder(CheckDetail).decode

Verdict = RecordCredentialAccepted | RecordCredentialRefused


async def check(context: Context, effect: EffectRow) -> bool:
    """Whether the log holds the outcome now; not while the venue or the right key is away."""
    secret_id = _detail(effect.detail or "{}").secret_id
    crashpoint("credential-before-check")
    verdict = await _verdict(context, secret_id)
    crashpoint("credential-after-check")
    if verdict is None:
        return False
    await context.recorder.record_on(
        credential.stream(context.account, context.connector),
        verdict,
        correlation_id=effect.correlation_id,
        causation_id=str(effect.position),
    )
    crashpoint("credential-after-record")
    return True


async def _verdict(context: Context, secret_id: str) -> Verdict | None:
    """None while nothing is proven."""
    about = (context.account, context.connector, secret_id)
    try:
        fields = await context.outside.open_secret(secret_id)
    except WrongMasterKey as error:
        _log.error("A credential waits to be checked: %s", error)
        return None
    except SecretDamaged as error:
        return RecordCredentialRefused(*about, "secret_damaged", str(error))
    except LookupError:
        text = "The vault does not hold its secret any more. Add the credential again."
        return RecordCredentialRefused(*about, "secret_gone", text)
    try:
        venue = context.outside.make_venue(context.connector, context.account, fields)
    except LookupError as error:
        return RecordCredentialRefused(*about, "not_served", without(str(error), fields))
    except Exception as error:  # noqa: BLE001 - a field that cannot be a key at all
        return RecordCredentialRefused(*about, "unusable", _words(error, fields))
    try:
        access = await _asked(venue)
    except VenueRefused as refused:
        code, text = without(refused.code, fields), without(refused.text, fields)
        return RecordCredentialRefused(*about, code[:_TEXT_MAX], text[:_TEXT_MAX])
    except VenueUnreachable as error:
        context.recorder.counts["credentials_unchecked"] += 1
        _log.warning(
            "The credential of %s at %s waits for its venue: %s",
            context.account,
            context.connector,
            without(str(error), fields),
        )
        return None
    except Exception as error:  # noqa: BLE001 - a field that cannot be a key at all
        return RecordCredentialRefused(*about, "unusable", _words(error, fields))
    return verdict_of(about, access, may_withdraw=context.outside.settings.allow_withdrawal_keys)


async def _asked(venue: Venue) -> Access:
    try:
        return await venue.access()
    finally:
        await venue.close()


def _words(error: Exception, fields: Mapping[str, str]) -> str:
    return f"{type(error).__name__}: {without(str(error), fields)}"[:_TEXT_MAX]


def verdict_of(about: tuple[str, str, str], access: Access, *, may_withdraw: bool) -> Verdict:
    """What is taken: everything but what cannot trade, and what may withdraw unless that may be.

    Where the venue does not say, the credential is taken.
    """
    if access.can_trade is False:
        text = "The credential may not trade. Allow it to at the venue, or add another one."
        return RecordCredentialRefused(*about, "may_not_trade", text)
    if access.can_withdraw and not may_withdraw:
        text = (
            "The credential may withdraw, and an order needs no such right. Take it away at the "
            "venue, add another one, or set AVIARY_ALLOW_WITHDRAWAL_KEYS=true."
        )
        return RecordCredentialRefused(*about, "may_withdraw", text)
    return RecordCredentialAccepted(*about, access.can_trade, access.can_withdraw)
