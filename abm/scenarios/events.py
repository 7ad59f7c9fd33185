"""The kinds of dated event in a scenario: the fields of each, and its effect on the timeline.

An event is dated by `date`, or by `month` (0 is January 2023) and `day` (trading day, 0 to 20). Policy and export rules
act on whole months: from the month of their date up to, but not including, the month of `until`. News acts on one
trading day.
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
from abm.support.specs import ONE_OR_MORE

OLDEST_RULE = dt.date(2015, 1, 1)
"""A rule may predate the model (it is then in force from month 0), but not the industry."""
LAST_MONTH = 1199


# --- names: checked against the cast, if pydantic's validation context has one ---


def _known(what: str, of: Callable[[Cast], Sequence[str]]) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        cast = (info.context or {}).get("cast")
        if cast is not None and value not in of(cast):
            if value.startswith(ENTRANT):
                raise ValueError(
                    f"{value!r} is a slot for entrants: the model decides who enters and when; name another lab"
                )
            raise ValueError(f"unknown {what} {shortened(value)}{did_you_mean(value, of(cast))}")
        return value

    return AfterValidator(check)


def _one_of(*choices: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        if value not in choices:
            raise ValueError(f"unknown {info.field_name} {shortened(value)}{did_you_mean(value, choices)}")
        return value

    return AfterValidator(check)


Names = (ONE_OR_MORE, Field(min_length=1))
"""A field that takes one name or a list of them."""
Lab = Annotated[str, _known("lab", lambda cast: cast.named_labs)]
VendorOrForeign = Annotated[str, _known("vendor", lambda cast: (*cast.vendors, "foreign"))]
Jurisdiction = Annotated[str, _known("jurisdiction", lambda cast: cast.jurisdictions)]
JurisdictionOrAll = Annotated[str, _known("jurisdiction", lambda cast: (*cast.jurisdictions, "all"))]
LabOrHome = Annotated[str, _known("lab or jurisdiction", lambda cast: (*cast.named_labs, *cast.jurisdictions))]
Cost = Annotated[float, Field(gt=0, le=1e8, description="$ M")]
Nats = Annotated[float, Field(ge=-20, le=20, description="nats")]


def _as_date(value: Any) -> Any:
    """Convert an ISO date string such as "2025-01-20" to a date."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(value)
    return value


# --- events ---


class Event(BaseModel):
    """Fields common to all events: date, id, note and source."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    lasting: ClassVar[bool] = False
    """Whether the event is a rule, which may begin before month 0 and may end."""

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
        """Slot that only one event of a scenario may take (None: no such limit); a second one is an error."""
        return None

    def act(self, timeline: Timeline, cast: Cast) -> None:
        """Write this event on the timeline."""
        raise NotImplementedError

    @classmethod
    def conflicts(cls, fields: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        """(key, message) for each contradiction among the given fields; values of a wrong type are skipped."""
        date, month = fields.get("date"), fields.get("month")
        if date is None and month is None:
            yield None, "missing field 'date' (or 'month' and 'day')"
        if date is not None and month is not None:
            yield "month", "give either 'date' or 'month', not both"
        if fields.get("day") is not None and month is None:
            yield "day", "'day' goes with 'month'; with a 'date' the day follows from the date"
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
        if messages := [message for _, message in self.conflicts(dict(self))]:
            raise ValueError("; ".join(messages))
        return self


class Headline(Event):
    """An event of one day that draws attention."""

    salience: Annotated[float, Field(ge=0, le=100, description="1 = an ordinary headline")] = 1.0

    def act(self, timeline: Timeline, cast: Cast) -> None:
        timeline.salience[self.when] += self.salience


class Rule(Event):
    """An event that is in force over a span of months."""

    lasting: ClassVar[bool] = True
    until: dt.date | None = None

    @property
    def span(self) -> slice:
        """Months in which the rule is in force: at least one, unless it ended before month 0."""
        first = self.when[0]
        return slice(max(first, 0), None if self.until is None else max(month_of(self.until), first + 1, 0))

    @classmethod
    def conflicts(cls, fields: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(fields, horizon)
        date, month, until = fields.get("date"), fields.get("month"), fields.get("until")
        if type(date) is not dt.date and type(month) is int and 0 <= month <= LAST_MONTH:
            date = date_of(month, 0)
        if type(date) is dt.date and type(until) is dt.date and until <= date:
            yield "until", f"until {until} is not after the start of the rule, {date}"


class Policy(Rule):
    """Sets, scales or adds to an instrument of a regulator, on top of earlier events."""

    kind: Literal["policy"] = "policy"
    instrument: Annotated[str, _one_of(*INSTRUMENTS)]
    value: float
    jurisdiction: Annotated[tuple[JurisdictionOrAll, ...], *Names] = ("all",)
    mode: Annotated[str, _one_of("set", "scale", "add")] = "set"

    @classmethod
    def conflicts(cls, fields: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(fields, horizon)
        name, value, mode = fields.get("instrument"), fields.get("value"), fields.get("mode", "set")
        if not isinstance(name, str) or name not in INSTRUMENTS or not isinstance(value, (int, float)):
            return
        low, high, unit = INSTRUMENTS[name]
        if abs(value) == math.inf or value != value:
            return  # reported with the type of the field
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
        index = self.span, rows, list(INSTRUMENTS).index(self.instrument)
        if self.mode == "add":
            timeline.policy_add[index] += self.value
        elif self.mode == "scale":
            for array in (timeline.policy_scale, timeline.policy_add):
                array[index] = (array[index] * self.value).clip(-1e9, 1e9)  # finite, however many events there are
        else:
            timeline.policy_scale[index], timeline.policy_add[index] = 0.0, self.value


class ExportControl(Rule):
    """Limits chip sales to a destination by share or by performance; the strictest rule in force binds."""

    kind: Literal["export_control"] = "export_control"
    destination: Annotated[tuple[Jurisdiction, ...], *Names]
    vendors: Annotated[tuple[VendorOrForeign, ...], *Names] = ("foreign",)
    availability: float | None = Field(None, ge=0, le=1, description="share")
    performance_cap: float | None = Field(None, ge=0, le=1e6, description="H100e per chip")

    @classmethod
    def conflicts(cls, fields: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(fields, horizon)
        if fields.get("availability") is None and fields.get("performance_cap") is None:
            yield None, "missing field 'availability' or 'performance_cap'"

    def act(self, timeline: Timeline, cast: Cast) -> None:
        for destination in self.destination:
            for v, (vendor, home) in enumerate(zip(cast.vendors, cast.vendor_home, strict=True)):
                if vendor in self.vendors or ("foreign" in self.vendors and home != destination):
                    index = self.span, v, cast.jurisdictions.index(destination)
                    for array, limit in (
                        (timeline.export_availability, self.availability),
                        (timeline.performance_cap, self.performance_cap),
                    ):
                        if limit is not None:
                            array[index] = array[index].clip(max=limit)


class Release(Headline):
    """Makes a lab release, at a given capability relative to the frontier of that month or at the one it has."""

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
        index = self.when[0], cast.labs.index(self.lab)
        timeline.release[index], timeline.release_day[index] = 1.0, self.when[1]
        if self.gap is not None:
            timeline.release_gap[index] = self.gap
        timeline.efficiency_gain[index], timeline.size_step[index] = self.efficiency_gain, self.size_step
        timeline.release_claimed_cost[index] = self.claimed_cost or 0.0
        timeline.release_programme_cost[index] = self.programme_cost or 0.0
        super().act(timeline, cast)


class CostClaim(Headline):
    """A lab discloses the cost of a model outside a release."""

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
    """Outsiders publish their estimate of the cost of a lab's programme."""

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
    """An investment programme: announced as a total, financed phase by phase, if lenders see rents that pay for it."""

    kind: Literal["capex_programme"] = "capex_programme"
    amount: Cost
    months: int = Field(ge=1, le=240, description="months")
    phases: int = Field(1, ge=1, le=60, description="financed one after the other")
    own_power: Annotated[float, Field(ge=0, le=1, description="share of places on own sites with own power")] = 0.0
    offtake: Annotated[float, Field(ge=0, le=1, description="share of rent promised by customers")] = 0.0

    def act(self, timeline: Timeline, cast: Cast) -> None:
        month = self.when[0]
        slot = int((timeline.programme_amount > 0).sum())  # a scenario has no more programmes than there are slots
        for name in ("amount", "months", "phases", "own_power", "offtake"):
            getattr(timeline, f"programme_{name}")[month, slot] = getattr(self, name)
        timeline.capex_news[self.when] += self.amount
        super().act(timeline, cast)


