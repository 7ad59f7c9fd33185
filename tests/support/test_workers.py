"""Workers that hang, die repeatedly or lose their scheduler: a sweep ends with a message and keeps its finished runs."""

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
from helpers.sizes import TINY

from abm.engine import run_many
from abm.support.workers import Broken, Watch, patience, processor_time, worker_pool
from abm.sweeps import Sweep, open_sweep, parallel, run_sweep

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("stored_traces")]  # a sweep that hangs fails


def tiny(**keys):
    return Sweep(**{"populations": TINY, "observables": ["welfare"], "months": 2, "replications": 4, **keys})


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("pool", [lambda: worker_pool(1), lambda: ThreadPoolExecutor(1)], ids=["processes", "threads"])
def test_a_task_may_take_as_long_as_it_computes(pool, monkeypatch):
    monkeypatch.setenv("ABM_PATIENCE", "1")
    with pool() as executor:
        long = executor.submit(compute, 3)
        assert Watch(executor).wait([long]) == {long}
        hanging = executor.submit(time.sleep, 5)
        with pytest.raises(Broken, match=r"for 1 seconds: .*ABM_PATIENCE=SECONDS"):
            Watch(executor).wait([hanging])


def test_workers_of_an_unknown_executor_are_waited_for_without_limit(monkeypatch):
    class Elsewhere:
        """An executor of a library unknown to this package."""

    monkeypatch.setenv("ABM_PATIENCE", "0.2")
    future = Future()
    threading.Timer(2, future.set_result, [1]).start()
    assert Watch(Elsewhere()).wait([future]) == {future}


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1_0"])
def test_an_invalid_patience_is_rejected_before_anything_runs(text, monkeypatch, tmp_path):
    monkeypatch.setenv("ABM_PATIENCE", text)
    with pytest.raises(ValueError, match=f"^ABM_PATIENCE = {text}: must be a number of seconds above 0"):
        run_sweep(tiny(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_default_patience_is_ten_minutes(monkeypatch):
    monkeypatch.delenv("ABM_PATIENCE", raising=False)
    assert patience() == 600


def test_processor_time_of_a_process():
    before, began = processor_time([os.getpid()]), time.process_time()
    while time.process_time() < began + 1:  # independent of the load of the machine
        sum(range(1000))
    assert 0.9 < processor_time([os.getpid()]) - before < 2
    assert processor_time([2**22 + 1]) == 0  # a process that does not exist


def stop_workers(folder):
    """Once the first part is stored, stop the workers as Ctrl-Z would: they are alive but make no progress."""
    import psutil

    while not list(folder.glob("parts/*.runs.parquet")):
        time.sleep(0.05)
    for process in psutil.Process().children(recursive=True):
        if "forkserver" in " ".join(process.cmdline()) or "spawn" in " ".join(process.cmdline()):
            for worker in process.children() or [process]:
                worker.send_signal(signal.SIGSTOP)


@pytest.mark.slow
def test_a_sweep_gives_up_on_hanging_workers_and_keeps_finished_runs(monkeypatch, tmp_path):
    import psutil

    monkeypatch.setenv("ABM_PATIENCE", "4")
    saboteur = threading.Thread(target=stop_workers, args=[tmp_path / "x"], daemon=True)
    saboteur.start()
    with pytest.raises(Broken, match="finished runs are kept: run it again"):
        run_sweep(tiny(replications=400), tmp_path / "x", workers=2, chunk=1)
    saboteur.join()
    children = psutil.Process().children(recursive=True)
    stopped = [process for process in children if process.status() == psutil.STATUS_STOPPED]
    assert not psutil.wait_procs(stopped, timeout=20)[1]  # killed, not left behind
    assert 0 < open_sweep(tmp_path / "x").counts()["ok"] < 400


def test_a_sweep_gives_up_on_workers_that_die_repeatedly(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "MOST_DEATHS", 3)
    monkeypatch.setenv("ABM_FAIL_AT", ",".join(f"0/{k}:exit" for k in range(16)))
    with pytest.raises(Broken, match=r"^workers died 4 times in a row.*BrokenProcessPool"):
        run_sweep(tiny(replications=16), tmp_path / "x", workers=2, chunk=2)


@pytest.mark.slow
def test_one_failing_chunk_does_not_stop_a_sweep(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "MOST_DEATHS", 3)
    monkeypatch.setenv("ABM_FAIL_AT", ",".join(f"0/{k}:exit" for k in range(3)))
    run_sweep(tiny(replications=9), tmp_path / "x", workers=2, chunk=3)
    counts = open_sweep(tmp_path / "x").counts()
    assert (counts["crashed"], counts["ok"], counts["missing"]) == (3, 6, 0)


def test_a_closed_pool_is_reported(tmp_path):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(Broken, match="executor .*after shutdown"):
        run_sweep(tiny(), tmp_path / "x", executor=pool)


def test_a_single_worker_computes_in_the_calling_thread():
    threads = []

    def run(rows):
        threads.append(threading.get_ident())
        return rows * 2

    with jax.enable_x64(True):
        out = run_many(run, jnp.arange(5.0), chunk=2, workers=1)
    np.testing.assert_array_equal(out, [0, 2, 4, 6, 8])
    assert set(threads) == {threading.get_ident()}
    run_many(run, jnp.arange(2.0), chunk=2, workers=4)  # a single chunk needs a single worker
    assert set(threads) == {threading.get_ident()}


def dask_cluster(folder):
    """Start a Dask scheduler and a worker with one thread, each in its own process."""
    from distributed import Client

    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen([*command, "--scheduler-file", str(file)], **quiet)
    while not file.exists():
        time.sleep(0.05)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    worker = subprocess.Popen([*command, "--no-dashboard", "--no-nanny"], **quiet)
    client = Client(scheduler_file=str(file))
    client.wait_for_workers(1)
    return scheduler, worker, client


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "sent", "message"),
    [
        ("scheduler", signal.SIGKILL, "the connection to the Dask scheduler is lost"),
        ("scheduler", signal.SIGSTOP, "has the scheduler stopped"),
        ("worker", signal.SIGKILL, "has the scheduler stopped"),
    ],
    ids=["scheduler killed", "scheduler hangs", "worker killed"],
)
def test_a_sweep_gives_up_on_a_lost_dask_cluster(target, sent, message, monkeypatch, tmp_path):
    import dask
    import distributed  # noqa: F401 - imported before its settings are changed

    monkeypatch.setenv("ABM_PATIENCE", "5")
    with dask.config.set({"distributed.comm.timeouts.connect": "3s"}):
        scheduler, worker, client = dask_cluster(tmp_path)
        folder = tmp_path / "x"

        def send_signal():
            while not list(folder.glob("parts/*.runs.parquet")):
                time.sleep(0.05)
            {"scheduler": scheduler, "worker": worker}[target].send_signal(sent)

        saboteur = threading.Thread(target=send_signal, daemon=True)
        saboteur.start()
        try:
            with pytest.raises(Broken, match=message):
                run_sweep(tiny(replications=200), folder, executor=client.get_executor(), chunk=1)
            saboteur.join()
        finally:
            for process in (scheduler, worker):
                process.kill()
            client.close(timeout=3)
    assert 0 < open_sweep(folder).counts()["ok"] < 200


@pytest.mark.slow
def test_the_command_line_reports_hanging_workers_on_one_line_with_exit_code_2(monkeypatch, tmp_path, capsys):
    from abm.cli.app import app

    spec = tmp_path / "tiny.toml"
    spec.write_text(tiny().to_toml(), encoding="utf-8")
    monkeypatch.setenv("ABM_PATIENCE", "3")
    monkeypatch.setenv("ABM_FAIL_AT", "0/1:hang")
    with pytest.raises(SystemExit) as end:
        app(["sweep", str(spec), "--workers", "2", "--chunk", "2", "--out", str(tmp_path / "x")])
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("abm: ")] == lines[-1:]
    assert "for 3 seconds" in lines[-1] and "ABM_PATIENCE" in lines[-1]
    assert open_sweep(tmp_path / "x").counts() == {"ok": 2, "missing": 2}
