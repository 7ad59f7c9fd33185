"""The kinds of dated event a scenario is made of: what each must say, and what it does to the timeline.

An event is dated by `date`, or by `month` (0 is January 2023) and `day` (trading day, 0 to 20). Policy and export rules
act on whole months: from the month of their date up to, and without, the month of `until`. News act on a trading day.
"""

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from abm.scenarios.calendar import date_of, month_of, trading_day
from abm.scenarios.timeline import ENTRANT, Cast, Timeline
from abm.support.axes import DAYS, INSTRUMENTS, QUESTIONS
from abm.support.messages import did_you_mean, shortened

OLDEST_RULE = dt.date(2015, 1, 1)
"""A rule may be older than the model (it is in force from month 0), but not older than the industry."""
LAST_MONTH = 1199


# --- names: checked against the cast where one is at hand, in pydantic's validation context ---


def _known(what: str, of: Callable[[Cast], Sequence[str]]) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        cast = (info.context or {}).get("cast")
        if cast is not None and value not in of(cast):
            if value.startswith(ENTRANT):
                raise ValueError(f"{value!r} is an entrant's slot: who enters, and when, is the model's own outcome")
            raise ValueError(f"unknown {what} {shortened(value)}{did_you_mean(value, of(cast))}")
        return value

    return AfterValidator(check)


