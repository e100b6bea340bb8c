"""Postgres: the log, the read models and the server that serves them."""
