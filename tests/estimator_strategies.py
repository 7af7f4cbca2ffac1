"""Draws that the estimators' tests share: data sets and settings of parameters.

A setting is drawn through one of two sources, hypothesis or a seeded generator, so that
both walk over the same space.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

N_FEATURES = 4
# What a classifier learns, with the number of classes or labels, and what a regressor
# learns, with the number of outputs.
KINDS = {"two classes": 2, "many classes": 4, "multilabel": 3}
TARGETS = {"number": 1, "numbers": 3, "count": 1, "counts": 3}
FORMATS = {
    "dense": np.ascontiguousarray,
    "by columns": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "csr_matrix": sparse.csr_matrix,
}


class Hypothesis:
    """Draws by hypothesis, from within a composite strategy."""

    def __init__(self, draw):
        self._draw = draw

    def choose(self, options):
        return self._draw(st.sampled_from(list(options)))

    def number(self, low, high):
        return self._draw(st.floats(low, high))

    def integer(self, low, high):
        return self._draw(st.integers(low, high))


class Seeded:
    """The same draws by NumPy, from a seed."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def choose(self, options):
        options = list(options)
        return options[self._random.integers(len(options))]

    def number(self, low, high):
        return float(self._random.uniform(low, high))

    def integer(self, low, high):
        return int(self._random.integers(low, high + 1))


@dataclass
class Setting:
    """Parameters of an estimator and the data to train it on."""

    parameters: dict
    data: dict = field(default_factory=dict)

    def make_data(self, dtype=np.float64):
        return make_data(**self.data, dtype=dtype)


def make_data(kind, n_samples, format_name="dense", seed=0, dtype=np.float64):
    """Samples in clusters that overlap, about half of their numbers zero."""
    random = np.random.default_rng(seed)
    n_groups = (KINDS | TARGETS)[kind]
    group = random.permutation(np.arange(n_samples) % n_groups)
    centres = random.normal(size=(n_groups, N_FEATURES))
    X = centres[group] + random.normal(size=(n_samples, N_FEATURES))
    X *= random.random(X.shape) < 0.6
    y = group
    if kind == "multilabel":
        y = (X @ random.normal(size=(N_FEATURES, n_groups)) > 0).astype(int)
        # No label is the same throughout, whatever was drawn.
        y[0], y[1] = 0, 1
    elif kind in TARGETS:
        y = X @ random.normal(size=(N_FEATURES, n_groups))
        y += random.normal(size=y.shape)
        y = random.poisson(np.exp(y / 2)) if kind.startswith("count") else y
        y = y if n_groups > 1 else y[:, 0]
    return FORMATS[format_name](X.astype(dtype)), y


def draw_data(source, kinds=KINDS):
    return {
        "kind": source.choose(kinds),
        "n_samples": source.integer(24, 60),
        "format_name": source.choose(FORMATS),
        "seed": source.integer(0, 10_000),
    }


def draw_setting(
    source, *, solvers=("sgd", "sgd", "adam", "adam", "lbfgs"), kinds=KINDS
):
    """Draw over the whole space of ``MLPClassifier``'s parameters.

    And of ``MLPRegressor``'s, where ``kinds`` are among ``TARGETS``. ``tol`` and
    ``n_iter_no_change`` are such that many fits stop by themselves.
    """
    solver = source.choose(solvers)
    learning_rate = source.choose(["constant", "invscaling", "adaptive"])
    batch_size = source.choose(["auto", 5, 16, 100, source.integer(3, 60), 1])
    # Hundreds of steps at single samples magnify rounding beyond any tolerance:
    # MLPClassifier then differs from itself, if its data change by the last bit.
    max_iter, rates = source.integer(6, 12), [1e-3, 1e-2, 0.1]
    if batch_size == 1:
        max_iter, rates = source.integer(1, 3), [1e-3, 1e-2]
    if learning_rate == "adaptive":
        # From here two plateaus are enough to come to the end.
        rates = [1e-5, 1e-5, *rates]
    parameters = {
        "hidden_layer_sizes": source.choose([(), 3, (6,), (5, 4), [4, 3, 3], 50]),
        "activation": source.choose(["identity", "logistic", "tanh", "relu"]),
        "solver": solver,
        "alpha": source.choose([0, 1e-4, source.number(0, 10)]),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "learning_rate_init": source.choose(rates),
        "power_t": source.number(0, 1),
        "max_iter": max_iter,
        "shuffle": source.choose([True, False]),
        "random_state": source.integer(0, 10_000),
        "tol": source.choose([0.1, 1e-2, 0.5, 1e-4, 0]),
        "momentum": source.choose([0, 0.9, 1, source.number(0, 1)]),
        "nesterovs_momentum": source.choose([True, False]),
        "early_stopping": source.choose([True, False]),
        "validation_fraction": source.number(0.1, 0.5),
        "beta_1": source.choose([0, 0.9, source.number(0, 0.99)]),
        "beta_2": source.choose([0.999, source.number(0.5, 0.9999)]),
        "epsilon": source.choose([1e-8, 1e-3]),
        "n_iter_no_change": source.choose([1, 1, 1, 2, 2, 3, np.inf]),
        "max_fun": source.choose([5, 15000]),
    }
    data = draw_data(source, kinds)
    if data["kind"] in TARGETS:
        of_counts = ["poisson"] if data["kind"].startswith("count") else []
        parameters["loss"] = source.choose([*of_counts, "squared_error"])
    return Setting(parameters, data)


@st.composite
def settings_of_parameters(draw, **options):
    return draw_setting(Hypothesis(draw), **options)


def quietly(call, *args, **kwargs):
    """Call; return the result. Warnings that training has not converged are ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call(*args, **kwargs)


def with_warnings(call, *args, **kwargs):
    """Call; return the result and the warnings that were given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*args, **kwargs)
    return result, caught


def refit(estimator, X, y, **changes):
    """Fit a clone with other parameters, and ignore all warnings."""
    return with_warnings(clone(estimator).set_params(**changes).fit, X, y)[0]


def parameters_of(estimator):
    """Return all trained numbers as one vector."""
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    return np.concatenate([array.ravel() for array in arrays])


def logits_of(estimator, X):
    """Raw outputs of a network, which is not an ensemble."""
    return estimator.network_.raw_outputs(np.asarray(X).T).T


# Of pipelines of tables

QUICK = {
    "max_iter": 3,
    "n_estimators": 2,
    "hidden_layer_sizes": (8,),
    "random_state": 0,
}


def table():
    """A table of every kind of column, thirty rows."""
    random = np.random.RandomState(0)
    n = 30
    frame = pd.DataFrame(
        {
            "whole": random.randint(5, size=n),
            "real": random.standard_normal(n),
            "truth": random.uniform(size=n) < 0.5,
            "nullable": pd.array(random.randint(9, size=n), dtype="Int64"),
            "text": random.choice(["red", "green", "blue"], n),
            "category": pd.Categorical(random.choice([1, 2], n)),
            "mixed": random.choice(np.array(["a", 3, None], dtype=object), n),
            "numbers in objects": np.array([1, 2.5, None] * 10, dtype=object),
        }
    )
    frame.loc[3, "real"] = np.nan
    frame.loc[4, "nullable"] = pd.NA
    frame.loc[5, "text"] = None
    frame.loc[6, "category"] = np.nan
    y = (frame["real"].fillna(0) + (frame["text"] == "red") > 0.3).astype(int)
    return frame, y
