"""Names of a package that are imported on first use: complete, and nothing is imported before."""

import subprocess
import sys

import pytest

import abm
import abm.charts.style
import abm.figures
import abm.runs.event_study


@pytest.mark.parametrize("package", [abm, abm.figures])
def test_every_name_is_found_and_listed(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match=rf"module '{package.__name__}' has no attribute 'simulat'"):
        _ = package.simulat


def test_modules_are_found_too():
    assert abm.event_study is abm.runs.event_study
    assert abm.figures.style is abm.charts.style


def test_import_abm_imports_neither_jax_nor_mesa_until_a_name_is_used():
    code = "import sys, abm, abm.figures; print({'jax', 'mesa', 'matplotlib', 'ast'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
