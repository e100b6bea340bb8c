"""Accounts: opened, listed and deleted, with everything that belongs to them."""

import logging
from typing import Any

import msgspec
import psycopg
from litestar import Request, delete, get, post
from litestar.params import FromPath

from api.accounts.schemas import AccountQuery, AddedAccount, NewAccount
from api.accounts.sealing import destroy_unnamed
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.naming import check_name
from api.openapi import Operation
from api.past import row_at
from api.reading import answer, in_thread, rows
from api.reply import Reply
from api.schemas import DryRun, Message
from api.submitting import Intent, headers_of, intent, is_dry_run, settle_soon, submit
from commands.crashpoint import crashpoint
from commands.folding import fold
from commands.request import command_id_of
from domain import account, credential
from domain.account import DeleteAccount, OpenAccount
from domain.credential import DeleteCredential
from domain.log import StoreUnavailable
from projections import queries

_log = logging.getLogger(__name__)
_SQL = queries.load("accounts")
_CREDENTIALS = queries.load("credentials")
_ADMIN = {"scope": "admin"}
_new_account = Body(NewAccount)
_query = Query(AccountQuery)
_encode = msgspec.json.Encoder().encode


@get(
    "/accounts",
    opt={
        "scope": "read",
        "operation": Operation(
            "Names of all accounts.", {200: list[str]}, is_read=True, is_as_of=True
        ),
    },
)
async def list_accounts(request: Request[Any, Any, Any]) -> Reply:
    found = await row_at(request, _SQL["names"], {}, ("accounts",))
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    return answer(found[1].encode(), found[0])


_OPEN = Operation(
    "Open an account.", {201: AddedAccount, 200: DryRun}, is_command=True, errors=(400,)
)


@post(
    "/accounts",
    opt=_ADMIN | {"operation": msgspec.structs.replace(_OPEN, body=NewAccount)},
    status_code=201,
)
async def create_account(request: Request[Any, Any, Any]) -> Reply:
    raw = await read_body(request)
    asked: NewAccount = _new_account(raw)
    return await _open(request, asked.account_name)


@post(
    "/accounts/add-account",
    opt=_ADMIN | {"operation": msgspec.structs.replace(_OPEN, query=AccountQuery)},
    status_code=201,
)
async def add_account(request: Request[Any, Any, Any]) -> Reply:
    return await _open(request, _query(request).account_name)


async def _open(request: Request[Any, Any, Any], name: str) -> Reply:
    deps = deps_of(request)
    check_name(name)
    intended = intent(request, deps, "open_account", (name,))
    stream, command = account.stream(name), OpenAccount(name)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    outcome = await submit(request, deps, intended, stream, command)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle_soon(deps, intended, outcome.receipt.position, headers)
    return Reply(_encode(AddedAccount(name)), 201, headers)


_DELETE = Operation(
    "Delete an account and its credentials. Not while it has live orders.",
    {200: (Message, DryRun)},
    is_command=True,
    errors=(400, 404, 409),
)


@delete("/accounts/{account_name:str}", opt=_ADMIN | {"operation": _DELETE}, status_code=200)
async def delete_account(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    return await _delete(request, account_name)


@post(
    "/accounts/delete-account",
    opt=_ADMIN | {"operation": msgspec.structs.replace(_DELETE, query=AccountQuery)},
    status_code=200,
)
async def delete_account_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _delete(request, _query(request).account_name)


async def _delete(request: Request[Any, Any, Any], name: str) -> Reply:
    deps = deps_of(request)
    check_name(name)
    intended = intent(request, deps, "delete_account", (name,))
    stream, command = account.stream(name), DeleteAccount(name)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    outcome = await submit(request, deps, intended, stream, command)
    crashpoint("account-after-delete")
    await _delete_credentials(request, deps, intended, name)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle_soon(deps, intended, outcome.receipt.position, headers)
    return Reply(_encode(Message("Account deleted successfully.")), headers=headers)


async def _delete_credentials(
    request: Request[Any, Any, Any], deps: Deps, intended: Intent, name: str
) -> None:
    """Of this account, at once. They are out of force already, and a worker sweeps what remains."""
    try:
        _, owner = await in_thread(fold, deps.store, account.stream(name))
        for connector, generation in await rows(deps.pool, _CREDENTIALS["held"], {"account": name}):
            if owner.is_open and owner.generation == generation:
                continue  # Opened anew meanwhile.
            stream = credential.stream(name, connector)
            its = f"{intended.command_id}/{connector}/{generation}"
            part = msgspec.structs.replace(
                intended, command_id=command_id_of(intended.actor, its), digest=its.encode()
            )
            await submit(request, deps, part, stream, DeleteCredential(name, connector, generation))
            crashpoint("account-after-credential")
            await destroy_unnamed(deps, stream)
    except (Failure, psycopg.Error, StoreUnavailable) as error:
        _log.warning("Credentials of the deleted account %s wait for the sweep: %s", name, error)
