"""What is done about an open effect, by its kind.

A handler answers whether the log holds the outcome now; otherwise, and when it raises
VenueUnreachable or VenueRefused, it is called again after a pause that doubles. It may be killed at
any instruction and runs again from its beginning, perhaps in another process.
"""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from projections.effect import EffectRow
from workers.dispatching import credentials, perpetuals, reconciling, sending
from workers.dispatching.context import Context


class Handler(Struct, frozen=True):
    act: Callable[[Context, EffectRow], Awaitable[bool]]
    needs_desk: bool = True
    """Those that need none work before the account has a credential in force."""
    is_interruptible: bool = False
    """It may take long, and is broken off when the process is to stop."""


HANDLERS: Mapping[str, Handler] = {
    "place": Handler(sending.place),
    "resolve": Handler(sending.resolve),
    "cancel": Handler(sending.cancel),
    "reconcile": Handler(reconciling.handle, is_interruptible=True),
    "check_credential": Handler(credentials.check, needs_desk=False),
    "set_leverage": Handler(perpetuals.set_leverage),
    "set_position_mode": Handler(perpetuals.set_position_mode),
}

NEED_NO_DESK = tuple(kind for kind, handler in HANDLERS.items() if not handler.needs_desk)
