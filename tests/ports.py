"""Ports for what tests start: none is given twice, to this run or to another one on this machine.

They lie below the range that the kernel gives to outgoing connections and to servers that leave the
choice to it. From that range a port could be taken by anybody between its choice and its use, and
each time that its server is started again; and a client that tries again and again to reach a dead
server would at some time be connected to itself, and hold the port when the server wants it back.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_PORTS = range(20_000, 32_000)
_TRIES = 1000
_given: set[int] = set()
_locks: list[int] = []
"""One open file, in which each process locks a byte for each port that it was given."""


def free_port() -> int:
    """One that nobody listens at; it is this process's until that ends."""
    for port in random.sample(_PORTS, _TRIES):
        if port not in _given and _is_unused(port) and _is_locked(port):
            _given.add(port)
            return port
    raise AssertionError(f"No port of {_TRIES} tried in {_PORTS} is free.")


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _is_locked(port: int) -> bool:
    """Whether we could lock it. Locks of this kind end with their process."""
    if not _locks:
        path = Path(tempfile.gettempdir()) / f"aviary-test-ports-{os.geteuid()}"
        _locks.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        fcntl.lockf(_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True
