"""The validation ladder: limiting cases of the model whose answers are known.

Every rung calls the functions that the model itself runs on, in a set-up where the literature (or a solver that shares
no code with them) gives the answer. This module says what a rung is, what it checks, and how the ladder is run and
written down.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

import abm.engine  # noqa: F401 - 64-bit floats, before the first array

SUBJECTS = ("adoption", "chip", "demand", "evolution", "investor", "month", "network", "nevo", "research", "size")


@dataclass(frozen=True)
class Check:
    """One number that the model must give: `value` must lie between `low` and `high`."""

    what: str
    target: float
    value: float
    low: float
    high: float
    tolerance: str  # as the reader is told it

    @property
    def ok(self) -> bool:
        return bool(self.low <= self.value <= self.high)  # NaN is never inside

    @property
    def decides(self) -> bool:
        """Whether it can be missed; what cannot is there for information."""
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
    """`value` must come to `target` within one tolerance.

    `absolute` is in the unit of the value, `relative` a share of the target, and `standard_error` the error of a
    simulated value, of which three are allowed, and `rounding` where the target is only known to so many digits.
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
    """`value` must lie between two bounds; the target is their middle unless given."""
    middle = (low + high) / 2 if target is None else target
    return Check(what, middle, float(value), low, high, f"{low:g} to {high:g}")


def above(what: str, value: Any, bound: float) -> Check:
    """`value` must exceed a bound."""
    return Check(what, bound, float(value), float(np.nextafter(bound, np.inf)), np.inf, f"> {bound:g}")


def below(what: str, value: Any, bound: float) -> Check:
    """`value` must stay under a bound."""
    return Check(what, bound, float(value), -np.inf, float(np.nextafter(bound, -np.inf)), f"< {bound:g}")


def reported(what: str, value: Any, target: float) -> Check:
    """A value that is shown beside its target and decides nothing."""
    return Check(what, target, float(value), -np.inf, np.inf, "for information")


class Skipped(Exception):
    """A rung that cannot run here: the message says what to install."""


@dataclass(frozen=True)
class Rung:
    """A limiting case: `checks` runs it, and its docstring says what is set up."""

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
    """A rung that was run: its checks, how long it took, and why it was skipped (empty if it was not)."""

    rung: Rung
    checks: tuple[Check, ...]
    seconds: float
    skipped: str = ""

    @property
    def ok(self) -> bool:
        return all(one.ok for one in self.checks)


_registered: dict[str, Rung] = {}


def all_rungs() -> dict[str, Rung]:
    """Every rung by name, V1 first."""
    for subject in SUBJECTS:
        import_module(f"abm.validation.{subject}_rungs")  # each registers its own
    return dict(sorted(_registered.items(), key=lambda item: int(item[0][1:])))


def rung(name: str, title: str, source: str, slow: bool = False) -> Callable[[Any], Any]:
    """Make a function that yields checks a rung of the ladder."""
    if not re.fullmatch(r"V\d+", name) or name in _registered:
        raise ValueError(f"rung {name}: the name must be V and a number, and new")

    def register(checks: Callable[[], Iterable[Check]]) -> Callable[[], Iterable[Check]]:
        _registered[name] = Rung(name, title, source, slow, checks)
        return checks

    return register


def climb(rungs: Iterable[Rung], progress: Callable[[str, float, float], None] | None = None) -> list[Result]:
    """Run rungs in order. `progress(doing, done, total)` is called before each."""
    rungs = list(rungs)
    results: list[Result] = []
    for one in rungs:
        if progress:
            progress(f"{one.name} {one.title}", len(results), len(rungs))
        results.append(one.run())
    return results


def summary(results: Iterable[Result]) -> str:
    """How many checks were met, and which rungs missed or were skipped: one line."""
    results = list(results)
    checks = [one for result in results for one in result.checks if one.decides]
    text = f"{sum(one.ok for one in checks)} of {len(checks)} checks met in {sum(not r.skipped for r in results)} rungs"
    missed = [result.rung.name for result in results if not result.ok]
    skipped = [result.rung.name for result in results if result.skipped]
    if missed:
        text += f"; missed in {', '.join(missed)}"
    return text + (f"; skipped: {', '.join(skipped)}" if skipped else "")


ROUNDING = 1e-10
"""Smaller differences are shown as 0: their digits are those of the machine."""


def cells(one: Check) -> tuple[str, str, str, str, str, str]:
    """A check as text: what, target, value, difference, tolerance, whether it is met."""
    return (
        one.what,
        f"{one.target:.7g}",
        f"{one.value:.7g}",
        "0" if abs(one.difference) < ROUNDING else f"{one.difference:.1e}",
        one.tolerance,
        ("yes" if one.ok else "NO") if one.decides else "",
    )


def markdown(results: Iterable[Result]) -> str:
    """The ladder as a page."""
    results = list(results)
    lines = [
        "# Validation ladder",
        "",
        "Cases whose answers are known. Every rung calls public functions of `abm.mechanisms` or agents on the engine; none"
        " has a copy of its own. Not all of these functions are in the model's month: `nash_prices`, `degroot`,"
        " `friedkin_johnsen`, `kyle_lambda` and those of V6, V8, V10, V15 to V18 are the theory that it is measured"
        " against. The last rung holds rules that only the month runs, and the month's core is checked against a second"
        " implementation (tests/oracle). Made by `abm validate`; do not edit.",
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
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(one)) + " |" for one in result.checks]
    return "\n".join(lines) + "\n"
