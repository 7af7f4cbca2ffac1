"""The network itself.

``layer`` is where to start reading: the article's program and its ``Layer``. Then
``activations`` and ``losses``, with their derivatives, ``initializers``, ``network``,
and ``stack`` for several networks at once. ``gradient_check`` compares gradients with
finite differences.
"""

__all__: list[str] = []
