"""``python -m skscratch``: the command line, which is in ``skscratch.cli``."""

from skscratch.cli.interrupt import run_interruptible


def run() -> int:
    """Import the program, which takes a while, and run it."""
    from skscratch.cli.main import main

    return main()


if __name__ == "__main__":
    raise SystemExit(run_interruptible(run))
