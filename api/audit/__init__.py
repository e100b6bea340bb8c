"""The log as auditors read it: events, streams, commands, seals, live."""
