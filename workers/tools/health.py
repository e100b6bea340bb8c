"""Whether one process is well, asked from beside it: what a container's health check runs."""

import http.client
import socket
from urllib.parse import urlsplit

import psycopg

from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.settings import Settings
from adapters.values import BadSetting
from workers.running import names
from workers.running.database import find_running

_TIMEOUT_SECONDS = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened to
_WELL = ("running", "standby")
_OWN = """
select state, extract(epoch from now() - alive_at)::int
from workers
where name = %s and split_part(process, ':', 1) = %s
order by alive_at desc
limit 1
"""


def check(settings: Settings, name: str) -> tuple[bool, str]:
    """Whether it is well, and a sentence. Raises BadSetting for a name that nothing has."""
    match name:
        case "api":
            return _answers(settings.host, settings.port, "/ready/api", {})
        case "paper":
            port = urlsplit(settings.paper_url or "").port or names.PAPER_PORT
            token = {"X-Paper-Token": settings.paper_token or ""}
            return _answers(settings.paper_host, port, "/time", token)
        case "all":
            found = [_beats(settings, one) for one in names.configured(settings)]
            return all(is_well for is_well, _ in found), "\n".join(text for _, text in found)
        case _ if name in names.EVERY:
            return _beats(settings, name)
    known = ", ".join(("api", "paper", *names.EVERY, "all"))
    raise BadSetting("health", f"{name!r} is none of {known}")


def _answers(host: str, port: int, path: str, headers: dict[str, str]) -> tuple[bool, str]:
    host = _EVERYWHERE.get(host, host)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return False, f"Nothing answers at {host}, port {port}: {error}"
    finally:
        connection.close()
    return answer.status == http.HTTPStatus.OK, f"{answer.status} {text}"


def _beats(settings: Settings, name: str) -> tuple[bool, str]:
    dsn = settings.database_url
    if dsn is None and (running := find_running(settings.data_dir)) is not None:
        dsn = running.app
    if dsn is None:
        return False, f"No database runs in {settings.data_dir.absolute()}: set DATABASE_URL."
    try:
        with connect(dsn, READER_OPTIONS, autocommit=True) as reader:
            row = reader.execute(_OWN, (name, socket.gethostname())).fetchone()
    except psycopg.Error as error:
        return False, f"The database cannot be asked: {error}"
    if row is None:
        return False, f"No {name} of this host was heard of."
    state, seconds = row
    is_well = state in _WELL and seconds <= names.ALIVE_SECONDS
    return is_well, f"The {name} is {state}, alive {seconds} s ago."
