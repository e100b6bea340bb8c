"""Finds Java and the jars of Apache Kafka, which Maven fetches once into the user's cache.

`python -m tests.kafka_jars` fetches them ahead of time.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cache import cache_folder

POM = Path(__file__).parent / "broker" / "pom.xml"
JAVA_MIN = 17
_FETCH_SECONDS = 600
_KAFKA = re.compile(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([\d.]+)</version>")


class NoKafka(RuntimeError):  # noqa: N818 - says what is so
    """This machine has no broker to run and cannot get one; the text says what to do."""


def java_version(java: str) -> int:
    """The feature release of a Java, as in 17; 0 where it does not tell."""
    told = subprocess.run(
        [java, "-version"], capture_output=True, text=True, timeout=60, check=False
    )
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(found[1]) if found else 0


def find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise NoKafka("Kafka needs Java. Run: apt-get install -y openjdk-17-jre-headless")
    if (version := java_version(java)) < JAVA_MIN:
        raise NoKafka(
            f"{java} is Java {version}, Kafka needs {JAVA_MIN} or newer. "
            "Run: apt-get install -y openjdk-17-jre-headless"
        )
    return java


def jars_folder() -> Path:
    """Where the jars of this pom.xml belong, fetched or not."""
    pom = POM.read_bytes()
    version = _KAFKA.search(pom.decode())
    assert version is not None, f"{POM} names no version of kafka_2.13"
    return cache_folder() / f"kafka-{version[1]}-{hashlib.sha256(pom).hexdigest()[:8]}"


def fetched_jars() -> Path:
    """The folder with every jar. It appears whole: a fetch that dies leaves it missing."""
    folder = jars_folder()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka(
            f"Kafka is not in {folder} and there is no mvn to fetch it. "
            "Run: apt-get install -y maven"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as name:
        # Maven writes beside the pom.xml, and the checkout may be read-only.
        shutil.copy(POM, name)
        whole = Path(name) / "jars"
        command = [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={whole}"],
                cwd=name,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_FETCH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoKafka(f"mvn did not fetch Kafka within {_FETCH_SECONDS} s.") from error
        if done.returncode != 0:
            raise NoKafka(f"mvn could not fetch Kafka: {(done.stdout + done.stderr)[-2000:]}")
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            # Another process fetched it meanwhile.
    return folder


if __name__ == "__main__":
    try:
        print(find_java(), fetched_jars())  # noqa: T201 - its whole purpose
    except NoKafka as error:
        sys.exit(str(error))
