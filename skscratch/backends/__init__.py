"""How the operations of a network are executed.

``operations`` has the mathematics in plain NumPy; ``buffered`` does the same with
reused arrays and replayed steps, for training and for predictions of many batches.
``linalg``, ``blockwise``, ``buffers`` and ``threads`` are what they are made of.
"""

__all__: list[str] = []
