"""Batches of rows that are read during the training, a window at a time.

Blocks come in random order, and the rows of a window are shuffled. Such a shuffle is
about as good as one of all rows if a window holds blocks of all kinds: Xu et al.,
*In-Database Machine Learning with CorgiPile*, SIGMOD 2022. As files are often sorted,
a window gets blocks from every stretch of the files; large blocks are read in turn; and
half of a window stays for the next one.
"""

import contextlib
import itertools
from collections import deque
from typing import Any

import numpy as np

from skscratch.estimators.monitor import user_code
from skscratch.training.batches import BatchData

__all__ = [
    "LEAST_READER_BYTES",
    "MOST_READERS",
    "READER_BYTES",
    "FileBatches",
    "Window",
]

# Most blocks that are read in turn, and bounds of the memory that this may take.
MOST_READERS = 16
LEAST_READER_BYTES, READER_BYTES = 2**25, 96 * 2**20
# Number of blocks that a window has at least, where that is possible. Larger blocks are
# divided. All rows of a block before a part are read with it, hence not into many.
BLOCKS_OF_WINDOW, MOST_PARTS = 8, 8


class Window:
    """Rows in memory, in arrays that are used again.

    Trainings look at the same window one after the other.

    Parameters
    ----------
    capacity : int
        Number of rows.
    X, Y : ndarray of shape (n_samples, ...)
        Rows like those that the window will hold.
    weights : ndarray of shape (n_samples,) or None
    """

    def __init__(self, capacity, X, Y, weights):
        self.arrays = [
            None if like is None else np.empty((capacity, *like.shape[1:]), like.dtype)
            for like in (X, Y, weights)
        ]
        self.capacity = capacity

    def write(self, places, arrays):
        """Write rows.

        Parameters
        ----------
        places : slice or ndarray of int
        arrays : sequence of three
            Samples, targets and weights, or None.
        """
        for own, array in zip(self.arrays, arrays, strict=True):
            if own is not None:
                own[places] = array

    def move_to_front(self, rows):
        """Keep some rows, in this order, as the first ones.

        Parameters
        ----------
        rows : slice
        """
        for own in self.arrays:
            if own is not None:
                kept = own[rows].copy()
                own[: len(kept)] = kept


