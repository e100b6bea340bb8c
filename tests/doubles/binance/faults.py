"""A script of faults that the exchange plays: lost answers, doubled messages, time away.

Times are in seconds. Each request or message meets the first rule that fires for it and no other.
A rule skips the first `after` it matches, then fires with `probability` (its own seed) until it
has fired `times` times; None is for ever.
"""

import random
from collections.abc import Sequence
from fnmatch import fnmatchcase
from time import monotonic
from typing import Any, Literal

from msgspec import Struct

FaultKind = Literal[
    "hold",  # wait `seconds`, then look at the request: it may have expired meanwhile
    "unavailable_before",  # answer 503 (or `status`), nothing done
    "reject",  # refuse with `code`, `text` and `status`
    "delay_ack",  # do it, answer after `seconds`
    "lose_ack",  # do it, then cut the connection
    "hang_ack",  # do it, then never answer
    "unavailable_after",  # do it, answer 503 (or `status`) with `code` and `text`
    "lookup_lag",  # order lookups do not find it for `seconds` after acceptance
    "down",  # cut every connection for `seconds` (0: until the rules are cleared)
    "duplicate_message",  # the user stream tells it twice
    "reorder_message",  # the user stream tells it after the message that follows it
    "lose_message",  # the user stream never tells it; lookups do
]
BEFORE: frozenset[FaultKind] = frozenset({"hold", "unavailable_before", "reject", "down"})
AFTER: frozenset[FaultKind] = frozenset({"delay_ack", "lose_ack", "hang_ack", "unavailable_after"})
STREAM: frozenset[FaultKind] = frozenset({"duplicate_message", "reorder_message", "lose_message"})


class FaultRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: FaultKind
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    request: str = "POST /*/order"
    """Which requests, as method and path; `*` and `?` as in file names."""
    message: str = "*"
    """Which messages of user streams, by event name: `executionReport`, `ORDER_TRADE_UPDATE`."""
    execution: str = "*"
    """Which of these, by execution type: `NEW`, `TRADE`."""
    client_order_id: str = "*"
    account: str = "*"
    """A name, or `*` for all."""
    seconds: float = 0.0
    status: int = 0
    """Of the answer; 0 is 400 for `reject` and 503 for the others. 429 and 418 are bans, whose
    answer says to come back after `seconds`."""
    code: int = -1007
    text: str = (
        "Timeout waiting for response from backend server. Send status unknown; "
        "execution status unknown."
    )


class RuleState(Struct):
    rule: FaultRule
    chance: random.Random
    matched: int = 0
    fired: int = 0

    def fires(self) -> bool:
        self.matched += 1
        if self.rule.times is not None and self.fired >= self.rule.times:
            return False
        if self.matched <= self.rule.after or self.chance.random() >= self.rule.probability:
            return False
        self.fired += 1
        return True


class RuleSeen(Struct, frozen=True):
    """A rule and how often it matched and fired, for tests to ask."""

    rule: FaultRule
    matched: int
    fired: int


class FaultScript:
    def __init__(self) -> None:
        self._states: list[RuleState] = []
        self._held: dict[str, list[Any]] = {}
        self._down_until: float | None = None

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Add rules; `down` without `after` starts at once."""
        for rule in rules:
            if rule.kind == "down" and not rule.after:
                self._go_down(rule)
            else:
                chance = random.Random(rule.seed)  # noqa: S311 - a script, not a secret
                self._states.append(RuleState(rule, chance))

    def clear(self, account: str = "*") -> None:
        """Forget the rules of an account, or all, and be up again."""
        if account == "*":
            self._states.clear()
            self._down_until = None
        self._states = [state for state in self._states if state.rule.account != account]

    def seen(self) -> tuple[RuleSeen, ...]:
        return tuple(RuleSeen(state.rule, state.matched, state.fired) for state in self._states)

    @property
    def is_down(self) -> bool:
        return self._down_until is not None and monotonic() < self._down_until

    def on_request(self, request: str, account: str, client_order_id: str) -> FaultRule | None:
        rule = self._first(BEFORE | AFTER, request, account, client_order_id)
        if rule is not None and rule.kind == "down":
            self._go_down(rule)
        return rule

    def hides(self, account: str, client_order_id: str, age_seconds: float) -> bool:
        """Whether a lookup of an order accepted `age_seconds` ago shall not find it."""
        return any(
            state.rule.kind == "lookup_lag"
            and _is_about(state.rule, account, client_order_id)
            and age_seconds < state.rule.seconds
            and state.fires()
            for state in self._states
        )

    def on_message(
        self, account: str, message: dict[str, Any], execution: str, client_order_id: str
    ) -> list[dict[str, Any]]:
        """Return what the account's stream shall tell instead of `message`."""
        kind = None
        for state in self._states:
            rule = state.rule
            if (
                rule.kind in STREAM
                and fnmatchcase(message["e"], rule.message)
                and fnmatchcase(execution, rule.execution)
                and _is_about(rule, account, client_order_id)
                and state.fires()
            ):
                kind = rule.kind
                break
        match kind:
            case "lose_message":
                return []
            case "reorder_message":
                self._held.setdefault(account, []).append(message)
                return []
            case "duplicate_message":
                told = [message, message]
            case _:
                told = [message]
        return told + self._held.pop(account, [])

    def _first(
        self, kinds: frozenset[FaultKind], request: str, account: str, client_order_id: str
    ) -> FaultRule | None:
        for state in self._states:
            rule = state.rule
            if (
                rule.kind in kinds
                and fnmatchcase(request, rule.request)
                and _is_about(rule, account, client_order_id)
                and state.fires()
            ):
                return rule
        return None

    def _go_down(self, rule: FaultRule) -> None:
        self._down_until = monotonic() + (rule.seconds or float("inf"))


def _is_about(rule: FaultRule, account: str, client_order_id: str) -> bool:
    return rule.account in {"*", account} and fnmatchcase(client_order_id, rule.client_order_id)
