"""Compiled programs: shared by equal shapes, and let go where many shapes are played in one process."""

import gc
import weakref

from abm.playing import Setup
from abm.programs import KEPT, Program, compiled_month


def shape_of(investors, **options):
    return Setup.of(months=2, investors=investors, **options).shape


def test_equal_shapes_share_a_program_and_others_do_not():
    one, again, other = shape_of(40), shape_of(40), shape_of(41)
    assert Program.of(one, 64) is Program.of(again, 64)
    assert compiled_month(one) is compiled_month(again)
    assert Program.of(one, 64) is not Program.of(other, 64)
    assert Program.of(one, 64) is not Program.of(one, 32)
    assert compiled_month(one) is not compiled_month(shape_of(40, pricing="nash"))


def test_programs_of_shapes_long_not_played_are_let_go():
    """Two dozen of them would use up the stretches of memory that Linux grants a process, which ends it."""
    first = weakref.ref(compiled_month(shape_of(10)))
    months = weakref.ref(Program.of(shape_of(10), 64).months)
    for investors in range(11, 11 + KEPT):
        compiled_month(shape_of(investors))
        Program.of(shape_of(investors), 64)
    gc.collect()
    assert first() is None
    assert months() is None
