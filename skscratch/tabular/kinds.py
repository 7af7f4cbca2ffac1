"""Kinds of members of a hedged ensemble: encodings of numbers and network parameters.

No single encoding of numbers suits all tables. ``hedge`` trains members of several
kinds and learns the weight of each kind on held-out rows. To add a kind, register a
``Kind`` in ``KINDS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from skscratch.tabular.encoders import (
    PiecewiseLinearEncoder,
    RankScaler,
    SmoothClipScaler,
    TailScaler,
)
from skscratch.tabular.periodic import PeriodicEncoder

__all__ = ["KINDS", "Kind", "KindEncoder", "make_encoder", "numeric_inputs"]

Encoders = list[tuple[str, Any]]

# Number of rows to encode at a time.
CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Kind:
    """Encoding and network parameters of the members of one kind.

    Attributes
    ----------
    encoders : callable
        ``encoders(dtype, seed)`` returns the transformers of numeric inputs, as a list
        of (name, transformer) pairs. Their outputs are concatenated.
    parameters : dict
        Parameters of the networks that differ from the recipe.
    logs_targets : bool, default=False
        Whether the members learn the logarithms of targets. Such a kind is left out
        unless targets are skewed and the loss is the squared error.
    """

    encoders: Callable[[str, int], Encoders]
    parameters: Mapping[str, Any]
    logs_targets: bool = False


def _pieces(dtype: str, seed: int) -> Encoders:
    return [
        ("scaled", SmoothClipScaler(dtype=dtype)),
        ("pieces", PiecewiseLinearEncoder(dtype=dtype)),
    ]


def _periodic(dtype: str, seed: int) -> Encoders:
    waves = PeriodicEncoder(random_state=seed, dtype=dtype)
    return [
        ("scaled", SmoothClipScaler(dtype=dtype)),
        ("waves", Pipeline([("scaled", SmoothClipScaler()), ("waves", waves)])),
    ]


def _smooth(dtype: str, seed: int) -> Encoders:
    return [("scaled", SmoothClipScaler(dtype=dtype))]


def _ranks(dtype: str, seed: int) -> Encoders:
    return [
        ("ranks", RankScaler(dtype=dtype)),
        ("scaled", SmoothClipScaler(limit=10.0, dtype=dtype)),
        ("tails", TailScaler(dtype=dtype)),
    ]


# In our measurements, pieces need one layer less, and on ranks tanh is as accurate as
# mish in half the time.
SHALLOW = {"hidden_layer_sizes": (128, 128)}
TANH = {"activation": "tanh", "init": "glorot"}

KINDS: dict[str, Kind] = {
    "pieces": Kind(_pieces, SHALLOW),
    "periodic": Kind(_periodic, {}),
    "smooth": Kind(_smooth, {"activation": "mish"}),
    "ranks": Kind(_ranks, TANH),
    "log_targets": Kind(_ranks, TANH, logs_targets=True),
}


class KindEncoder(TransformerMixin, BaseEstimator):
    """Encoder of the numeric inputs of one kind.

    Other inputs, of one or two values, pass through, clipped to their range in ``fit``.

    It works like scikit-learn's ``ColumnTransformer`` and ``FeatureUnion``, but in
    chunks of rows. They make three copies of the encoded inputs, which are ten times as
    large as the inputs themselves.

    Parameters
    ----------
    encoders : list of tuple of (str, transformer)
        Encoders of the numeric inputs. Their outputs are concatenated.
    dtype : {'float32', 'float64'}, default='float32'
        dtype of the output.

    Attributes
    ----------
    encoders_ : list of tuple of (str, transformer)
        Fitted encoders; empty without numeric inputs.
    is_number_ : ndarray of bool of shape (n_features,)
        Mask of the numeric inputs.
    lower_, upper_ : ndarray of shape (n_other_features,)
        Range of the other inputs.
    """

    def __init__(self, encoders: Encoders, dtype: str = "float32") -> None:
        self.encoders = encoders
        self.dtype = dtype

    def fit(self, X: NDArray[Any], y: Any = None) -> Self:
        """Find the numeric inputs and fit their encoders.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
        """
        self.is_number_ = numeric_inputs(X)
        numbers = X[:, self.is_number_]
        self.lower_ = X.min(axis=0)[~self.is_number_]
        self.upper_ = X.max(axis=0)[~self.is_number_]
        self.encoders_ = [
            # Return arrays, whatever the global configuration.
            (name, clone(encoder).set_output(transform="default").fit(numbers))
            for name, encoder in (self.encoders if self.is_number_.any() else [])
        ]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Encode samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
        """
        chunks = [X[i : i + CHUNK_ROWS] for i in range(0, len(X), CHUNK_ROWS)]
        encoded = np.empty((0, 0), self.dtype)
        for number, chunk in enumerate(chunks):
            numbers = chunk[:, self.is_number_]
            parts = [encoder.transform(numbers) for _, encoder in self.encoders_]
            others = chunk[:, ~self.is_number_].clip(self.lower_, self.upper_)
            rows = np.concatenate([*parts, others], axis=1)
            if number == 0:
                encoded = np.empty((len(X), rows.shape[1]), self.dtype)
            start = number * CHUNK_ROWS
            encoded[start : start + len(rows)] = rows
        return encoded


def make_encoder(kind: Kind, dtype: str, seed: int) -> KindEncoder:
    """Build the encoder of a kind's inputs.

    Parameters
    ----------
    kind : Kind
    dtype : {'float32', 'float64'}
        dtype of the output.
    seed : int
        Seed of random encodings.

    Returns
    -------
    KindEncoder
        Unfitted.
    """
    return KindEncoder(kind.encoders(dtype, seed), dtype)


def numeric_inputs(X: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the numeric inputs: those that have more than two distinct values.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the numeric inputs.
    """
    lowest, highest = X.min(axis=0), X.max(axis=0)
    # Column by column: comparing all at once would take more memory than the table.
    return np.array(
        [
            not ((column == low) | (column == high)).all()
            for column, low, high in zip(X.T, lowest, highest, strict=True)
        ],
        dtype=bool,
    )
