"""Getting Kafka, with a Java and a Maven that do as the test says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kafka_jars import NoKafka, fetched_jars, find_java, jars_folder

Put = Callable[[str, str], None]

MAVEN = """
for argument; do
  case $argument in -DoutputDirectory=*) folder=${argument#*=};; esac
done
/bin/mkdir "$folder"
echo jar > "$folder/kafka.jar"
"""


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return what puts a shell script on an otherwise empty PATH; the cache is empty too."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def program(name: str, script: str) -> None:
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return program


def test_a_fetch_that_fails_halfway_is_not_taken_for_whole(put: Put) -> None:
    put("mvn", MAVEN + "echo no route to central; exit 1")
    with pytest.raises(NoKafka, match="no route to central"):
        fetched_jars()
    assert list(jars_folder().parent.iterdir()) == []
    put("mvn", MAVEN)
    assert (fetched_jars() / "kafka.jar").read_text() == "jar\n"


def test_what_was_fetched_once_needs_no_maven(put: Put) -> None:
    put("mvn", MAVEN)
    first = fetched_jars()
    put("mvn", "exit 1")
    assert fetched_jars() == first


@pytest.mark.usefixtures("put")
def test_what_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(NoKafka, match="apt-get install -y openjdk-17-jre-headless"):
        find_java()
    with pytest.raises(NoKafka, match="apt-get install -y maven"):
        fetched_jars()


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_402"])
def test_a_java_that_is_too_old_is_named(put: Put, version: str) -> None:
    put("java", f"""echo 'openjdk version "{version}" 2024-01-16' >&2""")
    number = "11" if version.startswith("11") else "8"
    with pytest.raises(NoKafka, match=f"is Java {number}, Kafka needs 17 or newer"):
        find_java()


@pytest.mark.parametrize("version", ["17.0.15", "21"])
def test_a_java_that_is_new_enough_is_taken(put: Put, version: str) -> None:
    put("java", f"""echo 'openjdk version "{version}" 2025-04-15' >&2""")
    assert find_java().endswith("/programs/java")
