"""The command line, ``python -m skscratch``.

``main`` parses it, ``tables`` reads CSV files, and ``study`` tunes and compares.
"""

__all__: list[str] = []
