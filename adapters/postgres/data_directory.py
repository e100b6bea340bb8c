"""The files around one embedded server: its lock, passwords, port, socket folder and log.

The lock is an flock inherited by postgres and by all its children and kept by nobody else: it is
held exactly while a server process of this directory lives, whatever any pid file claims.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from adapters.postgres.installation import EmbeddedPostgresError

LOG_BYTES_MAX = 10 * 1024 * 1024
_SOCKET_PATH_BYTES_MAX = 107
_ORPHAN_WAIT_SECONDS = 15.0
_HOLDER_WAIT_SECONDS = 1.0  # a killed process is not gone at once


def lock(path: Path) -> int:
    """Return a descriptor holding the directory's lock, written with our pid for other starters.

    Waits a little for the server of a killed parent, which is then shutting down.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path.parent)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _take(descriptor: int, folder: Path) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            patience = _HOLDER_WAIT_SECONDS if _lives(holder) else _ORPHAN_WAIT_SECONDS
            if time.monotonic() - began > patience:
                raise EmbeddedPostgresError(
                    f"{folder} is in use: process {holder or 'unknown'} runs a server on it. "
                    "Stop that one, or choose another AVIARY_DATA_DIR."
                ) from None
            time.sleep(0.02)
        else:
            return


def _lives(pid: str) -> bool:
    """Whether another process has that number; it only decides how long to wait."""
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def discard_foreign_pid_files(data: Path) -> None:
    """Remove pid files left by a crash whose number now belongs to an unrelated process.

    Postgres itself handles those of dead processes, with a check of shared memory that must not be
    taken from it. The caller holds the lock, so only a server started by hand could be live here.
    """
    for path in (data / "postmaster.pid", *data.glob(".s.PGSQL.*.lock")):
        try:
            pid = int(path.read_text().split()[0])
            serving = Path(f"/proc/{pid}/cwd").samefile(data)
        except PermissionError:
            serving = False  # Another user's process cannot serve a directory of mode 0700.
        except (OSError, ValueError, IndexError):
            continue
        if serving:
            raise EmbeddedPostgresError(
                f"{data} is in use by process {pid}, which was started by other means. Stop it."
            )
        path.unlink()


def secret(folder: Path, name: str) -> str:
    """Return the password kept in `folder`/`name`, made with mode 0600 at first use."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}"
        with contextlib.suppress(FileExistsError), _removed(draft):
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                f.write(secrets.token_urlsafe(24))
                f.flush()
                os.fsync(f.fileno())
            os.link(draft, path)
    return path.read_text().strip()


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def remembered_port(path: Path) -> int:
    """Return the port of the last start when it is still free, else another free one."""
    with contextlib.suppress(OSError, ValueError):
        port = int(path.read_text())
        if is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    path.write_text(f"{port}\n")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()  # sets SO_REUSEADDR, as Postgres does
    except OSError:
        return False
    return True


def socket_folder(data: Path, port: int, user: tuple[int, int] | None) -> Path:
    """Return `data` itself, or a new private folder under /tmp when that path is too long."""
    if len(os.fsencode(data / f".s.PGSQL.{port}")) <= _SOCKET_PATH_BYTES_MAX:
        return data
    folder = Path(tempfile.mkdtemp(prefix="aviary-", dir="/tmp"))
    if user is not None:
        os.chown(folder, *user)
    return folder


def rotate(log: Path) -> None:
    """Keep one older log once the file has grown too long.

    Copied and cut rather than renamed: the server keeps its descriptor, opened for appending.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES_MAX:
            shutil.copy(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
