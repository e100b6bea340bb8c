"""What every Kafka client of ours is told about the cluster."""

from typing import Any

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
