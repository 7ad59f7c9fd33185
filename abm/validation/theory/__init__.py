"""Models with known solutions that the market is checked against."""
