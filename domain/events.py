"""Every event that the log can hold."""

from domain import (
    account,
    actor,
    credential,
    funding,
    limits,
    order_messages,
    perpetual,
    portfolio,
    position,
    reconciliation,
    switch,
)

Event = (
    account.Event
    | actor.Event
    | credential.Event
    | funding.Event
    | limits.Event
    | order_messages.Event
    | perpetual.Event
    | portfolio.Event
    | position.Event
    | reconciliation.Event
    | switch.Event
)
