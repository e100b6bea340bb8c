"""The storage tags of a union of events."""

from typing import Any, get_args


def tags_of(*events: Any) -> frozenset[str]:
    """Accepts structs and unions of structs."""
    kinds = (kind for union in events for kind in (get_args(union) or (union,)))
    return frozenset(str(kind.__struct_config__.tag) for kind in kinds)
