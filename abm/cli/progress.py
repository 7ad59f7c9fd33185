"""Long work on the command line: a bar with the time that is left, and what is said when it is interrupted."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator

import typer
from rich.console import Console

from abm.cli.mistakes import complain
from abm.support.messages import INTERRUPTED


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


class Pace:
    """How long work will go on, at the pace of what has been reported since the first step was done."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._ends: float | None = None

    def report(self, done: float, total: float, now: float) -> None:
        """`done` of `total` at the time `now`, in seconds."""
        if self._first is None or done < self._first[1]:
            self._first, self._ends = ((now, done) if done > 0 else None), None
        elif done > self._first[1]:  # the first step is left out: programs are compiled in it
            began, before = self._first
            self._ends = now + (now - began) * (total - done) / (done - before)

    def left(self, now: float) -> str:
        """Hours, minutes and seconds to go: between two reports fewer with every second."""
        if self._ends is None:
            return "-:--:--"
        return str(dt.timedelta(seconds=math.ceil(max(self._ends - now, 0))))


@contextlib.contextmanager
def bar(
    console: Console | None = None,
) -> Iterator[tuple[Callable[[str, float, float], None], Callable[[int, int, float], None]]]:
    """A progress bar with the time elapsed and the time left: a function for named steps, and one for a count of runs."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    pace = Pace()

    class Times(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            elapsed = dt.timedelta(seconds=int(task.elapsed or 0))
            return Text(f"{elapsed} elapsed, {pace.left(task.get_time())} left")

    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=16), TaskProgressColumn(), Times()
    with Progress(*columns, console=console or Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)

        def step(doing: str, done: float, total: float) -> None:
            pace.report(done, total, shown.get_time())
            shown.update(task, description=doing, completed=done, total=total)

        yield step, lambda done, total, seconds: step(f"{done} of {total} runs", done, total)
