"""A sweep led by a process of its own, for `abm.sweeps.selftest`: python -m abm.sweeps.lead SPEC FOLDER."""

import signal
import sys

from abm.sweeps import run_sweep

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells take from what runs in the background
    run_sweep(sys.argv[1], sys.argv[2], workers=2, chunk=2)
