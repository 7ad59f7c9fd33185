"""Fixtures of the sweep tests."""

import pytest
from helpers.sweeps import small

from abm.sweeps import run_sweep


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The finished sweep `small()`; tests only read it, and copy it to change it."""
    place = tmp_path_factory.mktemp("sweep") / "reference"
    run_sweep(small(), place)
    return place
