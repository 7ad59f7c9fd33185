"""Long work on the command line: a bar with the time that is left, and what is said when it is interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import typer
from rich.console import Console

from abm.cli_input import INTERRUPTED, complain


@contextlib.contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Ctrl-C ends what is done inside, and `kept` says what remains of it."""
    try:
        yield
    except KeyboardInterrupt:
        raise stopped(f"stopped; {kept}") from None


def stopped(what: str) -> typer.Exit:
    """Ctrl-C: say what was kept."""
    complain(what)
    return typer.Exit(INTERRUPTED)


@contextlib.contextmanager
def bar() -> Iterator[tuple[Callable[[str, float, float], None], Callable[[int, int, float], None]]]:
    """A progress bar with the time that is left: a function for named steps, and one for a count of runs."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=3600) as shown:
        task = shown.add_task("starting", total=None)

        def step(doing: str, done: float, total: float) -> None:
            shown.update(task, description=doing, completed=done, total=total)

        yield step, lambda done, total, seconds: step(f"{done} of {total} runs", done, total)
