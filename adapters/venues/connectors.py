"""Every connector by name: what it is, the fields of its credentials, its counterpart in ccxt.

The data (connectors.json) is Hummingbot's own naming, 63 connectors of its release 2.17, and ours
of the built-in paper venue.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from adapters.venues.port import PositionMode

_FILE = Path(__file__).with_name("connectors.json")


class Field(Struct, frozen=True, omit_defaults=True):
    type: str
    required: bool
    is_secret: bool
    allowed_values: tuple[str, ...] | None = None


class Ccxt(Struct, frozen=True):
    """How ccxt calls the same venue."""

    id: str
    default_type: str
    is_sandbox: bool
    has_pro: bool
    required_credentials: tuple[str, ...]
    credentials: Mapping[str, str | None]
    """Our field to its attribute, None for one that it does not use; a `?` at the end: unproven."""
    has: frozenset[str]
    has_stream: frozenset[str]
    intervals: tuple[str, ...]


class Connector(Struct, frozen=True):
    is_perpetual: bool
    environment: str
    example_pair: str
    order_types: tuple[str, ...] | None
    """None where it is not known; `xrpl` has one that is no other venue's, AMM_SWAP."""
    position_modes: tuple[PositionMode, ...]
    client_order_id_length_max: int | None
    has_candles: bool
    fees: Mapping[str, Any] | None
    config_map: Mapping[str, Field]
    ccxt: Ccxt | None


@lru_cache(maxsize=1)
def connectors() -> Mapping[str, Connector]:
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, Connector])


def is_real(name: str) -> bool:
    """Whether its market is one: not the paper venue's, nor a test network's."""
    found = connectors().get(name)
    return found is not None and found.ccxt is not None and not found.ccxt.is_sandbox
