"""Whose page a browser asks for: our own, one that a setting allows, or a stranger's.

A browser adds a password that it remembers to what a page of any origin sends here, and says in
`Origin` whose page it was.
"""

import re
from urllib.parse import urlsplit

from litestar.types import HTTPScope, Scope

from adapters.settings import Settings
from api.http.body_and_headers import header


def is_strangers(scope: Scope | HTTPScope, settings: Settings) -> bool:
    """False for everything that is no page of a browser."""
    given = header(scope, b"origin")
    if given is None:
        return False
    origin = given.decode("latin-1")
    if _is_ours(origin, header(scope, b"host") or b""):
        return False
    # Behind a proxy that changes the host; no page can set this header.
    if header(scope, b"sec-fetch-site") == b"same-origin":
        return False
    pattern = settings.cors_allow_origin_regex
    if pattern is not None and re.fullmatch(pattern, origin):
        return False
    return origin not in settings.cors_allow_origins and "*" not in settings.cors_allow_origins


def _is_ours(origin: str, host: bytes) -> bool:
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc.encode("latin-1", "replace").lower() == host.lower()
