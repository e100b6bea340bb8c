"""Start a child process that is told when its parent dies, optionally as another user.

Linux sends the death signal when the *thread* that forked ends, so `spawn` insists on the main
thread. The kernel forgets the request when a process changes its user, so it is made after the
change, in a short-lived Python that then becomes the wanted program by exec; `preexec_fn` could do
the same but runs Python in a forked copy of a threaded process. Elsewhere than on Linux the child
simply has no death signal.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1


def spawn(
    argv: Sequence[str],
    *,
    death_signal: int,
    user: tuple[int, int] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    output: int | IO[Any] | None = None,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` (an absolute path first) in a session of its own.

    `user` is (uid, gid) to become; the working directory is entered before that, so it may lie
    where that user could not walk to. Standard output and error both go to `output`. The new
    session keeps a terminal's Ctrl-C from the child: its parent decides when it stops.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Start children from the main thread: their death signal follows it.")
    identity = "-" if user is None else f"{user[0]}:{user[1]}"
    shim = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal))]
    return subprocess.Popen(  # noqa: S603 - the caller names the program
        [*shim, identity, *argv],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=stdin,
        stdout=output,
        stderr=output if output is None else subprocess.STDOUT,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )


def _become(parent: int, death_signal: int, identity: str, argv: list[str]) -> None:
    """Turn this process into `argv`; returns only by raising OSError."""
    prctl = None
    if sys.platform == "linux":
        import ctypes  # before the user changes: the library may be out of its reach

        prctl = ctypes.CDLL(None, use_errno=True).prctl
    if identity != "-":
        uid, gid = (int(part) for part in identity.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # It died before the request was made.
            sys.exit(1)
    os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except OSError as error:
        sys.stderr.write(f"Cannot run {sys.argv[4]}: {error.strerror}.\n")
        sys.exit(127)
