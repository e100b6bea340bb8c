"""Stand-ins for foreign services, each a process of its own."""
