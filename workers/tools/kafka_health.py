"""What `aviary doctor` says of Kafka: reachable or not, its topics, and how far the relay is."""

from typing import Any

import psycopg

from adapters.settings import Settings

Finding = tuple[str, str, bool]
"""What, how it is, and whether that is well."""


def examine_kafka(settings: Settings, reader: psycopg.Connection[Any], head: int) -> list[Finding]:
    if not settings.kafka_bootstrap_servers:
        return [("Kafka", "off", True)]
    from kafka.errors import KafkaError

    from adapters.kafka.topics import Topics
    from commands import catalogue
    from workers.relaying.relay import name_of

    servers = ", ".join(settings.kafka_bootstrap_servers)
    names = catalogue.topics(settings.kafka_topic_prefix)
    try:
        with Topics(settings) as topics:
            cluster = topics.cluster_id()
            counts = topics.partition_counts(names)
    except KafkaError as error:
        return [("Kafka", f"{servers} cannot be asked: {type(error).__name__}: {error}", False)]
    shown = ", ".join(f"{name} {counts.get(name, 'missing')}" for name in names)
    return [
        ("Kafka", f"cluster {cluster} at {servers}", True),
        ("partitions", shown, len(counts) == len(names)),
        _relay(settings, reader, name_of(cluster, settings.kafka_topic_prefix), head),
    ]


def _relay(settings: Settings, reader: psycopg.Connection[Any], name: str, head: int) -> Finding:
    row = reader.execute("select position from relays where name = %s", (name,)).fetchone()
    if row is None:
        return f"relay {name}", "has published nothing yet", False
    behind = head - row[0]
    return f"relay {name}", f"{behind} events behind", behind <= settings.lag_max_events
