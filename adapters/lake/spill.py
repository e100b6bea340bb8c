"""Temporary folders with one owner each: locked while it lives, removed by whoever comes later.

DuckDB names its files alike in every process, locks none, and empties the folder at its end: two
in one folder end each other's queries.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class OwnFolder:
    """`path`, made now in `parent`; what those who were killed left there is removed first."""

    def __init__(self, parent: Path, prefix: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent, prefix)
        while True:
            self.path = tempfile.mkdtemp(prefix=prefix, dir=parent)
            lock = _locked(self.path)
            if lock is not None:
                break  # Otherwise another one swept it before it was locked.
        self._lock: int | None = lock

    def remove(self) -> None:
        """With all that is in it; a second time changes nothing."""
        lock, self._lock = self._lock, None
        if lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    for path in parent.glob(f"{prefix}*"):
        lock = None
        with contextlib.suppress(PermissionError):  # Of another user.
            lock = _locked(str(path))
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(path: str) -> int | None:
    """The descriptor that holds the lock; None where another one has it, or has removed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116
            return descriptor
    os.close(descriptor)
    return None
