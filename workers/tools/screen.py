"""The terminal, as the command line writes to it.

rich is imported when something is said first: a process that only serves would pay 50 ms and 5 MB
for it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class Screen:
    """Takes what rich's `Console` takes."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @property
    def console(self) -> "Console":
        from rich.console import Console

        return Console(**self._options)

    def print(self, *shown: object, **options: Any) -> None:
        self.console.print(*shown, **options)


def bar(screen: Screen, what: str) -> "Progress":
    """How far something is, and how long it will take."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=screen.console,
    )
