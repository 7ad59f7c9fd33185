"""Traces stored on disk: damaged ones are rebuilt."""

import pytest

from abm.engine import traced


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
