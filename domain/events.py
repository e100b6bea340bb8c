"""Every event that the log can hold."""

from domain import (
    account,
    actor,
    credential,
    funding,
    order_messages,
    perpetual,
    position,
    reconciliation,
)

Event = (
    account.Event
    | actor.Event
    | credential.Event
    | funding.Event
    | order_messages.Event
    | perpetual.Event
    | position.Event
    | reconciliation.Event
)
