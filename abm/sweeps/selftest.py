"""A small sweep under every failure a cluster knows, each compared with the sweep that nothing happened to."""

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
"""Columns that differ from one time to the next."""


@dataclass(frozen=True)
class Trial:
    """What was done to a sweep, and what became of it."""

    name: str
    ok: bool
    said: str
    seconds: float


def small() -> Sweep:
    return Sweep(
        name="selftest",
        factors={"ip_strength": [0.0, 0.5, 1.0]},
        populations={"adopters": 24, "investors": 40},
        observables=["lerner_closed", "welfare"],
        replications=4,
        months=3,
    )


def trials(on_start: Callable[[str], None] = lambda name: None) -> Iterator[Trial]:
    """Every failure in turn; yields how each ended."""
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
                said = trial(sweep, folder, reference)
                yield Trial(name, True, said, time.perf_counter() - began)
            except Exception as error:
                said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                yield Trial(name, False, said, time.perf_counter() - began)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    results = open_sweep(folder)
    return results.runs().drop(columns=list(SECONDS)), results.panel()


def same(folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame], but: str | None = None) -> None:
    """Raise unless the runs and the panel equal the reference to the last digit, but for one run."""
    for mine, theirs in zip(tables(folder), reference, strict=True):
        keep = [f"{p}/{r}" != but for p, r in zip(theirs["point"], theirs["replication"], strict=True)]
        own = [f"{p}/{r}" != but for p, r in zip(mine["point"], mine["replication"], strict=True)]
        pd.testing.assert_frame_equal(
            mine[own].reset_index(drop=True), theirs[keep].reset_index(drop=True), check_exact=True
        )


@contextlib.contextmanager
def failing(kind: str, counted: Path | None = None) -> Iterator[None]:
    """The victim fails; with `counted` once only."""
    word = f"{VICTIM}:{kind}{':1' if counted else ''}"
    before = {key: os.environ.get(key) for key in ("ABM_FAIL_AT", "ABM_FAIL_FOLDER")}
    os.environ["ABM_FAIL_AT"] = word
    if counted:
        counted.mkdir(parents=True, exist_ok=True)
        os.environ["ABM_FAIL_FOLDER"] = str(counted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def status_of_victim(folder: Path) -> tuple[str, str]:
    runs = open_sweep(folder).runs()
    victim = runs[(runs["point"] == 1) & (runs["replication"] == 1)].iloc[0]
    return str(victim["status"]), str(victim["error"])


def bad_run(kind: str, status: str, chunk: int = 4) -> Callable[..., str]:
    """One run fails every time: it is a row with its reason, the others are as they would have been."""

    def trial(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
        with failing(kind):
            tally = run_sweep(sweep, folder, workers=2, chunk=chunk)
        found, error = status_of_victim(folder)
        if found != status:
            raise AssertionError(f"the run is {found!r}, not {status!r}")
        same(folder, reference, but=VICTIM)
        return f"1 run {found} ({error}), 11 as ever, {tally.restarts} restarts of workers"

    return trial


def passing_trouble(kind: str) -> Callable[..., str]:
    """A worker dies once, the machine's fault and not the run's: all runs are as they would have been."""

    def trial(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
        with failing(kind, counted=folder / "count"):
            tally = run_sweep(sweep, folder, workers=2, chunk=4)
        same(folder, reference)
        return f"12 runs as ever, {tally.restarts} restarts of workers"

    return trial


def killed_coordinator(how: signal.Signals) -> Callable[..., str]:
    """The process that leads is ended in the middle, and the same call goes on."""

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
                raise AssertionError("no part after five minutes")
            time.sleep(0.02)
        leader.send_signal(how)
        leader.wait(60)
        had = len(list((folder / "parts").glob("*.runs.parquet")))
        tally = run_sweep(sweep, folder, workers=2, chunk=2)
        same(folder, reference)
        return f"{had} of 6 parts were kept, {tally.total - tally.before} runs done afterwards, 12 as ever"

    return trial


def damaged_part(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Files that are cut short, empty, or somebody else's."""
    run_sweep(sweep, folder, workers=2, chunk=4)
    first, second, _ = sorted((folder / "parts").glob("*.runs.parquet"))
    first.write_bytes(first.read_bytes()[:-20])
    second.with_name(second.name.replace(".runs.", ".panel.")).write_bytes(b"")
    pd.DataFrame({"x": [1]}).to_parquet(folder / "parts" / "foreign.runs.parquet")
    (folder / "parts" / ".half.runs.parquet.tmp").write_bytes(b"PAR1")
    tally = run_sweep(sweep, folder, workers=2, chunk=4)
    same(folder, reference)
    return f"{tally.total - tally.before} runs of 2 damaged parts done again, 12 as ever"


def full_disk(sweep: Sweep, folder: Path, reference: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """No file may grow beyond a few kilobytes while it runs; afterwards it goes on."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    run_sweep(sweep, folder, chunk=4, shard=(1, 3))
    said = "nothing"
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        run_sweep(sweep, folder, chunk=4)
    except OSError as error:
        said = error.strerror or str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    if said == "nothing":
        raise AssertionError("nobody noticed that the disk was full")
    tally = run_sweep(sweep, folder, chunk=4)
    same(folder, reference)
    return f"stopped ({said}), then {tally.total - tally.before} runs, 12 as ever"


TRIALS: dict[str, Callable[..., str]] = {
    "a run raises": bad_run("raise", "failed"),
    "a run needs too much memory": bad_run("memory", "failed"),
    "a run gives a number that is none": bad_run("nan", "nonfinite"),
    "a run ends its worker": bad_run("exit", "crashed"),
    "a run crashes its worker": bad_run("segfault", "crashed"),
    "a worker is killed once": passing_trouble("kill"),
    "the leader is killed": killed_coordinator(signal.SIGKILL),
    "the leader is terminated": killed_coordinator(signal.SIGTERM),
    "Ctrl-C": killed_coordinator(signal.SIGINT),
    "parts are damaged": damaged_part,
    "the disk is full": full_disk,
}


if __name__ == "__main__":  # leads a sweep in a process of its own, which a trial then kills: SPEC FOLDER
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells take from what runs in the background
    run_sweep(sys.argv[1], sys.argv[2], workers=2, chunk=2)
