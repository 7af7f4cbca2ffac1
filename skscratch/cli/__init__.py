"""The command line, ``python -m skscratch``."""

__all__: list[str] = []
