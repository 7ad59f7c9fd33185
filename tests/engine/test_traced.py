"""Traces stored on disk: shared for the same identity and shapes, rebuilt where damaged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.engine import traced


def test_a_trace_is_reused_only_for_the_same_identity_and_shapes(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ABM_CACHE", str(tmp_path))
    monkeypatch.setenv("ABM_KEEP_TRACED", "1")

    def program(function, identity="the same"):
        return traced.Traces(identity).compiled(function, lambda tree, by: tree, {})

    tree = {"a": jnp.arange(3.0), "b": (jnp.ones(2),)}
    first = program(lambda tree, by: jax.tree.map(lambda x: x * by, tree))(tree, 2)
    np.testing.assert_array_equal(first["a"], [0, 2, 4])
    times = program(lambda tree, by: jax.tree.map(lambda x: x * by, tree))
    with jax.log_compiles():
        times(times(tree, 2), 2)  # the output is valid input: no second program
    assert len([record for record in caplog.records if record.getMessage().startswith("Compiling jit(call)")]) == 1
    never = program(lambda tree, by: 1 / 0)  # a stored trace is not traced again
    np.testing.assert_array_equal(never(tree, 3)["b"][0], [3, 3])
    with pytest.raises(ZeroDivisionError):
        never({"a": jnp.arange(4.0), "b": (jnp.ones(2),)}, 3)
    with pytest.raises(ZeroDivisionError):
        program(lambda tree, by: 1 / 0, identity="something else")(tree, 3)


def test_in_a_python_session_no_trace_is_stored():
    assert traced.Traces("the same").identity == ""  # a rule may have been changed in memory


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: traced.CHECKSUM],
        lambda content: b"",
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: b"stored by an earlier version, without a checksum",
    ],
)
def test_a_damaged_trace_is_rebuilt(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("ABM_CACHE", str(tmp_path))
    calls = []

    def make():
        calls.append(1)
        return b"a trace, " * 20

    assert [traced.cached_bytes("name", make) for _ in range(2)] == [b"a trace, " * 20] * 2
    assert len(calls) == 1
    (path,) = (tmp_path / "traced").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert [traced.cached_bytes("name", make) for _ in range(2)] == [b"a trace, " * 20] * 2
    assert len(calls) == 2


def test_without_a_writable_cache_the_trace_is_only_built(tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_CACHE", str(tmp_path / "file" / "below"))
    (tmp_path / "file").write_text("no folder")
    assert traced.cached_bytes("name", lambda: b"a trace") == b"a trace"
