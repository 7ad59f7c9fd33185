"""`python -m abm`: the command `abm`, where the shell does not find it."""

from abm.cli.app import main

if __name__ == "__main__":
    main()
