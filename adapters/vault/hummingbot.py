"""A folder of Hummingbot's credentials: `connectors/<connector>.yml` and `.password_verification`.

In a file the fields that its config map calls SecretStr are keystores, the others plain.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapters.vault import keystore
from adapters.vault.fields import Fields
from adapters.venues.connectors import connectors

VERIFICATION = ".password_verification"
_WORD = "HummingBot"
_FILE_BYTES_MAX = 1 << 20
_DEPTH_MAX = 16
_SECRET = "SecretStr"  # noqa: S105 - the name of a type


class BadFolder(Exception):  # noqa: N818 - says what is so
    """The folder cannot be read or written as asked; str() says why."""


def read(folder: Path, password: str) -> tuple[dict[str, Fields], dict[str, str]]:
    """By connector: what could be read, and why the rest could not. Raises BadFolder."""
    _check_password(folder, password)
    files = sorted((folder / "connectors").glob("*.yml"))
    if not files:
        raise BadFolder(f"There is no connectors/*.yml in {folder}.")
    found, failed = {}, {}
    for file in files:
        try:
            found[file.stem] = _read_file(file, password)
        except (keystore.NoKeystore, keystore.WrongPassword, BadFolder) as error:
            failed[file.stem] = str(error)
    return found, failed


def _check_password(folder: Path, password: str) -> None:
    path = folder / VERIFICATION
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return  # Each value has a check of its own.
    except (OSError, UnicodeDecodeError) as error:
        raise BadFolder(f"{path} cannot be read: {error}.") from None
    try:
        word = keystore.decrypt(password, text)
    except keystore.WrongPassword:
        raise BadFolder(f"The password is not the one of {folder}.") from None
    except keystore.NoKeystore as error:
        raise BadFolder(f"{path}: {error}") from None
    if word != _WORD:
        raise BadFolder(f"{path} does not hold the word that Hummingbot puts there.")


def _read_file(file: Path, password: str) -> Fields:
    connector = connectors().get(file.stem)
    if connector is None:
        raise BadFolder(f"There is no connector {file.stem!r}.")
    values = _yaml(file)
    if values.pop("connector", file.stem) != file.stem:
        raise BadFolder(f"{file} speaks of another connector.")
    found: dict[str, object] = {}
    for name, value in values.items():
        field = connector.config_map.get(name)
        if value is None:
            continue
        is_secret = field is not None and field.type == _SECRET
        found[name] = keystore.decrypt(password, value) if is_secret else value
    return Fields(found)


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    if not file.is_file() or file.stat().st_size > _FILE_BYTES_MAX:
        raise BadFolder(f"{file} is no file of at most {_FILE_BYTES_MAX} bytes.")
    try:
        text = file.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            # Either would cost without bound, and Hummingbot writes none.
            if isinstance(event, yaml.AliasEvent) or depth > _DEPTH_MAX:
                raise BadFolder(f"{file} has aliases, or nests deeper than {_DEPTH_MAX} levels.")
        values = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        raise BadFolder(f"{file} cannot be read as YAML.") from None
    if not isinstance(values, dict):
        raise BadFolder(f"{file} holds no fields.")
    return {str(name): value for name, value in values.items()}


def write(folder: Path, password: str, credentials: Mapping[str, Fields]) -> list[Path]:
    """Write each connector's file and the verification, readable by us alone; what is there goes.

    Raises BadFolder where the folder holds files under another password.
    """
    _check_password(folder, password)
    for place in (folder, folder / "connectors"):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = [_write(folder / VERIFICATION, keystore.encrypt(password, _WORD))]
    for name, fields in credentials.items():
        config_map = connectors()[name].config_map
        lines = [f"connector: {name}", ""]
        for field, value in fields.values.items():
            if config_map[field].type == _SECRET:
                shown = keystore.encrypt(password, str(value))
            else:
                shown = msgspec.json.encode(value).decode()  # JSON is YAML.
            lines.append(f"{field}: {shown}")
        written.append(_write(folder / "connectors" / f"{name}.yml", "\n".join(lines) + "\n"))
    return written


def _write(path: Path, text: str) -> Path:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path
