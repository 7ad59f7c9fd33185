"""The market as a Mesa model, whose agents are live views of rows of the compiled market."""

from __future__ import annotations

import copy
import datetime as dt
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import mesa
import numpy as np

from abm.engine import Agent, Draws, Group, floats_of, without_weak_types
from abm.engine.agent import FIXED
from abm.market.measures import MEASURES
from abm.market.phases.exits import close_labs
from abm.market.state import Market
from abm.parameters import Parameters
from abm.runs.alarms import table_of, warn_of_alarms
from abm.runs.guards import HIGHEST_PRICE, check_run
from abm.runs.model_arguments import by_name, seed_of, whole_months, with_keywords
from abm.runs.months import first_market_of, one_month, values_on_device
from abm.runs.policy import inert, overridden, warn
from abm.runs.results import months_index
from abm.runs.setup import Setup, yes_or_no
from abm.scenarios.calendar import date_of
from abm.support.arrays import read_only
from abm.support.axes import NODE_ROLES

ONLY_LABS = "only labs can, by lab.remove() or lab.active = False"
INDEXES = {
    "home": (0, "regulators"), "taught_by": (-1, "labs"), "copied_from": (-1, "labs"), "provider": (-1, "operators"),
}  # fmt: skip
"""Fields that index agents of another group: lowest valid index, and the group."""


