"""One pass over the files before training: checks, counts, and a sample of the rows."""

import numpy as np

from skscratch.files.rows import Block, Labels, Rows, UniformSample

__all__ = ["Survey", "check_label_count", "concatenated", "joined", "label_array"]

# Rows that stand for all of them where only an idea of the data is needed, and targets
# from which a loss learns what it needs. The quantile of a level p of so many targets
# has a level between p ± 0.002, with a probability above 0.999 for any p.
SAMPLE_ROWS, LOSS_ROWS = 4096, 2**20
# Different labels beyond which a column is no column of classes.
MOST_LABELS = 2**16


class Survey:
    """What one pass finds out about rows of positive weight.

    Parameters
    ----------
    layout : Layout
    n_kept : int
        Number of rows up to which all are kept.
    check : callable, default=None
        ``check(rows)`` looks at all rows, and refuses targets.
    keeps_targets : bool, default=False
        Whether to sample targets for a loss.

    Attributes
    ----------
    blocks : list of Block
    n_rows : int
    weight_sum : float
        Sum of the weights; the number of rows without weights.
    counts : dict
        For each label, number of rows and sum of weights.
    target_sums : ndarray of shape (n_targets,)
        Sums of targets of several columns.
    rows : list of Rows or None
        All rows; None if there are more than ``n_kept``.
    sample : UniformSample
        Of features, targets and, if there are any, weights.
    loss_sample : UniformSample or None
        Of targets and weights.
    """

    def __init__(self, layout, n_kept, *, check=None, keeps_targets=False):
        self.layout, self._n_kept = layout, n_kept
        self._check = check
        self.blocks, self.n_rows, self.weight_sum = [], 0, 0.0
        self.counts, self.target_sums = {}, 0.0
        self.rows: list[Rows] | None = []
        self.sample = UniformSample(SAMPLE_ROWS)
        self.loss_sample = UniformSample(LOSS_ROWS) if keeps_targets else None

    def add_file(self, file):
        """Read a file.

        Parameters
        ----------
        file : TableFile

        Raises
        ------
        ValueError
            If it can't be read, or its numbers can't be used.
        """
        first_row = 0
        for key in file.blocks():
            start, n_rows = self.n_rows, 0
            for rows in self.layout.read_block(file, key, first_row):
                n_rows += len(rows)
                if rows.weights is not None and not rows.weights.all():
                    rows = rows.take(rows.weights > 0)
                if len(rows):
                    self._add(rows, file)
            kept = self.n_rows - start
            self.blocks.append(Block(file, key, first_row, start, kept))
            first_row += n_rows

    def _add(self, rows, file):
        self.n_rows += len(rows)
        weights = [] if rows.weights is None else [rows.weights]
        self.weight_sum += len(rows) if not weights else weights[0].sum(dtype=float)
        y = rows.targets()
        if isinstance(rows.y, Labels):
            self._count(rows)
        elif y.ndim == 2:
            self.target_sums = self.target_sums + y.sum(axis=0, dtype=float)
        if self._check is not None:
            try:
                self._check(rows)
            except ValueError as error:
                raise ValueError(f"{file.path}: {error}") from None
        self.sample.add(rows.X, y, *weights)
        if self.loss_sample is not None:
            self.loss_sample.add(y, *weights)
        if self.rows is not None:
            self.rows.append(rows)
            if self.n_rows > self._n_kept:  # They would not fit into a window.
                self.rows = None

    def _count(self, rows):
        values, codes = rows.y
        n_values = len(values)
        numbers = np.bincount(codes, minlength=n_values).tolist()
        sums = numbers
        if rows.weights is not None:
            sums = np.bincount(codes, rows.weights, minlength=n_values).tolist()
        for value, number, total in zip(values.tolist(), numbers, sums, strict=True):
            if number:
                before = self.counts.get(value, (0, 0))
                self.counts[value] = (before[0] + number, before[1] + total)
        check_label_count(self.counts, self.layout.targets[0])

    def labels(self):
        """Labels that occur, sorted.

        Returns
        -------
        ndarray of shape (n_labels,)
        """
        return label_array(self.counts)

    def sampled_rows(self):
        """The sample.

        Returns
        -------
        Rows
            With targets as an array.
        """
        X, y, *weights = self.sample.arrays()
        return Rows(X, y, weights[0] if weights else None)

    def all_rows(self):
        """All rows, where they have been kept.

        Returns
        -------
        Rows
            With targets as an array.
        """
        pieces, self.rows = self.rows, None
        return concatenated(pieces)


def check_label_count(labels, name):
    """Refuse a column of so many different values that they can't be classes.

    Parameters
    ----------
    labels : sized
        Different labels that were found so far.
    name : str
        Of the column.

    Raises
    ------
    ValueError
    """
    if len(labels) > MOST_LABELS:
        raise ValueError(
            f"{name!r} has more than {MOST_LABELS} different values: as a target of a "
            "classifier it must hold class labels."
        )


def label_array(labels):
    """Labels as a sorted array.

    Parameters
    ----------
    labels : iterable
        Numbers, booleans or text.

    Returns
    -------
    ndarray of shape (n_labels,)
    """
    ordered = sorted(labels)
    is_text = bool(ordered) and isinstance(ordered[0], str)
    return np.array(ordered, dtype=object if is_text else None)


def concatenated(pieces):
    """Pieces as one; targets as an array.

    Parameters
    ----------
    pieces : list of Rows
        At least one.

    Returns
    -------
    Rows
    """
    return Rows(*joined([(rows.X, rows.targets(), rows.weights) for rows in pieces]))


def joined(parts):
    """Join parts of several arrays.

    Parameters
    ----------
    parts : list of sequence of (ndarray or None)
        For each part, its arrays.

    Returns
    -------
    list of (ndarray or None)
    """
    return [
        None if arrays[0] is None else np.concatenate(arrays)
        for arrays in zip(*parts, strict=True)
    ]
