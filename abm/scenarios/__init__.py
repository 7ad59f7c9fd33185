"""Scenarios: dated events on a timeline, from TOML files or Python."""
