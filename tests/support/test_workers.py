"""Workers that hang, die again and again, or whose scheduler is gone: a sweep ends with a word, and keeps what is done."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.engine import run_many
from abm.support.workers import Broken, Watch, patience, processor_time, worker_pool
from abm.sweeps import Sweep, open_sweep, parallel, run_sweep

pytestmark = pytest.mark.timeout(300)  # a sweep that hangs fails

TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2}


def tiny(**keys):
    return Sweep(**{"populations": TINY, "observables": ["welfare"], "months": 2, "replications": 4, **keys})


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
    return seconds


@pytest.mark.parametrize("pool", [lambda: worker_pool(1), lambda: ThreadPoolExecutor(1)], ids=["processes", "threads"])
def test_a_task_may_take_long_as_long_as_it_computes(pool, monkeypatch):
    monkeypatch.setenv("ABM_PATIENCE", "1")
    with pool() as executor:
        long = executor.submit(compute, 3)
        assert Watch(executor).wait([long]) == {long}
        hanging = executor.submit(time.sleep, 5)
        with pytest.raises(Broken, match=r"^for 1 seconds no worker has finished anything or computed: they hang"):
            Watch(executor).wait([hanging])


def test_of_an_unknown_executor_nothing_is_known_and_nobody_is_given_up(monkeypatch):
    class Elsewhere:
        """Of a library that this package knows nothing of."""

    monkeypatch.setenv("ABM_PATIENCE", "0.2")
    future = Future()
    threading.Timer(2, future.set_result, [1]).start()
    assert Watch(Elsewhere()).wait([future]) == {future}


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1_0"])
def test_a_patience_that_is_no_number_is_refused_before_anything_runs(text, monkeypatch, tmp_path):
    monkeypatch.setenv("ABM_PATIENCE", text)
    with pytest.raises(ValueError, match=f"^ABM_PATIENCE = {text}: must be a number of seconds above 0"):
        run_sweep(tiny(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_ten_minutes_are_the_usual_patience(monkeypatch):
    monkeypatch.delenv("ABM_PATIENCE", raising=False)
    assert patience() == 600


def test_time_on_the_processor_is_that_of_the_process():
    before, began = processor_time([os.getpid()]), time.process_time()
    while time.process_time() < began + 1:  # however busy the machine is
        sum(range(1000))
    assert 0.9 < processor_time([os.getpid()]) - before < 2
    assert processor_time([2**22 + 1]) == 0  # there is no such process


def stop_a_worker(folder):
    """Once a part is there, a worker is stopped as by Ctrl-Z: it is alive, and does nothing any more."""
    import psutil

    while not list(folder.glob("parts/*.runs.parquet")):
        time.sleep(0.05)
    for one in psutil.Process().children(recursive=True):
        if "forkserver" in " ".join(one.cmdline()) or "spawn" in " ".join(one.cmdline()):
            for worker in one.children() or [one]:
                worker.send_signal(signal.SIGSTOP)


def test_workers_that_hang_are_given_up_and_what_is_done_is_kept(monkeypatch, tmp_path):
    import psutil

    monkeypatch.setenv("ABM_PATIENCE", "4")
    striker = threading.Thread(target=stop_a_worker, args=[tmp_path / "x"], daemon=True)
    striker.start()
    with pytest.raises(Broken, match="what is finished is kept: run it again to go on"):
        run_sweep(tiny(replications=400), tmp_path / "x", workers=2, chunk=1)
    striker.join()
    stopped = [one for one in psutil.Process().children(recursive=True) if one.status() == psutil.STATUS_STOPPED]
    assert not psutil.wait_procs(stopped, timeout=20)[1]  # killed, not left behind
    assert 0 < open_sweep(tmp_path / "x").counts()["ok"] < 400


def test_workers_that_die_every_time_are_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "MOST_DEATHS", 3)
    monkeypatch.setenv("ABM_FAIL_AT", ",".join(f"0/{k}:exit" for k in range(16)))
    with pytest.raises(Broken, match=r"^workers have died 4 times in a row, the last time by BrokenProcessPool"):
        run_sweep(tiny(replications=16), tmp_path / "x", workers=2, chunk=2)


@pytest.mark.slow
def test_one_bad_chunk_does_not_stop_a_sweep_whose_other_runs_are_fine(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "MOST_DEATHS", 3)
    monkeypatch.setenv("ABM_FAIL_AT", ",".join(f"0/{k}:exit" for k in range(3)))
    run_sweep(tiny(replications=9), tmp_path / "x", workers=2, chunk=3)
    counts = open_sweep(tmp_path / "x").counts()
    assert (counts["crashed"], counts["ok"], counts["missing"]) == (3, 6, 0)


def test_a_pool_that_takes_no_more_work_is_told(tmp_path):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(Broken, match="takes no more work .*after shutdown"):
        run_sweep(tiny(), tmp_path / "x", executor=pool)


def test_one_worker_computes_in_the_thread_that_calls():
    threads = []

    def run(rows):
        threads.append(threading.get_ident())
        return rows * 2

    with jax.enable_x64(True):
        out = run_many(run, jnp.arange(5.0), chunk=2, workers=1)
    np.testing.assert_array_equal(out, [0, 2, 4, 6, 8])
    assert set(threads) == {threading.get_ident()}
    run_many(run, jnp.arange(2.0), chunk=2, workers=4)  # one call: one is enough
    assert set(threads) == {threading.get_ident()}


def scheduler(folder):
    """A Dask scheduler and a worker of one thread, each a process of its own."""
    from distributed import Client

    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    boss = subprocess.Popen([*command, "--scheduler-file", str(file)], **quiet)
    while not file.exists():
        time.sleep(0.05)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    worker = subprocess.Popen([*command, "--no-dashboard", "--no-nanny"], **quiet)
    client = Client(scheduler_file=str(file))
    client.wait_for_workers(1)
    return boss, worker, client


@pytest.mark.parametrize(
    ("whom", "how", "told"),
    [
        ("scheduler", signal.SIGKILL, "the connection to the Dask scheduler is lost"),
        pytest.param("scheduler", signal.SIGSTOP, "has the scheduler stopped", marks=pytest.mark.slow),
        ("worker", signal.SIGKILL, "has the scheduler stopped"),
    ],
    ids=["scheduler killed", "scheduler hangs", "worker killed"],
)
def test_a_dask_cluster_that_is_gone_is_given_up(whom, how, told, monkeypatch, tmp_path):
    import dask
    import distributed  # noqa: F401 - before its settings are changed

    monkeypatch.setenv("ABM_PATIENCE", "5")
    with dask.config.set({"distributed.comm.timeouts.connect": "3s"}):
        boss, worker, client = scheduler(tmp_path)
        folder = tmp_path / "x"

        def strike():
            while not list(folder.glob("parts/*.runs.parquet")):
                time.sleep(0.05)
            {"scheduler": boss, "worker": worker}[whom].send_signal(how)

        striker = threading.Thread(target=strike, daemon=True)
        striker.start()
        try:
            with pytest.raises(Broken, match=told):
                run_sweep(tiny(replications=200), folder, executor=client.get_executor(), chunk=1)
            striker.join()
        finally:
            for process in (boss, worker):
                process.kill()
            client.close(timeout=3)
    assert 0 < open_sweep(folder).counts()["ok"] < 200


def test_the_command_line_says_so_in_one_line_with_exit_code_2(monkeypatch, tmp_path, capsys):
    from abm.cli.app import app

    spec = tmp_path / "tiny.toml"
    spec.write_text(tiny().to_toml(), encoding="utf-8")
    monkeypatch.setenv("ABM_PATIENCE", "3")
    monkeypatch.setenv("ABM_FAIL_AT", "0/1:hang")
    with pytest.raises(SystemExit) as end:
        app(["sweep", str(spec), "--workers", "2", "--chunk", "2", "--out", str(tmp_path / "x")])
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("abm: ")] == said[-1:]
    assert said[-1].startswith("abm: for 3 seconds no worker has finished anything or computed")
    assert open_sweep(tmp_path / "x").counts() == {"ok": 2, "missing": 2}
