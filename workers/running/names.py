"""The workers that there are, and those that an installation needs."""

from collections.abc import Collection, Sequence

from adapters.settings import Settings
from adapters.values import BadSetting

ALWAYS = ("dispatcher", "projector", "scheduler")
LAKE = "lake"
RELAY, KAFKA_PROJECTOR = "relay", "kafka-projector"
WITH_KAFKA = (RELAY, KAFKA_PROJECTOR)
EVERY = (*ALWAYS, LAKE, *WITH_KAFKA)
ALIVE_SECONDS = 15.0
"""A process that has not beaten for so long is taken for dead."""
PAPER_PORT = 8100


def configured(settings: Settings) -> tuple[str, ...]:
    """What `aviary worker all` runs."""
    return ALWAYS + _lake(settings) + (WITH_KAFKA if settings.kafka_bootstrap_servers else ())


def chosen(settings: Settings, wanted: Sequence[str]) -> tuple[str, ...]:
    """What is to run here, by name or `all`. Raises LookupError, BadSetting where Kafka is not."""
    possible = configured(settings)
    if wanted == ["all"]:
        return possible
    for name in wanted:
        if name not in EVERY:
            raise LookupError(f"{name!r} is none of {', '.join(EVERY)}, all, paper")
        if name in WITH_KAFKA and name not in possible:
            text = f"the {name} needs Kafka: set it to host:port"
            raise BadSetting("KAFKA_BOOTSTRAP_SERVERS", text)
    return tuple(dict.fromkeys(wanted))


def needed(settings: Settings, feeds: Collection[str]) -> tuple[str, ...]:
    """What must run somewhere: `feeds` are those that read models follow now."""
    relay = (RELAY,) if settings.kafka_bootstrap_servers else ()
    return ALWAYS + _lake(settings) + relay + ((KAFKA_PROJECTOR,) if "kafka" in feeds else ())


def _lake(settings: Settings) -> tuple[str, ...]:
    """Where there is one: our own Postgres has it, to a given one it must be given too."""
    has_lake = settings.lake_dsn or settings.lake_reader_dsn or not settings.database_url
    return (LAKE,) if has_lake else ()
