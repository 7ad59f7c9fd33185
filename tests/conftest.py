"""Every test runs in 64-bit floats, the model's default."""

from types import SimpleNamespace

import hypothesis
import jax
import pytest

jax.config.update("jax_enable_x64", True)

hypothesis.settings.register_profile("untimed", deadline=None)  # the machine may be busy: no test is timed
hypothesis.settings.load_profile("untimed")


LONG = (
    *("test_search.py", "test_interpreted.py", "test_counterfactual.py", "test_validation.py", "test_own_classes.py"),
    *("test_market.py", "test_job.py", "test_scenario_discovery.py", "test_sweep_failures.py", "test_workers.py"),
)
"""Files that take longest go first, so that two processes end together (make test, --no-loadscope-reorder)."""


def pytest_collection_modifyitems(items):
    """Stable: within a file tests keep their order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture
def stored_traces(monkeypatch):
    """Processes of the test read each other's traces from disk, as those of the command line do."""
    monkeypatch.setenv("ABM_KEEP_TRACED", "1")


@pytest.fixture(scope="session")
def tiny_shock(tmp_path_factory):
    """The ensembles of the R1 job on few agents and seeds, of the sizes that
    tests/market/test_market.py has, so that one compiled program does them all.

    `runs` by name, the `folder` they are kept in, the `steps` of progress, and the `options` to ask for them again.
    """
    from abm.experiments.r1 import job as r1_shock

    options = {"months": 31, "crash_months": 31, "adopters": 24, "investors": 40}
    folder, steps, seeds = tmp_path_factory.mktemp("r1_shock"), [], range(8)
    runs, _ = r1_shock.run_worlds(folder, seeds, lambda *step: steps.append(step), **options)
    return SimpleNamespace(runs=runs, folder=folder, steps=steps, seeds=seeds, options=options)
