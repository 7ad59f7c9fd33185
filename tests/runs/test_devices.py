"""What is asked of an accelerator, decided without one: how many runs together, how many workers, the same sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abm
from abm.engine import devices, mean_of_neighbours, neighbours, run_many, runs_together
from abm.runs import programs, simulate
from abm.runs.simulate import PreparedSetting, Setting
from abm.support.workers import processors, usual_workers
from abm.sweeps.plan import Plan
from abm.sweeps.spec import Sweep


@pytest.fixture
def accelerator(monkeypatch):
    """A device with so many bytes of memory."""

    def of(memory):
        monkeypatch.setattr(devices, "on_accelerator", lambda: True)
        monkeypatch.setattr(devices, "device_memory", lambda: memory)

    return of


def test_on_a_processor_ten_runs_stay_in_the_cache_and_nobody_measures_them():
    assert runs_together(100_000, lambda: pytest.fail("memory is no question here")) == (10, None)


@pytest.mark.parametrize(
    ("total", "chunk"), [(1, 1), (20, 10), (100, 100), (300, 100), (320, 1_000), (2_500, 1_000), (1_000_000, 10_000)]
)
def test_on_an_accelerator_a_call_takes_a_power_of_ten_near_the_number_of_runs(accelerator, total, chunk):
    accelerator(1e12)
    assert runs_together(total, lambda: 2e6) == (chunk, 2)


def test_calls_in_flight_fit_the_accelerators_memory(accelerator):
    accelerator(1e9)
    chunk, flying = runs_together(100_000, lambda: 2e6)
    assert chunk * flying * 2e6 <= 1e9
    assert chunk == 200
    accelerator(1e3)  # not even one: it is tried all the same, and the device says what it lacks
    assert runs_together(100_000, lambda: 2e6).chunk == 1


def test_memory_of_a_run_grows_with_its_agents_and_the_width_of_numbers():
    def asked(precision=64, months=60, **sizes):
        with jax.enable_x64(precision == 64):
            return PreparedSetting.of(Setting(), [1, 2], months, sizes).bytes_of_run(precision)

    usual = asked()
    assert 1e6 < usual < 4e6
    assert asked(investors=2_000) > 1.5 * usual
    assert asked(32) == pytest.approx(usual / 2, rel=0.01)
    assert asked(months=600) > 2 * usual  # of its reports


def test_chunks_that_an_accelerator_would_choose_change_no_number(accelerator, monkeypatch):
    plain = abm.ensemble(seeds=range(35), months=3)
    accelerator(1e12)
    monkeypatch.setattr(programs, "on_accelerator", lambda: True)
    sizes = []
    monkeypatch.setattr(simulate, "run_many", lambda *given, **more: sizes.append(more) or run_many(*given, **more))
    other = abm.ensemble(seeds=range(35), months=3)
    assert [(one["chunk"], one["workers"]) for one in sizes] == [(100, 2)]
    for name in plain.names:  # a program of another size may round otherwise
        np.testing.assert_allclose(plain[name], other[name], rtol=1e-12)


def test_sums_over_neighbours_are_the_same_written_out_and_in_a_loop(monkeypatch):
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


def test_a_sweep_makes_larger_parts_where_an_accelerator_computes():
    plan = Plan.of(Sweep(name="large", factors={"ip_strength": [0.0, 1.0]}, replications=15_000, months=12))
    runs = list(plan.runs())
    usual, large = (max(map(len, plan.chunks(runs, 1, accelerated=yes))) for yes in (False, True))
    assert (usual, large) == (1_000, 20_000)
    assert sum(map(len, plan.chunks(runs, 1, accelerated=True))) == 30_000


def test_one_worker_by_default_where_jax_has_an_accelerators_plugin(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    assert usual_workers() == processors()
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [group])
    assert usual_workers() == 1
    for chosen in ("cpu", "cpu,cuda"):
        monkeypatch.setenv("JAX_PLATFORMS", chosen)
        assert usual_workers() == processors()
