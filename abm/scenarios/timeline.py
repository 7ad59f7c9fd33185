"""A scenario in the form that the compiled month reads: dense arrays, one row per month.

Axes: M months, D = 21 trading days, R jurisdictions, I = 8 policy instruments, V chip vendors, L lab slots, P = 8
programmes, Q = 4 open questions. Shapes depend only on the length of the run and on the `Cast`, never on the scenario, so
that a change of scenario does not recompile. An event changes rows from its own month on: adding one leaves all earlier
rows as they were.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from abm.scenarios.calendar import HORIZON
from abm.support.axes import DAYS, INSTRUMENTS, JURISDICTIONS, PROGRAMMES, QUESTIONS

SIZES = {
    "vendors": (1, 1_000),
    "closed_labs": (0, 1_000),
    "open_labs": (0, 1_000),
    "entrants": (0, 1_000),
    "adopters": (1, 10_000_000),
    "investors": (1, 10_000_000),
}
"""Smallest and largest size of each population; the upper limits are what fits on a large machine."""

NO_CAP, NO_GAP = 1e6, -1e6
ENTRANT = "entrant_"


@dataclass(frozen=True)
class Cast:
    """Names and homes of vendors and labs. Slots for entrants are called `entrant_*`; scenarios may not name them."""

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
                raise ValueError(
                    f"homes in unknown jurisdictions: {sorted(unknown)} (known: {', '.join(self.jurisdictions)})"
                )
        for names in (self.vendors, self.labs, self.jurisdictions):
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"names must be non-empty and unique: {names}")

    def with_entrants(self, number: int) -> "Cast":
        """The same cast with `number` more lab slots, whose homes cycle through the jurisdictions."""
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
    """All effects of a scenario on a run, read-only. Money in $ M, performance in H100e per chip, capability in nats."""

    policy_scale: np.ndarray = _array("MRI", 1.0)
    """An instrument's target is base * policy_scale + policy_add."""
    policy_add: np.ndarray = _array("MRI")
    export_availability: np.ndarray = _array("MVR", 1.0)
    """Share of a vendor's supply that may be sold into the jurisdiction."""
    performance_cap: np.ndarray = _array("MVR", NO_CAP)
    release: np.ndarray = _array("ML")
    """1 where the lab must release that month, whatever its own rule says."""
    release_day: np.ndarray = _array("ML", -1.0)
    """Trading day on which that release becomes news (-1: none)."""
    release_gap: np.ndarray = _array("ML", NO_GAP)
    """Capability of that release relative to the frontier of the month (-1e6: the capability that the lab has)."""
    efficiency_gain: np.ndarray = _array("ML")
    size_step: np.ndarray = _array("ML")
    """ln parameters above the usual size at the release's capability."""
    release_claimed_cost: np.ndarray = _array("ML")
    """Cost disclosed with the release, news of day `release_day` (0: none); not repeated in `claimed_cost`."""
    release_programme_cost: np.ndarray = _array("ML")
    """True cost of the programme behind the release (0: the model's own value)."""
    claimed_cost: np.ndarray = _array("MD")
    """Cost claimed that day outside a release (0: none)."""
    audit_cost: np.ndarray = _array("MD")
    """Outsiders' estimate of a cost, published that day (0: none)."""
    programme_amount: np.ndarray = _array("MP")
    """Investment programmes announced in that month: the total, and the four arrays that follow (0: none)."""
    programme_months: np.ndarray = _array("MP", 1.0)
    programme_phases: np.ndarray = _array("MP", 1.0)
    programme_own_power: np.ndarray = _array("MP")
    """Share of its places on its own sites, with power of its own."""
    programme_offtake: np.ndarray = _array("MP")
    """Share of its rent that customers have promised."""
    capex_news: np.ndarray = _array("MD")
    """Sum of the programmes announced that day."""
    news_signal_precision: np.ndarray = _array("MDQ")
    """Sum of precision * signal over the day's news; divide by `news_precision` for the pooled signal."""
    news_precision: np.ndarray = _array("MDQ")
    salience: np.ndarray = _array("MD")
    vigilance: np.ndarray = _array("ML")
    """Vigilance against distillation on top of the lab's own."""
    allegation: np.ndarray = _array("ML")
    """1 while the lab is accused of distilling."""
    price_factor: np.ndarray = _array("ML", 1.0)
    """Factor on list prices, applied once in that month; the new prices stay until they are next changed."""

    @classmethod
    def blank(cls, months: int, cast: Cast) -> "Timeline":
        """A timeline without events, whose arrays can still be written."""
        size = {"M": months, "D": DAYS, "R": len(cast.jurisdictions), "I": len(INSTRUMENTS)}
        size |= {"V": len(cast.vendors), "L": len(cast.labs), "Q": len(QUESTIONS), "P": PROGRAMMES}
        shapes = {f.name: tuple(size[axis] for axis in f.metadata["axes"]) for f in fields(cls)}
        return cls(**{f.name: np.full(shapes[f.name], f.metadata["default"]) for f in fields(cls)})

    @classmethod
    def of(cls, events: Iterable[Any], months: int = HORIZON, cast: Cast = Cast()) -> "Timeline":
        """The timeline of `events`, given oldest first; events after `months` are ignored."""
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
        return len(self.programme_amount)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, month first, as a scan over months takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
