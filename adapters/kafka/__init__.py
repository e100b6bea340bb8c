"""The log on Kafka: topics, records, and one producer and one consumer behind small ports."""
