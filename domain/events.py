"""Every event that the log can hold."""

from domain import account, actor, credential, order_messages, reconciliation

Event = account.Event | actor.Event | credential.Event | order_messages.Event | reconciliation.Event
