"""Helpers shared by several test files; `tests/` is on the Python path of pytest."""
