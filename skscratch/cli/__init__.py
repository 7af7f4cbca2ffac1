"""The command line, ``python -m skscratch``.

``main`` runs it. ``reading`` turns files into tables, ``training`` compares models and
keeps one, ``output`` writes what was found, ``models`` saves and loads, and ``predict``
predicts for new rows.
"""

__all__: list[str] = []
