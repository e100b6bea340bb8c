"""Who opens a WebSocket: by header as everywhere, or in the query, for those who can set no header.

The same Authenticator decides as for requests. A browser adds a password that it remembers to a
page of any origin, so a header counts only without an Origin, or with ours or an allowed one.
"""

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs

from litestar.types import Scope

from adapters.settings import Settings
from api.deps import Caller
from api.errors import Failure
from api.http.auth import Authenticator, missing
from api.http.body_and_headers import header
from api.origins import is_strangers

_FIELDS_MAX = 20


def authorization(scope: Scope, settings: Settings) -> bytes | None:
    """What an Authorization header would say. Raises Failure 401 for a stranger's page."""
    given = header(scope, b"authorization")
    if given is not None:
        if is_strangers(scope, settings):
            raise missing()
        return given
    asked = query(scope)
    if token := asked.get("token"):
        # A plus that was not escaped is a space by now, and base64 has no spaces.
        return b"Basic " + token.replace(" ", "+").encode()
    if "username" in asked:
        pair = f"{asked['username']}:{asked.get('password', '')}"
        return b"Basic " + b64encode(pair.encode())
    return None


def query(scope: Scope) -> dict[str, str]:
    """The first of each parameter. Raises Failure 401 where there are too many to look at."""
    text: Any = scope["query_string"]
    try:
        found = parse_qs(text.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise missing() from None
    return {name: values[0] for name, values in found.items()}


async def login(scope: Scope, settings: Settings, auth: Authenticator, needed: str) -> Caller:
    """Raises Failure 401, 403 or 429, and psycopg.Error."""
    client: Any = scope["client"]
    given = authorization(scope, settings)
    caller = await auth.caller(given, client[0] if client else "")
    if needed not in caller.scopes:
        raise Failure(403, f"This needs the scope {needed!r}, which {caller.name} has not.")
    return caller
