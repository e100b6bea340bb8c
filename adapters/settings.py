"""Everything that can be set from outside: read once, checked, named after what was wrong.

Values come from the environment, then from a `.env` file, then from the defaults below; an empty
value means the default. A secret may also be read from a file (adapters/secret_files.py).
`.env.example` documents every name.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from adapters import secret_files, values, venue_settings
from adapters.env_file import read
from adapters.values import BadSetting

_OURS = "AVIARY_"
_TEST_NAMES = ("AVIARY_CRASH", "AVIARY_FREEZE")  # crash points and sampling of the test suite
_DEFAULT_PASSWORD = "admin"  # noqa: S105 - refused off loopback


class Settings(Struct, frozen=True, kw_only=True):
    username: str = "admin"
    password: str = _DEFAULT_PASSWORD
    host: str = "127.0.0.1"
    port: int = 8000
    trusted_proxies: tuple[str, ...] = ()
    data_dir: Path = Path("data")
    log_level: str = "info"
    master_key: bytes | None = None
    old_master_keys: tuple[bytes, ...] = ()
    config_password: str | None = None
    old_config_password: str | None = None
    allow_withdrawal_keys: bool = False
    database_url: str | None = None
    migrate_database_url: str | None = None
    lake_dsn: str | None = None
    lake_reader_dsn: str | None = None
    lake_data: str = ""
    lake_memory_mb: int = 512
    lake_store_key_id: str = ""
    lake_store_secret: str | None = None
    lake_store_region: str = ""
    lake_store_endpoint: str = ""
    analytics_queries_max: int = 2
    analytics_seconds: float = 30.0
    analytics_rows_max: int = 100_000
    analytics_bytes_max: int = 16 << 20
    analytics_memory_mb: int = 512
    lake_export_hour: int = 2
    candle_days: int = 30
    paper_url: str | None = None
    paper_host: str = "127.0.0.1"
    paper_token: str | None = None
    paper_candles: Path | None = None
    paper_speed: float = 1.0
    paper_faults: str = ""
    paper_test_mode: bool = False
    kafka_bootstrap_servers: tuple[str, ...] = ()
    kafka_topic_prefix: str = "aviary"
    kafka_partitions: int = 12
    kafka_replication: int = 1
    kafka_security: str = "plaintext"
    kafka_mechanism: str = "scram-sha-256"
    kafka_username: str = ""
    kafka_password: str = ""
    kafka_ca_file: Path | None = None
    cors_allow_origins: tuple[str, ...] = ()
    cors_allow_origin_regex: str | None = None
    in_flight_max: int = 2048
    batch_max: int = 256
    body_bytes_max: int = 1048576
    rate_per_second: int = 5000
    rate_burst: int = 10000
    reconcile_seconds: float = 30.0
    funding_seconds: float = 3600.0
    send_window_seconds: float = 5.0
    lease_seconds: float = 10.0
    lag_max_events: int = 10000
    followers_max: int = 200
    open_orders_max: int = 10_000
    account_update_interval: float = 5.0
    market_data_feed_timeout: float = 600.0
    market_data_cleanup_interval: float = 300.0
    feeds_max: int = 200
    sockets_max: int = 1000
    venue_urls: Mapping[str, str] = {}
    """By connector, as the two below (adapters/venue_settings.py)."""
    venue_proxies: Mapping[str, str] = {}
    venue_rates: Mapping[str, float] = {}

    def __repr__(self) -> str:
        shown = {field: getattr(self, field) for field in self.__struct_fields__}
        hidden = {field for field, (_, secret) in _READERS.items() if secret} | {"venue_proxies"}
        inside = (f"{k}={'***' if k in hidden and v else repr(v)}" for k, v in shown.items())
        return f"Settings({', '.join(inside)})"


_READERS: dict[str, tuple[Callable[[str], Any], bool]] = {
    "username": (values.username, False),
    "password": (str, True),
    "host": (values.text, False),
    "port": (values.whole(0, 65535), False),
    "trusted_proxies": (values.networks, False),
    "data_dir": (Path, False),
    "log_level": (values.one_of("debug", "info", "warning", "error"), False),
    "master_key": (values.key_of_32_bytes, True),
    "old_master_keys": (values.keys_of_32_bytes, True),
    "config_password": (str, True),
    "old_config_password": (str, True),
    "allow_withdrawal_keys": (values.switch, False),
    "database_url": (values.postgres_url, True),
    "migrate_database_url": (values.postgres_url, True),
    "lake_dsn": (values.postgres_url, True),
    "lake_reader_dsn": (values.postgres_url, True),
    "lake_data": (values.lake_place, False),
    "lake_memory_mb": (values.whole(64, 1_000_000), False),
    "lake_store_key_id": (values.text, False),
    "lake_store_secret": (str, True),
    "lake_store_region": (values.text, False),
    "lake_store_endpoint": (values.http_url, False),
    "analytics_queries_max": (values.whole(1, 100), False),
    "analytics_seconds": (values.number(0.1, 3600), False),
    "analytics_rows_max": (values.whole(1, 100_000_000), False),
    "analytics_bytes_max": (values.whole(1024, 1 << 30), False),
    "analytics_memory_mb": (values.whole(64, 1_000_000), False),
    "lake_export_hour": (values.whole(0, 23), False),
    "candle_days": (values.whole(1, 36_500), False),
    "paper_url": (values.http_url, False),
    "paper_host": (values.text, False),
    "paper_token": (str, True),
    "paper_candles": (Path, False),
    "paper_speed": (values.number(0.001, 1_000_000), False),
    "paper_faults": (values.text, False),
    "paper_test_mode": (values.switch, False),
    "kafka_bootstrap_servers": (values.host_ports, False),
    "kafka_topic_prefix": (values.topic_prefix, False),
    "kafka_partitions": (values.whole(1, 1000), False),
    "kafka_replication": (values.whole(1, 100), False),
    "kafka_security": (values.one_of("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"), False),
    "kafka_mechanism": (values.one_of("plain", "scram-sha-256", "scram-sha-512"), False),
    "kafka_username": (values.text, False),
    "kafka_password": (str, True),
    "kafka_ca_file": (Path, False),
    "cors_allow_origins": (values.origins, False),
    "cors_allow_origin_regex": (values.pattern, False),
    "in_flight_max": (values.whole(1, 1_000_000), False),
    "batch_max": (values.whole(1, 10_000), False),
    "body_bytes_max": (values.whole(1024, 1 << 30), False),
    "rate_per_second": (values.whole(0, 10_000_000), False),
    "rate_burst": (values.whole(1, 10_000_000), False),
    "reconcile_seconds": (values.number(0.1, 86400), False),
    "funding_seconds": (values.number(1, 86400), False),
    "send_window_seconds": (values.number(0.1, 3600), False),
    "lease_seconds": (values.number(1, 3600), False),
    "lag_max_events": (values.whole(1, 1_000_000_000), False),
    "followers_max": (values.whole(0, 100_000), False),
    "open_orders_max": (values.whole(0, 1_000_000_000), False),
    "account_update_interval": (values.number(0, 1440), False),
    "market_data_feed_timeout": (values.number(0.1, 1e9), False),
    "market_data_cleanup_interval": (values.number(0.1, 1e9), False),
    "feeds_max": (values.whole(1, 100_000), False),
    "sockets_max": (values.whole(0, 100_000), False),
}
_FOREIGN = (
    "username",
    "password",
    "config_password",
    "database_url",
    "kafka_bootstrap_servers",
    "cors_allow_origins",
    "cors_allow_origin_regex",
    "account_update_interval",
    "market_data_feed_timeout",
    "market_data_cleanup_interval",
)


def _name(field: str) -> str:
    return field.upper() if field in _FOREIGN else _OURS + field.upper()


NAMES = {_name(field): field for field in _READERS}
SECRETS = tuple(name for name, field in NAMES.items() if _READERS[field][1])
FILE_NAMES = tuple(name + secret_files.SUFFIX for name in SECRETS)


def load(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> Settings:
    """Return the settings, or raise BadSetting for the first value or name that is wrong."""
    environ = os.environ if environ is None else environ
    from_file = read(env_file) if env_file is not None else {}
    _check_names({**from_file, **environ})
    # Each source by itself: the environment wins over the file in whichever form it speaks.
    given = secret_files.resolve(from_file, SECRETS) | secret_files.resolve(environ, SECRETS)
    found = {
        field: _parse(name, field, given[name])
        for name, field in NAMES.items()
        if given.get(name) or (name in given and field == "password")
    }
    found.setdefault("migrate_database_url", found.get("database_url"))
    settings = Settings(**(found | venue_settings.read({**from_file, **environ})))
    _check_together(settings)
    return settings


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """For programs that are not to know our keys and passwords; proxies may hold some too."""
    return {
        name: value
        for name, value in environ.items()
        if name not in SECRETS and not name.startswith("VENUE_")
    }


def _check_names(given: Mapping[str, str]) -> None:
    known = (*NAMES, *FILE_NAMES)
    for name in sorted(given):
        if name.startswith(_OURS) and name not in known and not name.startswith(_TEST_NAMES):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See .env.example for those there are."
            raise BadSetting(name, f"there is no such setting. {hint}")


def _parse(name: str, field: str, raw: str) -> Any:
    parse, secret = _READERS[field]
    try:
        return parse(raw)
    except ValueError as error:
        shown = "the value (not shown)" if secret else repr(raw)
        raise BadSetting(name, f"{shown} is not allowed: it must be {error}") from None


def _check_together(settings: Settings) -> None:
    """Refuse what is wrong only in combination."""
    guessable = settings.password in ("", _DEFAULT_PASSWORD)
    if guessable and not values.is_loopback(settings.host):
        raise BadSetting(
            "PASSWORD",
            f"with AVIARY_HOST={settings.host} others can reach this server, and the password is "
            "empty or the default. Set PASSWORD to one of your own",
        )
    if not settings.paper_token and not values.is_loopback(settings.paper_host):
        raise BadSetting(
            "AVIARY_PAPER_TOKEN",
            f"with AVIARY_PAPER_HOST={settings.paper_host} others can reach the paper venue, and "
            "nothing is asked of them. Set a token",
        )
    if settings.batch_max > settings.in_flight_max:
        raise BadSetting(
            "AVIARY_BATCH_MAX",
            f"{settings.batch_max} is more than AVIARY_IN_FLIGHT_MAX={settings.in_flight_max} "
            "commands can ever wait",
        )
    if settings.rate_per_second and settings.rate_burst < settings.rate_per_second:
        raise BadSetting(
            "AVIARY_RATE_BURST",
            f"{settings.rate_burst} is less than the {settings.rate_per_second} of "
            "AVIARY_RATE_PER_SECOND. Raise it at least to that",
        )
    if settings.kafka_security.startswith("sasl"):
        for field in ("kafka_username", "kafka_password"):
            if not getattr(settings, field):
                raise BadSetting(
                    _name(field),
                    f"AVIARY_KAFKA_SECURITY={settings.kafka_security} needs a user name and a "
                    "password, and this one is empty",
                )
