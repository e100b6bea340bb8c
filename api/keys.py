"""API keys: made, shown and revoked. A secret is in one answer and nowhere else."""

import hashlib
import re
import secrets
from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath

from api.audit.events import iso
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.bearers import Bearers
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.lists import to_us
from api.openapi import Operation
from api.reading import answer, in_thread, row, wait_for_position
from api.reply import Reply
from api.schemas import CreatedKey, DryRun, KeyList, Message, NewKey
from api.submitting import (
    failed,
    headers_of,
    intent,
    is_dry_run,
    is_received,
    settle,
    submit,
)
from domain import actor
from domain.actor import KEY_ID_BYTES, CreateKey, RevokeKey
from projections import queries

_SQL = queries.load("api_keys")
_SECRET_BYTES = 32
_KEY_ID_LENGTH = 16
_KEY_ID = re.compile(rf"[0-9a-f]{{{2 * KEY_ID_BYTES}}}|[0-9a-f]{{{_KEY_ID_LENGTH}}}")
"""Made by the command line, or here."""
_new_key = Body(NewKey)


@post(
    "/keys",
    opt={
        "scope": "admin",
        "operation": Operation(
            "Make an API key. Its token is shown once.",
            {201: CreatedKey, 200: DryRun},
            body=NewKey,
            is_command=True,
            errors=(400, 409),
        ),
    },
    status_code=201,
)
async def create_key(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: NewKey = _new_key(raw)
    intended = intent(request, deps, "create_key", (), raw)
    key_id = intended.command_id[:_KEY_ID_LENGTH]
    secret = secrets.token_hex(_SECRET_BYTES)
    command = CreateKey(
        key_id,
        asked.name,
        tuple(dict.fromkeys(asked.scopes)),
        hashlib.sha256(secret.encode()).hexdigest(),
        None if asked.expires_at is None else to_us(asked.expires_at),
    )
    if is_dry_run(request):
        return Reply(await dry_run(deps, actor.stream(key_id), command))
    outcome = await submit(request, deps, intended, actor.stream(key_id), command)
    created = CreatedKey(
        key_id,
        asked.name,
        list(command.scopes),
        None if command.expires_at_us is None else iso(command.expires_at_us),
        None if outcome.is_replay else f"av_{key_id}_{secret}",
    )
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    return Reply(msgspec.json.encode(created), 201, headers)


@get(
    "/keys",
    opt={"scope": "admin", "operation": Operation("All keys.", {200: KeyList}, is_read=True)},
)
async def list_keys(request: Request[Any, Any, Any]) -> Reply:
    deps = await wait_for_position(request)
    found = await row(deps.pool, _SQL["all"], {})
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    return answer(b'{"data":%b}' % found[1].encode(), found[0])


@delete(
    "/keys/{key_id:str}",
    opt={
        "scope": "admin",
        "operation": Operation(
            "End a key's rights at once.",
            {200: (Message, DryRun)},
            is_command=True,
            errors=(404,),
        ),
    },
    status_code=200,
)
async def revoke_key(request: Request[Any, Any, Any], key_id: FromPath[str]) -> Reply:
    deps = deps_of(request)
    if not _KEY_ID.fullmatch(key_id):
        raise Failure(404, "There is no such key.", "unknown_key")
    intended = intent(request, deps, "revoke_key", (key_id,))
    command = RevokeKey(key_id)
    if is_dry_run(request):
        return Reply(await dry_run(deps, actor.stream(key_id), command))
    if not await _is_there(deps, key_id) and not await is_received(deps, intended):
        raise failed(intended, 404, "There is no such key.", "unknown_key")
    outcome = await submit(request, deps, intended, actor.stream(key_id), command)
    bearers: Bearers = request.app.state.bearers
    bearers.revoke(key_id)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    content = msgspec.json.encode(Message(f"Key {key_id} is revoked"))
    return Reply(content, headers=headers)


async def _is_there(deps: Deps, key_id: str) -> bool:
    return bool(await in_thread(deps.store.read_stream, actor.stream(key_id), 0, 1))
