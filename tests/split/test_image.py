"""The image, built by its Dockerfile and run without any rights, against a plain Postgres."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.installation import binaries
from tests import debian_base
from tests.faults.clients import HttpClient, order_body
from tests.faults.intents import Place
from tests.faults.processes import ROOT, until
from tests.ports import free_port
from tests.split.docker_engine import IMAGE, NEEDED, Engine, engine
from tests.split.members import START_SECONDS, is_ready, login_of

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(
        os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDED),
        reason="needs root and: apt-get install -y docker.io debootstrap",
    ),
]

CLOSED_IN = (
    *("run", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"),
    "--security-opt=no-new-privileges",
)
OWNER_PASSWORD, APP_PASSWORD, PASSWORD = "owner's; pass", "app pass", "correct horse"


@pytest.fixture(scope="module")
def image() -> Iterator[Engine]:
    """An engine that has the image. Its folder's name is short: sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="aviary-"))
    try:
        with engine(folder) as found:
            found.import_base(debian_base.archive())
            found.build()
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server on which only deploy/postgres/10-aviary.sql has made logins and database."""
    with EmbeddedPostgres(tmp_path / "plain") as server:
        dsn = server.dsn("superuser", "postgres")
        attributes = "select rolname, rolcanlogin, rolcreaterole, rolcreatedb, rolinherit, rolsuper"
        query = f"{attributes} from pg_roles where rolname like 'aviary%' order by 1"
        with psycopg.connect(dsn, autocommit=True) as superuser:
            expected = superuser.execute(query.encode()).fetchall()
            for what in ("database aviary", "role aviary_owner", "role aviary_app"):
                superuser.execute(f"drop {what}".encode())
            passwords = {"owner_password": OWNER_PASSWORD, "app_password": APP_PASSWORD}
            subprocess.run(
                [
                    *(str(binaries(None) / "psql"), "--set=ON_ERROR_STOP=1", dsn),
                    *(f"--set={name}={value}" for name, value in passwords.items()),
                    f"--file={ROOT / 'deploy/postgres/10-aviary.sql'}",
                ],
                check=True,
                capture_output=True,
            )
            assert superuser.execute(query.encode()).fetchall() == expected
        yield server


def test_the_image_holds_the_program_and_no_tools(image: Engine) -> None:
    assert "doctor" in image.run(*CLOSED_IN, "--rm", IMAGE, "--help")
    script = "id -u; id -g; for tool in gcc make pip git; do command -v $tool; done; env"
    said = image.run(*CLOSED_IN, "--rm", "--entrypoint=sh", IMAGE, "-c", script).splitlines()
    assert said[:2] == ["10001", "10001"]
    assert not [line for line in said if line.startswith("/")]
    assert not [line for line in said if "PASSWORD" in line]


def test_the_root_file_system_may_be_read_only_and_a_wrong_setting_ends_it(image: Engine) -> None:
    said = image.run(
        *CLOSED_IN, "--rm", "--env=PASSWORD_FILE=/run/secrets/password", IMAGE, "doctor", code=2
    )
    assert "/run/secrets/password cannot be read" in said


def is_placed(client: HttpClient) -> bool:
    """A venue that came later than the API is asked for its rules again after a while."""
    body = order_body(Place("in a container"))
    reply = client.call("POST", "/trading/orders", body, Idempotency_Key="the-one")
    assert reply.status in {201, 503}, reply
    return reply.status == 201


def statuses(client: HttpClient) -> list[str]:
    found = client.call("POST", "/trading/orders/search", {}).body["data"]
    return [row["status"] for row in found]


def test_containers_of_every_part_serve_an_order(
    image: Engine, plain: EmbeddedPostgres, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    port, paper_port = free_port(), free_port()
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(secrets)], check=True, capture_output=True)
    for name, login, password in (
        ("database_url", "aviary_app", APP_PASSWORD),
        ("migrate_database_url", "aviary_owner", OWNER_PASSWORD),
    ):
        address = f"127.0.0.1:{plain.port}/aviary"
        (secrets / name).write_text(f"postgresql://{login}:{quote(password)}@{address}")
    (secrets / "password").write_text(PASSWORD)
    settings = {
        "DATABASE_URL_FILE": "/run/secrets/database_url",
        "AVIARY_MIGRATE_DATABASE_URL_FILE": "/run/secrets/migrate_database_url",
        "PASSWORD_FILE": "/run/secrets/password",
        "AVIARY_MASTER_KEY_FILE": "/run/secrets/master_key",
        "AVIARY_PAPER_TOKEN_FILE": "/run/secrets/paper_token",
        "AVIARY_PAPER_URL": f"http://127.0.0.1:{paper_port}",
        "AVIARY_PORT": str(port),
    }
    given = [
        "--network=host",
        *(f"--volume={file}:/run/secrets/{file.name}:ro" for file in secrets.iterdir()),
        *(f"--env={name}={value}" for name, value in settings.items()),
    ]
    assert "Applied 0001" in image.run(*CLOSED_IN, *given, "--rm", IMAGE, "migrate")
    parts = {
        "api": ["api"],
        "paper": ["worker", "paper"],
        **{name: ["worker", name] for name in ("dispatcher", "projector", "scheduler")},
    }
    containers = {
        name: image.run(
            *CLOSED_IN, *given, "--detach", "--tmpfs=/var/lib/aviary:uid=10001", IMAGE, *command
        ).split()[-1]
        for name, command in parts.items()
    }
    try:
        client = HttpClient(port, login_of("admin", PASSWORD))
        until(lambda: is_ready(client), "the API in its container is ready", START_SECONDS)
        until(lambda: is_placed(client), "the order is taken")
        until(lambda: statuses(client) == ["OPEN"], "the order rests")
        for name, container in containers.items():
            image.run("exec", container, "aviary", "health", name)
        without = "AVIARY_MIGRATE_DATABASE_URL_FILE="  # as workers run: empty is not given
        image.run(*CLOSED_IN, *given, f"--env={without}", "--rm", IMAGE, "doctor")
        image.run("stop", "--time=60", *containers.values(), seconds=360)
        codes = image.run("inspect", "--format={{.State.ExitCode}}", *containers.values()).split()
        assert set(codes) <= {"0", str(128 + signal.SIGTERM)}, codes
    finally:
        for name, container in containers.items():
            print(name, image.run("logs", "--tail=20", container, code=None))  # noqa: T201
        image.run("rm", "--force", *containers.values())
