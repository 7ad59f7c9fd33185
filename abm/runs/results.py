"""What comes out: a run, an ensemble, a comparison."""

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
    from collections.abc import Iterable, Mapping, Sequence

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
    """One run. Its arrays are read-only: copy what you want to change."""

    setup: Setup
    seed: int
    report: Month
    compiled: bool = True
    rules: Any = ""
    """What the run's rules were (`abm.runs.programs.ProgramKey.rules`)."""

    def __post_init__(self) -> None:
        read_only(self.report)

    def __getitem__(self, observable: str) -> np.ndarray:
        """Monthly values (months,) of an observable, read-only."""
        return observable_of(self.report.observables, observable)

    def frame(self) -> pd.DataFrame:
        """One row a month, one column an observable; index: first day of the month, with the model month beside it."""
        import pandas as pd

        return pd.DataFrame(
            {"month": np.arange(self.setup.months), **self.report.observables}, index=months_index(self.setup.months)
        )

    @property
    def returns(self) -> pd.DataFrame:
        """Daily log returns: index (month, day), one column a listed firm."""
        import pandas as pd

        daily = np.array(self.report.daily_returns)
        index = pd.MultiIndex.from_product([range(daily.shape[0]), range(daily.shape[1])], names=["month", "day"])
        return pd.DataFrame(daily.reshape(-1, daily.shape[2]), index=index, columns=firm_names(self.setup))

    def products(self) -> pd.DataFrame:
        """Every product and month in long form: month, lab, tier, price ($/Mtok), capability (nats), released, ..."""
        import pandas as pd

        record = self.report.products
        months, labs, tiers = record.price.shape
        index = pd.MultiIndex.from_product(
            [range(months), self.setup.cast.labs, TIER_NAMES[:tiers]], names=["month", "lab", "tier"]
        )
        columns = {name: np.asarray(getattr(record, name)).reshape(-1) for name in record._fields}
        frame = pd.DataFrame(columns, index=index)
        return frame[frame["active"]].drop(columns="active").reset_index()

    def market(self, month: int) -> Any:
        """The market's whole state at the end of a month, replayed from the seed.

        Raises ValueError for a month that the run has not, and where a rule has been changed since the run.
        """
        from abm.runs.months import months_of

        if not 0 <= month < self.setup.months:
            raise ValueError(f"month = {month}: the run has months 0 to {self.setup.months - 1}")
        if self.rules != self.setup.program_key.rules:
            raise ValueError("the agents' rules have changed since this run, so it cannot be replayed; run it again")
        for at, (market, _) in enumerate(months_of(self.setup, self.seed, compiled=self.compiled)):
            if at == month + 1:
                return market
        raise AssertionError("unreachable")

    def network(self, month: int) -> nx.MultiDiGraph:
        """The multilayer network at the end of a month; every edge has a ``layer`` and a ``weight``."""
        from abm.runs.network import network_of

        return network_of(self.market(month), self.setup)

    def policy(self) -> pd.DataFrame:
        """Every change of a policy instrument or parameter: instrument, jurisdiction, from, to, date, set_by."""
        return policy_of(self.setup)

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """The run over time, a panel an observable; six that tell its story by default (`abm.figures.run_chart`)."""
        from abm.charts.fans import run_chart

        return run_chart(self, observables, axes, **look)


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Many runs; arrays have the run as first axis, in the order of `seeds`, and are read-only."""

    setup: Setup
    seeds: list[int]
    out: dict[str, Any]
    daily_months: tuple[int, ...]
    own_parameters: bool = False
    """Whether every run has parameters of its own; those of the set-up are the first run's."""

    def __post_init__(self) -> None:
        read_only(self.out)

    def __getitem__(self, observable: str) -> np.ndarray:
        """Values (runs, months) of an observable, read-only."""
        return observable_of(self.out["observables"], observable)

    @property
    def names(self) -> list[str]:
        return sorted(self.out["observables"])

    def frame(self) -> pd.DataFrame:
        """Tidy: one row per run and month, one column an observable; columns `seed` and `month` first."""
        import pandas as pd

        runs, months = len(self.seeds), self.setup.months
        seeds = pd.Series(self.seeds).to_numpy()  # NumPy makes floats of small and very large integers together
        head = {"seed": np.repeat(seeds, months), "month": np.tile(np.arange(months), runs)}
        return pd.DataFrame(head | {name: self[name].reshape(-1) for name in self.names})

    def bands(self, observable: str, levels: Iterable[float] = LEVELS) -> pd.DataFrame:
        """Quantiles and mean across runs, one row a month. Months where a run has no value use the others.

        Columns have the level in per cent: q05, q50, q97.5 of 0.05, 0.5, 0.975. Raises ValueError for levels that are not
        numbers above 0 and below 1, or that repeat.
        """
        import pandas as pd

        return pd.DataFrame(quantiles(self[observable], levels), index=months_index(self.setup.months))

    def daily(self, month: int) -> np.ndarray:
        """Daily log returns (runs, days, firms) of a month that was kept, read-only."""
        if month not in self.daily_months:
            raise ValueError(f"daily returns of month {month} were not kept; ask for them with daily=[..., {month}]")
        return read_only(self.out["daily"][:, self.daily_months.index(month)])

    @property
    def firms(self) -> list[str]:
        return firm_names(self.setup)

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """Fan charts, a panel an observable; the family of pricing power by default (`abm.figures.fan_chart`)."""
        from abm.charts.fans import fan_chart

        return fan_chart(self, observables, axes, **look)

    def policy(self) -> pd.DataFrame:
        """As `Result.policy`. Raises ValueError where every run has parameters of its own."""
        if self.own_parameters:
            raise ValueError(
                "every run of this ensemble has parameters of its own: ask abm.simulate(...).policy() of one"
            )
        return policy_of(self.setup)

    def failures(self) -> list[int]:
        """Seeds of runs in which a headline observable is not finite."""
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
        """One row a month: mean difference, low and high end of its interval, and the variance reduction of pairing.

        One pair has no spread: with one run the interval and the reduction are NaN.
        """
        import pandas as pd

        difference = self.difference(observable)
        runs, months = difference.shape
        mean = difference.mean(0)
        half = self._t(runs) * difference.std(0, ddof=1) / np.sqrt(runs) if runs > 1 else np.full(months, np.nan)
        table = {
            "difference": mean,
            "low": mean - half,
            "high": mean + half,
            "variance_reduction": self.variance_reduction(observable),
        }
        return pd.DataFrame(table, index=months_index(months))

    def variance_reduction(self, observable: str) -> np.ndarray:
        """(months,) variance of the difference without pairing over that with it; 1 = no gain.

        NaN where the differences have no spread: of one pair, or of pairs that are identical, as before a branch.
        """
        difference = self.difference(observable)
        months = difference.shape[1]
        if difference.shape[0] < 2:
            return np.full(months, np.nan)
        apart = self.a[observable].var(0, ddof=1) + self.b[observable].var(0, ddof=1)
        spread = difference.var(0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(apart == 0, 1.0, np.where(spread == 0, np.nan, apart / spread))

    def table(self, observables: str | list[str] | None = None, month: int | Sequence[int] = -1) -> pd.DataFrame:
        """One row per observable at one month (default the last); one per observable and month where several are given.

        Its printed form has units beside the numbers, with four digits.
        """
        import pandas as pd

        from abm.runs.tables import Table

        months = self.a.setup.months
        asked = [month] if isinstance(month, int | np.integer) else list(month)
        if wrong := [one for one in asked if not -months <= one < months]:
            raise ValueError(f"month = {wrong[0]}: both have months 0 to {months - 1}")
        names = [observables] if isinstance(observables, str) else observables or self.a.names
        if isinstance(month, int | np.integer):
            return Table(pd.DataFrame({name: self.frame(name).iloc[month] for name in names}).T)
        frames = {name: self.frame(name).iloc[asked] for name in names}
        return Table(pd.concat(frames, names=["observable", "month"]))

    def plot(self, observables: str | Sequence[str] | None = None, axes: Any = None, **look: Any) -> Figure:
        """Mean differences with intervals, a panel an observable (`abm.figures.paired_difference`)."""
        from abm.charts.fans import paired_difference

        return paired_difference(self, observables, axes, **look)

    def _t(self, runs: int) -> float:
        from scipy.special import stdtrit

        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence = {self.confidence}: must lie between 0 and 1")
        return float(stdtrit(runs - 1, 0.5 + self.confidence / 2))


def policy_of(setup: Setup) -> pd.DataFrame:
    from abm.runs.policy import frame, resolved

    return frame(resolved(setup))


def months_index(months: int) -> Any:
    """First days of the months, named `date`: an index that CSV, Parquet, Stata and netCDF take alike."""
    import pandas as pd

    return pd.date_range(f"{FIRST_YEAR}-01-01", periods=months, freq="MS", name="date")


def observable_of(table: Mapping[str, Any], name: str) -> Any:
    if not isinstance(name, str):
        raise TypeError(
            f"a result is read by the name of an observable, such as result['lerner_closed'], not by {shortened(name)};"
            " `abm list --observables` has them all, and frame() is the table of them"
        )
    if name not in table:
        raise KeyError(f"no observable {name!r}{nearest(name, table)}; `abm list --observables` has them all")
    return read_only(table[name])  # also of a result that was pickled or copied, which the flag does not survive


def compare(a: Ensemble, b: Ensemble, *, confidence: float = 0.95) -> Comparison:
    """Paired differences a - b on common random numbers, month by month.

    The runs must have the same seeds in the same order. Also reports how much the pairing reduced the variance of the
    difference of means: var(a) + var(b) over var(a - b).
    """
    if not (isinstance(a, Ensemble) and isinstance(b, Ensemble)):
        raise TypeError(f"compare takes two ensembles, not {type(a).__name__} and {type(b).__name__}")
    if a.seeds != b.seeds:
        raise ValueError("the two ensembles have different seeds: run both with the same ones to pair them")
    if a.setup.months != b.setup.months:
        raise ValueError(f"the two ensembles have {a.setup.months} and {b.setup.months} months: run both for as many")
    return Comparison(a, b, confidence)
