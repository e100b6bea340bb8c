"""Secrets in files: NAME_FILE holds the path of a file whose content is the value of NAME.

One newline at the end does not belong to the value, as editors and `echo` leave one.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from adapters.values import BadSetting

SUFFIX = "_FILE"


def resolve(given: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """Return `given` with every NAME_FILE replaced by NAME; raises BadSetting."""
    found = dict(given)
    for name in secrets:
        path = found.pop(name + SUFFIX, "")
        if not path:
            continue
        if found.get(name):
            raise BadSetting(
                name + SUFFIX, f"{name} is given as well, and only one can count. Remove one"
            )
        found[name] = _read(name + SUFFIX, Path(path))
    return found


def _read(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadSetting(name, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSetting(name, f"{path} is not text in UTF-8") from None
    value = text.removesuffix("\n")
    if not value:
        raise BadSetting(name, f"{path} is empty")
    return value
