"""Runs: what they are made of, playing their months, and their results."""
