"""Accounts, their credentials, what they hold."""
