"""What the estimators share: parameters, validation, and a fit from end to end.

What is learnt and how stands in ``network`` and ``training``; what a class label or a
target is, in ``estimators``.
"""

import contextlib
import copy
import math
import warnings
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, is_regressor
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skscratch._sklearn import (
    OF_A_FIT,
    OF_ITS_OWN_FIT,
    callbacks_of,
    fit_context,
)
from skscratch.backends.buffered import PredictionOperations
from skscratch.backends.operations import ALLOCATING
from skscratch.estimators.attributes import LayerViews, bare_copy, unchanged_if_refused
from skscratch.estimators.checkpoint import Checkpoint, Running, fingerprint
from skscratch.estimators.members import Members
from skscratch.estimators.monitor import FromOutside, Tasks
from skscratch.estimators.parameters import (
    BATCH_SIZES,
    CONSTRAINTS,
    check_checkpoints,
    check_combinations,
)
from skscratch.estimators.validation import (
    Held,
    as_rows,
    cast,
    far_scales,
    is_plain,
    refuse_dates,
    too_large,
)
from skscratch.estimators.validator import Validation, common_error
from skscratch.nn.checks import is_size
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import (
    MOST_PARAMETERS,
    Network,
    count_parameters,
    hidden_activations,
)
from skscratch.nn.stack import Stack
from skscratch.training.batches import Batches
from skscratch.training.loop import (
    ENDS,
    Average,
    TrainingState,
    averaged,
    minimise_lbfgs,
    train,
)
from skscratch.training.optimizers import OPTIMIZERS
from skscratch.training.regularization import Dropout, smooth
from skscratch.training.schedules import SCHEDULES
from skscratch.version import __version__

__all__ = ["BaseScratchMLP"]

# Numbers that a layer gives at a time in predictions: few enough to stay in a core's
# own cache, but of rows enough that cores seldom wait for each other. And rows so few
# that arrays to use again are not worth their making.
AT_A_TIME = 2**19
FEWEST_ROWS = 256
FEW = 32
# What max_iter="auto" is: about so many steps for 1,000 samples, and for more as many
# times more as the square root of their number, but not fewer or more epochs than that.
USUAL_STEPS = 400
FEWEST_EPOCHS, MOST_EPOCHS = 8, 400


def _as_it_is(Z):
    return Z


