"""What the outside world still owes us: one row for each live order and each other thing wanted.

Rows go when nothing is owed any more. Read by the dispatcher, so it follows the log only.
"""

from collections.abc import Mapping

from domain.reconciliation import Reconciled, ReconciliationRequested
from projections import credential_effects, order_effects, perpetual_effects
from projections.effect import EffectRow, Rule, settled, wanted
from projections.projection import Fact, Projection


def _reconciliation_keys(fact: Fact) -> tuple[str, ...]:
    event = fact.event
    return (f"reconcile-{event.account}/{event.connector}",)  # type: ignore[union-attr]


def _reconciliation_wanted(_row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    event = fact.event
    if not isinstance(event, ReconciliationRequested):
        return None
    return wanted("reconcile", fact, key, event.account, event.connector, due_us=event.due_us)


RULES: Mapping[type, Rule] = {
    **order_effects.RULES,
    **perpetual_effects.RULES,
    **credential_effects.RULES,
    ReconciliationRequested: Rule(_reconciliation_wanted, _reconciliation_keys),
    Reconciled: Rule(settled, _reconciliation_keys),
}
"""Every event that makes, changes or ends an effect."""


def keys(fact: Fact) -> tuple[str, ...]:
    return RULES[type(fact.event)].keys(fact)


def evolve(row: EffectRow | None, fact: Fact, key: str) -> EffectRow | None:
    return RULES[type(fact.event)].evolve(row, fact, key)


PROJECTION = Projection(
    "open_effects",
    EffectRow,
    frozenset(str(kind.__struct_config__.tag) for kind in RULES),  # type: ignore[attr-defined]
    keys,
    evolve,
)
