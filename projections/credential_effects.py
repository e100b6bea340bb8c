"""What a credential owes the outside world: to be shown to its venue, once it is offered."""

from collections.abc import Mapping

import msgspec

from domain.credential import (
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
)
from projections.effect import EffectRow, Rule, settled, wanted
from projections.projection import Fact


class CheckDetail(msgspec.Struct, frozen=True):
    """The `detail` of a `check_credential` effect."""

    secret_id: str


def _check(_row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    event = fact.event
    if not isinstance(event, CredentialOffered):
        return None
    detail = msgspec.json.encode(CheckDetail(event.secret_id)).decode()
    return wanted("check_credential", fact, key, event.account, event.connector, detail=detail)


RULES: Mapping[type, Rule] = {
    CredentialOffered: Rule(_check),
    CredentialAccepted: Rule(settled),
    CredentialRefused: Rule(settled),
    CredentialDeleted: Rule(settled),
}
