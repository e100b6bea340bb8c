"""The base of the image under test: a Debian with Python, as an archive in the user's cache.

There may be no registry to pull from, so it comes from the Debian mirror, by debootstrap.
`python -m tests.debian_base` makes it ahead of time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cache import cache_folder

RELEASE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""This machine's authorities: pip in the image reaches the package index as pip here does."""
_SECONDS = 300


def archive_path() -> Path:
    """Where it belongs, made or not."""
    told = hashlib.sha256(f"{RELEASE} {PACKAGES} {MIRROR} ".encode())
    if CERTIFICATES.exists():
        told.update(CERTIFICATES.read_bytes())
    return cache_folder() / f"debian-{RELEASE}-{told.hexdigest()[:8]}.tar"


def archive() -> Path:
    """Make it where it is missing. It appears whole: a making that dies leaves it missing."""
    path = archive_path()
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="debian-") as name:
        tree, packed = Path(name) / "tree", Path(name) / "packed.tar"
        _run(
            *("debootstrap", "--variant=minbase", f"--include={PACKAGES}"),
            *(RELEASE, str(tree), MIRROR),
        )
        if CERTIFICATES.exists():
            shutil.copyfile(CERTIFICATES, tree / CERTIFICATES.relative_to("/"))
        _run("tar", "-C", str(tree), "-cf", str(packed), ".")
        packed.rename(path)
    return path


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-3000:]}")


if __name__ == "__main__":
    if os.geteuid() or shutil.which("debootstrap") is None:
        sys.exit("The base needs root and: apt-get install -y debootstrap")
    print(archive())  # noqa: T201 - its whole purpose
