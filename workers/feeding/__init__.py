"""Feeds read models from Kafka, and moves them between the log and Kafka."""
