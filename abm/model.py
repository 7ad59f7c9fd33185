"""The face Mesa users know: a Mesa model whose agents are live rows of the compiled market."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import mesa
import numpy as np

from abm.calendar import date_of
from abm.engine import Agent, Draws, Group
from abm.measures import MEASURES
from abm.parameters import Parameters
from abm.playing import HIGHEST_PRICE, Setup, first_market_of, one_month, yes_or_no
from abm.policy import inert, overridden, warn
from abm.state import Market, Values

GROUPS = ("vendors", "labs", "adopters", "investors", "regulators", "infrastructure")


@dataclasses.dataclass(frozen=True)
class Reporter:
    """An attribute of an agent by name. (Mesa's own string reporters of agents cannot be pickled.)"""

    name: str

    def __call__(self, agent: Any) -> Any:
        return getattr(agent, self.name, None)


class MarketModel(mesa.Model):
    """The market as a Mesa model.

    Parameters
    ----------
    parameters, scenario, months
        As in `abm.simulate`.
    rng
        Seed (a whole number >= 0). ``MarketModel(rng=s)`` and ``simulate(seed=s)`` give the same numbers.
    compiled
        False runs every rule agent by agent in Python, so that breakpoints and Python branches work.
    model_reporters, agent_reporters, agenttype_reporters
        As for `mesa.DataCollector`; all observables are collected by default. Strings name attributes.
    **options
        Sizes, classes and networks: see `abm.Populations`; ``pricing`` and ``price_form``.

    Notes
    -----
    ``model.agents_by_type[ClosedLab]`` is an AgentSet; ``lab.price`` reads, and ``lab.price = [30, 3]`` writes, the
    state that the next step uses. Agents of inactive slots are not shown: entry and exit add and remove agents after a
    step.
    """

    def __init__(
        self,
        parameters: Parameters | Mapping[str, Any] | None = None,
        scenario: Any = "baseline",
        rng: Any = 1,
        *,
        months: int = 60,
        compiled: bool = True,
        model_reporters: Mapping[str, str | Callable[..., Any]] | None = None,
        agent_reporters: Mapping[str, str | Callable[..., Any]] | None = None,
        agenttype_reporters: Mapping[type, Mapping[str, str | Callable[..., Any]]] | None = None,
        **options: Any,
    ) -> None:
        given = dict(parameters) if isinstance(parameters, Mapping) else parameters
        self._market: Market | None = None  # Mesa's set-up asks for agents before there is a market
        self._failure: BaseException | None = None
        self.step = self._attempt  # type: ignore[method-assign]  # what Mesa calls when a month is due
        super().__init__(rng=rng if rng is None else _seed(rng))
        self._mesa_step, self.step = self.step, self._step_or_raise  # type: ignore[method-assign]
        self.seed = _seed(rng) if rng is not None else int(self.rng.integers(2**31))
        self.compiled = yes_or_no("compiled", compiled)
        self.setup = Setup.of(given, scenario, months, **options)
        warn(overridden(self.setup.scenario, self.setup.given, self.setup.months))
        self._values = Values({name: jnp.asarray(value) for name, value in self.setup.values.items()})
        self._draws = Draws.from_seed(self.seed)
        self._market = first_market_of(self.setup, self.seed, compiled)
        self._rows: dict[tuple[str, int, int], Agent] = {}
        self._columns: dict[tuple[str, int, str], np.ndarray] = {}
        self._stale = True
        self.reports: list[dict[str, float]] = []
        self.daily_returns: np.ndarray | None = None
        self.datacollector = mesa.DataCollector(
            model_reporters={**{name: name for name in MEASURES}, **(model_reporters or {})},
            agent_reporters=_by_name(agent_reporters) or None,
            agenttype_reporters={kind: _by_name(table) for kind, table in (agenttype_reporters or {}).items()} or None,
        )

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def month(self) -> int:
        """Months already simulated; 24 means that January 2025 comes next."""
        return len(self.reports)

    if "time" not in vars(mesa.Model):  # Mesa has a clock of its own from 3.4 on

        @property
        def time(self) -> float:
            """Mesa's clock: months."""
            return float(self.steps)

    @property
    def date(self) -> dt.date:
        """First trading day of the coming month."""
        return date_of(self.month, 0)

    def step(self) -> None:
        """One month."""
        self._check_end()
        market, report = one_month(
            self.setup, self.market, self._values, self.setup.events(self.month), self._draws, self.compiled
        )
        self.market = market
        self.reports.append({name: float(value) for name, value in report.observables.items()})
        self.daily_returns = np.asarray(report.daily_returns)
        self.running = self.month < self.setup.months
        self.datacollector.collect(self)

    def _check_end(self) -> None:
        if self.month >= self.setup.months:
            raise ValueError(f"the scenario ends after {self.setup.months} months; give MarketModel a larger `months`")

    def _step_or_raise(self) -> None:
        """`model.step()` as users call it: through Mesa's clock, and with an error if the month failed."""
        self._check_end()
        self._mesa_step()
        failure, self._failure = self._failure, None
        if failure is not None:
            self.steps -= 1  # Mesa counted the step before asking for it
            raise failure

    def _attempt(self) -> None:
        """One month as Mesa calls it. Mesa drops its schedule when a step raises, so errors wait until it is done."""
        try:
            type(self).step(self)
        except BaseException as error:
            self._failure = error

    def run_for(self, duration: int) -> None:
        """`duration` months, one after the other."""
        if isinstance(duration, bool) or int(duration) != duration or duration < 0:
            raise ValueError(f"{duration!r} months: give a whole number, 0 or more")
        for _ in range(int(duration)):
            self.step()

    def run_until(self, end_time: int) -> None:
        """Months until Mesa's clock shows `end_time`."""
        self.run_for(max(int(end_time - self.time), 0))

    def run_model(self) -> None:
        """All months that are left."""
        self.run_for(self.setup.months - self.month)

    # --- state --------------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The whole state, as the compiled month sees it."""
        assert self._market is not None
        return self._market

    @market.setter
    def market(self, market: Market) -> None:
        self._market = market
        self._columns.clear()
        self._stale = True

    @property
    def last_report(self) -> dict[str, float]:
        """Observables of the last month (empty before the first). (`observables` is a name of Mesa's.)"""
        return self.reports[-1] if self.reports else {}

    def __getattr__(self, name: str) -> Any:
        if name in MEASURES:  # `model.lerner_closed` is last month's value
            return self.last_report.get(name, float("nan"))
        raise AttributeError(f"{type(self).__name__} has no attribute or observable '{name}'")

    def frame(self) -> Any:
        """One row a month, one column an observable."""
        import pandas as pd

        return pd.DataFrame(self.reports, index=pd.period_range("2023-01", periods=len(self.reports), freq="M"))

    def network(self, layers: tuple[str, ...] | None = None) -> Any:
        """The multilayer network now, a `networkx.MultiDiGraph`."""
        from abm.network_export import network_of

        return network_of(self.market, self.setup, layers)

    def branch(self, parameters: Parameters | Mapping[str, Any] | None = None, scenario: Any = None) -> MarketModel:
        """An independent copy that goes on from here, on the same draws, under other parameters or another scenario.

        Parameters given to this model stay unless they are given anew; those that its scenario has go with the scenario.
        What does not act is told by a warning: a policy lever that an event of the scenario sets, and a parameter that no
        month but the first reads.
        """
        twin = copy.deepcopy(self)
        twin.setup = setup = self.setup.under(parameters, scenario)
        if parameters is not None or scenario is not None:
            warn(overridden(setup.scenario, setup.given, setup.months, self.month))
            warn(inert(setup.values, self.setup.values, self.month))
        twin._values = Values({name: jnp.asarray(value) for name, value in twin.setup.values.items()})
        return twin

    # --- agents -------------------------------------------------------------------------------------------------

    @property
    def agents(self) -> Any:
        """AgentSet of all active agents, made when first asked for."""
        self._refresh_agents()
        return super().agents

    @property
    def agents_by_type(self) -> Any:
        self._refresh_agents()
        return super().agents_by_type

    @property
    def agent_types(self) -> Any:
        self._refresh_agents()
        return super().agent_types

    def column(self, address: tuple[str, int], name: str) -> np.ndarray:
        """Column `name` of population `address` = (group, number), read-only."""
        key = (*address, name)
        if key not in self._columns:
            group, number = address
            self._columns[key] = np.asarray(getattr(self.market, group).populations[number].columns[name])
        return self._columns[key]

    def write(self, address: tuple[str, int], name: str, index: int, value: Any) -> None:
        """Set one agent's field in the state that the next step uses."""
        group, number = address
        populations = list(getattr(self.market, group).populations)
        column = populations[number].columns[name]
        given = np.asarray(value)
        where = f"{populations[number].kind.__name__}.{name}"
        if given.shape != column.shape[1:]:
            raise ValueError(f"{where}: shape {given.shape} given, {column.shape[1:]} expected")
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise ValueError(f"{where} = {value!r}: must be finite numbers")
        if (group, name) == ("labs", "price") and not ((given > 0) & (given <= HIGHEST_PRICE)).all():
            raise ValueError(
                f"{where} = {value!r}: must be above 0 and at most {HIGHEST_PRICE:.0e} $ per million tokens"
            )
        populations[number] = populations[number].replace(
            **{name: column.at[index].set(jnp.asarray(given, column.dtype))}
        )
        changed = self.market.replace(**{group: Group(*populations)})
        self._market = changed
        self._columns.pop((group, number, name), None)
        self._stale |= name == "active"

    def _refresh_agents(self) -> None:
        """Make Mesa's agents agree with the active rows."""
        if self._market is None or not self._stale:
            return
        self._stale = False
        present = set()
        for group in GROUPS:
            for number, population in enumerate(getattr(self._market, group).populations):
                for index in np.flatnonzero(np.asarray(population.columns["active"])):
                    key = (group, number, int(index))
                    present.add(key)
                    if key not in self._rows:
                        self._rows[key] = population.kind(self, (group, number), int(index))
        for key in [key for key in self._rows if key not in present]:
            self._rows.pop(key).remove()


def _seed(rng: Any) -> int:
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise ValueError(f"rng = {rng!r}: give a whole number >= 0 (or None for a random one)")
    return int(rng)


def _by_name(reporters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: Reporter(given) if isinstance(given, str) else given for name, given in (reporters or {}).items()}
