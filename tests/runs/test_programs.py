"""Compiled programs: shared by equal keys, and released when many are used in one process."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from abm.runs.programs import CACHED_PROGRAMS, Program, compiled_month
from abm.runs.setup import Setup


def key_of(investors, **options):
    return Setup.of(months=2, investors=investors, **options).program_key


def test_equal_keys_share_a_program_and_others_do_not():
    key, equal, other = key_of(40), key_of(40), key_of(41)
    assert Program.of(key, 64) is Program.of(equal, 64)
    assert compiled_month(key) is compiled_month(equal)
    assert Program.of(key, 64) is not Program.of(other, 64)
    assert Program.of(key, 64) is not Program.of(key, 32)
    assert compiled_month(key) is not compiled_month(key_of(40, pricing="nash"))


def test_programs_that_are_no_longer_used_are_released():
    """Two dozen of them would exhaust the memory regions that Linux allows a process, and end it."""
    first = weakref.ref(compiled_month(key_of(10)))
    months = weakref.ref(Program.of(key_of(10), 64).months)
    for investors in range(11, 11 + CACHED_PROGRAMS):
        compiled_month(key_of(investors))
        Program.of(key_of(investors), 64)
    gc.collect()
    assert first() is None
    assert months() is None


SCRIPT = """
import functools
import abm
from abm.runs import months

MOST = 2  # a cache like that of a process, but a smaller one
for name in ("compiled_month", "compiled_start"):
    setattr(months, name, functools.lru_cache(MOST)(getattr(months, name).__wrapped__))

def regions():
    return sum(1 for _ in open("/proc/self/maps"))

def regions_after(investors):
    abm.simulate(months=1, adopters=2, investors=investors, vendors=1, closed_labs=1, open_labs=1, entrants=0)
    return regions()

few = [regions_after(n) for n in range(20, 22)]
many = [regions_after(n) for n in range(22, 23 + MOST)]
assert many[-1] - few[0] < (MOST + 1) * (few[1] - few[0]), (few, many)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs the list of memory regions of Linux")
def test_memory_of_released_programs_is_freed():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
