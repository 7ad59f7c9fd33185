"""The nine phases of a month. Each takes the market and what is known of the month, and returns the market."""
