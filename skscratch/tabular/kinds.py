"""The kinds of members of a hedged ensemble: what they see of numbers, and how.

No single encoding of numbers suits all tables. Members of different kinds are trained,
and held-out rows decide how much each counts: see ``hedge``. A kind of your own is a
``Kind`` in ``KINDS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from skscratch.tabular.encoders import (
    PiecewiseLinearEncoder,
    RankScaler,
    SmoothClipScaler,
    TailScaler,
)
from skscratch.tabular.periodic import PeriodicEncoder

__all__ = ["KINDS", "Kind", "make_encoder", "numeric_inputs"]

Encoders = list[tuple[str, Any]]


@dataclass(frozen=True)
class Kind:
    """What the members of one kind have in common.

    Attributes
    ----------
    encoders : callable
        ``encoders(dtype, seed)`` returns the transformers of numeric inputs, as a list
        of (name, transformer) pairs. Their outputs are put side by side.
    parameters : dict
        Parameters of the networks that differ from those of the recipe.
    logs_targets : bool, default=False
        Whether the members learn the logarithms of targets. Such a kind is left out
        where targets are not skewed, or can't be transformed.
    """

    encoders: Callable[[str, int], Encoders]
    parameters: Mapping[str, Any]
    logs_targets: bool = False


def _pieces(dtype: str, seed: int) -> Encoders:
    return [
        ("scaled", SmoothClipScaler(dtype=dtype)),
        ("pieces", PiecewiseLinearEncoder(dtype=dtype)),
    ]


def _waves(dtype: str, seed: int) -> Encoders:
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


# Measured: pieces need one layer less, and on ranks tanh does as well as mish, in half
# the time.
SHALLOW = {"hidden_layer_sizes": (128, 128)}
TANH = {"activation": "tanh", "init": "glorot"}

KINDS: dict[str, Kind] = {
    "pieces": Kind(_pieces, SHALLOW),
    "waves": Kind(_waves, {}),
    "smooth": Kind(_smooth, {"activation": "mish"}),
    "ranks": Kind(_ranks, TANH),
    "log_targets": Kind(_ranks, TANH, logs_targets=True),
}


def make_encoder(kind: Kind, dtype: str, seed: int) -> ColumnTransformer:
    """Build the transformer of a kind's inputs.

    Parameters
    ----------
    kind : Kind
    dtype : {'float32', 'float64'}
        dtype of the output.
    seed : int
        Seed of random encodings.

    Returns
    -------
    ColumnTransformer
        Not yet fitted. It encodes the numeric inputs and passes the others through.
    """
    encoder = ColumnTransformer(
        [("numbers", FeatureUnion(kind.encoders(dtype, seed)), numeric_inputs)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    # Arrays, whatever the global configuration.
    return encoder.set_output(transform="default")


def numeric_inputs(X: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the inputs that are numbers, not indicators of two values.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of bool of shape (n_features,)
        Mask of the inputs of more than two distinct values.
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
