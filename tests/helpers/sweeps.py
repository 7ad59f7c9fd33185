"""Small sweeps for tests, and a comparison of their results."""

import pandas as pd

from abm.sweeps import Sweep, open_sweep
from helpers.sizes import SMALL, TINY

MONTHS = 3


def small(**fields):
    """A sweep of 3 points x 4 replications over three months, with `fields` changed."""
    defaults = dict(
        factors={"ip_strength": [0.0, 0.5, 1.0]},
        populations=SMALL,
        observables=["lerner_closed", "welfare"],
        replications=4,
        months=MONTHS,
    )
    return Sweep(**{**defaults, **fields})


def tiny(**fields):
    """A sweep of 2 points x 2 replications over two months with the fewest agents, with `fields` changed."""
    defaults = dict(
        factors={"ip_strength": [0.0, 1.0]}, populations=TINY, observables=["welfare"], replications=2, months=2
    )
    return Sweep(**{**defaults, **fields})


def tables(folder):
    """Runs (without their times) and panel of a stored sweep."""
    results = open_sweep(folder)
    return results.runs().drop(columns="seconds"), results.panel()


def assert_equal(folder, reference):
    """Runs and panel of two folders are equal to the last digit."""
    for actual, expected in zip(tables(folder), tables(reference), strict=True):
        pd.testing.assert_frame_equal(actual, expected, check_exact=True)