class BaseScratchMLP(Members, CallbackSupportMixin, BaseEstimator):
    """What the multilayer perceptrons share; use one of its subclasses.

    A subclass says how targets become numbers (``_encode_targets``,
    ``_encode_held_out``), which loss trains on them (``_loss``) and how good raw
    outputs are (``_goodness``). ``documented`` completes its docstring.
    """

    _parameter_constraints: dict = CONSTRAINTS

    best_loss_: float | None

    @abstractmethod
    def _encode_targets(self, y, first, incremental, classes):
        """Targets as an array of shape (n_samples, n_outputs)."""

    @abstractmethod
    def _encode_held_out(self, y):
        """Targets of the user's validation data, likewise, of a fitted encoding."""

    @abstractmethod
    def _loss(self):
        """Name of the loss, a key of ``LOSSES``."""

    @abstractmethod
    def _goodness(self, Z, Y, weights):
        """Score of raw outputs ``Z`` against targets ``Y``, by rows."""

    def _class_weighted(self, y, Y, weights):
        """Sample weights times those of the classes, where there are any."""
        return weights

    def _calibrate(self, held_outs):
        """Learn from rows that training has not seen how sure to be.

        Parameters
        ----------
        held_outs : list of tuple
            An estimator and its ``Held``, or None, for each network.
        """

    def _is_calibrated(self):
        return False

    def _smoothing(self):
        """Share and number of classes for ``smooth``, or None."""
        return None

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
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
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Samples for early stopping; None sets ``validation_fraction`` of the
            training data aside instead.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their targets; needed where ``X_val`` is given.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights in the score; None means 1 for each.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data or parameters can't be used, or training ends with numbers that
            are not finite. The estimator stays as it was.
        """
        held_out = (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, held_out)

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if hasattr(self, "network_") and not get_config()["skip_parameter_validation"]:
            # scikit-learn checks no parameters of an estimator that is fitted. (For the
            # setting to be the user's here, `partial_fit` skips no nested validation.)
            self._validate_params()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, which needs all "
                "data at once: use fit, or early_stopping=False."
            )
        schedule = self._schedule_class()
        if schedule.has_end:
            raise ValueError(
                f"partial_fit does not support learning_rate={self.learning_rate!r}, "
                "which is planned for a training of known length: use fit, or "
                "learning_rate='constant'."
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _has_stochastic_solver(self):
        if self.solver not in OPTIMIZERS:
            raise AttributeError(
                f"partial_fit is only available for the solvers {sorted(OPTIMIZERS)}, "
                f"got solver={self.solver!r}."
            )
        return True

    def _fit(
        self,
        X,
        y,
        sample_weight,
        held_out=(None, None, None),
        *,
        incremental=False,
        classes=None,
    ):
        if hasattr(self, "_callback_fit_ctx"):
            raise ValueError(
                f"{type(self).__name__} is being fitted, and can't be fitted again by "
                "a callback, a scorer or another thread before that is over: fit a "
                "clone."
            )
        with _unchanged_if_refused(self):
            check_combinations(self, held_out)
            check_checkpoints(self, incremental)
            error = self._fit_checked(
                X, y, sample_weight, held_out, incremental, classes
            )
        if error is not None:
            raise error
        return self

    # Inside of what gives the attributes back: the callbacks' are needed to the last.
    @with_callbacks
    def _fit_checked(self, X, y, sample_weight, held_out, incremental, classes):
        """Fit; return the error of a callback or scorer that ended it, or None."""
        given = (X, y, sample_weight)
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        X, y, weights = self._validate(X, y, sample_weight, first)
        Y = self._encode_targets(y, first, incremental, classes)
        # The buffers that a batch is gathered into are of one dtype.
        Y = cast(Y, X.dtype, "y")
        name = "sample_weight"
        if getattr(self, "class_weight", None) is not None:
            name = "sample_weight times class_weight"
        weights = cast(self._class_weighted(y, Y, weights), X.dtype, name)
        random_state = self._make_random_state()
        if not first:
            self._check_architecture()
        self.__dict__.pop("temperature_", None)
        self._usual_epochs = self._number_of_usual_epochs(X.shape[0], held_out)
        streams = [random_state]
        if self.n_estimators > 1:
            streams = self._make_members(X, Y, random_state, first)
        elif first:
            self._initialise(X, Y, random_state)
        held_out = self._validate_held_out(held_out, X.dtype)
        error = None
        try:
            data = X, y, Y, weights
            if self.n_estimators > 1:
                self._fit_members(data, held_out, streams, incremental, given)
            else:
                tasks = self._tasks(given, incremental)
                held = self._held_out(data, held_out, random_state)
                self._fit_network(data, held, random_state, incremental, tasks)
                self._calibrate([(self, held)])
                tasks.ended()
        except FromOutside as caught:
            # Whole epochs are kept; without any, the call is refused.
            if not self.n_iter_:
                raise caught.error from None
            error = caught.error
        return error

    def _fit_network(
        self, data, held_out, random_state, incremental, tasks, own_stream=None
    ):
        """Train the network; return how that ended."""
        if self.solver == "lbfgs":
            X, _, Y, weights = data
            return self._fit_lbfgs(X, Y, weights, tasks)
        return self._fit_stochastic(
            data, held_out, random_state, incremental, tasks, own_stream
        )

    def _validate(self, X, y, sample_weight, first):
        """Check the data of a fit; rows of weight zero are gone afterwards."""
        X, y = self._validate_pair(X, y, self._dtypes(first), reset=first)
        X, y, weights = as_rows(X, y, sample_weight, "sample_weight")
        if weights is None:
            return X, y, None
        counted = weights > 0
        if not counted.all():
            X, y, weights = X[counted], y[counted], weights[counted]
        return X, y, weights

    def _validate_pair(self, X, y, dtype, reset):
        refuse_dates(X)
        # What float32 can not hold becomes infinite, and is refused as such.
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                X, y = validate_data(
                    self,
                    X,
                    y,
                    accept_sparse=["csr", "csc"],
                    multi_output=True,
                    y_numeric=is_regressor(self),
                    dtype=dtype,
                    reset=reset,
                )
        except OverflowError as error:
            raise too_large("X and y", error) from None
        except ValueError as error:
            # So scikit-learn says it of objects, which samples are no more by then.
            if str(error) == "Input contains NaN":
                raise ValueError("Input y contains NaN.") from None
            raise
        return X, y.toarray() if issparse(y) and is_regressor(self) else y

    def _dtypes(self, first):
        """Return the dtypes that features may have, the first for all others."""
        if not first:
            return self.network_.dtype
        return (np.float64, np.float32) if self.dtype == "auto" else self.dtype

    def _validate_held_out(self, held_out, dtype):
        """Check the user's validation data, if there are any."""
        X, y, sample_weight = held_out
        if X is None:
            return None
        try:
            X, y = self._validate_pair(X, y, dtype, reset=False)
        except ValueError as error:
            raise ValueError(f"X_val and y_val can't be used: {error}") from None
        X, y, weights = as_rows(X, y, sample_weight, "sample_weight_val")
        if weights is not None:
            counted = weights > 0
            X, y, weights = X[counted], y[counted], weights[counted]
        Y = cast(self._encode_held_out(y), dtype, "y_val")
        weights = cast(weights, dtype, "sample_weight_val")
        return Held(X, y, Y, weights, training_rows=None, rows=None)

    def _make_random_state(self):
        # scikit-learn takes None for NumPy's global state, which is not ours to move.
        if self.random_state is None:
            return np.random.RandomState()
        return check_random_state(self.random_state)

    def _hidden_sizes(self):
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object))
        if sizes.ndim != 1 or not all(map(is_size, sizes)):
            raise ValueError(
                "hidden_layer_sizes must be > 0, one whole number for each hidden "
                f"layer, got {self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

    def _dropout_rates(self):
        """Rate of each hidden layer."""
        n_layers = len(self._hidden_sizes())
        rates = np.array(np.nan)
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            given = np.asarray(self.dropout)
            if given.dtype.kind in "biufO":  # Not words that spell numbers.
                rates = given.astype(np.float64)
        if rates.ndim == 0:
            rates = np.repeat(rates, n_layers)
        if rates.shape != (n_layers,) or not ((rates >= 0) & (rates < 1)).all():
            raise ValueError(
                "dropout must be a number from 0 to below 1, or one for each hidden "
                f"layer ({n_layers}), got {self.dropout!r}."
            )
        return rates.tolist()

    def _sizes(self, X, Y):
        """Features, neurons of each hidden layer and outputs, which memory may hold."""
        sizes = [X.shape[1], *self._hidden_sizes(), Y.shape[1]]
        if self.n_estimators * count_parameters(sizes) > MOST_PARAMETERS:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}, {sizes[0]} features "
                f"and n_estimators={self.n_estimators} make more than "
                f"{MOST_PARAMETERS:,} parameters, the most that networks may have."
            )
        return sizes

    def _initialise(self, X, Y, random_state):
        """Make a new network, with no history."""
        sizes = self._sizes(X, Y)
        self.network_ = Network.initialized(
            sizes,
            self.activation,
            self._loss(),
            init=self.init,
            random_state=random_state,
            dtype=X.dtype,
        )
        self.n_layers_ = len(sizes)
        self.n_outputs_ = Y.shape[1]
        self.out_activation_ = self.network_.output
        self._training: Any = None
        self.__dict__.pop("estimators_", None)

    def _check_architecture(self):
        """Refuse to go on with a network that the parameters do not describe."""
        n_networks = len(vars(self).get("estimators_", [self]))
        if n_networks != self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators} does not fit the networks to go on "
                f"with, of which there are {n_networks}: leave it as it was, or fit "
                "with warm_start=False."
            )
        hidden = self.network_.layers[:-1]
        sizes = [layer.neurons for layer in hidden]
        if sizes != self._hidden_sizes():
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} does not fit the "
                f"network to go on with, which has {sizes}: leave it as it was, or "
                "fit with warm_start=False."
            )
        if self._loss() != self.network_.loss:
            raise ValueError(
                f"the loss {self._loss()!r} is not that of the network to go on with, "
                f"{self.network_.loss!r}: leave it as it was, or fit with "
                "warm_start=False."
            )
        names = hidden_activations(self.activation, len(hidden))
        for layer, name in zip(hidden, names, strict=True):
            layer.activation = name

    def _advice(self, X):
        """What to change where training diverges."""
        advice = "standardise the features"
        if self.solver in OPTIMIZERS:
            advice += (
                f", lower learning_rate_init={self.learning_rate_init}, "
                f"set max_grad_norm (now {self.max_grad_norm})"
            )
        return f"To mend it, {advice}.{self._far_scales(X)}"

    def _far_scales(self, X):
        return far_scales(X, getattr(self, "feature_names_in_", range(X.shape[1])))

    def _fit_lbfgs(self, X, Y, weights, tasks):
        # The line search compares costs that differ by less than float32 resolves. And
        # it tries parameters that it may not take: the estimator has those it took.
        network = self.network_.astype(np.float64)
        X = X.astype(np.float64, copy=False)
        if self._smoothing() is not None:
            Y = Y.astype(np.float64)
            smooth(Y, *self._smoothing())
        self._training = None
        self.loss_curve_ = curve = []

        def report(loss):
            if not (np.isfinite(loss) and network.is_finite()):
                return True
            curve.append(loss)
            if self.verbose:
                print(f"Iteration {len(curve)}, loss = {loss:.8f}")
            self.network_.restore(network.parameters)
            return tasks.end(self._published_by_lbfgs)

        result = None
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                result = minimise_lbfgs(
                    network,
                    X,
                    Y,
                    alpha=self.alpha,
                    tol=self.tol,
                    max_iter=self._n_epochs(),
                    max_fun=self.max_fun,
                    weights=weights,
                    report=report,
                    begin=tasks.begin,
                )
        except KeyboardInterrupt:
            self._warn_of_interruption(len(curve))
            return "interrupted"
        finally:
            self._set_fitted(self._published_by_lbfgs())
        if result is None or tasks.stopped:
            return "stopped"
        if not (np.isfinite(result.fun) and network.is_finite()):
            self._diverged(X, len(curve))
            return "diverged"
        self.network_.restore(network.parameters)
        self.n_iter_ = min(int(result.nit), self._n_epochs())
        self.loss_ = self.best_loss_ = float(result.fun)
        if result.status != 0:
            self._warn_once(
                "convergence",
                f"L-BFGS stopped after {self.n_iter_} iterations without convergence "
                f"({result.message}): raise max_iter={self._n_epochs()} or "
                f"max_fun={self.max_fun}, or scale the features.{self._far_scales(X)}",
                ConvergenceWarning,
            )
        return "stopped"

    def _diverged(self, X, n_whole):
        """Say that training diverged, after so many epochs that did not."""
        sentence = (
            "Solver produced non-finite parameter weights. The input data may"
            " contain large values and need to be preprocessed."
        )
        self.network_.gradients.fill(0)
        if not n_whole:
            raise ValueError(f"{sentence} {self._advice(X)}")
        warnings.warn(
            f"Training diverged after {n_whole} epochs or iterations, of which the "
            f"last, or with early stopping the best, is kept. {self._advice(X)}",
            ConvergenceWarning,
            stacklevel=2,
        )

    def _warn_once(self, subject, message, category=UserWarning):
        """Warn, but of what is so for all members of an ensemble by one of them."""
        told = vars(self).get("_told", set())
        if subject not in told:
            told.add(subject)
            warnings.warn(message, category, stacklevel=3)

    @staticmethod
    def _warn_of_interruption(n_whole):
        warnings.warn(
            f"Training was interrupted after {n_whole} epochs or iterations, of which "
            "the last, or with early stopping the best, is kept.",
            stacklevel=2,
        )

    def _published_by_lbfgs(self):
        """Fitted attributes that tell of L-BFGS."""
        return {
            "n_iter_": len(self.loss_curve_),
            "loss_curve_": list(self.loss_curve_),
            "loss_": self.loss_curve_[-1] if self.loss_curve_ else math.nan,
            "best_loss_": min(self.loss_curve_, default=math.nan),
            "t_": 0,
            "best_epoch_": None,
            "learning_rate_curve_": None,
            "validation_scores_": None,
            "validation_loss_curve_": None,
            "best_validation_score_": None,
        }

    def _fit_stochastic(
        self, data, held_out, random_state, incremental, tasks, own_stream=None
    ):
        running = self._running = self._prepared(
            data, held_out, random_state, incremental, own_stream
        )
        n_epochs = self._n_epochs(incremental)
        score = None if held_out is None else Validation(self, held_out)
        epochs = train(
            self.network_,
            running.batches,
            running.state,
            score=score,
            error=self._error([score]),
            dropout=running.dropout,
            # A training that is over has no epoch left.
            first_epoch=1 + (running.n_epochs if running.goes_on else n_epochs),
            **self._training_options(held_out, incremental),
        )
        published = partial(self._published, running.state)
        try:
            outcome = self._follow(epochs, n_epochs, running, tasks, published)
        finally:
            del self._running
            self._set_fitted(published())
        self._conclude(outcome, data[0], incremental)
        return outcome

    def _prepared(self, data, held_out, random_state, incremental, own_stream=None):
        """Training as it is about to run, or where a checkpoint takes it up.

        ``own_stream`` is a member's of an ensemble that shares the rest.
        """
        X, _, Y, weights = data
        state = self._training = self._continue_training(incremental)
        rows = None if held_out is None else held_out.training_rows
        batches = Batches(
            X,
            Y,
            self._batch_length(X.shape[0] if rows is None else len(rows)),
            weights=weights,
            rows=rows,
            # The mean over a stream is not known: there weights count as given.
            mean_weight=1.0 if incremental else None,
            random_state=random_state if self.shuffle else None,
            smoothing=self._smoothing(),
        )
        rates, dropout = self._dropout_rates(), None
        if any(rates):
            sizes, dtype = self._hidden_sizes(), self.network_.dtype
            dropout = Dropout(rates, sizes, dtype, own_stream or random_state)
        return self._resumed(batches, state, dropout, held_out, random_state)

    def _n_epochs(self, incremental=False):
        """Largest number of epochs, or of iterations of L-BFGS, of this call."""
        if incremental:
            return 1
        return self._usual_epochs if self.max_iter == "auto" else self.max_iter

    def _number_of_usual_epochs(self, n_samples, held_out):
        """What max_iter='auto' means."""
        if self.solver == "lbfgs":
            return 200
        if self.early_stopping and held_out[0] is None:
            n_samples *= 1 - self.validation_fraction
        batch = BATCH_SIZES.get(self.batch_size, self.batch_size)
        n_batches = n_samples / min(batch, n_samples)
        usual = USUAL_STEPS * math.sqrt(n_samples / 1000) / n_batches
        return round(min(max(usual, FEWEST_EPOCHS), MOST_EPOCHS))

    def _training_options(self, held_out, incremental):
        """Options of ``train`` that follow from the parameters."""
        # A schedule that has an end is not cut short but by validation.
        is_cut_short = held_out is not None or not self._schedule_class().has_end
        return {
            "max_epochs": self._n_epochs(incremental),
            "alpha": self.alpha,
            "tol": self.tol,
            "patience": self.n_iter_no_change if is_cut_short else math.inf,
            "restore_best": self.restore_best is True,
            "max_grad_norm": self.max_grad_norm,
        }

    def _error(self, validations):
        """What chooses the epoch that networks are to have in common, or None."""
        if self.restore_best != "together" or validations[0] is None:
            return None
        return common_error(validations)

    def _conclude(self, outcome, X, incremental):
        """Warn where training ended otherwise than it should."""
        if outcome == "diverged":
            self._diverged(X, self.n_iter_ - 1)
        is_planned = incremental or self._schedule_class().has_end
        if outcome in ("improving", "slowed") and not is_planned:
            self._warn_once(
                "convergence",
                f"Training stopped after max_iter={self._n_epochs()} epochs without "
                "convergence: raise max_iter, or tol to stop earlier."
                f"{self._far_scales(X)}",
                ConvergenceWarning,
            )

    def _tasks(self, given, incremental):
        name = "iteration" if self.solver == "lbfgs" else "epoch"
        return Tasks(self, given, name, self._n_epochs(incremental))

    def _resumed(self, batches, state, dropout, held_out, random_state):
        """Training as it is about to run, or where a checkpoint takes it up."""
        running = Running(
            self.network_,
            batches,
            state,
            dropout,
            None if held_out is None else held_out.rows,
            random_state,
        )
        checkpoints = [c for c in callbacks_of(self) if isinstance(c, Checkpoint)]
        if checkpoints:
            data = batches.data
            data = {"X": data.X, "y": data.Y, "sample_weight": data.weights}
            if held_out is not None and held_out.rows is None:
                data |= {"X_val": held_out.X, "y_val": held_out.Y}
                data["sample_weight_val"] = held_out.weights
            running.of = fingerprint(self.get_params(deep=False), data)
        for checkpoint in checkpoints:
            if checkpoint.resume:
                checkpoint.read(running)
        return running

    def _follow(self, epochs, n_epochs, running, tasks, published):
        """Let the epochs run; return the outcome of the last."""
        self.n_iter_, outcome = running.n_epochs, running.outcome
        if not running.goes_on:
            with contextlib.closing(epochs):
                next(epochs, None)
            return running.outcome
        try:
            with contextlib.closing(epochs):
                tasks.begin()
                for epoch in epochs:
                    self.n_iter_, outcome = epoch.number, epoch.outcome
                    running.n_epochs, running.outcome = epoch.number, outcome
                    if self.verbose:
                        self._print(epoch)
                    if tasks.end(published):
                        return "stopped"
                    if outcome in ENDS or epoch.number == n_epochs:
                        break
                    tasks.begin()
        except KeyboardInterrupt:
            self._warn_of_interruption(self.n_iter_)
            return "interrupted"
        return outcome

    def _schedule_class(self):
        """Schedule of the solver: one that it does not follow is no schedule."""
        schedule = SCHEDULES[self.learning_rate]
        follows = self.solver in (schedule.solvers or OPTIMIZERS)
        return schedule if follows else SCHEDULES["constant"]

    def _continue_training(self, incremental):
        """State to train on with: ``fit`` takes a new optimizer, as in scikit-learn."""
        old = self._training
        optimizer_class = OPTIMIZERS[self.solver]
        n_parameters, dtype = self.network_.parameters.size, self.network_.dtype
        average = None
        if self.averaging is not None:
            average = Average(n_parameters, dtype, self.averaging)
        if incremental and old is not None and type(old.optimizer) is optimizer_class:
            if old.average is not None and average is not None:
                average = copy.deepcopy(old.average)
            # A copy: if training diverges, the old state still stands.
            kept = copy.deepcopy((old.optimizer, old.schedule))
            return replace(old.continued(*kept, average), is_incremental=True)
        schedule_class = self._schedule_class()
        optimizer = optimizer_class(
            n_parameters, dtype, **self._hyperparameters(optimizer_class)
        )
        optimizer.n_weights = self.network_.weights.size
        schedule = schedule_class(
            self.learning_rate_init, **self._hyperparameters(schedule_class)
        )
        if old is None:
            old = TrainingState(optimizer, schedule)
        new = old.continued(optimizer, schedule, average)
        return replace(new, is_incremental=incremental)

    def _hyperparameters(self, cls):
        return {name: getattr(self, name) for name in cls.hyperparameters}

    def _held_out(self, data, held_out, random_state):
        """Validation data: the user's own, or rows set aside, or None."""
        if held_out is None and self.early_stopping and self.solver != "lbfgs":
            X, y, Y, weights = data
            return self._split(X, y, Y, weights, random_state)
        return held_out

    def _split(self, X, y, Y, weights, random_state):
        """Set rows aside at random to validate on."""
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
        n_left = n_samples - (size if size == needed else math.ceil(size * n_samples))
        if not size or n_left < n_groups:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n_samples} "
                f"samples leaves {n_left} to train on and {n_samples - n_left} to "
                f"validate on: at least {n_groups} and {needed} are needed."
            )
        try:
            rows = train_test_split(
                np.arange(n_samples),
                test_size=size,
                random_state=random_state,
                stratify=stratify,
            )
        except ValueError as error:
            # It calls the classes as it got them, true and false.
            first, second = (y[Y[:, 0] == value][:1] for value in (False, True))
            raise ValueError(
                f"{error} 'False' stands for {first} and 'True' for {second}: early "
                "stopping needs two samples of each, or X_val and y_val."
            ) from None
        return Held(X, y, Y, weights, *rows)

    def _stratifies(self):
        return False

    def _trained_loss(self):
        return resolve_loss(self.network_.loss)

    def _batch_length(self, n_samples):
        if self.batch_size in BATCH_SIZES:
            return min(BATCH_SIZES[self.batch_size], n_samples)
        if self.batch_size > n_samples:
            self._warn_once(
                "batch_size",
                f"batch_size={self.batch_size} is larger than the number of samples, "
                f"{n_samples}: all of them make one batch.",
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

    def _published(self, state):
        """Fitted attributes that tell of the training."""
        scored = bool(state.validation_scores)
        return {
            "n_iter_": self.n_iter_,
            "t_": state.n_samples_seen,
            "loss_curve_": list(state.loss_curve),
            "loss_": state.loss_curve[-1] if state.loss_curve else math.nan,
            "learning_rate_curve_": list(state.learning_rates),
            "best_epoch_": state.best_epoch or None,
            "best_loss_": None if self.early_stopping else state.best_loss,
            "validation_scores_": list(state.validation_scores) if scored else None,
            "validation_loss_curve_": list(state.validation_losses) if scored else None,
            "best_validation_score_": state.best_validation_score if scored else None,
        }

    def _set_fitted(self, attributes):
        self.__dict__.update(attributes)

    def _as_if_stopped(self, published):
        """Fitted attributes of an estimator as it is now, by copies.

        With early stopping too the weights are the epoch's own, not the best so far.
        """
        attributes = published()
        if "estimators_" in vars(self):
            members = [bare_copy(member) for member in self.estimators_]
            for member in members:
                vars(member).pop("_told", None)
                described = member._published_by_lbfgs
                if member._training is not None:
                    described = partial(member._published, member._training)
                vars(member).update(member._as_if_stopped(described))
            stack = Stack([member.network_ for member in members])
            return attributes | {"estimators_": members, "network_": stack}
        state = self._training
        average = None if state is None else state.average
        with averaged(self.network_, average):
            attributes["network_"] = copy.deepcopy(self.network_)
        if state is not None:
            state = replace(state.continued(None, None, None), is_incremental=False)
        return attributes | {"_training": state}

    def _outputs(self, X, rows=None, finish=_as_it_is):
        """Outputs, (n_samples, n_outputs), a chunk of rows at a time.

        ``finish`` makes them of a chunk's raw outputs, (n_outputs, n_samples).
        """
        network = self.network_
        n_samples = X.shape[0] if rows is None else len(rows)
        if rows is None and n_samples <= FEW:
            return finish(self._raw_outputs(X)).T
        if issparse(X):
            X = X.tocsr()
        n_rows = max(AT_A_TIME // network.width, FEWEST_ROWS)
        operations, outputs = PredictionOperations(network.dtype), None
        for start in range(0, n_samples, n_rows):
            chunk = slice(start, start + n_rows)
            taken = X[chunk if rows is None else rows[chunk]]
            finished = finish(self._raw_outputs(taken, operations)).T
            if outputs is None:
                outputs = np.empty((n_samples, finished.shape[1]), finished.dtype)
            outputs[chunk] = finished
        return outputs

    def _raw_outputs(self, X, operations=ALLOCATING):
        """Raw outputs, (n_outputs, n_samples); an ensemble's give its mean."""
        Z = self.network_.forward(X.T, operations=operations)
        temperature = self.__dict__.get("temperature_", 1.0)
        if temperature != 1:
            Z = Z / temperature
        return self.network_.average_members(Z)

    def _outputs_for(self, X, finish=_as_it_is):
        """As ``_outputs``, for a user's samples."""
        if "network_" not in vars(self):
            check_is_fitted(self)
        dtype = self.network_.dtype
        names = vars(self).get("feature_names_in_")
        if names is None and is_plain(X, dtype, self.n_features_in_):
            return self._outputs(X, finish=finish)
        refuse_dates(X)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # As in fit.
                X = validate_data(
                    self, X, accept_sparse=["csr", "csc"], dtype=dtype, reset=False
                )
        except OverflowError as error:
            raise too_large("X", error) from None
        return self._outputs(X, finish=finish)

    @property
    def coefs_(self):
        """Weights of each layer, (fan_in, fan_out): views into the network."""
        return LayerViews(layer.W.mT for layer in self._fitted("coefs_").layers)

    @coefs_.setter
    def coefs_(self, arrays):
        self.coefs_.assign("coefs_", arrays)

    @property
    def intercepts_(self):
        """Biases of each layer, (fan_out,): views into the network."""
        return LayerViews(
            layer.b[..., 0] for layer in self._fitted("intercepts_").layers
        )

    @intercepts_.setter
    def intercepts_(self, arrays):
        self.intercepts_.assign("intercepts_", arrays)

    def __getstate__(self):
        """What is pickled: after ``fit``, all but the state of the optimizer.

        That is two or three times as large as the weights, and matters to nobody but
        ``partial_fit``: where that was called, it stays, and a loaded estimator goes on
        as if it had never been away.
        """
        # A copy: what the base class gives may be the estimator's own.
        state, training = dict(super().__getstate__()), vars(self).get("_training")
        for name in OF_ITS_OWN_FIT:  # A copy is in no fit, though one made it.
            state.pop(name, None)
        if self._is_stacked():  # The members' networks make the stack.
            del state["network_"]
        if training is not None and not training.is_incremental:
            state["_training"] = training.continued(None, None, None)
        return state | {"_skscratch_version": __version__}

    def __setstate__(self, state):
        """Take over what was pickled, and warn of another version's."""
        state = dict(state)
        version = state.pop("_skscratch_version", "an unknown version")
        if version != __version__:
            warnings.warn(
                f"{type(self).__name__} was pickled by skscratch {version} and is "
                f"loaded by {__version__}: it may not work, or not as it did. Load it "
                "by the version that wrote it, or fit it again.",
                stacklevel=2,
            )
        super().__setstate__(state)
        if "estimators_" in state and "network_" not in state:
            self._take(self.estimators_)

    def __copy__(self):
        new = bare_copy(self)
        for name in OF_A_FIT:  # A copy is in no fit, though callbacks make it in one.
            vars(new).pop(name, None)
        return new

    def __deepcopy__(self, memo):
        new = memo[id(self)] = object.__new__(type(self))
        kept = {k: v for k, v in vars(self).items() if k not in OF_ITS_OWN_FIT}
        new.__dict__.update(copy.deepcopy(kept, memo))
        if self._is_stacked():
            new._take(new.estimators_)
        return new

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


@contextlib.contextmanager
def _unchanged_if_refused(estimator):
    """Context that gives an estimator its attributes and network back, if it fails."""
    network = vars(estimator).get("network_")
    with contextlib.ExitStack() as kept:
        kept.enter_context(unchanged_if_refused(estimator))
        if network is not None:
            kept.enter_context(_network_unchanged_if_refused(network))
        yield


@contextlib.contextmanager
def _network_unchanged_if_refused(network):
    parameters, gradients = network.snapshot(), network.gradients.copy()
    activations = [layer.activation for layer in network.layers]
    try:
        yield
    except BaseException:
        network.restore(parameters)
        network.gradients[...] = gradients
        for layer, activation in zip(network.layers, activations, strict=True):
            layer.activation = activation
        raise
