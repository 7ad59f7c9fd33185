"""Sizes of populations that many tests use, so that one compiled program serves all of them."""

SMALL = {"adopters": 24, "investors": 40}
FEW = {"vendors": 2, "closed_labs": 2, "open_labs": 2, "entrants": 1, "adopters": 5, "investors": 6}
"""A few agents of every kind."""
TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2}
"""The fewest agents of each kind that make a market."""
