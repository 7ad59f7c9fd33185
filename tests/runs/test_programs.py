"""Compiled programs: shared by equal keys, and let go where many are played in one process."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from abm.runs.programs import KEPT, Program, compiled_month
from abm.runs.setup import Setup


def key_of(investors, **options):
    return Setup.of(months=2, investors=investors, **options).shape


def test_equal_keys_share_a_program_and_others_do_not():
    one, again, other = key_of(40), key_of(40), key_of(41)
    assert Program.of(one, 64) is Program.of(again, 64)
    assert compiled_month(one) is compiled_month(again)
    assert Program.of(one, 64) is not Program.of(other, 64)
    assert Program.of(one, 64) is not Program.of(one, 32)
    assert compiled_month(one) is not compiled_month(key_of(40, pricing="nash"))


def test_programs_long_not_played_are_let_go():
    """Two dozen of them would use up the stretches of memory that Linux grants a process, which ends it."""
    first = weakref.ref(compiled_month(key_of(10)))
    months = weakref.ref(Program.of(key_of(10), 64).months)
    for investors in range(11, 11 + KEPT):
        compiled_month(key_of(investors))
        Program.of(key_of(investors), 64)
    gc.collect()
    assert first() is None
    assert months() is None


SHAPES = """
import abm
from abm.runs.programs import KEPT

def maps():
    return sum(1 for _ in open("/proc/self/maps"))

def played(investors):
    abm.simulate(months=1, adopters=50, investors=investors)
    return maps()

few = [played(n) for n in range(20, 22)]
many = [played(n) for n in range(22, 26 + KEPT)]
assert many[-1] - few[0] < (KEPT + 1) * (few[1] - few[0]), (few, many)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="Linux counts the stretches of memory of a process there"
)
def test_their_memory_is_given_back():
    subprocess.run([sys.executable, "-c", SHAPES], check=True)
