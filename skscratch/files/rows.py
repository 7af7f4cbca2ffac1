"""Rows of files as arrays: which columns are read, block by block, piece by piece."""

import itertools
from typing import Any, NamedTuple

import numpy as np

from skscratch.files.columns import labels_of, numbers_of

__all__ = ["Block", "Labels", "Layout", "Rows", "UniformSample"]

# Numbers of a piece, which is small enough for a processor's cache; and its rows.
PIECE_NUMBERS, LEAST_PIECE_ROWS, MOST_PIECE_ROWS = 2**18, 1024, 2**14


class Labels(NamedTuple):
    """Labels of rows, each different one written once.

    Attributes
    ----------
    values : ndarray of shape (n_labels,)
    codes : ndarray of int of shape (n_rows,)
        Which of the values each row has.
    """

    values: np.ndarray
    codes: np.ndarray

    def take(self, rows):
        """Labels of some rows."""
        return self._replace(codes=self.codes[rows])

    def array(self):
        """Label of each row.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self.values[self.codes]


class Rows(NamedTuple):
    """Some rows of the files.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : Labels, ndarray of shape (n_rows,) or (n_rows, n_targets), or None
        Targets.
    weights : ndarray of shape (n_rows,) or None
    """

    X: np.ndarray
    y: Any
    weights: Any

    def __len__(self):
        """Number of rows, and not of fields."""
        return len(self.X)

    def targets(self):
        """Targets as an array."""
        return self.y.array() if isinstance(self.y, Labels) else self.y

    def take(self, rows):
        """Select rows.

        Parameters
        ----------
        rows : slice or ndarray

        Returns
        -------
        Rows
        """
        y = self.y
        if y is not None:
            y = y.take(rows) if isinstance(y, Labels) else y[rows]
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], y, weights)


class Block(NamedTuple):
    """A block of a file, or a part of it.

    Attributes
    ----------
    file : TableFile
    key : object
        What ``TableFile.read`` takes.
    first_row : int
        Number of the file's rows before the block.
    start : int
        Number of rows of positive weight before this part, over all files.
    n_rows : int
        Number of rows of positive weight.
    skip : int, default=0
        Number of the block's rows of positive weight before this part.
    """

    file: Any
    key: Any
    first_row: int
    start: int
    n_rows: int
    skip: int = 0

    def divided(self, n_parts):
        """Parts of about equal size, of which all but the first read more than it.

        Parameters
        ----------
        n_parts : int

        Returns
        -------
        list of Block
        """
        edges = np.arange(n_parts + 1) * self.n_rows // n_parts
        return [
            self._replace(
                start=self.start + int(low),
                n_rows=int(high - low),
                skip=self.skip + int(low),
            )
            for low, high in itertools.pairwise(edges)
        ]


class Layout(NamedTuple):
    """Which columns are features, targets and weights.

    Attributes
    ----------
    features : list of str
    targets : list of str
        Empty where targets are not read.
    weight : str or None
    dtype : dtype
        Of features and weights.
    target_dtype : dtype or None
        Of numeric targets; None for class labels.
    is_classifier : bool
        Whether targets are classes or labels.
    """

    features: list[str]
    targets: list[str]
    weight: str | None
    dtype: Any
    target_dtype: Any = None
    is_classifier: bool = False

    @property
    def columns(self):
        """All columns that are read, each once."""
        weight = [] if self.weight is None else [self.weight]
        return list(dict.fromkeys([*self.features, *self.targets, *weight]))

    @property
    def piece_rows(self):
        """Number of rows that are read at a time."""
        n_rows = PIECE_NUMBERS // max(1, len(self.features))
        return min(max(n_rows, LEAST_PIECE_ROWS), MOST_PIECE_ROWS)

    def read_block(self, file, key, first_row, n_unused=0):
        """Read all rows of a block, those of weight 0 too.

        Parameters
        ----------
        file : TableFile
        key : object
        first_row : int
            Number of the file's rows before the block, for errors.
        n_unused : int, default=0
            Number of rows at the beginning whose features are not looked at.

        Yields
        ------
        Rows

        Raises
        ------
        ValueError
            If the file can't be read, or a number can't be used.
        """
        row = first_row
        for batch in file.read(key, self.columns, self.piece_rows, n_unused):

            def place(number, name, before=row):
                return f"{file.path}, column {name!r}, row {before + number}"

            yield self._rows_of(batch, place)
            row += batch.num_rows

    def read(self, block):
        """Read the rows of positive weight of a block.

        Parameters
        ----------
        block : Block

        Yields
        ------
        Rows
        """
        skip, left = block.skip, block.n_rows
        if not left:
            return
        for rows in self.read_block(block.file, block.key, block.first_row, skip):
            if rows.weights is not None and not rows.weights.all():
                rows = rows.take(rows.weights > 0)
            if skip >= len(rows):
                skip -= len(rows)
                continue
            if skip or left < len(rows):
                rows = rows.take(slice(skip, skip + left))
            skip, left = 0, left - len(rows)
            yield rows
            if not left:
                return

    def _rows_of(self, batch, place):
        X = numbers_of(batch, self.features, self.dtype, place)
        weights = None
        if self.weight is not None:
            weights = numbers_of(batch, [self.weight], self.dtype, place)[:, 0]
            if (weights < 0).any():
                row = int(np.argmax(weights < 0))
                raise ValueError(
                    f"{place(row, self.weight)}: the weight is {weights[row]}; weights "
                    "must not be negative."
                )
        if not self.targets:
            return Rows(X, None, weights)
        if self.target_dtype is None:
            return Rows(X, Labels(*labels_of(batch, self.targets[0], place)), weights)
        y = numbers_of(batch, self.targets, self.target_dtype, place)
        return Rows(X, y if len(self.targets) > 1 else y[:, 0], weights)


class UniformSample:
    """A uniform sample of rows without replacement, of a number that is not known yet.

    Each row draws a number; those with the smallest are kept. The seed is fixed, as the
    sample only describes the data.

    Parameters
    ----------
    size : int
        Number of rows; fewer rows are all in the sample, in order.
    """

    def __init__(self, size):
        self.size, self._generator = size, np.random.default_rng(0)
        self._parts, self._n_kept, self._bound = [], 0, 1.0

    def add(self, *arrays):
        """Add rows to choose from.

        Parameters
        ----------
        *arrays : ndarray of shape (n_rows, ...)
        """
        keys = self._generator.random(len(arrays[0]))
        chosen = keys < self._bound
        self._parts.append([array[chosen] for array in (keys, *arrays)])
        self._n_kept += int(chosen.sum())
        if self._n_kept > 2 * self.size:
            self._reduce()

    def _reduce(self):
        parts = [np.concatenate(arrays) for arrays in zip(*self._parts, strict=True)]
        keys = parts[0]
        if len(keys) > self.size:
            kept = np.sort(np.argpartition(keys, self.size)[: self.size])
            parts = [array[kept] for array in parts]
            self._bound = float(parts[0].max())
        self._parts, self._n_kept = [parts], len(parts[0])

    def arrays(self):
        """Rows of the sample.

        Returns
        -------
        list of ndarray
        """
        self._reduce()
        return self._parts[0][1:]
