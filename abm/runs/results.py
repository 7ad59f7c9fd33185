"""Results: a run, an ensemble, a comparison of two ensembles."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.market.measures import UNDEFINED
from abm.scenarios.calendar import FIRST_YEAR
from abm.support.arrays import read_only
from abm.support.axes import TIER_NAMES
from abm.support.messages import nearest, shortened
from abm.support.samples import LEVELS, quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import networkx as nx
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.market.month import Month
    from abm.runs.setup import Setup


def firm_names(setup: Setup) -> list[str]:
    """Names of the listed firms in the order of the asset axis."""
    return [*setup.cast.vendors, *setup.cast.labs, "power", "platforms", "applications"]


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Result of one run. Its arrays are read-only; copy one to change it."""

    setup: Setup
    seed: int
    report: Month
    compiled: bool = True
    rules: Any = ""
    """Identity of the run's rules (`abm.runs.setup.ProgramKey.rules`)."""

    def __post_init__(self) -> None:
        read_only(self.report)

    def __getitem__(self, observable: str) -> np.ndarray:
        """Monthly values (months,) of an observable, read-only."""
        return observable_of(self.report.observables, observable)

    def frame(self) -> pd.DataFrame:
        """One row per month: a column `month` and one per observable; the index is the first day of the month."""
        import pandas as pd

        return pd.DataFrame(
            {"month": np.arange(self.setup.months), **self.report.observables}, index=months_index(self.setup.months)
        )

    @property
    def returns(self) -> pd.DataFrame:
        """Daily log returns: index (month, day), one column per listed firm."""
        import pandas as pd

        daily = np.array(self.report.daily_returns)
        index = pd.MultiIndex.from_product([range(daily.shape[0]), range(daily.shape[1])], names=["month", "day"])
        return pd.DataFrame(daily.reshape(-1, daily.shape[2]), index=index, columns=firm_names(self.setup))

    def products(self) -> pd.DataFrame:
        """All products in long form: month, lab, tier, price ($ per M tokens), capability (nats), released, ..."""
        import pandas as pd

        record = self.report.products
        months, labs, tiers = record.price.shape
        index = pd.MultiIndex.from_product(
            [range(months), self.setup.cast.labs, TIER_NAMES[:tiers]], names=["month", "lab", "tier"]
        )
        columns = {name: np.asarray(getattr(record, name)).reshape(-1) for name in record._fields}
        frame = pd.DataFrame(columns, index=index)
        return frame[frame["active"]].drop(columns="active").reset_index()

    def vintages(self) -> pd.DataFrame:
        """The life of every flagship: one row per release and month (`abm.runs.vintages.vintages_of`)."""
        from abm.runs.vintages import vintages_of

        return vintages_of(self.report.products, self["adoption"], self.setup.cast.labs)

    def r1_like(self, **what: float) -> pd.DataFrame:
        """Open releases near the frontier at a small part of its disclosed cost (`abm.runs.upsets.r1_like_of`)."""
        from abm.runs.upsets import r1_like_of

        return r1_like_of(self.report.products, self.setup.cast.labs, **what)

    def market(self, month: int) -> Any:
        """The full state of the market at the end of a month, recomputed from the seed.

        Raises ValueError for a month outside the run, and if a rule has changed since the run.
        """
        from abm.runs.months import months_of

        if not 0 <= month < self.setup.months:
            raise ValueError(f"month = {month}: the run has months 0 to {self.setup.months - 1}")
        if self.rules != self.setup.program_key.rules:
            raise ValueError("the agents' rules have changed since this run, so it cannot be recomputed; run it again")
        for number, (market, _) in enumerate(months_of(self.setup, self.seed, compiled=self.compiled)):
            if number == month + 1:
                return market
        raise AssertionError("unreachable")

    def network(self, month: int) -> nx.MultiDiGraph:
        """The multilayer network at the end of a month; every edge has a ``layer`` and a ``weight``."""
        from abm.runs.network import network_of

        return network_of(self.market(month), self.setup)

    def alarms(self) -> pd.DataFrame:
        """Observables that leave their sane range, earliest first: date and value there, and the range (low, high)."""
        from abm.runs.alarms import table_of

        return table_of(self.report.observables)

    def policy(self) -> pd.DataFrame:
        """Every change of a policy instrument or parameter: instrument, jurisdiction, from, to, date, set_by."""
        return policy_of(self.setup)

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """Plot the run over time, one panel per observable; by default six main ones (`abm.figures.run_chart`)."""
        from abm.charts.fans import run_chart

        return run_chart(self, observables, axes, **look)


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Results of many runs. Arrays have the run as first axis, in the order of `seeds`, and are read-only."""

    setup: Setup
    seeds: list[int]
    out: dict[str, Any]
    daily_months: tuple[int, ...]
    own_parameters: bool = False
    """Whether every run has its own parameters; the set-up then holds those of the first run."""

    def __post_init__(self) -> None:
        read_only(self.out)

    def __getitem__(self, observable: str) -> np.ndarray:
        """Values (runs, months) of an observable, read-only."""
        return observable_of(self.out["observables"], observable)

    def vintages(self) -> pd.DataFrame:
        """The life of every flagship of every run, as `Result.vintages` with a column `seed`; needs ``products=True``."""
        from abm.runs.vintages import vintages_of

        labs = self.setup.cast.labs
        return self._by_seed("vintages()", lambda products, i: vintages_of(products, self["adoption"][i], labs))

    def r1_like(self, **what: float) -> pd.DataFrame:
        """The same of every run, as `Result.r1_like` with a column `seed`; needs ``products=True``."""
        from abm.runs.upsets import r1_like_of

        return self._by_seed("r1_like()", lambda products, _: r1_like_of(products, self.setup.cast.labs, **what))

    def _by_seed(self, name: str, table_of: Callable[[Any, int], pd.DataFrame]) -> pd.DataFrame:
        """A table of the products of every run, one under the other, with a column `seed`."""
        import pandas as pd

        if (products := self.out.get("products")) is None:
            raise ValueError(f"{name} needs the products of the runs: call ensemble(..., products=True)")
        tables = [
            table_of(type(products)(*(np.asarray(field)[i] for field in products)), i) for i in range(len(self.seeds))
        ]
        parts = zip(self.seeds, tables, strict=True)
        return pd.concat(
            [table.assign(seed=pd.Series([seed] * len(table))) for seed, table in parts], ignore_index=True
        )

    @property
    def names(self) -> list[str]:
        """Names of the observables, sorted."""
        return sorted(self.out["observables"])

    def frame(self) -> pd.DataFrame:
        """Tidy table: one row per run and month; columns `seed`, `month`, then one per observable."""
        import pandas as pd

        runs, months = len(self.seeds), self.setup.months
        seeds = pd.Series(self.seeds).to_numpy()  # NumPy converts a mix of small and very large integers to floats
        head = {"seed": np.repeat(seeds, months), "month": np.tile(np.arange(months), runs)}
        return pd.DataFrame(head | {name: self[name].reshape(-1) for name in self.names})

    def bands(self, observable: str, levels: Iterable[float] = LEVELS) -> pd.DataFrame:
        """Quantiles and mean across runs, one row per month; runs without a value in a month are left out of it.

        Columns are named by the level in per cent: q05, q50, q97.5 for 0.05, 0.5, 0.975. Raises ValueError for levels that
        are duplicate or not numbers strictly between 0 and 1.
        """
        import pandas as pd

        return pd.DataFrame(quantiles(self[observable], levels), index=months_index(self.setup.months))

    def daily(self, month: int) -> np.ndarray:
        """Daily log returns (runs, days, firms) of a stored month, read-only. Raises ValueError for any other month."""
        if month not in self.daily_months:
            raise ValueError(
                f"daily returns of month {month} were not kept; run the ensemble with daily=[..., {month}]"
            )
        return read_only(self.out["daily"][:, self.daily_months.index(month)])

    @property
    def firms(self) -> list[str]:
        """Names of the listed firms, in the order of the last axis of daily returns."""
        return firm_names(self.setup)

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """Fan charts, one panel per observable; by default the measures of pricing power (`abm.figures.fan_chart`)."""
        from abm.charts.fans import fan_chart

        return fan_chart(self, observables, axes, **look)

    def policy(self) -> pd.DataFrame:
        """As `Result.policy`. Raises ValueError if every run has its own parameters."""
        if self.own_parameters:
            raise ValueError(
                "every run of this ensemble has its own parameters: use abm.simulate(...).policy() for one of them"
            )
        return policy_of(self.setup)

    def alarms(self) -> pd.DataFrame:
        """Observables that leave their sane range in any run, earliest first; `runs` counts the runs that do.

        Date and value are those of the first run that leaves the range. An ensemble that a sweep stored has only the
        observables that were kept; the column `alarms` of `Results.runs` is made from all.
        """
        from abm.runs.alarms import table_of

        return table_of(self.out["observables"])

    def failures(self) -> list[int]:
        """Seeds of runs in which an observable that must have a value is not finite."""
        bad = np.zeros(len(self.seeds), bool)
        for name in self.names:
            if name not in UNDEFINED:
                bad |= ~np.isfinite(self[name]).all(1)
        return [seed for seed, is_bad in zip(self.seeds, bad, strict=True) if is_bad]


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Paired differences a - b."""

    a: Ensemble
    b: Ensemble
    confidence: float = 0.95

    def difference(self, observable: str) -> np.ndarray:
        """(runs, months) differences, a - b, seed by seed."""
        return np.asarray(self.a[observable] - self.b[observable])

    def frame(self, observable: str) -> pd.DataFrame:
        """One row per month: mean difference, bounds of its confidence interval, and variance reduction by pairing.

        Over the pairs in which both runs define the observable. With a single pair the interval and the reduction are NaN.
        """
        import pandas as pd

        difference = self.difference(observable)
        months = difference.shape[1]
        known = np.isfinite(difference)
        runs = known.sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(known, difference, 0.0).sum(0) / runs
            spread = np.where(known, difference - mean, 0.0)
            half = np.where(runs > 1, self._t(runs) * np.sqrt((spread**2).sum(0) / (runs - 1) / runs), np.nan)
        table = {
            "difference": mean,
            "low": mean - half,
            "high": mean + half,
            "variance_reduction": self.variance_reduction(observable),
        }
        return pd.DataFrame(table, index=months_index(months))

    def variance_reduction(self, observable: str) -> np.ndarray:
        """Variance of the difference without pairing relative to that with pairing, (months,); 1 means no gain.

        NaN if the differences have no spread: with a single pair, or with identical pairs, as before a branch.
        """
        difference = self.difference(observable)
        months = difference.shape[1]
        if difference.shape[0] < 2:
            return np.full(months, np.nan)
        unpaired = self.a[observable].var(0, ddof=1) + self.b[observable].var(0, ddof=1)
        paired = difference.var(0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(unpaired == 0, 1.0, np.where(paired == 0, np.nan, unpaired / paired))

    def table(self, observables: str | list[str] | None = None, month: int | Sequence[int] = -1) -> pd.DataFrame:
        """One row per observable for one month (default: the last), or per observable and month for several months.

        When printed, the table shows four digits and a column of units.
        """
        import pandas as pd

        from abm.runs.tables import Table

        months = self.a.setup.months
        indices = [month] if isinstance(month, int | np.integer) else list(month)
        if invalid := [index for index in indices if not -months <= index < months]:
            raise ValueError(f"month = {invalid[0]}: both ensembles have months 0 to {months - 1}")
        names = [observables] if isinstance(observables, str) else observables or self.a.names
        if isinstance(month, int | np.integer):
            return Table(pd.DataFrame({name: self.frame(name).iloc[month] for name in names}).T)
        frames = {name: self.frame(name).iloc[indices] for name in names}
        return Table(pd.concat(frames, names=["observable", "month"]))

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """Plot mean differences with intervals, one panel per observable (`abm.figures.paired_difference`)."""
        from abm.charts.fans import paired_difference

        return paired_difference(self, observables, axes, **look)

    def _t(self, runs: Any) -> Any:
        from scipy.special import stdtrit

        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence = {self.confidence}: must lie between 0 and 1")
        return stdtrit(np.maximum(runs - 1, 1), 0.5 + self.confidence / 2)


def policy_of(setup: Setup) -> pd.DataFrame:
    """Table of the changes of policy in a run."""
    from abm.runs.policy import frame, resolved

    return frame(resolved(setup))


def months_index(months: int) -> Any:
    """First days of the months, named `date`: an index that CSV, Parquet, Stata and netCDF can all store."""
    import pandas as pd

    return pd.date_range(f"{FIRST_YEAR}-01-01", periods=months, freq="MS", name="date")


def observable_of(table: Mapping[str, Any], name: str) -> Any:
    """An observable by name, read-only. Raises TypeError for other keys, KeyError for an unknown name."""
    if not isinstance(name, str):
        raise TypeError(
            f"index a result by the name of an observable, such as result['lerner_closed'], not by {shortened(name)};"
            " `abm list --observables` lists them, and frame() returns all as a table"
        )
    if name not in table:
        raise KeyError(f"no observable {name!r}{nearest(name, table)}; `abm list --observables` lists them all")
    return read_only(table[name])  # again, since copying or pickling a result drops the flag


def compare(a: Ensemble, b: Ensemble, *, confidence: float = 0.95) -> Comparison:
    """Compare two ensembles by paired differences a - b on common random numbers, month by month.

    Both must have the same seeds in the same order and the same number of months. The comparison also reports how much
    pairing reduces the variance of the difference of means: var(a) + var(b) over var(a - b).
    """
    if not (isinstance(a, Ensemble) and isinstance(b, Ensemble)):
        raise TypeError(f"compare takes two ensembles, not {type(a).__name__} and {type(b).__name__}")
    if a.seeds != b.seeds:
        raise ValueError("the two ensembles have different seeds: run both with the same seeds to pair them")
    if a.setup.months != b.setup.months:
        raise ValueError(
            f"the two ensembles have {a.setup.months} and {b.setup.months} months: run both for the same number"
        )
    return Comparison(a, b, confidence)
