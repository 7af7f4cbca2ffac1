"""How the operations of a network are executed.

``operations`` has the mathematics in plain NumPy; ``buffered`` does the same with
reused arrays and replayed steps, for training and for predictions of many batches.
``kernels`` has whole trainings as compiled loops, ``compiled`` loads them, and
``choice`` is where users choose. The others are made of ``linalg``, ``blockwise``,
``buffers`` and ``threads``.
"""

__all__: list[str] = []
