"""Files: read with limits, and written so that they are there as a whole or not at all."""

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
"""Bytes of the largest text file of a user's that is read."""
DEEPEST = 50
"""Levels of tables and lists in one another."""
TOO_DEEP = "tables or brackets in one another, too deep"


class Linked(ValueError):
    """A symbolic link in a folder of results."""


class Unreadable(ValueError):
    """A user's file that cannot be read: which, where and why, in one line, whichever command was to read it."""


def read_text(path: Path, label: str = "", largest: int = LARGEST) -> str:
    """What a user's text file says. Raises `Unreadable`, with `label` for the file where it is given."""
    label = label or str(path)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            what = "it is a folder; give the file" if stat.S_ISDIR(kind) else "it is not a text file"
            raise Unreadable(f"{label}: cannot be read: {what}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except Unreadable:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable(f"{label}: cannot be read: there is no such file") from None
    except (OSError, ValueError) as error:  # no permission, a loop of links; a zero byte in the name
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise Unreadable(f"{label}: cannot be read: {why}") from None
    if len(content) > largest:
        raise Unreadable(f"{label}: cannot be read: more than {largest:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{label}:{line}: cannot be read: it is not UTF-8 text") from None


def parse_toml(text: str, label: str) -> dict[str, Any]:
    """What the text of a TOML file says. Raises `Unreadable`, with the line where the syntax is at fault."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = line[1] if line else text.count("\n") + 1
        what = re.sub(r"at line \d+, (column)", r"\1", str(error))
        raise Unreadable(f"{label}:{at}: TOML syntax: {what}") from None
    except RecursionError:
        raise Unreadable(f"{label}: cannot be read: {TOO_DEEP}") from None
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable(f"{label}: cannot be read: {error}") from None
    if _deep(table):
        raise Unreadable(f"{label}: cannot be read: {TOO_DEEP}")
    return table


def read_toml(path: Path, label: str = "", largest: int = LARGEST) -> dict[str, Any]:
    """What a user's TOML file says. Raises `Unreadable`."""
    return parse_toml(read_text(path, label, largest), label or str(path))


def read_json(path: Path, largest: int) -> Any:
    """What a JSON file says. Raises `Unreadable`."""
    try:
        value = json.loads(read_text(path, largest=largest))
    except RecursionError:
        raise Unreadable(f"{path}: cannot be read: {TOO_DEEP}") from None
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"{path}: cannot be read: {error}") from None
    if _deep(value):
        raise Unreadable(f"{path}: cannot be read: {TOO_DEEP}")
    return value


def _deep(value: Any) -> bool:
    """Whether tables and lists are nested deeper than `DEEPEST`: whoever walks through them may recurse."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def safe_name(text: str, otherwise: str, marks: str = "_.-") -> str:
    """A name of ASCII letters, digits and `marks` from the name of a file or folder: `my_sweep` of `my sweep`.

    At most 64 characters, a letter or digit first; `otherwise` where nothing is left.
    """
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(rf"[^A-Za-z0-9{re.escape(marks)}]+", "_", letters).lstrip("_.-").rstrip("_")[:64] or otherwise


def write_whole(path: Path, write: Callable[[Any], None], *, make_folder: bool = True, replace: bool = True) -> None:
    """A file that is there as a whole or not at all; a link in its place is replaced, never written through.

    With `make_folder` its folder is made if need be. Without `replace` it raises FileExistsError where there is a file
    already: of several processes that create it at once, one does.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        with half.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(half, path)
        else:
            _link(half, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            half.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


def _link(half: Path, path: Path) -> None:
    """Give a file its name unless that is taken. Raises FileExistsError."""
    try:
        os.link(half, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with path.open("xb") as file:
            file.write(half.read_bytes())
    half.unlink()


def write_text(path: Path, text: str) -> None:
    """A text file, as `write_whole` writes."""
    write_whole(path, lambda file: file.write(text.encode()))


def refuse_links(folder: Path, *names: str) -> None:
    """Raise `Linked` if one of these files or subfolders of a folder of results, or anything in them, is a symbolic link.

    What is written through a link lands outside the folder, and what is read through one comes from there. The folder
    itself may be one: whoever names it chose it.
    """
    for path in (one for name in names for one in _below(folder / name)):
        if path.is_symlink():
            raise Linked(
                f"{path}: is a symbolic link, and a folder of results may have none: files would be read or written"
                " outside of it; put the file or folder itself in its place"
            )


def _below(path: Path) -> Iterator[Path]:
    """A path and all that is below it, without following links."""
    yield path
    if not path.is_symlink():
        for place, folders, files in os.walk(path):
            yield from (Path(place, inner) for inner in (*folders, *files))


def toml_key(word: str) -> str:
    """A key as TOML, in quotes where it needs them."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else toml_value(word)


def toml_value(value: Any) -> str:
    """A value as TOML; dates and numbers print as TOML has them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml_key(k)} = {toml_value(v)}' for k, v in value.items())} }}"
    return str(value)
