"""Models with known solutions, used to validate the market."""
