"""Which connectors an account has, and what is known of each credential."""

from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from api.accounts.schemas import CredentialState, OfferedCredential, RefusedCredential
from api.audit.events import iso
from api.errors import Failure
from api.naming import check_name
from api.openapi import Operation
from api.past import row_at
from api.reading import answer
from api.reply import Reply
from projections import queries
from projections.credentials import CredentialRow

_SQL = queries.load("credentials")
_TABLES = ("accounts", "credentials")
_row = msgspec.json.Decoder(CredentialRow).decode


@get(
    "/accounts/{account_name:str}/credentials",
    opt={
        "scope": "read",
        "operation": Operation(
            "Names of the connectors that an account may trade on.",
            {200: list[str]},
            is_read=True,
            is_as_of=True,
            errors=(400,),
        ),
    },
)
async def list_credentials(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    check_name(account_name)
    found = await row_at(request, _SQL["of_account"], {"account": account_name}, _TABLES)
    if found is None:
        raise _no_account(account_name)
    return answer(found[1].encode(), found[0])


@get(
    "/accounts/{account_name:str}/credentials/{connector_name:str}",
    opt={
        "scope": "read",
        "operation": Operation(
            "Where a credential stands: in force, being checked, refused; never its fields.",
            {200: CredentialState},
            is_read=True,
            is_as_of=True,
            errors=(400,),
        ),
    },
)
async def show_credential(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    check_name(account_name)
    check_name(connector_name)
    key = {"account": account_name, "connector": connector_name}
    found = await row_at(request, _SQL["one"], key, _TABLES)
    if found is None:
        raise _no_account(account_name)
    position, is_own, item = found
    state = _state(account_name, connector_name, None if item is None else _row(item), is_own)
    if state is None:
        text = f"Account {account_name!r} has no credential at {connector_name!r}."
        raise Failure(404, text, "unknown_credential")
    return answer(msgspec.json.encode(state), position)


def _no_account(name: str) -> Failure:
    return Failure(404, f"Account {name!r} does not exist.", "unknown_account")


def _state(
    account: str,
    connector: str,
    row: CredentialRow | None,
    is_own: bool,
) -> CredentialState | None:
    """None where there is nothing and never was."""
    own = CredentialState(account, connector, "active") if is_own else None
    if row is None:
        return own
    pending = refused = None
    if row.offered_secret_id is not None and row.offered_at_us is not None:
        pending = OfferedCredential(row.offered_fingerprint or "", iso(row.offered_at_us))
    if row.refused_code is not None and row.refused_at_us is not None:
        refused = RefusedCredential(
            row.refused_code, row.refused_text or "", iso(row.refused_at_us)
        )
    if row.is_deleted and pending is None and refused is None:
        return None
    if row.is_active or (own is not None and not row.is_deleted):
        return CredentialState(
            account,
            connector,
            "active",
            row.fingerprint or None,
            None if row.accepted_at_us is None else iso(row.accepted_at_us),
            row.can_trade,
            row.can_withdraw,
            pending,
            refused,
        )
    return CredentialState(
        account, connector, "pending" if pending else "refused", pending=pending, refused=refused
    )
