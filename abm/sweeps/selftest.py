"""Self-test: a small sweep under each failure that can happen on a cluster, compared with an undisturbed sweep."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from abm.sweeps.results import open_sweep
from abm.sweeps.run import run_sweep
from abm.sweeps.spec import Sweep

VICTIM = "1/1"
"""Point and replication of the run that fails."""
SECONDS = {"seconds"}
"""Columns that differ between repetitions."""


@dataclass(frozen=True)
class Trial:
    """Result of one trial: the failure tested, whether the sweep survived it, and details in `said`."""

    name: str
    ok: bool
    said: str
    seconds: float


def small() -> Sweep:
    """Sweep of 3 points x 4 replications that runs in seconds."""
    return Sweep(
        name="selftest",
        factors={"ip_strength": [0.0, 0.5, 1.0]},
        populations={"adopters": 24, "investors": 40},
        observables=["lerner_closed", "welfare"],
        replications=4,
        months=3,
    )


def trials(on_start: Callable[[str], None] = lambda name: None) -> Iterator[Trial]:
    """Run all trials one after another and yield their results."""
    sweep = small()
    with tempfile.TemporaryDirectory(prefix="abm_selftest_") as place:
        root = Path(place)
        on_start("nothing")
        run_sweep(sweep, root / "reference", workers=2, chunk=4)
        reference = tables(root / "reference")
        for name, trial in TRIALS.items():
            on_start(name)
            began = time.perf_counter()
            folder = root / name.replace(" ", "_")
            try:
                details = trial(sweep, folder, reference)
                yield Trial(name, True, details, time.perf_counter() - began)
            except Exception as error:
                details = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                yield Trial(name, False, details, time.perf_counter() - began)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs (without timings) and panel of a sweep."""
    results = open_sweep(folder)
    return results.runs().drop(columns=list(SECONDS)), results.panel()


def same(folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame], but: str | None = None) -> None:
    """Raise AssertionError unless runs and panel equal the reference exactly, except for the run `but`."""
    for actual, expected in zip(tables(folder), reference, strict=True):
        expected_rows = [f"{p}/{r}" != but for p, r in zip(expected["point"], expected["replication"], strict=True)]
        actual_rows = [f"{p}/{r}" != but for p, r in zip(actual["point"], actual["replication"], strict=True)]
        pd.testing.assert_frame_equal(
            actual[actual_rows].reset_index(drop=True), expected[expected_rows].reset_index(drop=True), check_exact=True
        )


@contextlib.contextmanager
def failing(kind: str, counted: Path | None = None) -> Iterator[None]:
    """Inject a failure into the victim run; only once if `counted` gives a folder for counting."""
    failure = f"{VICTIM}:{kind}{':1' if counted else ''}"
    environment = {key: os.environ.get(key) for key in ("ABM_FAIL_AT", "ABM_FAIL_FOLDER")}
    os.environ["ABM_FAIL_AT"] = failure
    if counted:
        counted.mkdir(parents=True, exist_ok=True)
        os.environ["ABM_FAIL_FOLDER"] = str(counted)
    try:
        yield
    finally:
        for key, value in environment.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def status_of_victim(folder: Path) -> tuple[str, str]:
    """Status and error of the victim run."""
    runs = open_sweep(folder).runs()
    victim = runs[(runs["point"] == 1) & (runs["replication"] == 1)].iloc[0]
    return str(victim["status"]), str(victim["error"])


def bad_run(kind: str, status: str, chunk: int = 4) -> Callable[..., str]:
    """Trial: one run always fails. It gets a row with the reason, and the other runs are unaffected."""

    def trial(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
        with failing(kind):
            tally = run_sweep(sweep, folder, workers=2, chunk=chunk)
        actual, error = status_of_victim(folder)
        if actual != status:
            raise AssertionError(f"status {actual!r} instead of {status!r}")
        same(folder, reference, but=VICTIM)
        return f"1 run {actual} ({error}), 11 runs unaffected, {tally.restarts} worker restarts"

    return trial


def passing_trouble(kind: str) -> Callable[..., str]:
    """Trial: a worker dies once, through a fault of the machine. All runs are unaffected."""

    def trial(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
        with failing(kind, counted=folder / "count"):
            tally = run_sweep(sweep, folder, workers=2, chunk=4)
        same(folder, reference)
        return f"12 runs unaffected, {tally.restarts} worker restarts"

    return trial


def killed_coordinator(how: signal.Signals) -> Callable[..., str]:
    """Trial: the leading process is ended in the middle, and repeating the call completes the sweep."""

    def trial(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
        folder.mkdir(parents=True)
        spec = folder.with_suffix(".toml")
        spec.write_text(sweep.to_toml(), encoding="utf-8")
        line = [sys.executable, "-m", "abm.sweeps.selftest", str(spec), str(folder)]
        leader = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not list((folder / "parts").glob("*.runs.parquet")) and leader.poll() is None:
            if time.monotonic() > deadline:
                leader.kill()
                raise AssertionError("no part was written within five minutes")
            time.sleep(0.02)
        leader.send_signal(how)
        leader.wait(60)
        had = len(list((folder / "parts").glob("*.runs.parquet")))
        tally = run_sweep(sweep, folder, workers=2, chunk=2)
        same(folder, reference)
        return f"{had} of 6 parts kept, {tally.total - tally.before} runs done afterwards, 12 runs unaffected"

    return trial


def damaged_part(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Trial: files are truncated, empty, or not part of the sweep."""
    run_sweep(sweep, folder, workers=2, chunk=4)
    first, second, _ = sorted((folder / "parts").glob("*.runs.parquet"))
    first.write_bytes(first.read_bytes()[:-20])
    second.with_name(second.name.replace(".runs.", ".panel.")).write_bytes(b"")
    pd.DataFrame({"x": [1]}).to_parquet(folder / "parts" / "foreign.runs.parquet")
    (folder / "parts" / ".half.runs.parquet.tmp").write_bytes(b"PAR1")
    tally = run_sweep(sweep, folder, workers=2, chunk=4)
    same(folder, reference)
    return f"{tally.total - tally.before} runs of 2 damaged parts repeated, 12 runs unaffected"


def full_disk(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Trial: files are limited to a few kilobytes during the run; afterwards the sweep completes."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    run_sweep(sweep, folder, chunk=4, shard=(1, 3))
    message = ""
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        run_sweep(sweep, folder, chunk=4)
    except OSError as error:
        message = error.strerror or str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    if not message:
        raise AssertionError("the full disk was not noticed")
    tally = run_sweep(sweep, folder, chunk=4)
    same(folder, reference)
    return f"stopped ({message}), then {tally.total - tally.before} runs, 12 runs unaffected"


TRIALS: dict[str, Callable[..., str]] = {
    "a run raises": bad_run("raise", "failed"),
    "a run needs too much memory": bad_run("memory", "failed"),
    "a run gives NaN": bad_run("nan", "nonfinite"),
    "a run ends its worker": bad_run("exit", "crashed"),
    "a run crashes its worker": bad_run("segfault", "crashed"),
    "a worker is killed once": passing_trouble("kill"),
    "the leader is killed": killed_coordinator(signal.SIGKILL),
    "the leader is terminated": killed_coordinator(signal.SIGTERM),
    "Ctrl-C": killed_coordinator(signal.SIGINT),
    "parts are damaged": damaged_part,
    "the disk is full": full_disk,
}


if __name__ == "__main__":  # runs a sweep in a separate process, which a trial then kills: SPEC FOLDER
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore SIGINT for background processes
    run_sweep(sys.argv[1], sys.argv[2], workers=2, chunk=2)
