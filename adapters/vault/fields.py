"""The fields of a credential while they are open, and texts that must not tell them.

They show nothing of themselves; Python cannot wipe a string, so they are held for as short as may
be.
"""

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

_TELLING_LENGTH_MIN = 4
"""Shorter values (`1`, `www`) are no secrets, and would blot out words."""
HIDDEN = "***"


class Fields:
    """Field to value, as its connector's config map has them: texts, numbers, booleans, lists."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = dict(values)

    def __repr__(self) -> str:
        return f"Fields({', '.join(sorted(self.values))}: {HIDDEN})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> str:
        raise TypeError("The fields of a credential are not pickled.")

    def texts(self) -> dict[str, str]:
        """As venues take them."""
        return {name: _text(value) for name, value in self.values.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def without(text: str, fields: Mapping[str, str]) -> str:
    """The text with every field's value hidden, as it is or as it is usually encoded.

    Venues and libraries repeat what they were sent in their errors.
    """
    spellings = {spelt for value in fields.values() for spelt in _spellings(value)}
    for spelt in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelt, HIDDEN)
    return text


def _spellings(value: str) -> list[str]:
    if len(value) < _TELLING_LENGTH_MIN:
        return []
    raw = value.encode()
    escaped = json.dumps(value)[1:-1]
    return [
        value,
        escaped,
        repr(value)[1:-1],
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        raw.hex().upper(),
    ]
