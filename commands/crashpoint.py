"""Named places where a test can kill this process, each the size of one string compare when off.

AVIARY_CRASH="name:3" kills at the third passage of `name`; AVIARY_CRASH_TRACE=file appends the
name of every passage, so that tests enumerate the points instead of listing them by hand.
AVIARY_FREEZE="name:3" stops (SIGSTOP) instead of killing.
"""

import os
import signal
import threading
from collections import Counter
from pathlib import Path

_ORDER = os.environ.get("AVIARY_CRASH", "") or os.environ.get("AVIARY_FREEZE", "")
_SIGNAL = signal.SIGKILL if os.environ.get("AVIARY_CRASH") else signal.SIGSTOP
_TRACE = os.environ.get("AVIARY_CRASH_TRACE", "")
_ON = bool(_ORDER or _TRACE)
_NAME, _, _TIMES = _ORDER.partition(":")
_passed: Counter[str] = Counter()


def crashpoint(name: str) -> None:
    if not _ON:
        return
    _passed[name] += 1
    if _TRACE:
        with Path(_TRACE).open("a") as trace:
            trace.write(name + "\n")
    if name == _NAME and _passed[name] == int(_TIMES or 1):
        # Sent to this thread: one sent to the process may stop another thread first, and this one
        # would run on past the point.
        signal.pthread_kill(threading.get_ident(), _SIGNAL)
