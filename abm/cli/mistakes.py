"""Parsing and checking of command-line input, and reporting of user errors.

Every user error is reported on stderr, one line per problem, with exit code 2.
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
"""Seconds to wait before a lost interrupt is sent again."""
CLICK_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException, wherever this version of typer defines it


CANNOT_WRITE = (errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS)
"""Error numbers of a full, read-only or forbidden file system."""
GONE = "the working directory no longer exists (deleted or moved); change to another one"

REWORDED = (
    (r"^Invalid value for '(-[\w-]+)': (?=Input should)", r"\1: "),
    ("Input should be greater than or equal to", "must be at least"),
    ("Input should be less than or equal to", "must be at most"),
    (r"Input should be a valid integer\b.*", "must be a whole number"),
    (r"Input should be a valid number\b.*", "must be a number"),
)
"""Messages of typer and the library below it (regular expressions), and the wording used everywhere else in `abm`."""


NUMBERS: dict[Any, str] = {int: "integer", int | None: "integer", float: "number", float | None: "number"}
"""Numeric option types, and the names typer's messages use for them."""


class Mistake(Exception):
    """An error that the user can correct; the message has one line per problem."""


class Commands(TyperGroup):
    """Command group that reports user errors in one line each, without a box, usage text or traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        code: Any
        try:
            with any_output():
                code = self._code(*args, **kwargs)
        except OSError as error:
            if error.filename is not None or error.errno not in (*CANNOT_WRITE, errno.EPIPE):
                raise
            give_up(sys.stdout)
            reader_left = error.errno == errno.EPIPE  # as `head` does
            code = 1 if reader_left else complain(f"the output cannot be written ({error.strerror})")
        sys.exit(code if isinstance(code, int) else 0)

    def _code(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command and return its exit code."""
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
        """Find the command as usual, but parse numeric options strictly: Python would read `--seeds 1_0` as ten."""
        resolved = super().resolve_command(ctx, args)
        command: Any = resolved[1]
        types: dict[Any, Any] = get_type_hints(inspect.unwrap(command.callback))
        for param in command.params:
            if kind := NUMBERS.get(types.get(param.name)):
                param.process_value = functools.partial(_strictly, kind, param, param.process_value)
        return resolved

    def _usage(self, error: Any) -> str:
        """Message for a usage error: the problem and the help page to look at."""
        message = " ".join(error.format_message().split()).rstrip(".")
        for theirs, ours in REWORDED:
            message = re.sub(theirs, ours, message)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "abm"
        unknown = "No such command '"
        if message.startswith(unknown):
            word = message.removeprefix(unknown).split("'")[0]
            message = f"no command {word!r}{nearest(word, list(self.commands))}"
        return f"{message}; see `{command} --help`"


def _strictly(kind: str, param: Any, process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    """Parse a numeric option, rejecting underscores and non-ASCII digits; `process` rejects everything else."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise typer.BadParameter(f"Input should be a valid {kind}", ctx=ctx, param=param)
    return process(ctx, value)


def is_gone() -> bool:
    """Whether the working directory no longer exists."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def resend_lost_interrupts() -> None:
    """Resend every Ctrl-C that Python discards until it takes effect.

    Python discards exceptions raised in a garbage-collector hook. JAX installs such a hook, and about half of all
    interrupts during its import or compilation arrive there.
    """
    default_hook, discarded = sys.unraisablehook, threading.Event()

    def send_again() -> None:
        while discarded.wait():
            discarded.clear()
            time.sleep(AGAIN)
            _interrupt()

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            return default_hook(unraisable)
        discarded.set()  # resent later from another thread: raised here, it would be discarded again

    threading.Thread(target=send_again, daemon=True).start()  # not in the hook, where starting a thread is slow
    sys.unraisablehook = hook


def _interrupt() -> None:
    """Send Ctrl-C to the main thread as a real signal, which also ends a wait for worker processes."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)


def parse_settings(given: list[str]) -> dict[str, Any]:
    """Parse `name=value` and `name.jurisdiction=value` into parameters. Raises `Mistake` with all problems at once."""
    from abm.parameters import Parameters
    from abm.support.axes import INSTRUMENTS, JURISDICTIONS

    values: dict[str, Any] = {}
    tables: dict[str, dict[str, float]] = {}
    problems, seen = [], set()
    for text in given:
        key, equals, value = (part.strip() for part in text.partition("="))
        name, dot, where = key.partition(".")
        if not equals or not key:
            problems.append(f"--set {text}: must have the form NAME=VALUE")
            continue
        if key in seen:
            problems.append(f"--set {key}: given twice")
        seen.add(key)
        if name not in Parameters.names():
            problems.append(f"--set {text}: no parameter {name!r}{did_you_mean(name, Parameters.names(), PARAMETERS)}")
        elif dot and name not in INSTRUMENTS:
            problems.append(
                f"--set {text}: {name} is not a policy lever and has one value everywhere; leave out .{where}"
            )
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
    """Turn errors raised by the block into a `Mistake` with the same message: ValueError, OSError and those in `also`."""
    # ParameterError and ScenarioError are ValueErrors
    mistakes: tuple[type[Exception], ...] = (ValueError, OSError, *also)
    try:
        yield
    except mistakes as error:
        raise Mistake(message_of(error)) from None


def message_of(error: Exception) -> str:
    """Message of an exception; errors of the operating system start with the file and omit the error number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return str(error)


def refuse_folder(option: str, path: Path) -> None:
    """Raise `Mistake` if the path given with `option` is a folder where a file is needed."""
    if path.is_dir():
        raise Mistake(f"{option} {path}: is a folder; give a file name")


def writable(folder: Path) -> Path:
    """Create the folder if missing and check that files can be written in it: before hours of work, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".abm_can_write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unwritable(folder, error, "--out") from None
    return folder


def check_writable(folder: Path, option: str = "--out") -> None:
    """Check as `writable` does without creating anything: test the folder or its nearest existing parent."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise _unwritable(folder, error, option) from None


def _unwritable(folder: Path, error: OSError, option: str) -> Mistake:
    reason = "a file is in the way" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
    return Mistake(f"{option} {folder}: cannot be written ({reason}); choose another folder")


def report_warnings() -> None:
    """Print the package's warnings as one line on stderr, without the line of code that raised them."""
    default_show = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *location: Any) -> None:
        if category.__module__.startswith("abm."):
            complain(f"warning: {message}")
        else:
            default_show(message, category, *location)

    warnings.showwarning = show  # type: ignore[assignment]


def complain(text: str) -> int:
    """Print each line of the text on stderr after `abm: `, and return the exit code for wrong input."""
    try:
        for line in printable(text).splitlines():
            print(f"abm: {line}", file=sys.stderr, flush=True)
    except OSError:  # stderr is closed
        give_up(sys.stderr)
    return INPUT_ERROR


def policy_table(changes: Iterable[Change], before: str = "from", after: str = "to") -> Table:
    """Table of policy changes, one per row; no number is cut off at 80 columns."""
    from abm.runs.policy import EVERYWHERE

    table = Table(box=None, pad_edge=False)
    table.add_column("policy", max_width=30, overflow="fold")
    for heading in (before, after):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("date", no_wrap=True)
    table.add_column("set by", overflow="fold")
    for change in changes:
        where = "" if change.jurisdiction == EVERYWHERE else f" ({change.jurisdiction})"
        old, _, new = change.step.partition(" to ")
        date = f"{date_of(change.month):%Y-%m}"
        table.add_row(escape(change.instrument + where), old, new, date, escape(change.by))
    return table
