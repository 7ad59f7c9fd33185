"""The market: its state, the starting values, the phases of a month, and the observables."""
