"""An agent-based model of the AI industry: who keeps pricing power when models can be copied.

>>> from abm import simulate, ensemble, compare, sweep
>>> simulate(scenario="baseline", seed=1).frame()          # one row per month
>>> ensemble(scenario="no_r1", seeds=range(200))           # 200 runs, computed in batches
>>> sweep({"ip_strength": [0, 0.5, 1]}, seeds=range(50))   # every level with every seed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.market.populations import Populations
    from abm.parameters import ParameterError, Parameters
    from abm.runs import event_study as event_study
    from abm.runs.mesa_model import MarketModel
    from abm.runs.results import compare
    from abm.runs.simulate import Setting, ensemble, ensembles, simulate
    from abm.scenarios.scenario import Scenario, ScenarioError
    from abm.sweeps import Sweep, open_sweep, run_sweep, sweep

__all__ = [
    "MarketModel",
    "ParameterError",
    "Parameters",
    "Populations",
    "Scenario",
    "ScenarioError",
    "Setting",
    "Sweep",
    "compare",
    "ensemble",
    "ensembles",
    "open_sweep",
    "run_sweep",
    "simulate",
    "sweep",
]


def __getattr__(name: str) -> Any:
    # Names are imported on first use: `abm --help` and workers that only read files need neither JAX nor Mesa.
    if name == "__version__":
        from importlib.metadata import version

        return version("ai-market-abm")
    from abm.support.lazy import imported_on_first_use

    return imported_on_first_use(__name__, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
