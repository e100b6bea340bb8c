"""Every event that the log can hold."""

from domain import account, actor, order_messages, reconciliation

Event = account.Event | actor.Event | order_messages.Event | reconciliation.Event
