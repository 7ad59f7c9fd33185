"""Choices for accelerators, tested without one: size of chunks, number of workers, and equal sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import TINY

import abm
from abm.engine import devices, mean_of_neighbours, neighbours, run_many, runs_together
from abm.runs import programs, simulate
from abm.runs.simulate import PreparedSetting, Setting
from abm.support.workers import processors, usual_workers
from abm.sweeps.plan import Plan
from abm.sweeps.spec import Sweep


@pytest.fixture
def accelerator(monkeypatch):
    """Pretend that JAX runs on an accelerator with the given memory in bytes."""

    def of(memory):
        monkeypatch.setattr(devices, "on_accelerator", lambda: True)
        monkeypatch.setattr(devices, "device_memory", lambda: memory)

    return of


def test_on_a_cpu_chunks_have_ten_runs_whatever_their_memory():
    assert runs_together(100_000, lambda: pytest.fail("memory must not be measured")) == (10, None)


@pytest.mark.parametrize(
    ("total", "chunk"), [(1, 1), (20, 10), (100, 100), (300, 100), (320, 1_000), (2_500, 1_000), (1_000_000, 10_000)]
)
def test_on_an_accelerator_chunks_are_a_power_of_ten_near_the_number_of_runs(accelerator, total, chunk):
    accelerator(1e12)
    assert runs_together(total, lambda: 2e6) == (chunk, 2)


def test_concurrent_chunks_fit_the_memory_of_the_accelerator(accelerator):
    accelerator(1e9)
    chunk, workers = runs_together(100_000, lambda: 2e6)
    assert chunk * workers * 2e6 <= 1e9
    assert chunk == 200
    accelerator(1e3)  # not enough for one run: it is tried anyway, and the device reports the error
    assert runs_together(100_000, lambda: 2e6).chunk == 1


def test_memory_of_a_run_grows_with_agents_precision_and_months():
    def memory(precision=64, months=60, **sizes):
        with jax.enable_x64(precision == 64):
            return PreparedSetting.of(Setting(), [1, 2], months, sizes).bytes_of_run(precision)

    usual = memory()
    assert 1e6 < usual < 4e6
    assert memory(investors=2_000) > 1.3 * usual
    assert memory(32) == pytest.approx(usual / 2, rel=0.01)
    assert memory(months=600) > 2 * usual  # because of its reports


@pytest.mark.slow
def test_chunk_sizes_of_an_accelerator_do_not_change_results(accelerator, monkeypatch):
    plain = abm.ensemble(seeds=range(35), months=3, **TINY)
    accelerator(1e12)
    monkeypatch.setattr(programs, "on_accelerator", lambda: True)
    calls = []

    def recorded(*arguments, **options):
        calls.append(options)
        return run_many(*arguments, **options)

    monkeypatch.setattr(simulate, "run_many", recorded)
    other = abm.ensemble(seeds=range(35), months=3, **TINY)
    assert [(options["chunk"], options["workers"]) for options in calls] == [(100, 2)]
    for name in plain.names:  # programs of different size may round differently
        np.testing.assert_allclose(plain[name], other[name], rtol=1e-12)


def test_sums_over_neighbours_are_equal_unrolled_and_in_a_loop(monkeypatch):
    values = jax.random.normal(jax.random.key(1), (3, 50, 2))
    lists = jax.random.randint(jax.random.key(2), (50, 7), 0, 50)

    def means():
        return jax.jit(jax.vmap(lambda rows: mean_of_neighbours(rows, lists)))(values)

    def has_a_loop():
        return "scan" in str(jax.make_jaxpr(jax.vmap(lambda rows: mean_of_neighbours(rows, lists)))(values))

    loop = means()
    assert has_a_loop()
    monkeypatch.setattr(neighbours, "on_accelerator", lambda: True)
    np.testing.assert_array_equal(means(), loop)
    assert not has_a_loop()
    alone = jnp.stack([mean_of_neighbours(rows, lists) for rows in values])
    np.testing.assert_array_equal(alone, loop)


def test_a_sweep_uses_larger_chunks_on_an_accelerator():
    plan = Plan.of(Sweep(name="large", factors={"ip_strength": [0.0, 1.0]}, replications=15_000, months=12))
    runs = list(plan.runs())
    usual, large = (max(map(len, plan.chunks(runs, 1, accelerated=accelerated))) for accelerated in (False, True))
    assert (usual, large) == (1_000, 20_000)
    assert sum(map(len, plan.chunks(runs, 1, accelerated=True))) == 30_000


def test_one_worker_by_default_if_jax_has_an_accelerator_plugin(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    assert usual_workers() == processors()
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [group])
    assert usual_workers() == 1
    for chosen in ("cpu", "cpu,cuda"):
        monkeypatch.setenv("JAX_PLATFORMS", chosen)
        assert usual_workers() == processors()
