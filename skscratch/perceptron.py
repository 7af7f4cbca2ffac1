"""What the estimators share: parameters, validation, and a fit from end to end.

What is learnt and how stands in ``network`` and ``training``; what a class label or a
target is, in ``estimators``.
"""

import contextlib
import copy
import math
import numbers
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    Interval,
    Options,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from skscratch.activations import ACTIVATIONS
from skscratch.network import Network
from skscratch.optimizers import OPTIMIZERS
from skscratch.schedules import SCHEDULES
from skscratch.training import Batches, TrainingState, minimise_lbfgs, train

__all__ = ["BaseScratchMLP"]

# Rows that are predicted at a time: few enough that a layer's outputs stay in a core's
# own cache, and so few that arrays to use again are not worth their making.
CHUNK = 1024
FEW = 32


def _as_it_is(Z):
    return Z


class BaseScratchMLP(BaseEstimator):
    """What the multilayer perceptrons share; use one of its subclasses.

    A subclass says how targets become numbers (``_encode_targets``), which loss trains
    on them (``_loss``) and how good raw outputs are (``_goodness``).
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({*OPTIMIZERS, "lbfgs"})],
        "alpha": [Interval(numbers.Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(numbers.Real, 0, None, closed="neither")],
        "power_t": [Interval(numbers.Real, 0, None, closed="left")],
        "max_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(numbers.Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(numbers.Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
        "beta_1": [Interval(numbers.Real, 0, 1, closed="left")],
        "beta_2": [Interval(numbers.Real, 0, 1, closed="left")],
        "epsilon": [Interval(numbers.Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(numbers.Integral, 1, None, closed="left"),
            Options(numbers.Real, {np.inf}),
        ],
        "max_fun": [Interval(numbers.Integral, 1, None, closed="left")],
    }

    best_loss_: float | None

    @abstractmethod
    def _encode_targets(self, y, first, incremental, classes):
        """Targets as an array of shape (n_samples, n_outputs)."""

    @abstractmethod
    def _loss(self):
        """Name of the loss, a key of ``LOSSES``."""

    @abstractmethod
    def _goodness(self, Z, Y, weights):
        """Score of raw outputs ``Z`` against targets ``Y``, by rows."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Train the network on data, from new weights unless ``warm_start`` is set.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples; standardised features train best.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative; None means 1 for each. A batch's
            weighted loss and its L2 term are divided by its number of samples times
            the mean weight, so that a weight of 2 counts as the sample twice, but for
            the schedule 'invscaling', which counts rows as scikit-learn's does. A
            sample of weight 0 is left out before anything else is done.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data or parameters can't be used, or training ends with numbers that
            are not finite. The estimator stays as it was.
        """
        return self._fit(X, y, sample_weight)

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, which needs all "
                "data at once: use fit, or early_stopping=False."
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _has_stochastic_solver(self):
        if self.solver not in OPTIMIZERS:
            raise AttributeError(
                f"partial_fit is only available for the solvers {sorted(OPTIMIZERS)}, "
                f"got solver={self.solver!r}."
            )
        return True

    def _fit(self, X, y, sample_weight, incremental=False, classes=None):
        with _unchanged_if_refused(self):
            first = not hasattr(self, "network_") or not (
                self.warm_start or incremental
            )
            X, y, weights = self._validate(X, y, sample_weight, first)
            Y = self._encode_targets(y, first, incremental, classes)
            random_state = self._make_random_state()
            if first:
                self._initialise(X, Y, random_state)
            else:
                self._check_architecture()
            before = self.network_.snapshot()
            try:
                if self.solver == "lbfgs":
                    self._fit_lbfgs(X, Y, weights)
                else:
                    self._fit_stochastic(X, Y, weights, random_state, incremental)
                self._check_finite()
            except Exception:
                self.network_.restore(before)
                raise
            finally:
                self.network_.forget()
        return self

    def _validate(self, X, y, sample_weight, first):
        """Check the data of a fit; rows of weight zero are gone afterwards."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32) if first else self.network_.dtype,
            reset=first,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        # Minibatches are rows, and a memory map's rows are read as plain arrays.
        X = X.tocsr() if issparse(X) else np.asarray(X)
        if sample_weight is None:
            return X, y, None
        weights = check_sample_weight(
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
        )
        counted = weights > 0
        if not counted.all():
            X, y, weights = X[counted], y[counted], weights[counted]
        return X, y, weights

    def _make_random_state(self):
        # scikit-learn takes None for NumPy's global state, which is not ours to move.
        if self.random_state is None:
            return np.random.RandomState()
        return check_random_state(self.random_state)

    def _hidden_sizes(self):
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object))
        if sizes.ndim != 1 or not all(
            isinstance(size, numbers.Integral) and size is not True and int(size) > 0
            for size in sizes
        ):
            raise ValueError(
                "hidden_layer_sizes must be > 0, one whole number for each hidden "
                f"layer, got {self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

    def _initialise(self, X, Y, random_state):
        """Make a new network, with no history."""
        sizes = [X.shape[1], *self._hidden_sizes(), Y.shape[1]]
        self.network_ = Network.glorot(
            sizes,
            self.activation,
            self._loss(),
            random_state=random_state,
            dtype=X.dtype,
        )
        self.n_layers_ = len(sizes)
        self.n_outputs_ = Y.shape[1]
        self.out_activation_ = self.network_.output
        self._training: Any = None

    def _check_architecture(self):
        """Refuse to go on with a network that the parameters do not describe."""
        hidden = self.network_.layers[:-1]
        sizes = [layer.neurons for layer in hidden]
        if sizes != self._hidden_sizes():
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} does not fit the "
                f"network to go on with, which has {sizes}: leave it as it was, or "
                "fit with warm_start=False."
            )
        for layer in hidden:
            layer.activation = self.activation

    def _check_finite(self):
        if not np.isfinite(self.network_.parameters).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )

    def _fit_lbfgs(self, X, Y, weights):
        # The line search compares costs that differ by less than float32 resolves.
        network = self.network_
        if network.dtype != np.float64:
            network, X = network.astype(np.float64), X.astype(np.float64)
        network.reuse_buffers()
        curve = []

        def report(loss):
            curve.append(loss)
            if self.verbose:
                print(f"Iteration {len(curve)}, loss = {loss:.8f}")

        result = minimise_lbfgs(
            network,
            X,
            Y,
            alpha=self.alpha,
            tol=self.tol,
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            weights=weights,
            report=report,
        )
        self.network_.restore(network.parameters)
        self.n_iter_ = min(int(result.nit), self.max_iter)
        self.loss_ = self.best_loss_ = float(result.fun)
        self.loss_curve_ = curve
        self.validation_scores_ = self.best_validation_score_ = None
        self.t_ = 0
        self._training = None
        if result.status != 0:
            warnings.warn(
                f"L-BFGS stopped after {self.n_iter_} iterations without convergence "
                f"({result.message}): raise max_iter={self.max_iter} or "
                f"max_fun={self.max_fun}, or scale the features.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _fit_stochastic(self, X, Y, weights, random_state, incremental):
        state = self._training = self._continue_training(incremental)
        rows, score = None, None
        if self.early_stopping:
            rows, held_out = self._split(Y, random_state)
            score = self._scorer(X, Y, weights, held_out)
        batches = Batches(
            X,
            Y,
            self._batch_length(X.shape[0] if rows is None else len(rows)),
            self.network_.dtype,
            weights=weights,
            rows=rows,
            # The mean over a stream is not known: there weights count as given.
            mean_weight=1.0 if incremental else None,
            random_state=random_state if self.shuffle else None,
        )
        epochs = train(
            self.network_,
            batches,
            state,
            max_epochs=1 if incremental else self.max_iter,
            alpha=self.alpha,
            tol=self.tol,
            patience=self.n_iter_no_change,
            score=score,
        )
        self.network_.reuse_buffers()
        outcome = self._follow(epochs)
        self._publish(state)
        if outcome in ("improving", "slowed") and not incremental:
            warnings.warn(
                f"Training stopped after max_iter={self.max_iter} epochs without "
                "convergence: raise max_iter, or tol to stop earlier.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _follow(self, epochs):
        """Let the epochs run; return the outcome of the last."""
        self.n_iter_, outcome = 0, "interrupted"
        try:
            with contextlib.closing(epochs):
                for epoch in epochs:
                    self.n_iter_, outcome = epoch.number, epoch.outcome
                    if self.verbose:
                        self._print(epoch)
        except KeyboardInterrupt:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} epochs.", stacklevel=2
            )
            return "interrupted"
        return outcome

    def _continue_training(self, incremental):
        """State to train on with: ``fit`` takes a new optimizer, as in scikit-learn."""
        old = self._training
        optimizer_class = OPTIMIZERS[self.solver]
        if incremental and old is not None and type(old.optimizer) is optimizer_class:
            # A copy: if training diverges, the old state still stands.
            return old.continued(*copy.deepcopy((old.optimizer, old.schedule)))
        schedule_class = SCHEDULES[self.learning_rate]
        if self.solver not in (schedule_class.solvers or OPTIMIZERS):
            schedule_class = SCHEDULES["constant"]
        optimizer = optimizer_class(
            self.network_.parameters.size,
            self.network_.dtype,
            **self._hyperparameters(optimizer_class),
        )
        schedule = schedule_class(
            self.learning_rate_init, **self._hyperparameters(schedule_class)
        )
        if old is None:
            return TrainingState(optimizer, schedule)
        return old.continued(optimizer, schedule)

    def _hyperparameters(self, cls):
        return {name: getattr(self, name) for name in cls.hyperparameters}

    def _split(self, Y, random_state):
        """Rows to train on and rows to validate on, at random."""
        n_samples = len(Y)
        # Two classes are stratified, more are not: as in scikit-learn.
        stratify = Y[:, 0].astype(str) if self._stratifies() else None
        n_groups = 1 if stratify is None else len(np.unique(stratify))
        needed = max(2, n_groups)
        size = self.validation_fraction
        if 0 < math.ceil(size * n_samples) < needed:
            size = needed
            if n_samples - needed < n_groups:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' "
                    "or the size of your dataset: early stopping needs at least "
                    f"{needed + n_groups} samples, got n_samples = {n_samples}."
                )
        return train_test_split(
            np.arange(n_samples),
            test_size=size,
            random_state=random_state,
            stratify=stratify,
        )

    def _stratifies(self):
        return False

    def _scorer(self, X, Y, weights, rows):
        """Score of the network, as it stands at each call, on the rows."""
        weights = None if weights is None else weights[rows]

        def score():
            Z = self._outputs(X, rows)
            if not np.isfinite(Z).all():
                return math.nan
            return self._goodness(Z, Y[rows], weights)

        return score

    def _batch_length(self, n_samples):
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the number of samples, "
                f"{n_samples}: all of them make one batch.",
                stacklevel=2,
            )
        return min(self.batch_size, n_samples)

    def _print(self, epoch):
        print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}")
        measure = "Training loss"
        if epoch.score is not None:
            measure = "Validation score"
            print(f"Validation score: {epoch.score:f}")
        if epoch.outcome == "improving":
            return
        consequence = "Stopping."
        if epoch.outcome == "slowed":
            consequence = f"Setting learning rate to {self._training.schedule.rate:f}"
        print(
            f"{measure} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change} consecutive epochs. {consequence}"
        )

    def _publish(self, state):
        """Set the fitted attributes that tell of the training."""
        self.t_ = state.n_samples_seen
        self.loss_curve_ = state.loss_curve
        self.loss_ = state.loss_curve[-1] if state.loss_curve else math.nan
        if self.early_stopping:
            self.best_loss_ = None
            self.validation_scores_ = state.validation_scores
            self.best_validation_score_ = state.best_validation_score
        else:
            self.best_loss_ = state.best_loss
            self.validation_scores_ = self.best_validation_score_ = None

    def _outputs(self, X, rows=None, finish=_as_it_is):
        """Outputs, (n_samples, n_outputs), a chunk of rows at a time.

        ``finish`` makes them of a chunk's raw outputs, (n_outputs, n_samples).
        """
        network = self.network_
        n_samples = X.shape[0] if rows is None else len(rows)
        if rows is None and n_samples <= FEW:
            return finish(network.raw_outputs(X.T)).T
        if issparse(X):
            X = X.tocsr()
        rooms, outputs = network.rooms(), None
        for start in range(0, n_samples, CHUNK):
            chunk = slice(start, start + CHUNK)
            taken = X[chunk if rows is None else rows[chunk]]
            finished = finish(network.raw_outputs(taken.T, rooms)).T
            if outputs is None:
                outputs = np.empty((n_samples, finished.shape[1]), finished.dtype)
            outputs[chunk] = finished
        return outputs

    def _outputs_for(self, X, finish=_as_it_is):
        """As ``_outputs``, for a user's samples."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=self.network_.dtype,
            reset=False,
        )
        return self._outputs(X, finish=finish)

    @property
    def coefs_(self):
        """Weights of each layer, (fan_in, fan_out): views into the network."""
        return LayerViews(layer.W.T for layer in self._fitted("coefs_").layers)

    @coefs_.setter
    def coefs_(self, arrays):
        self.coefs_.assign("coefs_", arrays)

    @property
    def intercepts_(self):
        """Biases of each layer, (fan_out,): views into the network."""
        return LayerViews(layer.b[:, 0] for layer in self._fitted("intercepts_").layers)

    @intercepts_.setter
    def intercepts_(self, arrays):
        self.intercepts_.assign("intercepts_", arrays)

    def _fitted(self, attribute):
        """Return the network, which gives the attribute its values."""
        try:
            return vars(self)["network_"]
        except KeyError:
            raise NotFittedError(
                f"{type(self).__name__} has no {attribute} before it is fitted."
            ) from None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class LayerViews(list):
    """Arrays of a network, by layer; an item that is assigned is written into it."""

    def __setitem__(self, index, array):
        if isinstance(index, slice):
            targets, arrays = self[index], list(array)
            if len(arrays) != len(targets):
                raise ValueError(
                    f"needs {len(targets)} arrays, one a layer, got {len(arrays)}."
                )
        else:
            targets, arrays = [self[index]], [array]
        # Copies first: the new values may be views of what they are to replace.
        new = []
        for target, values in zip(targets, arrays, strict=True):
            new.append(np.array(values, dtype=target.dtype))
            if new[-1].shape != target.shape:
                raise ValueError(
                    f"an array must have shape {target.shape}, got {new[-1].shape}."
                )
        for target, values in zip(targets, new, strict=True):
            target[...] = values

    def assign(self, name, arrays):
        """Write all arrays, or, where one does not fit, none."""
        try:
            self[:] = arrays
        except ValueError as error:
            raise ValueError(f"{name} can't be assigned: {error}") from None


@contextlib.contextmanager
def _unchanged_if_refused(estimator):
    """Give the estimator the attributes back that it had, if an error passes."""
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
