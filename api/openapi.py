"""The OpenAPI document, made from what each route says about itself in `opt["operation"]`.

Handlers read raw bodies for speed, so nothing is guessed from signatures: the structs that decode
requests and the statuses that are answered stand in the operation.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import NODEFAULT, Struct, structs

from api.schemas import Problem

Shape = Any
"""A struct, or another type that msgspec knows, as `list[str]`."""
_NOT_HTTP = 400
"""Of control characters in headers, and URLs over 64 KiB: the server's parser answers, as text."""
Answer = Shape | tuple[Shape, ...] | str | None
"""A shape, one of several, a media type that is not JSON, or None for an empty body."""

_REF = "#/components/schemas/{name}"
_PATH_PARAMETER = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_POSITION = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "Command-Id": {"type": "string"},
    "Log-Position": {"type": "string"},
    "Idempotency-Replayed": {"type": "string", "enum": ["true"]},
    "Preference-Applied": {"type": "string"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request is done at most once, for ever.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: answer when the read models hold the result, after N s at most.",
    "schema": {"type": "string"},
    "example": "wait=5",
}
_DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "description": "Decide, answer the events, write nothing.",
    "schema": {"type": "boolean"},
}
_MIN_POSITION = {
    "name": "min_position",
    "in": "query",
    "description": "Wait (5 s at most) until the read models hold this position of the log.",
    "schema": _POSITION,
}
_AS_OF = {
    "name": "as_of",
    "in": "query",
    "description": "Answer as it was then: at a position of the log (a whole number below "
    "1000000000), or by a time (ISO 8601, Unix seconds, or milliseconds from 100000000000 on).",
    "schema": {
        "anyOf": [
            _POSITION,
            {"type": "string", "pattern": "^[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ].*)?$"},
        ]
    },
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The position after which to go on; it wins over `after`. Without either the "
    "stream begins with what happens from now on.",
    "schema": _POSITION,
}


class Operation(Struct, frozen=True):
    summary: str
    answers: Mapping[int, Answer]
    body: Shape | None = None
    query: type[Struct] | None = None
    is_command: bool = False
    is_read: bool = False
    is_as_of: bool = False
    """It can answer for the past, too."""
    is_stream: bool = False
    errors: tuple[int, ...] = ()

    def __deepcopy__(self, _: object) -> "Operation":
        """Litestar copies its handlers with all that they hold, for each app that is made."""
        return self


def document(app: Litestar, version: str) -> dict[str, Any]:
    found = list(_operations(app))
    kinds = {kind for _, _, _, operation in found for kind in _kinds(operation)} | {Problem}
    ordered = sorted(kinds, key=str)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, scope, operation in found:
        paths.setdefault(path, {})[method] = _operation(path, method, scope, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aviary",
            "version": version,
            "description": "The control plane of a fleet of trading bots, on an event log.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "av_<id>_<secret>"},
            },
        },
    }


def _operations(app: Litestar) -> Iterable[tuple[str, str, str | None, Operation]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            operation: Operation | None = handler.opt.get("operation")
            if operation is None:
                continue
            for method in sorted(handler.http_methods):
                yield route.path_format, method.lower(), handler.opt["scope"], operation


def _kinds(operation: Operation) -> Iterable[Shape]:
    if operation.body is not None:
        yield operation.body
    for answer in operation.answers.values():
        if isinstance(answer, tuple):
            yield from answer
        elif answer is not None and not isinstance(answer, str):
            yield answer


def _operation(path: str, method: str, scope: str | None, operation: Operation) -> dict[str, Any]:
    parameters = list(_parameters(path, operation))
    shown: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{method}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "tags": [path.split("/")[1] or "status"],
        "description": f"Needs the scope `{scope}`." if scope else "Open to everybody.",
        "security": [{"basic": []}, {"key": []}] if scope else [],
        "parameters": parameters,
        "responses": {
            str(status): _response(HTTPStatus(status).phrase, answer, headers=scope is not None)
            for status, answer in {
                **dict.fromkeys(_errors(path, scope, operation, parameters), Problem),
                **operation.answers,
            }.items()
        },
    }
    if parameters:
        refused = shown["responses"][str(_NOT_HTTP)]
        refused["content"]["text/plain"] = {"schema": {"type": "string"}}
    if operation.body is not None:
        shown["requestBody"] = {
            "required": any(_is_required(field) for field in _fields(operation.body)),
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    return shown


def _errors(
    path: str, scope: str | None, operation: Operation, parameters: list[dict[str, Any]]
) -> Iterable[int]:
    yield from operation.errors
    if scope is not None:
        yield from (401, 403, 429, 503)
    if "{" in path:
        yield from (404, 405)
    if operation.body is not None:
        yield 408
    if operation.body is not None or parameters:
        yield from (413, 422)
    if parameters:
        yield _NOT_HTTP


def _parameters(path: str, operation: Operation) -> Iterable[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            yield {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETER}
    if operation.query is not None:
        for field in structs.fields(operation.query):
            schema = msgspec.json.schema(field.type, ref_template=_REF)
            # A parameter that is not wanted is left out; it cannot be null.
            schema["anyOf"] = [s for s in schema.get("anyOf", []) if s != {"type": "null"}]
            if len(schema["anyOf"]) == 1:
                schema |= schema["anyOf"][0]
            if len(schema["anyOf"]) <= 1:
                del schema["anyOf"]
            yield {
                "name": field.encode_name,
                "in": "query",
                "required": _is_required(field),
                "schema": schema,
            }
    if operation.is_command:
        yield from (_IDEMPOTENCY_KEY, _PREFER, _DRY_RUN)
    if operation.is_read:
        yield _MIN_POSITION
    if operation.is_as_of:
        yield _AS_OF
    if operation.is_stream:
        yield _LAST_EVENT_ID


def _is_required(field: structs.FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _response(phrase: str, answer: Answer, *, headers: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": phrase}
    if headers:
        shown["headers"] = {name: {"schema": schema} for name, schema in _HEADERS.items()}
    if answer is None:
        return shown
    if isinstance(answer, str):
        shown["content"] = {answer: {"schema": {"type": "string"}}}
    elif isinstance(answer, tuple):
        either = {"anyOf": [_ref(kind) for kind in answer]}
        shown["content"] = {"application/json": {"schema": either}}
    else:
        shown["content"] = {"application/json": {"schema": _ref(answer)}}
    return shown


def _ref(kind: Shape) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components((kind,), ref_template=_REF)
    return schema


def _fields(body: Shape) -> tuple[structs.FieldInfo, ...]:
    """None of a body that may have any."""
    is_struct = isinstance(body, type) and issubclass(body, Struct)
    return structs.fields(body) if is_struct else ()