def _one_of(*choices: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        if value not in choices:
            raise ValueError(f"unknown {info.field_name} {shortened(value)}{did_you_mean(value, choices)}")
        return value

    return AfterValidator(check)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


Names = (BeforeValidator(_as_tuple), Field(min_length=1))
"""A field that takes one name or a list of them."""
Lab = Annotated[str, _known("lab", lambda cast: cast.named_labs)]
VendorOrForeign = Annotated[str, _known("vendor", lambda cast: (*cast.vendors, "foreign"))]
Jurisdiction = Annotated[str, _known("jurisdiction", lambda cast: cast.jurisdictions)]
JurisdictionOrAll = Annotated[str, _known("jurisdiction", lambda cast: (*cast.jurisdictions, "all"))]
LabOrHome = Annotated[str, _known("lab or jurisdiction", lambda cast: (*cast.named_labs, *cast.jurisdictions))]
Cost = Annotated[float, Field(gt=0, le=1e8, description="$ M")]
Nats = Annotated[float, Field(ge=-20, le=20, description="nats")]


def _as_date(value: Any) -> Any:
    """ "2025-01-20" as the date that it is."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(value)
    return value


# --- events ---


class Event(BaseModel):
    """What all events say: when, under which id, on whose word."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    lasting: ClassVar[bool] = False
    """Rules, which may have begun before month 0 and may end."""

    kind: str
    id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    date: Annotated[dt.date | None, BeforeValidator(_as_date)] = None
    month: int | None = Field(None, ge=0, le=LAST_MONTH)
    day: int | None = Field(None, ge=0, le=DAYS - 1)
    note: str = ""
    source: str = ""

    @property
    def when(self) -> tuple[int, int]:
        """(month, trading day); the month is negative for rules older than the model."""
        if self.date is None:
            return self.month or 0, self.day or 0
        return month_of(self.date), trading_day(self.date)

    @property
    def place(self) -> tuple[Any, ...] | None:
        """What only one event may hold: two events of one scenario with the same place are an error."""
        return None

    def act(self, timeline: Timeline, cast: Cast) -> None:
        """Write this event on the timeline."""
        raise NotImplementedError

    @classmethod
    def conflicts(cls, said: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        """(key, message) for each contradiction between what was said, looking only at what has the right type."""
        date, month = said.get("date"), said.get("month")
        if date is None and month is None:
            yield None, "missing field 'date' (or 'month' and 'day')"
        if date is not None and month is not None:
            yield "month", "give either 'date' or 'month', not both"
        if said.get("day") is not None and month is None:
            yield "day", "'day' goes with 'month'; with a 'date' it follows from the date"
        if type(date) is dt.date:
            last = LAST_MONTH if horizon is None else horizon - 1
            if date < dt.date(2023, 1, 1) and not (cls.lasting and date >= OLDEST_RULE):
                rule = f"; a rule may be older, from {OLDEST_RULE}" if cls.lasting else ""
                yield "date", f"date {date} is outside the horizon, which begins on 2023-01-01 (month 0){rule}"
            elif month_of(date) > last:
                yield "date", f"date {date} is outside the horizon, which ends in {date_of(last):%Y-%m} (month {last})"
        if type(month) is int and horizon is not None and horizon <= month <= LAST_MONTH:
            yield "month", f"month {month} is outside the horizon, which ends with month {horizon - 1}"

    @model_validator(mode="after")
    def _free_of_conflicts(self) -> Self:
        if found := [message for _, message in self.conflicts(dict(self))]:
            raise ValueError("; ".join(found))
        return self


class Headline(Event):
    """An event of one day, to which people turn."""

    salience: Annotated[float, Field(ge=0, le=100, description="1 = an ordinary headline")] = 1.0

    def act(self, timeline: Timeline, cast: Cast) -> None:
        timeline.salience[self.when] += self.salience


class Rule(Event):
    """An event that lasts."""

    lasting: ClassVar[bool] = True
    until: dt.date | None = None

    @property
    def span(self) -> slice:
        """Months in which the rule is in force: at least one, unless it ended before the model begins."""
        first = self.when[0]
        return slice(max(first, 0), None if self.until is None else max(month_of(self.until), first + 1, 0))

    @classmethod
    def conflicts(cls, said: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(said, horizon)
        date, month, until = said.get("date"), said.get("month"), said.get("until")
        if type(date) is not dt.date and type(month) is int and 0 <= month <= LAST_MONTH:
            date = date_of(month, 0)
        if type(date) is dt.date and type(until) is dt.date and until <= date:
            yield "until", f"until {until} is not after the beginning, {date}"


class Policy(Rule):
    """A regulator's instrument moves: to a value, by a factor or by a step, on top of earlier events."""

    kind: Literal["policy"] = "policy"
    instrument: Annotated[str, _one_of(*INSTRUMENTS)]
    value: float
    jurisdiction: Annotated[tuple[JurisdictionOrAll, ...], *Names] = ("all",)
    mode: Annotated[str, _one_of("set", "scale", "add")] = "set"

    @classmethod
    def conflicts(cls, said: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(said, horizon)
        name, value, mode = said.get("instrument"), said.get("value"), said.get("mode", "set")
        if not isinstance(name, str) or name not in INSTRUMENTS or not isinstance(value, (int, float)):
            return
        low, high, unit = INSTRUMENTS[name]
        if abs(value) == math.inf or value != value:
            return  # said with the type of the field
        if mode in ("scale", "add"):
            low, high, unit = (0.0, 100.0, "a factor") if mode == "scale" else (low - high, high - low, unit)
        if not low <= value <= high:
            yield (
                "value",
                f"value {shortened(value)} is outside {low:g} to {high:g} ({name}, mode {mode!r}, unit: {unit})",
            )

    def act(self, timeline: Timeline, cast: Cast) -> None:
        rows = [
            r for r, name in enumerate(cast.jurisdictions) if name in self.jurisdiction or "all" in self.jurisdiction
        ]
        at = self.span, rows, list(INSTRUMENTS).index(self.instrument)
        if self.mode == "add":
            timeline.policy_add[at] += self.value
        elif self.mode == "scale":
            for array in (timeline.policy_scale, timeline.policy_add):
                array[at] = (array[at] * self.value).clip(-1e9, 1e9)  # finite, however many events there are
        else:
            timeline.policy_scale[at], timeline.policy_add[at] = 0.0, self.value


class ExportControl(Rule):
    """Chips may be sold to a destination only in part, or up to a performance: the strictest rule in force binds."""

    kind: Literal["export_control"] = "export_control"
    destination: Annotated[tuple[Jurisdiction, ...], *Names]
    vendors: Annotated[tuple[VendorOrForeign, ...], *Names] = ("foreign",)
    availability: float | None = Field(None, ge=0, le=1, description="share")
    performance_cap: float | None = Field(None, ge=0, le=1e6, description="H100e per chip")

    @classmethod
    def conflicts(cls, said: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(said, horizon)
        if said.get("availability") is None and said.get("performance_cap") is None:
            yield None, "missing field 'availability' or 'performance_cap'"

    def act(self, timeline: Timeline, cast: Cast) -> None:
        for destination in self.destination:
            for v, (vendor, home) in enumerate(zip(cast.vendors, cast.vendor_home, strict=True)):
                if vendor in self.vendors or ("foreign" in self.vendors and home != destination):
                    at = self.span, v, cast.jurisdictions.index(destination)
                    if self.availability is not None:
                        timeline.export_availability[at] = timeline.export_availability[at].clip(max=self.availability)
                    if self.performance_cap is not None:
                        timeline.performance_cap[at] = timeline.performance_cap[at].clip(max=self.performance_cap)


class Release(Headline):
    """A lab is made to release, at a capability given relative to the frontier of that moment or with what it has."""

    kind: Literal["release"] = "release"
    lab: Lab
    gap: Nats | None = Field(None, description="nats")
    efficiency_gain: Nats = 0.0
    size_step: Nats = 0.0
    claimed_cost: Cost | None = Field(None, description="$ M")
    programme_cost: Cost | None = Field(None, description="$ M")

    @property
    def place(self) -> tuple[Any, ...]:
        return "release", self.lab, self.when[0]

    def act(self, timeline: Timeline, cast: Cast) -> None:
        at = self.when[0], cast.labs.index(self.lab)
        timeline.release[at], timeline.release_day[at] = 1.0, self.when[1]
        if self.gap is not None:
            timeline.release_gap[at] = self.gap
        timeline.efficiency_gain[at], timeline.size_step[at] = self.efficiency_gain, self.size_step
        timeline.release_claimed_cost[at] = self.claimed_cost or 0.0
        timeline.release_programme_cost[at] = self.programme_cost or 0.0
        super().act(timeline, cast)


class CostClaim(Headline):
    """A lab says what a model cost, apart from a release."""

    kind: Literal["cost_claim"] = "cost_claim"
    lab: Lab
    claimed_cost: Cost

    @property
    def place(self) -> tuple[Any, ...]:
        return ("cost_claim", *self.when)

    def act(self, timeline: Timeline, cast: Cast) -> None:
        timeline.claimed_cost[self.when] = self.claimed_cost
        super().act(timeline, cast)


class Audit(Headline):
    """Outsiders publish what they think a lab's programme cost."""

    kind: Literal["audit"] = "audit"
    lab: Lab
    estimated_cost: Cost

    @property
    def place(self) -> tuple[Any, ...]:
        return ("audit", *self.when)

    def act(self, timeline: Timeline, cast: Cast) -> None:
        timeline.audit_cost[self.when] = self.estimated_cost
        super().act(timeline, cast)


class CapexProgramme(Headline):
    """A plan to build: announced as a total, spent evenly over its months, beginning with the month of the news."""

    kind: Literal["capex_programme"] = "capex_programme"
    amount: Cost
    months: int = Field(ge=1, le=240, description="months")

    def act(self, timeline: Timeline, cast: Cast) -> None:
        first = self.when[0]
        timeline.capex[first : first + self.months] += self.amount / self.months
        timeline.capex_news[self.when] += self.amount
        super().act(timeline, cast)


class News(Headline):
    """A signal about one of the investors' open questions."""

    kind: Literal["news"] = "news"
    question: Annotated[str, _one_of(*QUESTIONS)]
    signal: Nats
    precision: float = Field(gt=0, le=1e6, description="1 / nats^2")

    def act(self, timeline: Timeline, cast: Cast) -> None:
        at = (*self.when, QUESTIONS.index(self.question))
        timeline.news_signal_precision[at] += self.precision * self.signal
        timeline.news_precision[at] += self.precision
        super().act(timeline, cast)


class Attention(Headline):
    """Everybody looks, at nothing new: an app tops a store."""

    kind: Literal["attention"] = "attention"
    salience: float = Field(gt=0, le=100, description="1 = an ordinary headline")


class Allegation(Headline):
    """A teacher says a student distilled it, and guards itself more closely for a while."""

    kind: Literal["allegation"] = "allegation"
    teacher: Lab
    student: Lab
    vigilance: float = Field(ge=0, le=100, description="added effort")
    months: int = Field(ge=1, le=240, description="months")

    @classmethod
    def conflicts(cls, said: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(said, horizon)
        if said.get("teacher") is not None and said.get("teacher") == said.get("student"):
            yield "student", f"teacher and student are the same lab, {shortened(said['student'])}"

    def act(self, timeline: Timeline, cast: Cast) -> None:
        first = self.when[0]
        span = slice(first, first + self.months)
        timeline.vigilance[span, cast.labs.index(self.teacher)] += self.vigilance
        timeline.allegation[span, cast.labs.index(self.student)] = 1.0
        super().act(timeline, cast)


class PriceWar(Event):
    """Labs cut their list prices at once, to a fraction; prices stay there until the labs next change them."""

    kind: Literal["price_war"] = "price_war"
    labs: Annotated[tuple[LabOrHome, ...], *Names]
    factor: float = Field(ge=1e-3, le=1, description="of the list price")

    def act(self, timeline: Timeline, cast: Cast) -> None:
        homes = zip(cast.labs, cast.lab_home, strict=True)
        rows = [i for i, (lab, home) in enumerate(homes) if lab in self.labs or home in self.labs]
        at = self.when[0], rows
        timeline.price_factor[at] = (timeline.price_factor[at] * self.factor).clip(min=1e-6)


KINDS: dict[str, type[Event]] = {
    kind.model_fields["kind"].default: kind
    for kind in (
        Policy,
        ExportControl,
        Release,
        CostClaim,
        Audit,
        CapexProgramme,
        News,
        Attention,
        Allegation,
        PriceWar,
    )
}
