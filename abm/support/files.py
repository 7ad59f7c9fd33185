"""Reading files with size limits, and writing them atomically."""

import contextlib
import json
import os
import re
import socket
import stat
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LARGEST = 1_000_000
"""Largest size, in bytes, of a user's text file."""
DEEPEST = 50
"""Deepest nesting of tables and lists."""
TOO_DEEP = "tables or brackets are nested too deeply"


class Linked(ValueError):
    """A results folder contains a symbolic link."""


class Unreadable(ValueError):
    """A user's file cannot be read. The message gives file, line and reason on one line, whichever command reads it."""


def read_text(path: Path, label: str = "", largest: int = LARGEST) -> str:
    """Read a user's text file. Raises `Unreadable`, whose message calls the file `label` if that is given."""
    label = label or str(path)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            reason = "it is a folder; give the file" if stat.S_ISDIR(kind) else "it is not a text file"
            raise Unreadable(f"{label}: cannot be read: {reason}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except Unreadable:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable(f"{label}: cannot be read: file not found") from None
    except (OSError, ValueError) as error:  # no permission, a loop of links; a zero byte in the name
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise Unreadable(f"{label}: cannot be read: {reason}") from None
    if len(content) > largest:
        raise Unreadable(f"{label}: cannot be read: more than {largest:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{label}:{line}: cannot be read: it is not UTF-8 text") from None


def parse_toml(text: str, label: str) -> dict[str, Any]:
    """Parse the text of a TOML file. Raises `Unreadable`, with the line of a syntax error."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        line = match[1] if match else text.count("\n") + 1
        reason = re.sub(r"at line \d+, (column)", r"\1", str(error))
        raise Unreadable(f"{label}:{line}: TOML syntax: {reason}") from None
    except RecursionError:
        raise Unreadable(f"{label}: cannot be read: {TOO_DEEP}") from None
    except ValueError as error:  # a number with thousands of digits
        raise Unreadable(f"{label}: cannot be read: {error}") from None
    if _is_too_deep(table):
        raise Unreadable(f"{label}: cannot be read: {TOO_DEEP}")
    return table


def read_toml(path: Path, label: str = "", largest: int = LARGEST) -> dict[str, Any]:
    """Read and parse a user's TOML file. Raises `Unreadable`."""
    return parse_toml(read_text(path, label, largest), label or str(path))


def read_json(path: Path, largest: int) -> Any:
    """Read and parse a JSON file of at most `largest` bytes. Raises `Unreadable`."""
    try:
        value = json.loads(read_text(path, largest=largest))
    except RecursionError:
        raise Unreadable(f"{path}: cannot be read: {TOO_DEEP}") from None
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"{path}: cannot be read: {error}") from None
    if _is_too_deep(value):
        raise Unreadable(f"{path}: cannot be read: {TOO_DEEP}")
    return value


def _is_too_deep(value: Any) -> bool:
    """Whether tables and lists are nested deeper than `DEEPEST`, which could exhaust the stack of recursive readers."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def safe_name(text: str, otherwise: str, marks: str = "_.-") -> str:
    """Turn the name of a file or folder into a name of ASCII letters, digits and `marks`: `my sweep` becomes `my_sweep`.

    The name has at most 64 characters and begins with a letter or digit; if nothing is left, it is `otherwise`.
    """
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(rf"[^A-Za-z0-9{re.escape(marks)}]+", "_", letters).lstrip("_.-").rstrip("_")[:64] or otherwise


def write_whole(path: Path, write: Callable[[Any], None], *, make_folder: bool = True, replace: bool = True) -> None:
    """Write a file atomically: it is complete or absent. A symbolic link at `path` is replaced, never followed.

    With `make_folder`, the folder is created if missing. Without `replace`, an existing file raises FileExistsError; if
    several processes create the file at once, exactly one succeeds.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            _link(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


def _link(temporary: Path, path: Path) -> None:
    """Move a file to its final name. Raises FileExistsError if the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with path.open("xb") as file:
            file.write(temporary.read_bytes())
    temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as `write_whole` does."""
    write_whole(path, lambda file: file.write(text.encode()))


def refuse_links(folder: Path, *names: str) -> None:
    """Raise `Linked` if any of these files or subfolders of a results folder is, or contains, a symbolic link.

    Through a link, files would be written to or read from a place outside the folder. The folder itself may be a link:
    the user chose it by name.
    """
    for path in (inner for name in names for inner in _walk(folder / name)):
        if path.is_symlink():
            raise Linked(
                f"{path}: is a symbolic link, which is not allowed in a results folder (files outside it would be read"
                " or written); replace the link with the file or folder itself"
            )


def _walk(path: Path) -> Iterator[Path]:
    """Yield a path and everything below it, without following links."""
    yield path
    if not path.is_symlink():
        for parent, folders, files in os.walk(path):
            yield from (Path(parent, name) for name in (*folders, *files))


def toml_key(word: str) -> str:
    """Format a key as TOML, quoted if necessary."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else toml_value(word)


def toml_value(value: Any) -> str:
    """Format a value as TOML; `str` of dates and numbers is valid TOML already."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml_key(k)} = {toml_value(v)}' for k, v in value.items())} }}"
    return str(value)