class MarketModel(mesa.Model):
    """The market as a Mesa model.

    Parameters
    ----------
    parameters, scenario, months
        As in `abm.simulate`.
    rng
        Seed (a whole number >= 0). ``MarketModel(rng=s)`` and ``simulate(seed=s)`` give the same numbers. Without a seed
        one is drawn, as in Mesa, and every model is a different run; the attribute `seed` and the data collector record it.
    seed
        Mesa's other name for `rng`; a string of digits, as from a text box of a page, is accepted too.
    compiled
        False runs every rule agent by agent in Python, so that breakpoints and Python branches work.
    model_reporters, agent_reporters, agenttype_reporters
        As in `mesa.DataCollector`, in addition to all observables. Strings name attributes.
    **kwargs
        Parameters by name (``ip_strength=0.2``); sizes, classes and networks (see `abm.Populations`); ``pricing``.

    Notes
    -----
    ``model.agents_by_type[ClosedLab]`` is an AgentSet; ``lab.price`` reads, and ``lab.price = [30, 3, 40]`` writes, the
    state that the next step uses. Agents of inactive slots are not shown; entry and exit add and remove agents after a
    step. ``lab.remove()`` closes a lab like an exit in the model; other agents cannot leave, and none can be added. A step
    that raises an error leaves the model in the state before the step.
    """

    def __init__(
        self,
        parameters: Parameters | Mapping[str, Any] | None = None,
        scenario: Any = "baseline",
        rng: Any = None,
        *,
        seed: Any = None,
        months: int = 60,
        compiled: bool = True,
        model_reporters: Mapping[str, str | Callable[..., Any]] | None = None,
        agent_reporters: Mapping[str, str | Callable[..., Any]] | None = None,
        agenttype_reporters: Mapping[type, Mapping[str, str | Callable[..., Any]]] | None = None,
        **kwargs: Any,  # the name that Mesa's pages expect for further arguments
    ) -> None:
        self._market: Market | None = None  # Mesa's constructor asks for agents before the market exists
        self._failure: BaseException | None = None
        drawn = rng is None and seed is None
        self.seed = int(np.random.default_rng().integers(2**31)) if drawn else seed_of(rng, seed)
        self.step = self._attempt  # type: ignore[method-assign]  # the function that Mesa calls for a step
        super().__init__(rng=self.seed)
        self._mesa_step, self.step = self.step, self._step_or_raise  # type: ignore[method-assign]
        self.compiled = yes_or_no("compiled", compiled)
        self.setup = Setup.of(with_keywords(parameters, kwargs), scenario, months, **kwargs)
        warn(overridden(self.setup.scenario, self.setup.given, self.setup.months))
        self._values = values_on_device(self.setup)
        self._draws = Draws.from_seed(self.seed)
        self._market = first_market_of(self.setup, self.seed, compiled)
        self._rows: dict[tuple[str, int, int], Agent] = {}
        self._joining: tuple[str, int, int] | None = None
        self._columns: dict[tuple[str, int, str], np.ndarray] = {}
        self._stale = True
        self._reports: list[dict[str, float]] = []
        self._daily_returns: np.ndarray | None = None
        self.datacollector = mesa.DataCollector(
            model_reporters={
                **{name: name for name in MEASURES},
                **({"seed": "seed"} if drawn else {}),
                **(model_reporters or {}),
            },
            agent_reporters=by_name(agent_reporters) or None,
            agenttype_reporters={kind: by_name(table) for kind, table in (agenttype_reporters or {}).items()} or None,
        )

    def __repr__(self) -> str:
        if self._market is None:  # during Mesa's constructor
            return f"<{type(self).__name__} with seed {self.seed}>"
        active = sum(int(np.asarray(getattr(self._market, group).active).sum()) for group in NODE_ROLES)
        return (
            f"<{type(self).__name__} with seed {self.seed}: scenario {self.setup.scenario.name!r}, {self.month} of"
            f" {self.setup.months} months simulated, {active:,} agents>"
        )

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def month(self) -> int:
        """Number of months simulated so far; 24 means that January 2025 is next."""
        return len(self._reports)

    if "time" not in vars(mesa.Model):  # Mesa has its own clock from 3.4 on

        @property
        def time(self) -> float:
            """Mesa's clock, in months."""
            return float(self.steps)

    @property
    def date(self) -> dt.date:
        """First trading day of the next month."""
        return date_of(self.month, 0)

    def step(self) -> None:
        """Simulate one month."""
        self._check_end()
        market, report = one_month(
            self.setup, self.market, self._values, self.setup.events(self.month), self._draws, self.compiled
        )
        if not self.setup.program_key.is_plain:
            check_run(jax.tree.map(lambda x: np.asarray(x)[None], report), self.setup, self.seed, self.month)
        self.market = market
        self._reports.append({name: float(value) for name, value in report.observables.items()})
        self._daily_returns = np.asarray(report.daily_returns)
        if self.month >= self.setup.months:
            self.running = False
        if self._rows:  # users may hold agents: tell an exit from a later entrant in the same slot
            self._refresh_agents()
        self.datacollector.collect(self)
        if self.month >= self.setup.months:
            warn_of_alarms([self.frame()])

    def _check_end(self) -> None:
        if self.month >= self.setup.months:
            raise ValueError(f"the scenario ends after {self.setup.months} months; give MarketModel a larger `months`")

    def _step_or_raise(self) -> None:
        """The `model.step()` that users call: it advances Mesa's clock, and raises the error of a month that failed."""
        self._check_end()
        clock = self.time
        self._mesa_step()
        failure, self._failure = self._failure, None
        if failure is not None:
            self.steps -= 1  # Mesa counts a step before it runs
            if self.time > clock:  # it also moved its clock, and from 3.5 on its schedule
                self.time = clock  # type: ignore[misc]
                if hasattr(self, "schedule_event"):
                    self.schedule_event(self._again, at=clock + 1)
            raise failure

    def _again(self) -> None:
        """Repeat a month that failed; Mesa's schedule already holds the month after it."""
        self.steps += 1
        self._attempt()

    def _attempt(self) -> None:
        """Simulate one month for Mesa. Mesa drops its schedule when a step raises, so an error is raised afterwards.

        A month that fails half-way, for example in a reporter, is undone and can be repeated.
        """
        market, months, returns, running = self.market, self.month, self._daily_returns, self.running
        columns = getattr(self.datacollector, "model_vars", {})
        collected = min(map(len, columns.values()), default=0)
        try:
            type(self).step(self)
        except BaseException as error:
            self._failure = error
            self.market, self._daily_returns, self.running = market, returns, running
            del self._reports[months:]
            for values in [*columns.values(), getattr(self.datacollector, "_collection_steps", [])]:  # from Mesa 3.4 on
                del values[collected:]
            for records in ("_agent_records", "_agenttype_records"):
                getattr(self.datacollector, records, {}).pop(self.steps, None)

    def run_for(self, duration: int) -> None:
        """Simulate `duration` months."""
        for _ in range(whole_months(duration)):
            self.step()

    def run_until(self, end_time: int) -> None:
        """Simulate months until Mesa's clock reaches `end_time`; if it is past that, none, with Mesa's warning."""
        if (remaining := whole_months(end_time) - self.time) < 0:
            warnings.warn(f"run_until({end_time}): the clock is already at {self.time:g}", RuntimeWarning, stacklevel=2)
        self.run_for(max(int(remaining), 0))

    def run_model(self) -> None:
        """Simulate the remaining months, or until a step sets `running` to False."""
        while self.running:
            self.step()

    def reset_rng(self, rng: Any = None) -> None:
        """Not supported: all draws come from the seed of the run. Raises NotImplementedError."""
        raise NotImplementedError(
            f"every draw of the market comes from its seed, {self.seed}: for other draws, create MarketModel(rng=...)"
        )

    reset_randomizer = reset_rng  # Mesa's older name

    # --- state --------------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The full state, as the compiled month uses it."""
        assert self._market is not None
        return self._market

    @market.setter
    def market(self, market: Market) -> None:
        self._market = market
        self._columns.clear()
        self._stale = True

    @property
    def last_report(self) -> dict[str, float]:
        """Observables of the last month, empty before the first. (Mesa uses the name `observables` itself.)"""
        return dict(self._reports[-1]) if self._reports else {}

    @property
    def reports(self) -> list[dict[str, float]]:
        """Observables of every month so far."""
        return [dict(report) for report in self._reports]

    @property
    def daily_returns(self) -> np.ndarray | None:
        """Daily log returns (days, firms) of the last month, read-only; None before the first month."""
        return None if self._daily_returns is None else read_only(self._daily_returns)

    def __getattr__(self, name: str) -> Any:
        if name in MEASURES:  # `model.lerner_closed` is last month's value
            return self.last_report.get(name, float("nan"))
        raise AttributeError(f"{type(self).__name__} has no attribute or observable '{name}'")

    def frame(self) -> Any:
        """One row per month, one column per observable."""
        import pandas as pd

        return pd.DataFrame(self._reports, index=months_index(self.month))

    def alarms(self) -> Any:
        """Observables that have left their sane range so far, as `Result.alarms`."""
        return table_of(self.frame())

    def network(self, layers: tuple[str, ...] | None = None) -> Any:
        """The current multilayer network, a `networkx.MultiDiGraph`."""
        from abm.runs.network import network_of

        return network_of(self.market, self.setup, layers)

    def branch(self, parameters: Parameters | Mapping[str, Any] | None = None, scenario: Any = None) -> MarketModel:
        """Create an independent copy that continues from here on the same draws, with other parameters or scenario.

        Parameters given to this model stay unless they are replaced; those of its scenario are dropped with the scenario.
        A `PolicyWarning` names parameters without effect: those that an event of the scenario sets, and those that only
        the first month reads.
        """
        with floats_of(64):
            twin = copy.deepcopy(self)
        twin.setup = setup = self.setup.under(parameters, scenario)
        if parameters is not None or scenario is not None:
            warn(overridden(setup.scenario, setup.given, setup.months, self.month))
            warn(inert(setup.values, self.setup.values, self.month))
        twin._values = values_on_device(twin.setup)
        return twin

    # --- agents -------------------------------------------------------------------------------------------------

    @property
    def agents(self) -> Any:
        """AgentSet of all active agents. It is a copy: an agent removed from the set stays in the market."""
        self._refresh_agents()
        return copy.copy(super().agents)

    @property
    def agents_by_type(self) -> Any:
        """AgentSets of active agents by class (copies, like `agents`)."""
        self._refresh_agents()
        return {kind: copy.copy(agents) for kind, agents in super().agents_by_type.items()}

    @property
    def agent_types(self) -> Any:
        """Classes of active agents."""
        self._refresh_agents()
        return super().agent_types

    def register_agent(self, agent: mesa.Agent) -> None:
        """Register an agent, as Mesa does on creation. Raises TypeError for market agents that the model did not create."""
        if isinstance(agent, Agent) and (*agent._row.address, agent.slot) != self._joining:
            raise TypeError(f"{type(agent).__name__}: {FIXED}")
        super().register_agent(agent)

    def deregister_agent(self, agent: mesa.Agent) -> None:
        """Deregister an agent, as Mesa does in ``agent.remove()``; an active lab is closed first."""
        if isinstance(agent, Agent) and self._rows.get(key := (*agent._row.address, agent.slot)) is agent:
            if agent.active:
                agent.active = False
            agent._row.leave(agent.fields())
            del self._rows[key]
        super().deregister_agent(agent)

    def remove_all_agents(self) -> None:
        """Not supported: a month needs vendors, adopters, investors and regulators. Raises NotImplementedError."""
        raise NotImplementedError(f"the agents of a market cannot all leave it: {ONLY_LABS}")

    def column(self, address: tuple[str, int], name: str) -> np.ndarray:
        """Column `name` of population `address` = (group, number), read-only."""
        key = (*address, name)
        if key not in self._columns:
            group, number = address
            self._columns[key] = np.asarray(getattr(self.market, group).populations[number].columns[name])
        return read_only(self._columns[key])

    def write(self, address: tuple[str, int], name: str, index: int, value: Any) -> None:
        """Set a field of one agent in the state that the next step uses. Raises ValueError for an invalid value."""
        group, number = address
        populations = list(getattr(self.market, group).populations)
        column = populations[number].columns[name]
        given = np.asarray(value)
        where = f"{populations[number].kind.__name__}.{name}"
        if given.shape != column.shape[1:]:
            raise ValueError(f"{where}: expected shape {column.shape[1:]}, not {given.shape}")
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise ValueError(f"{where} = {value!r}: must be finite numbers")
        if column.dtype.kind == "b" and not np.isin(given, (0, 1)).all():
            raise ValueError(f"{where} = {value!r}: must be True or False")
        if column.dtype.kind == "i" and (given != np.floor(given)).any():
            raise ValueError(f"{where} = {value!r}: must be a whole number")
        if name in INDEXES:
            least, of = INDEXES[name]
            most = getattr(self.market, of).size - 1
            if not least <= given <= most:
                raise ValueError(f"{where} = {value!r}: must be a whole number from {least} to {most}")
        if (group, name) == ("labs", "price") and not ((given > 0) & (given <= HIGHEST_PRICE)).all():
            raise ValueError(
                f"{where} = {value!r}: must be above 0 and at most {HIGHEST_PRICE:.0e} $ per million tokens"
            )
        if name == "active":
            if not given and column[index]:
                self._close(address, index)
            return
        with floats_of(64):
            changed_column = column.at[index].set(jnp.asarray(given, column.dtype))
        populations[number] = populations[number].replace(**{name: changed_column})
        changed = self.market.replace(**{group: Group(*populations)})
        self._market = changed
        self._columns.pop((group, number, name), None)

    def _close(self, address: tuple[str, int], index: int) -> None:
        """Close a lab, and book its exit in the accounts of the last month."""
        group, number = address
        populations = getattr(self.market, group).populations
        if group != "labs":
            raise ValueError(f"{populations[number].kind.__name__} agents cannot leave the market: {ONLY_LABS}")
        leaves = np.arange(self.market.labs.size) == sum(p.size for p in populations[:number]) + index
        with floats_of(64):
            self.market = without_weak_types(close_labs(self.market, leaves))

    def _refresh_agents(self) -> None:
        """Create and remove Mesa agents to match the active rows."""
        if self._market is None or not self._stale:
            return
        self._stale = False
        present = set()
        for group in NODE_ROLES:
            for number, population in enumerate(getattr(self._market, group).populations):
                for index in np.flatnonzero(np.asarray(population.columns["active"])):
                    key = (group, number, int(index))
                    present.add(key)
                    if key not in self._rows:
                        self._joining = key
                        self._rows[key] = population.kind(self, (group, number), int(index))
        self._joining = None
        for key in [key for key in self._rows if key not in present]:
            self._rows[key].remove()
