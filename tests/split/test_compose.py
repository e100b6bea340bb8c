"""compose.yaml and what it mounts agree with the program, and every container is closed in."""

import base64
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.settings import load
from tests.faults.processes import ROOT
from workers.running import names

COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: found for name, found in SERVICES.items() if found["image"].startswith("aviary:")}
WRITES_BESIDE_ITS_PROGRAMS = {"kafka"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make secrets` makes."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


def test_every_worker_has_a_container_of_its_own() -> None:
    workers = {tuple(found["command"]) for found in OURS.values()}
    assert workers == {
        ("api",),
        ("migrate",),
        ("worker", "paper"),
        *(("worker", name) for name in names.EVERY),
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_closed_in(name: str) -> None:
    found = SERVICES[name]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["read_only"] is (name not in WRITES_BESIDE_ITS_PROGRAMS)
    assert set(found["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert found["restart"]
    assert found["healthcheck"] == {"disable": True} or found["healthcheck"]["test"]


def test_only_the_api_is_published_and_only_on_loopback() -> None:
    published = {name: found["ports"] for name, found in SERVICES.items() if "ports" in found}
    assert published == {"api": ["${AVIARY_PUBLISH:-127.0.0.1:8000}:8000"]}


@pytest.mark.parametrize("name", OURS)
def test_a_health_check_asks_for_its_own_process(name: str) -> None:
    found = OURS[name]
    if name != "migrate":
        expected = found["command"][-1]
        assert found["healthcheck"]["test"] == ["CMD", "aviary", "health", expected]


def test_every_secret_is_made_once_and_hidden_from_others(made: Path) -> None:
    wanted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert {file.name for file in made.iterdir()} == wanted
    assert made.stat().st_mode & 0o777 == 0o700
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(made)], check=True, capture_output=True)
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before
    assert len(set(before.values())) == len(before)


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_each_container_are_accepted(name: str, made: Path) -> None:
    found = OURS[name]
    environment = {
        key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for key, value in found["environment"].items()
    }
    for key, value in environment.items():
        if value.startswith("/run/secrets/"):
            secret = value.removeprefix("/run/secrets/")
            assert secret in found["secrets"], f"{name} reads {secret}, which it is not given"
            environment[key] = str(made / secret)
    settings = load(environment, env_file=None)
    given = {Path(value).name for key, value in environment.items() if key.endswith("_FILE")}
    assert given == set(found["secrets"])
    if name == "api":
        assert settings.password != "admin"
    # One seals credentials, the other opens them.
    assert (settings.master_key is not None) is (name in {"api", "dispatcher"})
    is_owner = settings.migrate_database_url != settings.database_url
    assert is_owner is (name == "migrate")


def reached(name: str) -> set[str]:
    """The services that a container of this one can speak to."""
    networks = set(SERVICES[name]["networks"])
    return {other for other, found in SERVICES.items() if networks & set(found["networks"])}


def test_each_container_reaches_what_it_needs() -> None:
    assert set(COMPOSE["networks"]) == {n for found in SERVICES.values() for n in found["networks"]}
    for name, found in OURS.items():
        if "database_url" in found["secrets"]:
            assert "postgres" in reached(name)
        if name in names.WITH_KAFKA:
            assert "kafka" in reached(name)
        if name in {"api", "dispatcher"}:
            assert "paper" in reached(name)


def test_bots_and_venues_reach_neither_the_store_nor_kafka() -> None:
    assert reached("mosquitto") == {"mosquitto"}
    assert reached("paper") == {"paper", "api", "dispatcher"}
    assert reached("kafka") == {"kafka", *names.WITH_KAFKA}
    assert reached("postgres") == {"postgres", *OURS} - {"paper"}


def cluster_of(data: Path) -> str:
    """The id under which the broker of compose.yaml would format its volume."""
    script = [str(ROOT / "deploy/kafka/start.sh"), str(data), "env"]
    said = subprocess.run(["sh", *script], check=True, capture_output=True, text=True).stdout  # noqa: S607
    return dict(line.split("=", 1) for line in said.splitlines())["CLUSTER_ID"]


def test_a_new_volume_of_kafka_is_a_new_cluster_and_an_old_one_stays_the_same(
    tmp_path: Path,
) -> None:
    made = [cluster_of(tmp_path) for _ in range(50)]
    assert len(set(made)) == len(made)
    for cluster in made:
        assert len(base64.urlsafe_b64decode(cluster + "==")) == 16
        assert re.fullmatch("[A-Za-z0-9]{22}", cluster), "a dash in front would be an option"
    (tmp_path / "meta.properties").write_text(f"version=1\ncluster.id={made[0]}\nnode.id=1\n")
    assert cluster_of(tmp_path) == made[0]
    kafka = SERVICES["kafka"]
    assert kafka["command"] == ["sh", "/opt/aviary/start.sh"]
    assert "./deploy/kafka:/opt/aviary:ro" in kafka["volumes"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]


def test_what_is_mounted_is_there() -> None:
    mounted = [v for found in SERVICES.values() for v in found.get("volumes", ())]
    for volume in mounted:
        source = volume.partition(":")[0]
        assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]


def test_a_topic_prefix_can_be_chosen_from_outside() -> None:
    for found in OURS.values():
        if "KAFKA_BOOTSTRAP_SERVERS" in found["environment"]:
            prefix = found["environment"]["AVIARY_KAFKA_TOPIC_PREFIX"]
            assert prefix == "${AVIARY_KAFKA_TOPIC_PREFIX:-aviary}"


def test_names_of_hosts_in_addresses_are_services(made: Path) -> None:
    for file in ("database_url", "migrate_database_url"):
        assert "@postgres:5432/aviary" in (made / file).read_text()
    for found in OURS.values():
        assert found["environment"]["AVIARY_PAPER_URL"] == "http://paper:8100"
