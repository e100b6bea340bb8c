"""The AsyncAPI 3.0 document of the Kafka topics, from a consumer's side.

It promises what the relay does. Payloads are references to the schema files beside it.
"""

from collections.abc import Mapping
from typing import Any

from adapters.kafka.records import METADATA
from adapters.settings import Settings
from commands.catalogue import AGGREGATES
from commands.schemas import Schema

BINDING = "0.5.0"
PROMISES = """\
Every event of Aviary's log, as the bytes that are stored and sealed, with CloudEvents headers.

* At least once: an event may come again, never not at all. Two records with equal `ce_source` and
  `ce_id` are the same event: count it once. Per stream it is enough to ignore a `ce_sequence` that
  is not above the last one seen.
* In order per key: the key is the stream's id, and the first occurrences of a stream's events are
  in the order of `ce_sequence`, 1, 2, 3 and so on. Between streams, `ce_position` is the order of
  the log; a repetition starts again at an earlier position.
* Kept for ever: topics are neither compacted nor expired, so a new consumer can begin at offset 0.
* The number of a topic's partitions never changes; the partitioner is Kafka's default (murmur2 of
  the key).
* A record's value never changes. What a tag means never changes; a new shape has a new tag.
* Fields and tags may be added: ignore fields that you do not know, and decide beforehand whether a
  tag that you do not know stops you.
* `upcasts.json` says what became of tags that are no longer written.
"""

HEADERS: Mapping[str, str] = {
    "ce_specversion": "CloudEvents version: `1.0`.",
    "ce_id": "The event's seal, 64 hexadecimal digits; with `ce_source` it names the event.",
    "ce_source": "The log that the event comes from: another database is another source.",
    "ce_type": "The event's tag, which is also the payload's `type`.",
    "ce_subject": "The stream's id, which is also the record's key.",
    "ce_time": "When the event was recorded, RFC 3339 in UTC with microseconds.",
    "ce_sequence": "The event's version in its stream, a decimal number counted from 1, no gaps.",
    "ce_position": "The event's position in the log, a decimal number counted from 1.",
    "ce_correlationid": "Common to everything that followed from one request.",
    "ce_causationid": "Position of the event that made a worker act; absent where a client asked.",
    "content-type": "`application/json`.",
    METADATA: "The sealed metadata, JSON as in `metadata.json`, byte for byte, to check the seal.",
}
OPTIONAL = frozenset({"ce_causationid"})


def document(schemas: Mapping[str, Schema], replaced_by: Mapping[str, str]) -> dict[str, Any]:
    """Describe the topics that carry the tags of `schemas`; old tags name their next one."""
    prefix = Settings().kafka_topic_prefix
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Aviary events", "version": "1", "description": PROMISES},
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The cluster that Aviary's relay publishes to.",
                "variables": {
                    "bootstrap": {
                        "default": "localhost:9092",
                        "description": "As in AVIARY_KAFKA_BOOTSTRAP_SERVERS.",
                    }
                },
            }
        },
        "channels": {
            aggregate.topic: _channel(
                aggregate.topic, [tag for tag in schemas if tag.partition(".")[0] == name], prefix
            )
            for name, aggregate in sorted(AGGREGATES.items())
        },
        "operations": {
            f"receive-{aggregate.topic}": {
                "action": "receive",
                "summary": f"Follow {aggregate.topic}, at least once, in order per stream.",
                "channel": {"$ref": f"#/channels/{aggregate.topic}"},
            }
            for _, aggregate in sorted(AGGREGATES.items())
        },
        "components": {
            "messages": {tag: _message(tag, schemas[tag], replaced_by) for tag in schemas},
            "schemas": {
                "headers": {
                    "type": "object",
                    "description": "CloudEvents 1.0 in Kafka's binary mode; values are UTF-8 text.",
                    "properties": {
                        name: {"type": "string", "description": text}
                        for name, text in HEADERS.items()
                    },
                    "required": [name for name in HEADERS if name not in OPTIONAL],
                }
            },
            "messageBindings": {
                "stream": {
                    "kafka": {
                        "key": {"type": "string", "description": "The stream's id, UTF-8."},
                        "bindingVersion": BINDING,
                    }
                }
            },
        },
    }


def _channel(topic: str, tags: list[str], prefix: str) -> dict[str, Any]:
    return {
        "address": f"{{prefix}}.{topic}",
        "title": topic,
        "messages": {tag: {"$ref": f"#/components/messages/{tag}"} for tag in tags},
        "parameters": {
            "prefix": {"default": prefix, "description": "As in AVIARY_KAFKA_TOPIC_PREFIX."}
        },
        "bindings": {
            "kafka": {
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": -1,
                    "retention.bytes": -1,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _message(tag: str, schema: Schema, replaced_by: Mapping[str, str]) -> dict[str, Any]:
    said = schema["description"]
    if tag in replaced_by:
        said = f"No longer written; see upcasts.json for how it becomes {replaced_by[tag]}. {said}"
    return {
        "name": tag,
        "title": schema["title"],
        "description": said,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {"$ref": f"schemas/{tag}.json"},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"$ref": "#/components/messageBindings/stream"},
    }
