"""``python -m skscratch``: the command line, which is in ``skscratch.cli``."""

from skscratch.cli.main import main

raise SystemExit(main())