class News(Headline):
    """A signal about one of the investors' open questions."""

    kind: Literal["news"] = "news"
    question: Annotated[str, _one_of(*QUESTIONS)]
    signal: Nats
    precision: float = Field(gt=0, le=1e6, description="1 / nats^2")

    def act(self, timeline: Timeline, cast: Cast) -> None:
        index = (*self.when, QUESTIONS.index(self.question))
        timeline.news_signal_precision[index] += self.precision * self.signal
        timeline.news_precision[index] += self.precision
        super().act(timeline, cast)


class Attention(Headline):
    """A surge of attention without new information: an app tops a store's charts."""

    kind: Literal["attention"] = "attention"
    salience: float = Field(gt=0, le=100, description="1 = an ordinary headline")


class Allegation(Headline):
    """A teacher accuses a student of distilling it, and raises its vigilance for some months."""

    kind: Literal["allegation"] = "allegation"
    teacher: Lab
    student: Lab
    vigilance: float = Field(ge=0, le=100, description="added effort")
    months: int = Field(ge=1, le=240, description="months")

    @classmethod
    def conflicts(cls, fields: dict[str, Any], horizon: int | None = None) -> Iterator[tuple[str | None, str]]:
        yield from super().conflicts(fields, horizon)
        if fields.get("teacher") is not None and fields.get("teacher") == fields.get("student"):
            yield "student", f"teacher and student are the same lab, {shortened(fields['student'])}"

    def act(self, timeline: Timeline, cast: Cast) -> None:
        first = self.when[0]
        span = slice(first, first + self.months)
        timeline.vigilance[span, cast.labs.index(self.teacher)] += self.vigilance
        timeline.allegation[span, cast.labs.index(self.student)] = 1.0
        super().act(timeline, cast)


class PriceWar(Event):
    """Labs cut their list prices to a fraction in one month; a cut stays until the lab next changes the price."""

    kind: Literal["price_war"] = "price_war"
    labs: Annotated[tuple[LabOrHome, ...], *Names]
    factor: float = Field(ge=1e-3, le=1, description="of the list price")

    def act(self, timeline: Timeline, cast: Cast) -> None:
        homes = zip(cast.labs, cast.lab_home, strict=True)
        rows = [i for i, (lab, home) in enumerate(homes) if lab in self.labs or home in self.labs]
        index = self.when[0], rows
        timeline.price_factor[index] = (timeline.price_factor[index] * self.factor).clip(min=1e-6)


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
