"""Scenarios: dated events on a timeline, from files or Python."""
