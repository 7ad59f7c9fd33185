"""The phases of a month. Each is a function of the market and the month's inputs (`Now`) that returns the market."""
