"""What every Kafka client of ours is told about the cluster, and how one is opened."""

from collections.abc import Callable
from typing import Any

from kafka.net.compat import KafkaNetClient

from adapters.settings import Settings


def options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of KafkaProducer, KafkaConsumer and KafkaAdminClient alike."""
    security = settings.kafka_security
    found: dict[str, Any] = {
        "bootstrap_servers": list(settings.kafka_bootstrap_servers),
        "client_id": "aviary",
        "security_protocol": security.upper(),
        "bootstrap_timeout_ms": 5000,
        "reconnect_backoff_max_ms": 1000,
    }
    if security.endswith("ssl") and settings.kafka_ca_file is not None:
        found["ssl_cafile"] = str(settings.kafka_ca_file)
    if security.startswith("sasl"):
        found["sasl_mechanism"] = settings.kafka_mechanism.upper()
        found["sasl_plain_username"] = settings.kafka_username
        found["sasl_plain_password"] = settings.kafka_password
    return found


def opened(kind: Callable[..., Any], **configs: Any) -> Any:
    """A KafkaProducer, KafkaConsumer or KafkaAdminClient.

    One that cannot reach the cluster leaves its thread and its sockets behind, with nothing in the
    caller's hands to close them by: a long outage would use up the process's files.
    """
    networks: list[Any] = []

    def network(**given: Any) -> Any:
        networks.append(KafkaNetClient(**given))
        return networks[-1]

    try:
        return kind(**configs, kafka_client=network)
    except BaseException:
        for made in networks:
            made.close()
            made._manager._net.close()  # noqa: SLF001 - its thread has no public end
        raise
