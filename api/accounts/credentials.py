"""Credentials: put in once, checked at their venue, shown by their fingerprint, deleted.

The process that takes a secret in seals it at once and keeps nothing; it cannot open the vault.
"""

from typing import Any

import msgspec
from litestar import Request, post, put
from litestar.params import FromPath

from adapters.vault.fields import Fields
from adapters.venues.connectors import connectors
from adapters.venues.registry import served
from api.accounts.checking import Checked, wait_for_outcome
from api.accounts.credential_fields import checked, decoded, fingerprint, named_and_credentials
from api.accounts.schemas import AddedCredential, PutCredential
from api.accounts.sealing import destroy, destroy_unnamed, seal, secret_id_of
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.naming import check_name
from api.openapi import Operation
from api.reply import Reply
from api.schemas import DryRun, Message
from api.submitting import (
    Intent,
    headers_of,
    intent,
    is_dry_run,
    is_received,
    settle_soon,
    submit,
)
from commands.crashpoint import crashpoint
from commands.request import Outcome
from domain import credential
from domain.credential import DeleteCredential, OfferCredential

CHECK_SECONDS = 30.0
_ADMIN = {"scope": "admin"}
_ADDED = "Connector credentials added successfully."
_PENDING = (
    "The credentials are sealed, but the venue has not answered yet. It is asked again until it "
    "does; those in force until now stay so. GET /accounts/{account}/credentials/{connector} tells."
)
_OPERATION = Operation(
    "Add or replace an account's credential at a connector. Waits until its venue has checked it.",
    {201: AddedCredential, 200: DryRun},
    body=dict[str, Any],
    is_command=True,
    errors=(400, 404, 409),
)
_encode = msgspec.json.Encoder().encode


@post(
    "/accounts/add-credential/{account_name:str}/{connector_name:str}",
    opt=_ADMIN | {"operation": _OPERATION},
    status_code=201,
)
async def add_credential(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    raw = await read_body(request)
    fields = _checked(request, account_name, connector_name, decoded(raw), ("body",))
    return await _offer(request, account_name, connector_name, fields, raw, 201)


@put(
    "/accounts/{account_name:str}",
    opt=_ADMIN
    | {
        "operation": msgspec.structs.replace(
            _OPERATION, answers={200: (AddedCredential, DryRun)}, body=PutCredential
        )
    },
    status_code=200,
)
async def put_credential(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    raw = await read_body(request)
    connector_name, given = named_and_credentials(decoded(raw))
    place = ("body", "credentials")
    fields = _checked(request, account_name, connector_name, given, place)
    return await _offer(request, account_name, connector_name, fields, raw, 200)


def _checked(
    request: Request[Any, Any, Any],
    account_name: str,
    connector_name: str,
    given: dict[str, Any],
    place: tuple[str, ...],
) -> Fields:
    check_name(account_name)
    check_name(connector_name)
    connector = connectors().get(connector_name)
    if connector is None:
        raise Failure(404, f"There is no connector {connector_name!r}.", "unknown_connector")
    known = served(deps_of(request).settings)
    if connector_name not in known:
        text = f"{connector_name!r} cannot be traded through here; these can: {', '.join(known)}."
        raise Failure(400, text, "not_served")
    deps_of(request).markets.warm([connector_name])  # Its first order need not wait for the rules.
    return checked(connector.config_map, given, place)


async def _offer(
    request: Request[Any, Any, Any],
    account_name: str,
    connector_name: str,
    fields: Fields,
    raw: bytes,
    status: int,
) -> Reply:
    deps = deps_of(request)
    intended = intent(request, deps, "offer_credential", (account_name, connector_name), raw)
    stream = credential.stream(account_name, connector_name)
    command = OfferCredential(account_name, connector_name)
    if connectors()[connector_name].config_map:
        print_of = fingerprint(deps.hash_key, fields)
        secret_id = secret_id_of(intended)
        command = OfferCredential(account_name, connector_name, secret_id, print_of)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    if command.secret_id and not await is_received(deps, intended):
        crashpoint("credential-before-seal")
        await seal(deps, intended, command, fields)
        crashpoint("credential-after-seal")
    outcome = await _submitted(request, deps, intended, stream, command)
    crashpoint("credential-after-offer")
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    found = await _outcome(deps, intended, command, outcome, headers)
    if found is not None and found.outcome != "accepted":
        await destroy(deps, [command.secret_id])
        raise _not_taken(connector_name, found, headers)
    if found is not None:
        await destroy_unnamed(deps, stream)  # The one that this one takes the place of.
    added = AddedCredential(
        _ADDED if found else _PENDING,
        "accepted" if found else "pending",
        account_name,
        connector_name,
        command.fingerprint or None,
    )
    if found is not None:
        headers["Log-Position"] = str(max(found.position, outcome.receipt.position))
    return Reply(_encode(added), status, headers)


async def _submitted(
    request: Request[Any, Any, Any],
    deps: Deps,
    intended: Intent,
    stream: str,
    command: OfferCredential,
) -> Outcome:
    """A refused offer leaves no secret behind; one whose fate is unknown is left to the sweep."""
    try:
        return await submit(request, deps, intended, stream, command)
    except Failure as failure:
        if failure.status < 500:  # noqa: PLR2004 - decided, or never to be
            await destroy(deps, [command.secret_id])
        raise


async def _outcome(
    deps: Deps,
    intended: Intent,
    command: OfferCredential,
    outcome: Outcome,
    headers: dict[str, str],
) -> Checked | None:
    """What the venue said, and shown by the read models a moment later; None if not in time."""
    position = outcome.receipt.position
    seconds = CHECK_SECONDS if intended.wait_seconds is None else float(intended.wait_seconds)
    found: Checked | None = Checked("accepted", position)
    if command.secret_id:
        stream = credential.stream(command.account, command.connector)
        found = await wait_for_outcome(deps, stream, command.secret_id, seconds)
    if found is not None:
        await settle_soon(deps, intended, found.position, headers)
    return found


def _not_taken(connector: str, found: Checked, headers: dict[str, str]) -> Failure:
    match found.outcome:
        case "refused":
            text = f"{connector} does not take the credential: {found.text}"
            return Failure(400, text, found.code, headers)
        case "deleted":
            return Failure(409, "The credential was deleted meanwhile.", "deleted", headers)
        case _:
            text = "Another credential was offered before this one was checked."
            return Failure(409, text, "replaced", headers)


@post(
    "/accounts/delete-credential/{account_name:str}/{connector_name:str}",
    opt=_ADMIN
    | {
        "operation": Operation(
            "Delete an account's credential at a connector. Again: harmless.",
            {200: (Message, DryRun)},
            is_command=True,
            errors=(400,),
        )
    },
    status_code=200,
)
async def delete_credential(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    deps = deps_of(request)
    check_name(account_name)
    check_name(connector_name)
    intended = intent(request, deps, "delete_credential", (account_name, connector_name))
    stream = credential.stream(account_name, connector_name)
    command = DeleteCredential(account_name, connector_name)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    outcome = await submit(request, deps, intended, stream, command)
    crashpoint("credential-after-delete")
    await destroy_unnamed(deps, stream)
    crashpoint("credential-after-destroy")
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle_soon(deps, intended, outcome.receipt.position, headers)
    return Reply(_encode(Message("Credential deleted successfully.")), headers=headers)
