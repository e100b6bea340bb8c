"""The tests; this file lets them share fixtures by the name `tests.name`."""
