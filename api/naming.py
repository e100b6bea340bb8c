"""Names of accounts and connectors where the contract answers 400 to a bad one, elsewhere 422."""

import re

from api.errors import Failure
from api.http.decoding import NAME

_NAME = re.compile(NAME)
_SHOWN_MAX = 200


def check_name(name: str) -> None:
    """Raise Failure 400."""
    if not _NAME.fullmatch(name):
        text = f"{name[:_SHOWN_MAX]!r} is no name: 1 to 64 letters, digits, dashes or underscores."
        raise Failure(400, text, "invalid_name")
