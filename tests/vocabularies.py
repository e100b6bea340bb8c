"""Tags as another version of the code might have them, held against the checked-in schemas."""

from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from commands import codec
from workers.tools.schemas import Vocabulary

REPOSITORY = Path(__file__).parents[1]
TAG = "order.outcome_unknown.v1"
RENAMED = "order.outcome_unknown.v2"


class Newer(Struct, frozen=True, tag=RENAMED):
    text: str
    attempt: int
    worth: Decimal = Decimal("1.50")


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def with_kind(tag: str, kind: type[Struct]) -> Vocabulary:
    return Vocabulary({**codec.EVENT_TYPES, tag: kind}, {})


def without(tag: str, upcasts: dict[str, codec.Upcast], *kinds: type[Struct]) -> Vocabulary:
    kept = {name: kind for name, kind in codec.EVENT_TYPES.items() if name != tag}
    return Vocabulary(
        {**kept, **{str(kind.__struct_config__.tag): kind for kind in kinds}}, upcasts
    )
