"""Make a new database cluster: whole or absent, with passwords from the first moment."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from adapters.postgres.installation import EmbeddedPostgresError
from adapters.settings import without_secrets
from adapters.spawn import spawn

_OPTIONS = (
    *("--username=postgres", "--pwfile=/dev/stdin", "--encoding=UTF8", "--locale=C"),
    *("--auth-host=scram-sha-256", "--auth-local=scram-sha-256"),
)


def initialise(
    programs: Path, data: Path, user: tuple[int, int] | None, password: str, lock: int
) -> None:
    """Make the cluster beside its final place and rename it there.

    `lock` is the directory's: the programs hold it too, should we be killed while they run.
    """
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    with tempfile.TemporaryFile() as secret:
        secret.write(password.encode())
        secret.seek(0)
        if user is not None:
            os.chown(draft, *user)
            os.fchown(secret.fileno(), *user)
        process = spawn(
            [str(programs / "initdb"), "-D", address(draft, user), *_OPTIONS],
            death_signal=signal.SIGTERM,
            user=user,
            cwd=draft,
            env=environment(),
            stdin=secret,
            output=subprocess.PIPE,
            pass_fds=(lock,),
        )
        output = process.communicate()[0].decode(errors="replace")
    if process.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise EmbeddedPostgresError(
            f"A database cluster could not be made in {data}: {complaint(output)}"
        )
    if data.exists():
        data.rmdir()  # An empty folder is ours to replace; anything in it is an error.
    draft.rename(data)


def address(folder: Path, user: tuple[int, int] | None) -> str:
    """Return how a program started in `folder` as `user` should call it."""
    return str(folder) if user is None else "/proc/self/cwd"


def environment() -> dict[str, str]:
    """Return our environment without what would redirect Postgres' programs, and without secrets.

    The key of the vault would lie where its rows do: whoever reads files through SQL reads both.
    """
    ours = without_secrets(os.environ)
    return {k: v for k, v in ours.items() if not k.startswith(("PG", "LC_", "LANG"))}


def complaint(output: str) -> str:
    """Return the lines of a program's output that say what went wrong, as one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marks = ("FATAL:", "PANIC:", "ERROR:", "HINT:", "DETAIL:", "error:", "could not", "Cannot run")
    told = [line for line in lines if any(mark in line for mark in marks)]
    return " ".join((told or lines)[-4:]) or "it said nothing"
