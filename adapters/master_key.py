"""The key under which the vault seals credentials: 32 bytes, from a setting or a private file.

Whoever loses it loses every stored credential, so the place of a new one is told once.
"""

import base64
import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from adapters import values
from adapters.settings import Settings
from adapters.values import BadSetting

FILE_NAME = "master.key"


def master_key(settings: Settings) -> bytes:
    """Return the key, making <data-dir>/master.key when there is none."""
    return file_key(settings) if settings.master_key is None else settings.master_key


def file_key(settings: Settings) -> bytes:
    """Return the key in <data-dir>/master.key, making the file when there is none."""
    path = settings.data_dir / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        reason = f"{path} cannot be used: {error.strerror}"
        raise BadSetting("AVIARY_MASTER_KEY", reason) from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        text = file.read(1024)
    if mode & 0o077:
        raise BadSetting(
            "AVIARY_MASTER_KEY",
            f"others may read {path} (mode {mode:04o}). If nobody has, run: chmod 600 {path}",
        )
    try:
        return values.key_of_32_bytes(text.decode("ascii"))
    except ValueError:
        raise BadSetting(
            "AVIARY_MASTER_KEY",
            f"{path} does not hold 32 bytes in base64. Restore it from your backup: credentials "
            "stored under the lost key cannot be opened with a new one",
        ) from None


def _create(path: Path) -> None:
    """Make the file whole or not at all; when another process was first, its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            sys.stderr.write(f"Made a master key. Back up {path.absolute()}: without it stored ")
            sys.stderr.write("credentials cannot be opened.\n")
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
