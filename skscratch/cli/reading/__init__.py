"""From files as they come to tables of features and targets.

``files`` opens a file and yields raw cells, ``tables`` decides what the columns hold,
and ``schema`` reads new rows like those of training.
"""

__all__: list[str] = []
