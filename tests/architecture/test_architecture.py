"""The rules of docs and style that a machine can keep."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from commands import codec
from commands.catalogue import AGGREGATES
from commands.request import Command
from domain.events import Event

ROOT = Path(__file__).parents[2]
PRODUCT = ("domain", "commands", "projections", "adapters", "workers", "api")
PACKAGES = (*PRODUCT, "migrations", "tests", "benchmarks", "aviary")
LINES_MAX = 300
ALLOWED: dict[str, set[str]] = {
    "domain": {"domain"},
    "projections": {"projections", "domain"},
    "commands": {"commands", "domain"},
    "adapters": {"adapters", "domain"},
    "workers": {"workers", "api", "adapters", "commands", "projections", "domain"},
    "api": {"workers", "api", "adapters", "commands", "projections", "domain"},
}
"""Our own packages that each of them may import."""
PURE = ("domain", "projections", "commands")
"""Packages that use nothing from outside but msgspec."""
BANNED = {"time", "uuid", "random", "os", "secrets", "socket", "subprocess", "threading", "asyncio"}
"""Modules that would bring a clock, chance or the outside into what must be pure."""


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))
    if folders == PRODUCT:
        yield ROOT / "aviary.py"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", PRODUCT)
def test_layers_import_downwards_only(folder: str) -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if (top := name.partition(".")[0]) in PACKAGES and top not in ALLOWED[folder]
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", PURE)
def test_pure_packages_use_the_standard_library_and_msgspec_alone(folder: str) -> None:
    known = {*sys.stdlib_module_names, "msgspec", *ALLOWED[folder]}
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if name.partition(".")[0] not in known
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["domain", "projections"])
def test_no_clock_no_chance_no_outside_where_it_must_be_pure(folder: str) -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if name.partition(".")[0] in BANNED or name.startswith("datetime")
    ]
    wrong += [
        f"{name_of(path)}:{node.lineno} calls {node.attr}"
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "uuid4"}
    ]
    wrong += [
        f"{name_of(path)}:{node.lineno} calls {node.id}"
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id in {"open", "print", "input", "float"}
    ]
    assert wrong == []


def test_files_stay_short() -> None:
    long = {
        name_of(path): count
        for path in modules(*PRODUCT)
        if (count := len(path.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in modules(*PRODUCT)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_cancelling_a_task_always_ends_it() -> None:
    """Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes with its result."""
    found = [name_of(path) for path in modules(*PRODUCT) if "asyncio.wait_for(" in path.read_text()]
    assert found == [], "use `async with asyncio.timeout(...)`"


def test_nothing_is_left_for_later() -> None:
    word = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME")) + r")\b")
    found = [
        f"{name_of(path)}:{number}"
        for folder in (*PRODUCT, "tests", "benchmarks", "migrations")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".sql"}
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert found == []


def test_migrations_are_marked_and_dense() -> None:
    names = sorted(path.name for path in (ROOT / "migrations").glob("*.sql"))
    assert [name[:4] for name in names] == [f"{n:04d}" for n in range(1, len(names) + 1)]
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql", name) for name in names)


def tags_of(union: object) -> list[str]:
    return [str(kind.__struct_config__.tag) for kind in get_args(union)]


def test_every_tag_is_unique() -> None:
    tags = [*tags_of(Command), *tags_of(Event)]
    assert len(tags) == len(set(tags)) == len(get_args(Command)) + len(get_args(Event))


def test_commands_are_tagged_in_the_imperative_without_a_version() -> None:
    for tag in tags_of(Command):
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", tag), tag
        assert tag.partition(".")[0] in AGGREGATES


def test_events_are_tagged_with_a_version() -> None:
    for tag in tags_of(Event):
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*\.v[1-9][0-9]*", tag), tag
        assert tag.partition(".")[0] in AGGREGATES


def test_every_event_can_be_read() -> None:
    assert set(codec.EVENT_TYPES) == set(tags_of(Event))


@pytest.mark.parametrize("kind", [*get_args(Command), *get_args(Event)], ids=lambda k: k.__name__)
def test_messages_are_frozen_and_hold_no_floats(kind: type) -> None:
    config = kind.__struct_config__  # type: ignore[attr-defined]
    assert config.frozen
    assert config.tag_field == "type"
    assert not config.forbid_unknown_fields, "an older worker must read a newer event"
    assert "float" not in str(kind.__annotations__)


def test_test_modules_outside_packages_have_names_of_their_own() -> None:
    loose = [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    names = Counter(path.name for path in loose)
    assert [name for name, count in names.items() if count > 1] == []
