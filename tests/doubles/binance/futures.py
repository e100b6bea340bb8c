"""Futures routes that spot has not: positions, leverage, mode, funding, listen keys."""

from collections.abc import Callable
from typing import Any

from tests.doubles.binance.calls import Call, Security

TABLE: tuple[tuple[Security, str, str, Callable[[Call], Any]], ...] = ()
