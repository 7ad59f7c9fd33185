"""A scenario as the compiled month reads it: dense arrays, one row a month.

Axes: M months, D = 21 trading days, R jurisdictions, I = 8 policy instruments, V chip vendors, L lab slots, Q = 4 open
questions. Shapes depend on the length of the run and on the `Cast` alone, never on the scenario, so that nothing
recompiles from one scenario to the next. What happens in a month is written from that month on: an added event leaves
every earlier row as it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from abm.scenarios.calendar import HORIZON
from abm.support.axes import DAYS, INSTRUMENTS, JURISDICTIONS, QUESTIONS

SIZES = {
    "vendors": (1, 1_000),
    "closed_labs": (1, 1_000),
    "open_labs": (1, 1_000),
    "entrants": (0, 1_000),
    "adopters": (1, 10_000_000),
    "investors": (1, 10_000_000),
}
"""Least and most of each population: what a large machine can hold."""

NO_CAP, NO_GAP = 1e6, -1e6
ENTRANT = "entrant_"


@dataclass(frozen=True)
class Cast:
    """Who is there, and where their home is. Slots called `entrant_*` exist too, but scenarios may not name them."""

    vendors: tuple[str, ...] = ("leader", "follower", "inhouse", "domestic")
    vendor_home: tuple[str, ...] = ("us", "us", "us", "china")
    labs: tuple[str, ...] = (*(f"closed_{i}" for i in range(1, 6)), *(f"open_{i}" for i in range(1, 7)))
    lab_home: tuple[str, ...] = ("us", "us", "us", "us", "china", "china", "us", "china", "eu", "us", "row")
    jurisdictions: tuple[str, ...] = JURISDICTIONS

    def __post_init__(self) -> None:
        for names, homes in ((self.vendors, self.vendor_home), (self.labs, self.lab_home)):
            if len(names) != len(homes):
                raise ValueError(f"{len(names)} names but {len(homes)} homes: {names}, {homes}")
            if unknown := set(homes) - set(self.jurisdictions):
                raise ValueError(f"homes that are no jurisdiction: {sorted(unknown)}")
        for names in (self.vendors, self.labs, self.jurisdictions):
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"names must be given and differ: {names}")

    def with_entrants(self, number: int) -> "Cast":
        """The same cast with `number` more lab slots; their homes go round the jurisdictions."""
        taken = sum(lab.startswith(ENTRANT) for lab in self.labs)
        slots = range(taken, taken + number)
        return Cast(
            self.vendors,
            self.vendor_home,
            (*self.labs, *(f"{ENTRANT}{i + 1}" for i in slots)),
            (*self.lab_home, *(self.jurisdictions[i % len(self.jurisdictions)] for i in slots)),
            self.jurisdictions,
        )

    @property
    def named_labs(self) -> tuple[str, ...]:
        """Labs that a scenario may name."""
        return tuple(lab for lab in self.labs if not lab.startswith(ENTRANT))


def _array(axes: str, default: float = 0.0) -> Any:
    return field(metadata={"axes": axes, "default": default})


@dataclass(frozen=True, eq=False)
class Timeline:
    """Everything a scenario does to a run, read-only. Money in $ M, performance in H100e a chip, capability in nats."""

    policy_scale: np.ndarray = _array("MRI", 1.0)
    """An instrument's target is base * policy_scale + policy_add."""
    policy_add: np.ndarray = _array("MRI")
    export_availability: np.ndarray = _array("MVR", 1.0)
    """Share of a vendor's supply that may be sold into the jurisdiction."""
    performance_cap: np.ndarray = _array("MVR", NO_CAP)
    release: np.ndarray = _array("ML")
    """1 where the lab is made to release that month, whatever its own rule says."""
    release_day: np.ndarray = _array("ML", -1.0)
    """Trading day on which that release becomes news (-1: none)."""
    release_gap: np.ndarray = _array("ML", NO_GAP)
    """Capability relative to the frontier at that moment; -1e6: whatever the lab has by then."""
    efficiency_gain: np.ndarray = _array("ML")
    size_step: np.ndarray = _array("ML")
    """ln parameters above what is usual for the release's capability."""
    release_claimed_cost: np.ndarray = _array("ML")
    """Cost disclosed with the release, news of day `release_day` (0: none); not repeated in `claimed_cost`."""
    release_programme_cost: np.ndarray = _array("ML")
    """What the programme behind the release truly cost (0: as the model has it)."""
    claimed_cost: np.ndarray = _array("MD")
    """Cost claimed on that day apart from a release (0: none)."""
    audit_cost: np.ndarray = _array("MD")
    """Outsiders' estimate of a cost, published that day (0: none)."""
    capex: np.ndarray = _array("M")
    """Spending of announced programmes in that month."""
    capex_news: np.ndarray = _array("MD")
    """Sum of the programmes announced that day."""
    news_signal_precision: np.ndarray = _array("MDQ")
    """Sum of precision * signal over the day's news; divide by `news_precision` for the pooled signal."""
    news_precision: np.ndarray = _array("MDQ")
    salience: np.ndarray = _array("MD")
    vigilance: np.ndarray = _array("ML")
    """Effort against distillation that a teacher adds to its own."""
    allegation: np.ndarray = _array("ML")
    """1 while the lab stands accused of having distilled."""
    price_factor: np.ndarray = _array("ML", 1.0)
    """List prices are multiplied by it once, in that month, and stay there until they are next changed."""

    @classmethod
    def blank(cls, months: int, cast: Cast) -> "Timeline":
        """A timeline on which nothing happens, still to be written on."""
        size = {"M": months, "D": DAYS, "R": len(cast.jurisdictions), "I": len(INSTRUMENTS)}
        size |= {"V": len(cast.vendors), "L": len(cast.labs), "Q": len(QUESTIONS)}
        shapes = {f.name: tuple(size[axis] for axis in f.metadata["axes"]) for f in fields(cls)}
        return cls(**{f.name: np.full(shapes[f.name], f.metadata["default"]) for f in fields(cls)})

    @classmethod
    def of(cls, events: Iterable[Any], months: int = HORIZON, cast: Cast = Cast()) -> "Timeline":
        """The timeline of `events`, oldest first; what lies beyond `months` does not happen."""
        timeline = cls.blank(months, cast)
        for event in events:
            if event.when[0] < months:
                event.act(timeline, cast)
        for array in timeline.arrays().values():
            array.flags.writeable = False
        return timeline

    @property
    def months(self) -> int:
        """Length of the run."""
        return len(self.capex)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, month first: what a scan over months takes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
