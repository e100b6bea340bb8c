"""Says which system packages the tests miss, and the command that installs them.

Exits non-zero when CI is set and something is missing; elsewhere the tests that need it are
skipped by name.
"""

import os
import shutil
import sys
from collections.abc import Callable

from tests.kafka_jars import JAVA_MIN, NoKafka, find_java, jars_folder


def _no_java() -> bool:
    try:
        find_java()
    except NoKafka:
        return True
    return False


def _no_program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is None


NEEDED: tuple[tuple[str, str, Callable[[], bool]], ...] = (
    (
        "passwd",
        "the embedded Postgres run as root",
        lambda: os.geteuid() == 0 and shutil.which("useradd") is None,
    ),
    ("chromium", "the tests of /docs and /redoc in a real browser", _no_program("chromium")),
    ("openjdk-17-jre-headless", f"a real Kafka: it needs Java {JAVA_MIN} or newer", _no_java),
    (
        "docker.io iptables",
        "the image, built and run",
        lambda: os.geteuid() == 0 and shutil.which("docker") is None,
    ),
    (
        "debootstrap",
        "the base of the image, where there is no registry",
        lambda: os.geteuid() == 0 and shutil.which("debootstrap") is None,
    ),
    (
        "maven",
        f"the jars of Kafka, to fetch once into {jars_folder()}",
        lambda: not jars_folder().is_dir() and shutil.which("mvn") is None,
    ),
)
"""Package, what needs it, and whether it is missing here."""


def main() -> int:
    missing = [(package, purpose) for package, purpose, is_missing in NEEDED if is_missing()]
    for package, purpose in missing:
        print(f"{package} is missing, needed for {purpose}.")  # noqa: T201 - its whole purpose
    if missing:
        packages = " ".join(package for package, _ in missing)
        print(f"Run: apt-get install -y {packages}")  # noqa: T201 - its whole purpose
    return int(bool(missing and os.environ.get("CI")))


if __name__ == "__main__":
    sys.exit(main())
