"""Runs: their set-up, the simulation of their months, and their results."""
