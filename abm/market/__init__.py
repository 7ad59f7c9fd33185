"""The market: its state, how it starts, the phases of a month, and what is observed."""
