"""The validation ladder: limiting cases of the model with known answers.

Every rung calls the functions that the model itself uses, in a setting where the literature (or a solver that shares no
code with them) gives the answer. This module defines rungs and checks, runs the ladder and writes the report.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

import abm.engine  # noqa: F401 - 64-bit floats, before the first array

SUBJECTS = (
    "adoption",
    "chip",
    "court",
    "demand",
    "evolution",
    "imitation",
    "investor",
    "machine",
    "month",
    "network",
    "nevo",
    "pricing",
    "research",
    "size",
    "token",
)


@dataclass(frozen=True)
class Check:
    """One number that the model must reproduce: `value` must lie between `low` and `high`."""

    what: str
    target: float
    value: float
    low: float
    high: float
    tolerance: str  # as printed

    @property
    def ok(self) -> bool:
        return bool(self.low <= self.value <= self.high)  # NaN is never inside

    @property
    def decides(self) -> bool:
        """Whether the check can fail; others are for information only."""
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    @property
    def difference(self) -> float:
        return self.value - self.target


def check(
    what: str,
    value: Any,
    target: Any,
    *,
    absolute: float | None = None,
    relative: float | None = None,
    standard_error: float | None = None,
    rounding: float = 0.0,
) -> Check:
    """Check that `value` equals `target` within exactly one tolerance.

    `absolute` is in the unit of the value and `relative` a share of the target. `standard_error` is the error of a simulated
    value, of which three are allowed, plus `rounding` if the target is known to few digits. Raises ValueError without a
    tolerance.
    """
    value, target = float(value), float(target)
    if absolute is not None:
        width, text = absolute, f"{absolute:g}"
    elif relative is not None:
        width, text = relative * abs(target), f"{100 * relative:g} %"
    elif standard_error is not None:
        width = 3 * float(standard_error) + rounding
        text = f"3 s.e. = {3 * float(standard_error):.2g}" + (f" + {rounding:g}" if rounding else "")
    else:
        raise ValueError(f"{what}: give a tolerance")
    return Check(what, target, value, target - width, target + width, text)


def between(what: str, value: Any, low: float, high: float, target: float | None = None) -> Check:
    """Check that `value` lies between two bounds; the target is their midpoint unless given."""
    middle = (low + high) / 2 if target is None else target
    return Check(what, middle, float(value), low, high, f"{low:g} to {high:g}")


def above(what: str, value: Any, bound: float) -> Check:
    """Check that `value` exceeds a bound."""
    return Check(what, bound, float(value), float(np.nextafter(bound, np.inf)), np.inf, f"> {bound:g}")


def below(what: str, value: Any, bound: float) -> Check:
    """Check that `value` is below a bound."""
    return Check(what, bound, float(value), -np.inf, float(np.nextafter(bound, -np.inf)), f"< {bound:g}")


def reported(what: str, value: Any, target: float) -> Check:
    """A value that is reported beside its target for information only."""
    return Check(what, target, float(value), -np.inf, np.inf, "for information")


class Skipped(Exception):
    """Raised by a rung that cannot run here; the message says what to install."""


@dataclass(frozen=True)
class Rung:
    """A limiting case: `checks` runs it, and its docstring describes the setting."""

    name: str
    title: str
    source: str
    slow: bool
    checks: Callable[[], Iterable[Check]]

    @property
    def setting(self) -> str:
        return " ".join((self.checks.__doc__ or "").split())

    def run(self) -> "Result":
        began = time.perf_counter()
        try:
            done, skipped = tuple(self.checks()), ""
        except Skipped as reason:
            done, skipped = (), str(reason)
        return Result(self, done, time.perf_counter() - began, skipped)


@dataclass(frozen=True)
class Result:
    """Result of a rung: its checks, the time taken, and why it was skipped (empty if it was not)."""

    rung: Rung
    checks: tuple[Check, ...]
    seconds: float
    skipped: str = ""

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


_registered: dict[str, Rung] = {}


def all_rungs() -> dict[str, Rung]:
    """All rungs by name, in numerical order."""
    for subject in SUBJECTS:
        import_module(f"abm.validation.{subject}_rungs")  # registers the rungs of the module
    return dict(sorted(_registered.items(), key=lambda item: int(item[0][1:])))


def rung(name: str, title: str, source: str, slow: bool = False) -> Callable[[Any], Any]:
    """Register a function that yields checks as a rung of the ladder (decorator)."""
    if not re.fullmatch(r"V\d+", name) or name in _registered:
        raise ValueError(f"rung {name}: the name must be V followed by an unused number")

    def register(checks: Callable[[], Iterable[Check]]) -> Callable[[], Iterable[Check]]:
        _registered[name] = Rung(name, title, source, slow, checks)
        return checks

    return register


def climb(rungs: Iterable[Rung], progress: Callable[[str, float, float], None] | None = None) -> list[Result]:
    """Run rungs in order; `progress(description, done, total)` is called before each."""
    rungs = list(rungs)
    results: list[Result] = []
    for rung in rungs:
        if progress:
            progress(f"{rung.name} {rung.title}", len(results), len(rungs))
        results.append(rung.run())
    return results


def summary(results: Iterable[Result]) -> str:
    """One line with the number of checks met and the rungs that were missed or skipped."""
    results = list(results)
    checks = [check for result in results for check in result.checks if check.decides]
    met = sum(check.ok for check in checks)
    text = f"{met} of {len(checks)} checks met in {sum(not result.skipped for result in results)} rungs"
    missed = [result.rung.name for result in results if not result.ok]
    skipped = [result.rung.name for result in results if result.skipped]
    if missed:
        text += f"; missed in {', '.join(missed)}"
    return text + (f"; skipped: {', '.join(skipped)}" if skipped else "")


ROUNDING = 1e-10
"""Smaller differences are shown as 0: they depend on the machine."""


def cells(check: Check) -> tuple[str, str, str, str, str, str]:
    """A check as text: description, target, value, difference, tolerance, whether it is met."""
    return (
        check.what,
        f"{check.target:.7g}",
        f"{check.value:.7g}",
        "0" if abs(check.difference) < ROUNDING else f"{check.difference:.1e}",
        check.tolerance,
        ("yes" if check.ok else "NO") if check.decides else "",
    )


def markdown(results: Iterable[Result]) -> str:
    """Report of the ladder as a Markdown page."""
    results = list(results)
    lines = [
        "# Validation ladder",
        "",
        "Limiting cases with known answers. Every rung calls public functions of `abm.mechanisms` or agents on the engine, not"
        " copies of them. What `abm.validation.theory` holds is not used in the model's month: it is theory with which the"
        " model is compared. V20 checks rules that only the month uses, V21 to V25 play its phases of machines, rent, tokens,"
        " research and enforcement; the core of the month is checked against a second implementation (benchmarks/plain_mesa)."
        " Written by `abm validate`; do not edit.",
        "",
        f"{summary(results)}.",
    ]
    for result in results:
        lines += ["", f"## {result.rung.name} {result.rung.title}", "", result.rung.setting, ""]
        lines += [f"Source: {result.rung.source}.", ""]
        if result.skipped:
            lines += [f"Skipped: {result.skipped}."]
            continue
        lines += [
            "| check | target | model | difference | tolerance | met |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
        ]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(c)) + " |" for c in result.checks]
    return "\n".join(lines) + "\n"
