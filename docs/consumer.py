"""Prints each event of a topic once, as a line of JSON, from the topic's beginning to its end now.

    pip install kafka-python crc32c
    python consumer.py localhost:9092 aviary.orders

Every event arrives at least once, and first in order within its key. So one number for each log
(`ce_source`) and key tells a record sent again (its `ce_sequence` is not above it) from the next
event and from a hole; no event ids need be kept. A consumer that stores what it reads, stores that
number and the partition's next offset in the same transaction.
"""

import json
import sys

from kafka import KafkaConsumer, TopicPartition


def main(servers: str, topic: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    if not partitions:
        sys.exit(f"There is no topic {topic} at {servers}. Name one that is there.")
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    last: dict[tuple[bytes, bytes], int] = {}
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for record in (one for batch in consumer.poll(1000).values() for one in batch):
            header = dict(record.headers)
            key, sequence = (header["ce_source"], record.key), int(header["ce_sequence"])
            expected = last.get(key, 0) + 1
            if sequence > expected:
                sys.exit(
                    f"{record.key.decode()} goes on with {sequence} where {expected} was expected "
                    f"({topic}, partition {record.partition}, offset {record.offset}). "
                    "Events are missing here: read them from the log."
                )
            if sequence == expected:
                last[key] = sequence
                event = {name: text.decode() for name, text in header.items() if name[:3] == "ce_"}
                print(json.dumps(event | {"data": json.loads(record.value)}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python consumer.py BOOTSTRAP_SERVERS TOPIC")
    main(*sys.argv[1:])
