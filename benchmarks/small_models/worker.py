"""Process of one framework; it needs only NumPy and the framework."""

import sys

from benchmarks.small_models.measuring import work

if __name__ == "__main__":
    work(sys.argv[1])