class FileBatches:
    """Minibatches of one epoch after the other; see ``Batches``.

    Parameters
    ----------
    source : FileData
    batch_size : int
    n_samples : int
        Number of rows to train on.
    held : ndarray of int or None
        Rows that are set aside, sorted.
    mean_weight : float
        As in ``BatchData``.
    random_state : RandomState or None
        Shuffles the blocks, and the rows of each window; None keeps their order.
    smoothing : tuple or None

    Attributes
    ----------
    order : ndarray of int or None
        The rows that are set aside, which are part of a checkpoint.
    data : BatchData
    n_samples, n_batches, batch_size : int
    """

    def __init__(
        self, source, batch_size, n_samples, held, mean_weight, random_state, smoothing
    ):
        self.batch_size, self.n_samples = batch_size, n_samples
        self.n_batches = -(-n_samples // batch_size)
        self.order = None if held is None else held.copy()
        self.random_state, self._source = random_state, source
        self._window = source.window(batch_size)
        X, Y, weights = self._window.arrays
        self.data = BatchData(X, Y, weights, mean_weight or 1.0, smoothing)

    def __iter__(self):
        with user_code():
            self._source.hold_out(self.order)
        with contextlib.closing(self._pieces()) as pieces:
            if self.random_state is None:
                yield from self._in_order(pieces)
            else:
                yield from self._shuffled(pieces)

    def _in_order(self, pieces):
        """Yield the batches of the rows in their order."""
        n_rows, is_last = 0, False
        while not is_last:
            while (piece := self._next(pieces, n_rows)) is not None:
                self._window.write(slice(n_rows, n_rows + len(piece[0])), piece)
                n_rows += len(piece[0])
            is_last = n_rows <= self._most
            n_used = n_rows if is_last else n_rows - n_rows % self.batch_size
            for start in range(0, n_used, self.batch_size):
                yield slice(start, min(start + self.batch_size, n_used))
            self._window.move_to_front(slice(n_used, n_rows))
            n_rows -= n_used

    def _shuffled(self, pieces):
        """Yield batches of any rows of the window, half of which stay each time."""
        # Where rows of the window are, and where there are none.
        full = np.arange(0)
        free = np.arange(self._window.capacity)
        is_last = False
        while not is_last:
            n_rows, start = len(full), 0
            while (piece := self._next(pieces, n_rows + start)) is not None:
                stop = start + len(piece[0])
                self._window.write(free[start:stop], piece)
                start = stop
            full, free = np.concatenate([full, free[:start]]), free[start:]
            is_last = len(full) <= self._most
            full = self.random_state.permutation(full)
            n_used = len(full)
            if not is_last:
                n_used = max(n_used // 2, self.batch_size)
                n_used -= n_used % self.batch_size
            for start in range(0, n_used, self.batch_size):
                yield full[start : min(start + self.batch_size, n_used)]
            full, free = full[n_used:], np.concatenate([free, full[:n_used]])

    @property
    def _most(self):
        """Number of rows up to which a piece more fits into the window."""
        return self._window.capacity - self._source.layout.piece_rows

    def _next(self, pieces, n_rows):
        """Next piece; None if a window of so many rows is full, or there is none."""
        if n_rows > self._most:
            return None
        with user_code():  # An error keeps the epochs that have finished.
            return next(pieces, None)

    def _pieces(self):
        """Yield samples, targets and weights of the rows to train on, in pieces."""
        source, blocks = self._source, self._source.blocks
        n_readers, share, held = 1, self._window.capacity, self.order
        if self.random_state is not None:
            n_fills = -(-2 * source.n_samples // share)
            most = -(-share // BLOCKS_OF_WINDOW)
            blocks = _divided(blocks, most)
            if max(block.n_rows for block in blocks) > most:
                n_readers = source.n_readers
                share = -(-share // n_readers)
            n_fills = min(n_fills, -(-len(blocks) // n_readers))
            order = _spread(len(blocks), n_fills, self.random_state)
            blocks = [blocks[number] for number in order]
        return _in_turn(
            blocks, lambda block: source.read_unheld(block, held), n_readers, share
        )


def _spread(n_blocks, n_parts, random_state):
    """Random order of blocks, of which each part has some of all over the files.

    Of each ``n_parts`` blocks that follow each other, one goes to each part.

    Parameters
    ----------
    n_blocks, n_parts : int
    random_state : RandomState

    Returns
    -------
    ndarray of int of shape (n_blocks,)
    """
    parts = [
        random_state.permutation(n_parts)[: n_blocks - start]
        for start in range(0, n_blocks, n_parts)
    ]
    return np.lexsort((random_state.random_sample(n_blocks), np.concatenate(parts)))


def _divided(blocks, most_rows):
    """Divide large blocks: sorted rows must not fill a window alone."""
    parts: list[Any] = []
    for block in blocks:
        n_parts = min(MOST_PARTS, -(-block.n_rows // most_rows))
        parts += block.divided(n_parts)
    return parts


def _in_turn(blocks, read, n_readers, share):
    """Yield pieces of several blocks in turn.

    Parameters
    ----------
    blocks : list of Block
    read : callable
        ``read(block)`` yields its pieces.
    n_readers : int
        Number of blocks that are read at once.
    share : int
        Number of rows of a block before it is the next one's turn.
    """
    waiting = iter(blocks)
    active: deque[Any] = deque()
    try:
        while True:
            new = itertools.islice(waiting, n_readers - len(active))
            active.extend(map(read, new))
            if not active:
                return
            n_rows = 0
            for piece in active[0]:
                yield piece
                n_rows += len(piece[0])
                if n_rows >= share:
                    active.rotate(-1)
                    break
            else:
                active.popleft()
    finally:
        for pieces in active:
            pieces.close()
