"""Files: read with limits, and written so that they are there as a whole or not at all."""

import contextlib
import json
import os
import re
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

LARGEST = 1_000_000
"""Bytes of the largest TOML file that is read."""


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises ValueError or OSError with the reason why it cannot be read."""
    if not path.is_file():
        raise ValueError("there is no such file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(str(error)) from None


def write_whole(path: Path, write: Callable[[Any], None]) -> None:
    """A file that is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        with half.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            half.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


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
