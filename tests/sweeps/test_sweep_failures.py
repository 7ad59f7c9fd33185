"""Sweeps with failing workers, leaders and disks: results equal those of an undisturbed sweep."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from abm.support.workers import worker_pool
from abm.sweeps import Sweep, open_sweep, run_sweep
from abm.sweeps.selftest import (
    TRIALS,
    VICTIM,
    failing,
    full_disk,
    same,
    small,
    tables,
)

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("stored_traces")]  # a sweep that hangs fails


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Runs and panel of the undisturbed sweep, computed in this process."""
    folder = tmp_path_factory.mktemp("quiet") / "day"
    run_sweep(small(), folder)
    return tables(folder)


def test_a_full_disk_stops_the_sweep_and_finished_runs_are_kept(reference, tmp_path):
    assert "12 runs unaffected" in full_disk(small(), tmp_path / "x", reference)


def leader(folder):
    """A process that runs the small sweep with two workers, in parts of two runs."""
    folder.mkdir(parents=True)
    spec = folder.with_suffix(".toml")
    spec.write_text(small().to_toml(), encoding="utf-8")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "abm.sweeps.selftest", str(spec), str(folder)], **quiet)


def until(met, seconds=300):
    """Wait until a condition is met."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_leader_leaves_no_workers_and_the_sweep_can_be_resumed(reference, tmp_path):
    import psutil

    process = leader(tmp_path / "x")
    until(lambda: list((tmp_path / "x" / "parts").glob("*.runs.parquet")) or process.poll() is not None)
    others = psutil.Process(process.pid).children(recursive=True)
    assert others
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(others, timeout=30)
    assert not alive
    tally = run_sweep(small(), tmp_path / "x")
    assert tally.before > 0
    same(tmp_path / "x", reference)


@contextlib.contextmanager
def dask_cluster():
    """Two local worker processes that may not fail twice on one task."""
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_killed_dask_worker_costs_no_runs(reference, tmp_path):
    with dask_cluster() as client:
        executor = client.get_executor()
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Timer(3, os.kill, (victim, signal.SIGKILL))
        killer.start()
        run_sweep(small(), tmp_path / "x", executor=executor, chunk=2)
        killer.join()
        same(tmp_path / "x", reference)


@pytest.mark.slow
def test_a_run_that_kills_dask_workers_is_marked_as_crashed(reference, tmp_path):
    with dask_cluster() as client, failing("exit"):
        run_sweep(small(), tmp_path / "x", executor=client.get_executor(), chunk=4)
    same(tmp_path / "x", reference, but=VICTIM)
    assert list(open_sweep(tmp_path / "x").failures()["status"]) == ["crashed"]


def test_threads_give_the_same_numbers(reference, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        run_sweep(small(), tmp_path / "x", executor=pool, chunk=4)
    same(tmp_path / "x", reference)


def test_a_dead_pool_passed_in_by_the_caller_is_reported(tmp_path):
    from abm.sweeps.run import Broken

    with worker_pool(1) as pool, failing("exit"), pytest.raises(Broken, match="run it again"):
        run_sweep(Sweep(**small().model_dump(exclude={"design"})), tmp_path / "x", executor=pool, chunk=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TRIALS if name not in ("the disk is full", "the leader is killed")])
def test_every_other_trial_of_the_selftest_passes(name, reference, tmp_path):
    said = TRIALS[name](small(), tmp_path / "x", reference)
    if name == "a run ends its worker":
        assert said.startswith("1 run crashed (its worker process ended")


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers(reference, tmp_path):
    run_sweep(small(), tmp_path / "x", workers=3, chunk=1)
    same(tmp_path / "x", reference)


@pytest.mark.slow
def test_a_leader_may_be_killed_at_any_time(reference, tmp_path):
    """At random times from the imports to the last part, alternating SIGKILL, SIGTERM and Ctrl-C."""
    import numpy as np

    rng = np.random.default_rng(20)
    for trial, begin in enumerate((1, 4, 7, 10, 13)):
        folder = tmp_path / f"x{trial}"
        process = leader(folder)
        try:
            process.wait(begin + float(rng.uniform(0, 3)))
        except subprocess.TimeoutExpired:
            process.send_signal((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[trial % 3])
            process.wait(60)
        run_sweep(small(), folder)
        same(folder, reference)


def test_a_script_without_a_main_guard_gets_one_clear_error(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from abm.sweeps.run import run_sweep\nfrom abm.sweeps.selftest import small\n"
        f"run_sweep(small(), {str(tmp_path / 'x')!r}, workers=2)\n",
        encoding="utf-8",
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("Traceback") == 1
    assert 'below `if __name__ == "__main__":`' in result.stderr.splitlines()[-1]
