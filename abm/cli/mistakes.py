"""What users of the command line give, and how they are told what is wrong with it.

Whatever a user can get wrong is told in one line a problem, on the error stream, with exit code 2.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import os
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from abm.cli.output import any_output, give_up
from abm.scenarios.calendar import date_of
from abm.support.inputs import parse_float
from abm.support.messages import INPUT_ERROR, INTERRUPTED, PARAMETERS, did_you_mean, nearest, printable

if TYPE_CHECKING:
    from abm.runs.policy import Change

AGAIN = 0.2
"""Seconds after which an interrupt that was lost is sent once more."""
CLICK_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException, wherever this version of typer keeps it


CANNOT_WRITE = (errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS)
"""Errors that a full, read-only or forbidden place gives."""
GONE = "the working directory is gone: it was deleted or moved; change to one that is there"

IN_WORDS = (
    (r"^Invalid value for '(-[\w-]+)': (?=Input should)", r"\1: "),
    ("Input should be greater than or equal to", "must be at least"),
    ("Input should be less than or equal to", "must be at most"),
    (r"Input should be a valid integer\b.*", "must be a whole number"),
    (r"Input should be a valid number\b.*", "must be a number"),
)
"""What typer or what it stands on says of an option, and how the rest of the messages say it."""


NUMBERS: dict[Any, str] = {int: "integer", int | None: "integer", float: "number", float | None: "number"}
"""Types of options that are numbers, and what typer calls them."""


class Mistake(Exception):
    """Something the user can put right: one line a problem."""


class Commands(TyperGroup):
    """Tells mistakes in one line each, without a box, a usage text or a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        code: Any
        try:
            with any_output():
                code = self._code(*args, **kwargs)
        except OSError as error:
            if error.filename is not None or error.errno not in (*CANNOT_WRITE, errno.EPIPE):
                raise
            give_up(sys.stdout)
            stopped_reading = error.errno == errno.EPIPE  # as `head` does
            code = 1 if stopped_reading else complain(f"the output cannot be written ({error.strerror})")
        sys.exit(code if isinstance(code, int) else 0)

    def _code(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the words say; the exit code."""
        kwargs["standalone_mode"] = False
        try:
            return super().main(*args, **kwargs)
        except Mistake as mistake:
            return complain(f"{mistake}\n{GONE}" if is_gone() else str(mistake))
        except CLICK_ERROR as error:
            return complain(self._usage(error))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and is_gone():
                return complain(GONE)
            if error.filename is None or error.errno not in CANNOT_WRITE:
                raise
            return complain(f"{error.filename}: cannot be written ({error.strerror})")
        except (KeyboardInterrupt, typer.Abort):
            return INTERRUPTED

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As ever, but numbers are read as everywhere else: `--seeds 1_0`, which Python takes for ten, is none."""
        found = super().resolve_command(ctx, args)
        command: Any = found[1]
        kinds: dict[Any, Any] = get_type_hints(inspect.unwrap(command.callback))
        for param in command.params:
            if kind := NUMBERS.get(kinds.get(param.name)):
                param.process_value = functools.partial(_strictly, kind, param, param.process_value)
        return found

    def _usage(self, error: Any) -> str:
        """What is wrong with the words of the command, and what to do."""
        said = " ".join(error.format_message().split()).rstrip(".")
        for theirs, ours in IN_WORDS:
            said = re.sub(theirs, ours, said)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "abm"
        wrong = said.removeprefix("No such command '").rstrip("'") if said.startswith("No such command '") else ""
        if wrong:
            wrong = wrong.split("'")[0]
            said = f"no command {wrong!r}{nearest(wrong, list(self.commands))}"
        return f"{said}; see `{command} --help`"


def _strictly(kind: str, param: Any, process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    """The number that an option says; what is not a number at all is for `process` to refuse."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise typer.BadParameter(f"Input should be a valid {kind}", ctx=ctx, param=param)
    return process(ctx, value)


def is_gone() -> bool:
    """Whether the working directory was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def keep_interrupts() -> None:
    """From now on, a Ctrl-C that Python discards is sent to the process once more, until it is heard.

    Python discards what is raised in a hook of the garbage collector. JAX has such a hook, and about half of all
    interrupts while it loads or compiles arrive in it.
    """
    otherwise, lost_one = sys.unraisablehook, threading.Event()

    def send_again() -> None:
        while lost_one.wait():
            lost_one.clear()
            time.sleep(AGAIN)
            _interrupt()

    def hook(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            return otherwise(lost)
        lost_one.set()  # later and from another thread: here it would be discarded again

    threading.Thread(target=send_again, daemon=True).start()  # not in the hook, where a thread takes its time to start
    sys.unraisablehook = hook


def _interrupt() -> None:
    """Ctrl-C for the main thread: a real signal, which also ends a wait for worker processes."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)


def parse_settings(given: list[str]) -> dict[str, Any]:
    """`name=value` and `name.jurisdiction=value` as parameters; all mistakes at once."""
    from abm.parameters import Parameters
    from abm.support.axes import INSTRUMENTS, JURISDICTIONS

    values: dict[str, Any] = {}
    tables: dict[str, dict[str, float]] = {}
    problems, seen = [], set()
    for text in given:
        key, equals, value = (part.strip() for part in text.partition("="))
        name, dot, where = key.partition(".")
        if not equals or not key:
            problems.append(f"--set {text}: must read NAME=VALUE")
            continue
        if key in seen:
            problems.append(f"--set {key}: given twice")
        seen.add(key)
        if name not in Parameters.names():
            problems.append(f"--set {text}: no parameter {name!r}{did_you_mean(name, Parameters.names(), PARAMETERS)}")
        elif dot and name not in INSTRUMENTS:
            problems.append(f"--set {text}: {name} is no policy lever and has one value everywhere; leave out .{where}")
        elif dot and where not in JURISDICTIONS:
            problems.append(f"--set {text}: no jurisdiction {where!r}{did_you_mean(where, JURISDICTIONS)}")
        try:
            number = parse_float(value)
        except ValueError:
            problems.append(f"--set {text}: {value!r} is not a number")
            continue
        if dot:
            tables.setdefault(name, {})[where] = number
        else:
            values[name] = number
    if problems:
        raise Mistake("\n".join(problems))
    for name, table in tables.items():
        everywhere = {"default": values[name]} if name in values else {}
        values[name] = everywhere | table
    return values


@contextlib.contextmanager
def as_mistake(*also: type[Exception]) -> Iterator[None]:
    """What input turns out to be wrong while it is checked becomes a `Mistake`, in the words of whoever checked it."""
    # ParameterError and ScenarioError are ValueErrors
    mistakes: tuple[type[Exception], ...] = (ValueError, OSError, *also)
    try:
        yield
    except mistakes as error:
        raise Mistake(as_words(error)) from None


def as_words(error: Exception) -> str:
    """What an exception says; of the operating system's without its number, and with the file first."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return str(error)


def writable(folder: Path) -> Path:
    """The folder, made if need be, after a test that files can be written in it: before hours of work, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".abm_can_write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unwritable(folder, error, "--out") from None
    return folder


def could_write(folder: Path, option: str = "--out") -> None:
    """As `writable`, but nothing is made: whether a file can be written in the folder, or in what it would be made in."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _unwritable(folder, error, option) from None


def _unwritable(folder: Path, error: OSError, option: str) -> Mistake:
    reason = "a file is in the way" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
    return Mistake(f"{option} {folder}: cannot be written ({reason}); choose another folder")


def tell_warnings() -> None:
    """From now on, the package's warnings are told as mistakes are: one line on the error stream, and no place in the code."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if category.__module__.startswith("abm."):
            complain(f"warning: {message}")
        else:
            usual(message, category, *place)

    warnings.showwarning = show  # type: ignore[assignment]


def complain(text: str) -> int:
    """One line a problem on the error stream; the exit code for wrong input."""
    try:
        for line in printable(text).splitlines():
            print(f"abm: {line}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads it
        give_up(sys.stderr)
    return INPUT_ERROR


def policy_table(changes: Iterable[Change], before: str = "from", after: str = "to") -> Table:
    """Changes of policy, one a row; no number is cut at 80 columns."""
    from abm.runs.policy import EVERYWHERE

    table = Table(box=None, pad_edge=False)
    table.add_column("policy", max_width=30, overflow="fold")
    for heading in (before, after):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("date", no_wrap=True)
    table.add_column("set by", overflow="fold")
    for one in changes:
        where = "" if one.jurisdiction == EVERYWHERE else f" ({one.jurisdiction})"
        old, _, new = one.step.partition(" to ")
        table.add_row(escape(one.instrument + where), old, new, f"{date_of(one.month):%Y-%m}", escape(one.by))
    return table
