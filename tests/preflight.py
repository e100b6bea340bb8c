"""Says which system packages the tests miss, and the command that installs them.

Exits non-zero when CI is set and something is missing; elsewhere the tests that need it are
skipped by name.
"""

import os
import shutil
import sys
from collections.abc import Callable

NEEDED: dict[str, tuple[str, str, Callable[[], bool]]] = {
    "useradd": ("passwd", "the embedded Postgres run as root", lambda: os.geteuid() == 0),
    "chromium": ("chromium", "the tests of /docs and /redoc in a real browser", lambda: True),
}


def main() -> int:
    missing = [
        (package, purpose)
        for program, (package, purpose, is_needed) in NEEDED.items()
        if is_needed() and shutil.which(program) is None
    ]
    for package, purpose in missing:
        print(f"{package} is missing, needed for {purpose}.")  # noqa: T201 - its whole purpose
    if missing:
        packages = " ".join(package for package, _ in missing)
        print(f"Run: apt-get install -y {packages}")  # noqa: T201 - its whole purpose
    return int(bool(missing and os.environ.get("CI")))


if __name__ == "__main__":
    sys.exit(main())
