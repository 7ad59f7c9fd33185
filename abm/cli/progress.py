"""Long-running work on the command line: a progress bar with the time left, and the message after Ctrl-C."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator

import typer
from rich.console import Console

from abm.cli.mistakes import complain
from abm.support.messages import INTERRUPTED

RESUME = "run the same command again to resume"
"""End of the messages of work that can be resumed."""


@contextlib.contextmanager
def interruptible(saved: str) -> Iterator[None]:
    """On Ctrl-C inside the block, print `stopped; {saved}` and exit."""
    try:
        yield
    except KeyboardInterrupt:
        raise stopped(f"stopped; {saved}") from None


def stopped(message: str) -> typer.Exit:
    """Print the message after Ctrl-C and return the exit to raise."""
    complain(message)
    return typer.Exit(INTERRUPTED)


class Pace:
    """Estimate of the time left, from the progress reported since the first step was done."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._ends: float | None = None

    def report(self, done: float, total: float, now: float) -> None:
        """Record that `done` of `total` steps are done at time `now`, in seconds."""
        if self._first is None or done < self._first[1]:
            self._first, self._ends = ((now, done) if done > 0 else None), None
        elif done > self._first[1]:  # the first step is left out: it includes compilation
            began, before = self._first
            self._ends = now + (now - began) * (total - done) / (done - before)

    def left(self, now: float) -> str:
        """Time left as hours, minutes and seconds; it counts down between reports."""
        if self._ends is None:
            return "-:--:--"
        return str(dt.timedelta(seconds=math.ceil(max(self._ends - now, 0))))


@contextlib.contextmanager
def bar(
    console: Console | None = None,
) -> Iterator[tuple[Callable[[str, float, float], None], Callable[[int, int, float], None]]]:
    """Show a progress bar with elapsed and remaining time; yields a function for named steps and one to count runs."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    pace = Pace()

    class Times(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            elapsed = dt.timedelta(seconds=int(task.elapsed or 0))
            return Text(f"{elapsed} elapsed, {pace.left(task.get_time())} left")

    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=16), TaskProgressColumn(), Times()
    with Progress(*columns, console=console or Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def step(description: str, done: float, total: float) -> None:
            pace.report(done, total, progress.get_time())
            progress.update(task, description=description, completed=done, total=total)

        yield step, lambda done, total, seconds: step(f"{done} of {total} runs", done, total)
