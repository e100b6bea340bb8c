"""A venue that matches orders in its own process and keeps a ledger of what truly happened."""
