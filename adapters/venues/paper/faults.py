"""A script of faults that the venue plays: lost answers, doubled fills, time away.

Times are in seconds. Each request or fill meets the first rule that fires for it and no other. A
rule skips the first `after` it matches, then fires with `probability` (its own seed) until it has
fired `times` times; None is for ever.
"""

import random
from collections.abc import Sequence
from fnmatch import fnmatchcase
from time import monotonic
from typing import Literal

from msgspec import Struct

from adapters.venues.port import TradeUpdate, UserUpdate

FaultKind = Literal[
    "delay_ack",  # accept, answer after `seconds`
    "lose_ack",  # accept, then cut the connection
    "hang_ack",  # accept, then never answer
    "unavailable_after",  # accept, answer 503
    "unavailable_before",  # answer 503, nothing accepted
    "reject",  # refuse with `code` and `text`
    "duplicate_fill",  # the stream tells the fill twice
    "reorder_fill",  # the stream tells the fill after the message that follows it
    "lose_fill",  # the stream never tells it; trades_since and trades_of do
    "lookup_lag",  # order lookups do not find it for `seconds` after acceptance
    "down",  # refuse everything for `seconds` (0: until the rules are cleared)
]
BEFORE: frozenset[FaultKind] = frozenset({"unavailable_before", "reject", "down"})
AFTER: frozenset[FaultKind] = frozenset({"delay_ack", "lose_ack", "hang_ack", "unavailable_after"})
STREAM: frozenset[FaultKind] = frozenset({"duplicate_fill", "reorder_fill", "lose_fill"})


class FaultRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: FaultKind
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    client_order_id: str | None = None
    """Only requests and fills of this id; `*` and `?` as in file names."""
    request: Literal["place", "cancel"] = "place"
    """Which requests the ack, 503, reject and down kinds match."""
    seconds: float = 0.0
    code: str = "rejected"
    text: str = "refused by the fault script"


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
    def __init__(self, rules: Sequence[FaultRule] = ()) -> None:
        self._states: list[RuleState] = []
        self._held: dict[str, list[UserUpdate]] = {}
        self._down_until: float | None = None
        self.add(rules)

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Add rules; `down` with neither `after` nor a client order id starts at once."""
        for rule in rules:
            if rule.kind == "down" and not rule.after and rule.client_order_id is None:
                self._go_down(rule)
            else:
                chance = random.Random(rule.seed)  # noqa: S311 - a script, not a secret
                self._states.append(RuleState(rule, chance))

    def clear(self) -> None:
        """Forget all rules and be up again; held fills stay held for the next message."""
        self._states.clear()
        self._down_until = None

    def seen(self) -> tuple[RuleSeen, ...]:
        return tuple(RuleSeen(state.rule, state.matched, state.fired) for state in self._states)

    @property
    def is_down(self) -> bool:
        return self._down_until is not None and monotonic() < self._down_until

    def on_request(
        self, request: Literal["place", "cancel"], client_order_id: str
    ) -> FaultRule | None:
        rule = self._first(BEFORE | AFTER, client_order_id, request)
        if rule is not None and rule.kind == "down":
            self._go_down(rule)
        return rule

    def hides(self, client_order_id: str, age_seconds: float) -> bool:
        """Whether a lookup of an order accepted `age_seconds` ago shall not find it."""
        return any(
            state.rule.kind == "lookup_lag"
            and _matches(state.rule, client_order_id)
            and age_seconds < state.rule.seconds
            and state.fires()
            for state in self._states
        )

    def on_stream(self, account: str, update: UserUpdate) -> list[UserUpdate]:
        """Return what the account's stream shall tell instead of `update`."""
        rule = None
        if isinstance(update, TradeUpdate) and self._states:
            rule = self._first(STREAM, update.trade.client_order_id, None)
        match rule and rule.kind:
            case "lose_fill":
                return []
            case "reorder_fill":
                self._held.setdefault(account, []).append(update)
                return []
            case "duplicate_fill":
                told = [update, update]
            case _:
                told = [update]
        return told + self._held.pop(account, [])

    def _first(
        self,
        kinds: frozenset[FaultKind],
        client_order_id: str,
        request: Literal["place", "cancel"] | None,
    ) -> FaultRule | None:
        for state in self._states:
            rule = state.rule
            if (
                rule.kind in kinds
                and (request is None or rule.request == request)
                and _matches(rule, client_order_id)
                and state.fires()
            ):
                return rule
        return None

    def _go_down(self, rule: FaultRule) -> None:
        self._down_until = monotonic() + (rule.seconds or float("inf"))


def _matches(rule: FaultRule, client_order_id: str) -> bool:
    return rule.client_order_id is None or fnmatchcase(client_order_id, rule.client_order_id)
