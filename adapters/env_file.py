"""Read a `.env` file: one KEY=VALUE a line, `#` comments, optional quotes, no expansion."""

import re
from pathlib import Path

from adapters.values import BadSetting

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.ASCII)
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")


def read(path: Path) -> dict[str, str]:
    """Return what the file sets; a file that does not exist sets nothing."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(str(path), f"cannot be read: {error}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        value = _value(match[2]) if match else None
        if match is None or value is None:
            # The line itself may hold a password and is not repeated.
            raise BadSetting(f"{path} line {number}", "is not NAME=value, or a quote is not closed")
        found[match[1]] = value
    return found


def _value(text: str) -> str | None:
    """Return the value without quotes and trailing comment, None when a quote stays open."""
    if text[:1] in ("'", '"'):
        match = _QUOTED.fullmatch(text)
        return match[2] if match else None
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
