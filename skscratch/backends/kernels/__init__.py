"""Training in loops that Numba compiles: the article's formulas, number by number.

``steps`` has the forward pass, the backward pass and the loop over batches;
``activations``, ``losses`` and ``optimizers`` have the formulas of the modules of the
same names; ``blas`` and ``elementary`` are what they are made of.

Importing any of them imports Numba, which is optional: ``skscratch.backends.compiled``
does so on demand.
"""

__all__: list[str] = []
