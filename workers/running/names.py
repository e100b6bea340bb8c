"""The workers that there are, and those that an installation needs."""

from collections.abc import Collection

from adapters.settings import Settings

ALWAYS = ("dispatcher", "projector", "scheduler")
RELAY, KAFKA_PROJECTOR = "relay", "kafka-projector"
WITH_KAFKA = (RELAY, KAFKA_PROJECTOR)
EVERY = ALWAYS + WITH_KAFKA
ALIVE_SECONDS = 15.0
"""A process that has not beaten for so long is taken for dead."""
PAPER_PORT = 8100


def configured(settings: Settings) -> tuple[str, ...]:
    """What `aviary worker all` runs."""
    return ALWAYS + WITH_KAFKA if settings.kafka_bootstrap_servers else ALWAYS


def needed(settings: Settings, feeds: Collection[str]) -> tuple[str, ...]:
    """What must run somewhere: `feeds` are those that read models follow now."""
    relay = (RELAY,) if settings.kafka_bootstrap_servers else ()
    return ALWAYS + relay + ((KAFKA_PROJECTOR,) if "kafka" in feeds else ())
