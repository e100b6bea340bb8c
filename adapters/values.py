"""How the text of a setting becomes a value.

Each reader raises ValueError completing the sentence "it must be ...".
"""

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from urllib.parse import urlsplit

_KEY_BYTES = 32
_PORT_MAX = 65535


class BadSetting(ValueError):  # noqa: N818 - reads as the fact it states
    """A setting cannot be used; `name` is the variable, str() the whole sentence."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}" + ("" if reason.endswith(("?", ".")) else "."))
        self.name = name
        self.reason = reason


def text(raw: str) -> str:
    return raw.strip()


def username(raw: str) -> str:
    if not raw.strip() or ":" in raw:
        raise ValueError("a name without a colon, which HTTP Basic cannot carry")
    return raw.strip()


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        if not re.fullmatch(r"\s*[0-9]{1,18}\s*", raw, re.ASCII) or not low <= int(raw) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(raw)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    def read(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number from {low:,g} to {high:,.10g}")
        return value

    return read


def switch(raw: str) -> bool:
    match raw.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise ValueError("true or false")


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw.strip().lower() not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return raw.strip().lower()

    return read


def host_ports(raw: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in raw.split(",") if part.strip())
    for part in found:
        host, _, port = part.rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX:
            raise ValueError("host:port, or several separated by commas")
    return found


def networks(raw: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in raw.split(",") if part.strip())
    for part in found:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError("addresses or networks such as 10.0.0.0/8, with commas") from None
    return found


def topic_prefix(raw: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", raw):
        raise ValueError("1 to 100 letters, digits, dots, dashes or underscores")
    return raw


def postgres_url(raw: str) -> str:
    """What the driver would only refuse later, with parts of the password in its words."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    address = raw.strip()
    if not address.startswith(("postgresql://", "postgres://")):
        raise ValueError("a Postgres address such as postgresql://user:password@host:5432/aviary")
    try:
        parts = conninfo_to_dict(address)
    except ProgrammingError:
        parts = {"port": "unreadable"}
    ports = str(parts.get("port", _PORT_MAX)).split(",")
    names = f"{parts.get('host', '')}{parts.get('dbname', '')}"
    if "@" in names or any(not re.fullmatch(r"[0-9]{0,5}", port, re.ASCII) for port in ports):
        raise ValueError(
            "a Postgres address whose user and password have %25 for %, %40 for @, %2F for / and "
            "%3A for :"
        )
    return address


def http_url(raw: str) -> str:
    parts = urlsplit(raw.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address such as http://127.0.0.1:8100")
    return raw.strip().rstrip("/")


def lake_place(raw: str) -> str:
    place = raw.strip()
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]*(/[^\s?#]*)?|/\S*", place):
        raise ValueError("an absolute folder or s3://bucket/folder")
    return place


def origins(raw: str) -> tuple[str, ...]:
    found = tuple(part.strip().rstrip("/") for part in raw.split(",") if part.strip())
    for origin in found:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin):
            raise ValueError("origins such as https://example.com, separated by commas")
    return found


def pattern(raw: str) -> str:
    try:
        re.compile(raw)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from None
    return raw


def key_of_32_bytes(raw: str) -> bytes:
    try:
        key = base64.b64decode(raw.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("32 random bytes in base64: openssl rand -base64 32")
    return key


def keys_of_32_bytes(raw: str) -> tuple[bytes, ...]:
    try:
        return tuple(key_of_32_bytes(part) for part in raw.split(",") if part.strip())
    except ValueError:
        raise ValueError("keys of 32 bytes in base64, separated by commas") from None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
