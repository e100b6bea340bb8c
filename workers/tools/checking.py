"""What the command line checks: the seals, what is parked, and whether all is well."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from rich.table import Table

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.installation import EmbeddedPostgresError
from adapters.postgres.migrate import pending
from adapters.settings import Settings
from commands.seal import SealBroken
from domain.log import Head, StoreUnavailable
from workers.projecting.halted import list_halted
from workers.projecting.parked import WHOLE, list_parked
from workers.running.database import MIGRATIONS, database, settled
from workers.running.names import ALIVE_SECONDS, needed
from workers.tools import history
from workers.tools.kafka_health import examine_kafka
from workers.tools.lake_health import examine_lake
from workers.tools.vault_health import examine_vault

CLEAN, BROKEN, UNREADABLE = 0, 1, 2
Show = Callable[[int, int | None], None]


def verify_database(settings: Settings, show: Show) -> tuple[int, str]:
    """Check the stored log; answers an exit code and a sentence."""
    try:
        with (
            database(settings) as dsns,
            connect(dsns.app, READER_OPTIONS, autocommit=True) as log,
        ):
            stored = _stored_head(log)
            pages = history.pages(log, 0, stored.position)
            beginning = Head()
            verified = history.verify(pages, beginning, lambda at: show(at, stored.position))
            history.check_head(verified, stored)
    except SealBroken as error:
        return BROKEN, f"Broken at position {error.position}: {error}"
    except (psycopg.Error, EmbeddedPostgresError, StoreUnavailable, OSError) as error:
        return UNREADABLE, f"The log cannot be read: {error}"
    return CLEAN, f"Clean up to position {verified.position}, seal {verified.seal.hex()}"


def verify_file(path: Path, show: Show) -> tuple[int, str]:
    """Check an export without any database; answers an exit code and a sentence."""
    try:
        verified = history.verify(history.read_export(path), progress=lambda at: show(at, None))
    except SealBroken as error:
        return BROKEN, f"Broken at position {error.position}: {error}"
    except (OSError, ValueError) as error:
        return UNREADABLE, f"{path} cannot be read: {error}"
    return CLEAN, f"Clean up to position {verified.position}, seal {verified.seal.hex()}"


def _stored_head(log: psycopg.Connection[Any]) -> Head:
    row = log.execute("select position, seal from log_head").fetchone()
    if row is None:
        raise StoreUnavailable("The log has no head row; run `aviary migrate`.")
    return Head(*row)


def parked_table(settings: Settings) -> Table:
    shown = Table("read model", "key", "since position", "events", "error")
    with database(settings) as dsns, connect(dsns.app, READER_OPTIONS, autocommit=True) as reader:
        for entry in list_parked(reader):
            shown.add_row(
                entry.projection,
                entry.key,
                str(entry.first_position),
                str(entry.events),
                entry.error,
            )
    return shown


def examine(settings: Settings) -> tuple[Table, bool]:
    """What is configured, reachable and behind; and whether all of it is well."""
    shown = Table("what", "how it is", "well")
    findings: list[tuple[str, str, bool]] = [("settings", repr(settings), True)]
    try:
        with (
            database(settings) as dsns,
            connect(dsns.app, READER_OPTIONS, autocommit=True) as reader,
        ):
            # As a reader: where workers run, nobody has the owner's login.
            missing = pending(make_conninfo(dsns.app, options=READER_OPTIONS), MIGRATIONS)
            findings.append(("migrations", ", ".join(missing) or "all applied", not missing))
            if not missing:
                findings += _examine_log(reader, settled(settings, dsns))
                findings += examine_vault(settings, dsns.app)
    except (psycopg.Error, EmbeddedPostgresError, StoreUnavailable, OSError) as error:
        findings.append(("database", str(error), False))
    for what, how, is_well in findings:
        shown.add_row(what, how, "yes" if is_well else "[red]no[/red]")
    return shown, all(is_well for _, _, is_well in findings)


def _examine_log(
    reader: psycopg.Connection[Any], settings: Settings
) -> list[tuple[str, str, bool]]:
    head = _stored_head(reader)
    findings = [("log", f"{head.position} events", True)]
    feeds = set()
    for name, feed, position in reader.execute(
        "select projection, feed, position from read_positions order by projection"
    ):
        behind = head.position - position
        is_well = behind <= settings.lag_max_events
        findings.append((f"read model {name}", f"{behind} events behind, by {feed}", is_well))
        feeds.add(feed)
    findings += [
        (
            f"read model {halted.projection}",
            f"halted at position {halted.position} ({halted.events} events wait): {halted.error}",
            False,
        )
        for halted in list_halted(reader)
    ]
    findings += examine_kafka(settings, reader, head.position)
    findings += examine_lake(settings, reader, head.position)
    findings += _examine_processes(reader, needed(settings, feeds))
    entries = [entry for entry in list_parked(reader) if entry.key != WHOLE]
    findings.append(("parked", f"{len(entries)} keys", not entries))
    return findings


def _examine_processes(
    reader: psycopg.Connection[Any], wanted: Sequence[str]
) -> list[tuple[str, str, bool]]:
    """Every process heard of within the hour: well if one of its name runs, or none need to."""
    found = reader.execute(
        """select name, process, state, extract(epoch from now() - alive_at)::int, detail
        from workers order by name, process"""
    ).fetchall()
    running = {row[0] for row in found if row[2] == "running" and row[3] <= ALIVE_SECONDS}
    idle = {row[0] for row in found if row[2] == "stopped"} - set(wanted)
    findings = [
        (f"{name} at {process}", f"{state}, alive {seconds} s ago", name in running | idle)
        for name, process, state, seconds, _ in found
    ]
    missing = set(wanted) - {row[0] for row in found}
    findings += [(name, "was not heard of within the hour", False) for name in sorted(missing)]
    apis = [
        detail
        for name, _, state, seconds, detail in found
        if name == "api" and state == "running" and seconds <= ALIVE_SECONDS
    ]
    for what, said in (
        ("key_fingerprint", "master key"),
        ("login_fingerprint", "user name or password"),
    ):
        if len({detail.get(what) for detail in apis}) > 1:
            findings.append(("API processes", f"they do not share one {said}", False))
    return findings
