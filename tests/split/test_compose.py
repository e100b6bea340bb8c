"""compose.yaml and what it mounts agree with the program, and every container is closed in."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.settings import load
from tests.faults.processes import ROOT
from workers import names

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
        assert settings.master_key is not None
    is_owner = settings.migrate_database_url != settings.database_url
    assert is_owner is (name == "migrate")


def test_names_of_hosts_in_addresses_are_services(made: Path) -> None:
    for file in ("database_url", "migrate_database_url"):
        assert "@postgres:5432/aviary" in (made / file).read_text()
    for found in OURS.values():
        assert found["environment"]["AVIARY_PAPER_URL"] == "http://paper:8100"
