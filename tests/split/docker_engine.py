"""The Dockerfile built and run for real: an engine, and a base image with nothing but Python.

An engine that answers already is used; else one is started on folders of its own, which needs root.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adapters.spawn import spawn
from tests.debian_base import CERTIFICATES
from tests.faults.processes import ROOT, until

BASE, IMAGE = "aviary-test-base", "aviary-test"
NEEDED = ("docker", "debootstrap", "tar")
_START_SECONDS = 120.0
_BUILD_SECONDS = 900.0


class Engine:
    """The docker command, spoken to one engine."""

    def __init__(self, host: str | None = None) -> None:
        self._environment = dict(os.environ) | {"DOCKER_BUILDKIT": "0"}
        if host is not None:
            self._environment["DOCKER_HOST"] = host

    def run(self, *arguments: str, seconds: float = 180.0, code: int | None = 0) -> str:
        """What it said; fails where it ends with another code, None for any."""
        done = subprocess.run(
            ["docker", *arguments],  # noqa: S607 - wherever it is installed
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.stdout[-5000:]}"
        return done.stdout

    def answers(self) -> bool:
        """`docker version` says something of the server only where one answers."""
        said = self.run("version", "--format={{if .Server}}{{.Server.Os}}{{end}}", code=None)
        return said.strip() == "linux"

    def import_base(self, archive: Path) -> None:
        # What pip needs here to reach the package index, if anything.
        changes = [f"--change=ENV {name}={value}" for name, value in pip_settings().items()]
        self.run("import", *changes, str(archive), BASE)

    def build(self) -> str:
        proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
        arguments = [f"--build-arg={name}" for name in (f"BASE={BASE}", *proxies)]
        return self.run(
            *("build", "--network=host", "--tag", IMAGE, *arguments, str(ROOT)),
            seconds=_BUILD_SECONDS,
        )


def pip_settings() -> Mapping[str, str]:
    folders = ("PIP_FIND_LINKS", "PIP_CACHE_DIR")
    found = {n: v for n, v in os.environ.items() if n.startswith("PIP_") and n not in folders}
    return found | {"PIP_CERT": str(CERTIFICATES)}


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    found = Engine()
    if found.answers():
        yield found
        return
    host = f"unix://{folder}/engine.sock"
    flags = {
        "host": host,
        "data-root": f"{folder}/data",
        "exec-root": f"{folder}/run",
        "pidfile": f"{folder}/engine.pid",
        "iptables": "false",
        "ip6tables": "false",
        "bridge": "none",
    }
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "There is no dockerd. Run: apt-get install -y docker.io"
    log = folder / "engine.log"
    with log.open("wb") as output:
        argv = [program, *(f"--{name}={value}" for name, value in flags.items())]
        process = spawn(argv, death_signal=signal.SIGTERM, output=output)
    started = Engine(host)
    try:

        def is_up() -> bool:
            assert process.poll() is None, f"dockerd ended: {log.read_text()[-3000:]}"
            return started.answers()

        until(is_up, "dockerd answers", _START_SECONDS)
        yield started
    finally:
        process.terminate()
        process.wait(60)
        # What containers on the host's network leave mounted, and nobody could remove.
        for mounted in (folder / "run/netns").glob("*"):
            subprocess.run(["umount", str(mounted)], check=True)  # noqa: S607
