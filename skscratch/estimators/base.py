"""What the classifier and the regressor share: ``fit`` from end to end, and copies.

The steps of a fit are elsewhere: validation of data in ``validation``, options in
``config``, runs and their result in ``fitting``, training in ``skscratch.training``.
"""

import copy
import warnings
from abc import ABCMeta, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from skscratch._sklearn import CALLBACK_ATTRIBUTES, FIT_ATTRIBUTES, fit_context
from skscratch.backends.choice import current_choice, requested_backend
from skscratch.estimators.attributes import (
    LayerViews,
    bias_views,
    feature_attributes,
    one_fit_at_a_time,
    output_function,
    rollback_on_error,
    shallow_copy,
    training_rollback,
    weight_views,
)
from skscratch.estimators.config import (
    check_streams,
    resolve_config,
    with_training_rows,
)
from skscratch.estimators.fitting import (
    FitResult,
    PreviousRun,
    fit_runs,
    joint_network,
    make_runs,
    network_attributes,
)
from skscratch.estimators.monitor import FitMonitor, UserCodeError
from skscratch.estimators.parameters import (
    CONSTRAINTS,
    check_checkpoints,
    check_combinations,
)
from skscratch.estimators.scoring import make_scorer
from skscratch.estimators.sources import check_remote_parameters
from skscratch.estimators.splitting import ValidationArguments, read_splits
from skscratch.estimators.validation import (
    can_skip_validation,
    validate_fit_data,
    validate_prediction_data,
)
from skscratch.estimators.workers import find_workers
from skscratch.nn.network import Network
from skscratch.nn.predictor import SMALL_INPUT, WORTH_LOADING, Predictor
from skscratch.nn.stack import Stack
from skscratch.training.history import with_arrays, with_lists
from skscratch.version import __version__

__all__ = ["BaseScratchMLP", "copy_as_saved", "fitted_state"]

# Fitted attributes that only some fits set, and that members of an ensemble lack.
OPTIONAL_ATTRIBUTES = ("estimators_", "temperature_", "interval_model_")
# Fitted attributes that grow with each epoch.
CURVES = (
    *("loss_curve_", "learning_rate_curve_"),
    *("validation_scores_", "validation_loss_curve_"),
)


class BaseScratchMLP(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of the multilayer perceptrons; use one of its subclasses.

    A subclass defines what its targets are, by ``_make_targets``, and its parameters.
    """

    _parameter_constraints: dict = CONSTRAINTS

    # Fitted attributes: see `FitResult`, which sets them.
    network_: Network
    estimators_: list[Self]
    n_iter_: int
    t_: int
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    learning_rate_curve_: list[float] | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    best_epoch_: int | None
    is_interrupted_: bool
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_features_in_: int

    @abstractmethod
    def _make_targets(self, y, previous, classes, is_incremental):
        """Learn the targets, or check them against those of an earlier call.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        previous : ClassTargets, NumericTargets or None
            Targets of the call to continue from.
        classes : array-like or None
            As passed to ``partial_fit``.
        is_incremental : bool
            Whether the call is ``partial_fit``.

        Returns
        -------
        ClassTargets or NumericTargets
        """

    @one_fit_at_a_time
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the model to data matrix X and target(s) y.

        Training starts from new weights unless ``warm_start=True``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples. Training works best on standardized features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each sample; None means 1 for each. A batch's
            weighted loss and its L2 term are divided by its number of samples times
            the mean weight. Where one batch holds all samples, a sample of weight 2
            counts like the sample twice. Samples of weight 0 are left out before
            anything else.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Samples for early stopping. None sets ``validation_fraction`` of the
            training data aside, or the rows that ``validation_split`` names.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of ``X_val``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of ``X_val`` in the score; None means 1 for each.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample, for a ``validation_split`` such as ``GroupKFold(5)``,
            which keeps groups together.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data or parameters are invalid, or training diverges in its first epoch.
            The estimator is left unchanged.
        """
        validation = ValidationArguments(X_val, y_val, sample_weight_val, groups)
        return self._fit((X, y, sample_weight), validation)

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if hasattr(self, "network_") and not get_config()["skip_parameter_validation"]:
            # scikit-learn does not validate the parameters of a fitted estimator.
            self._validate_params()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, which needs all "
                "data at once: use fit, or early_stopping=False."
            )
        given, validation = (X, y, sample_weight), ValidationArguments()
        return self._fit(given, validation, is_incremental=True, classes=classes)

    def _supports_streams(self):
        """Whether there is ``partial_fit``; the error says why not."""
        check_streams(self.solver, self.learning_rate)
        return True

    def _fit(
        self,
        given,
        validation,
        *,
        is_incremental=False,
        classes=None,
    ):
        """Fit, and leave the estimator as it was if the call is refused."""
        parameters = self.get_params(deep=False)
        previous = self._previous_runs() if self.warm_start or is_incremental else []
        with rollback_on_error(self, keep=parameters), training_rollback(previous):
            check_combinations(parameters, validation)
            check_checkpoints(parameters, self._callbacks(), is_incremental)
            error = self._fit_with_callbacks(
                parameters, given, validation, previous, is_incremental, classes
            )
        # Raised outside the rollback: finished epochs are kept.
        if error is not None:
            raise error
        return self

    # The rollback is outside: the teardown of callbacks needs their attributes.
    @with_callbacks
    def _fit_with_callbacks(
        self, parameters, given, validation, previous, is_incremental, classes
    ):
        """Fit; return the error of a callback or scorer that ended it, or None."""
        # A copy: until there is a new network, the old one may be predicted with.
        checked = copy.copy(self)
        runs, splits, targets = checked._make_runs(
            parameters, given, validation, previous, is_incremental, classes
        )
        shared = feature_attributes(checked)
        if previous:
            shared["out_activation_"] = self.out_activation_
        monitor = FitMonitor(
            self,
            self._init_callback_context,
            self._callbacks(),
            lambda runs: self._snapshot(FitResult(runs, targets)),
            given,
            feature_names=shared.get("feature_names_in_"),
        )
        if self._callbacks():
            # Callbacks predict with the network in training, not with an old one.
            network = joint_network([run.network for run in runs])
            self._publish(network_attributes(network, targets) | shared)
        workers = None
        if len(runs) > 1 and not previous:
            make_scorer = checked._unfitted()._make_scorer
            workers = find_workers(runs, monitor, splits, targets, make_scorer)
        result = fit_runs(runs, targets, monitor, workers)
        if result.error is None:
            shared |= self._more_attributes(
                runs[0].data, splits, is_interrupted=result.is_interrupted
            )
        earlier = vars(self) if is_incremental and previous else None
        self._publish(result.attributes(checked._member, earlier) | shared)
        if result.error is not None:
            return result.error
        try:
            monitor.end_fit(self._copy_fitted)
        except UserCodeError as caught:
            return caught.error
        return None

    def _make_runs(
        self, parameters, given, validation, previous, is_incremental, classes
    ):
        """Validate data and parameters, and make the runs of a fit.

        Returns
        -------
        runs : list of TrainingRun
        splits : list of Split
            The user's own.
        targets : ClassTargets or NumericTargets
        """
        old_targets = self._targets if previous else None
        data, kept, split, targets = validate_fit_data(
            self,
            given,
            validation,
            dtype=self._accepted_dtypes(previous),
            reset=not previous,
            make_targets=lambda y: self._make_targets(
                y, old_targets, classes, is_incremental
            ),
            class_weight=parameters.get("class_weight"),
        )
        if not data.is_in_memory:
            check_remote_parameters(parameters)
        config = resolve_config(
            parameters,
            data,
            targets,
            split=split,
            is_incremental=is_incremental,
            backend=requested_backend(vars(self).get("_backend")),
        )
        splits = [] if split is None else [split]
        own = parameters["validation_split"]
        if own is not None:
            # Last, so that a refused call draws nothing from a splitter.
            n_splits = 1 if config.share_batches else config.n_estimators
            splits = read_splits(own, n_splits, data, given, validation.groups, kept)
            n_training = len(splits[0].training_rows)
            config = with_training_rows(config, parameters, n_training)
        runs = make_runs(
            config,
            data,
            splits,
            targets,
            parameters["random_state"],
            previous,
            self._make_scorer,
        )
        return runs, splits, targets

    def _more_attributes(self, data, splits, *, is_interrupted):
        """Fitted attributes of a subclass, by name.

        Parameters
        ----------
        data : FitData
        splits : list of Split
            The user's own.
        is_interrupted : bool
            Whether the user has interrupted the fit.
        """
        return {}

    def _callbacks(self):
        return getattr(self, "_skl_callbacks", [])

    def _previous_runs(self):
        """Networks and states to continue from; none before the first fit."""
        if "network_" not in vars(self):
            return []
        if "estimators_" not in vars(self):
            state = self._training
            if state is not None:  # Users may have set its attributes.
                state = state.with_attributes(vars(self))
            return [PreviousRun(self.network_, state, None)]
        # Copies: if the call is refused, the old ones still stand.
        return [
            PreviousRun(
                copy.deepcopy(member.network_), member._training, member.random_state
            )
            for member in self.estimators_
        ]

    def _accepted_dtypes(self, previous):
        """Dtypes that features may have; others are converted to the first."""
        if previous:
            return previous[0].network.dtype
        return (np.float64, np.float32) if self.dtype == "auto" else self.dtype

    def _publish(self, attributes):
        """Set the fitted attributes, and remove those left from an earlier fit."""
        self.__dict__.update(attributes)
        for name in (*OPTIONAL_ATTRIBUTES, "feature_names_in_"):
            if name not in attributes:
                self.__dict__.pop(name, None)

    def _snapshot(self, result):
        """Fitted attributes as if training had stopped now."""
        return result.snapshot().attributes(self._member)

    def _member(self, attributes, seed=None):
        """Fitted estimator of one network.

        Parameters
        ----------
        attributes : dict
            Its fitted attributes.
        seed : int, default=None
            Seed of a member of an ensemble; None means a network on its own.
        """
        member = copy.copy(self)
        for name in (*OPTIONAL_ATTRIBUTES, "_skl_callbacks"):
            member.__dict__.pop(name, None)
        if seed is not None:
            member.n_estimators, member.random_state = 1, seed
        member.__dict__.update(attributes)
        return member

    def _make_scorer(self, targets, network, split, seed):
        """Score function of a ``Validator``, as the parameter ``scoring`` says."""
        view = self._member(network_attributes(network, targets), seed)
        # Scorers get arrays, which have no feature names.
        view.__dict__.pop("feature_names_in_", None)
        return make_scorer(self.scoring, targets, view, split)

    def _unfitted(self):
        """Copy for workers: without networks, and without the rows of splits."""
        new = shallow_copy(self)
        new.__dict__ = self.get_params(deep=False) | feature_attributes(self)
        new.validation_split = None
        if "_backend" in vars(self):
            new._backend = self._backend
        return new

    def _copy_fitted(self):
        fitted = {k: v for k, v in vars(self).copy().items() if k.endswith("_")}
        return copy.deepcopy(fitted)

    def _fitted_view(self):
        """Shallow copy to predict with, which a fit in another thread leaves alone."""
        view = shallow_copy(self)
        if "network_" not in vars(view):
            check_is_fitted(self)
        if view.out_activation_ != view.network_.output:  # Set by the user.
            output = output_function(view.out_activation_)
            view._targets = view._targets._replace(output=output)
        return view

    def _raw_outputs(self, X, finish=None):
        """Raw outputs for a user's samples, or what ``finish`` makes of them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        finish : callable, default=None
            Computes predictions from raw outputs, both (n_outputs, n_samples).

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        X = self._validated(X)
        temperature = vars(self).get("temperature_", 1.0)
        backend = "numpy"
        if X.shape[0] > SMALL_INPUT:
            backend = self._prediction_backend(X.shape[0])
        predictor = Predictor(self.network_, temperature, backend)
        return predictor.raw_outputs(X, finish=finish)

    def _prediction_backend(self, n_samples):
        """Backend that is asked for, or else that of the fit, for large predictions."""
        requested = requested_backend(vars(self).get("_backend"))
        if requested != "auto":
            return requested
        if n_samples * self.network_.parameters.size < WORTH_LOADING:
            return "numpy"
        members = vars(self).get("estimators_") or [self]
        training = vars(members[0]).get("_training")
        return "numpy" if training is None else training.backend

    def _validated(self, X):
        """Samples to predict, as the network takes them."""
        dtype, has_names = self.network_.dtype, "feature_names_in_" in vars(self)
        if has_names or not can_skip_validation(X, dtype, self.n_features_in_):
            X = validate_prediction_data(self, X, dtype)
        return X

    @property
    def coefs_(self) -> LayerViews:
        """Weights of each layer, (fan_in, fan_out): views into the network."""
        check_is_fitted(self)
        return weight_views(self.network_)

    @coefs_.setter
    def coefs_(self, arrays: Any) -> None:
        self.coefs_.assign("coefs_", arrays)

    @property
    def intercepts_(self) -> LayerViews:
        """Biases of each layer, (fan_out,): views into the network."""
        check_is_fitted(self)
        return bias_views(self.network_)

    @intercepts_.setter
    def intercepts_(self, arrays: Any) -> None:
        self.intercepts_.assign("intercepts_", arrays)

    def _is_stacked(self):
        """Whether the members' networks are rows of ``network_``, as fit left them."""
        members = vars(self).get("estimators_")
        return members is not None and [
            member.network_.parameters.ctypes.data for member in members
        ] == [row.ctypes.data for row in self.network_.parameters]

    def __sklearn_clone__(self):
        """Unfitted copy, which carries a choice of ``set_backend`` along."""
        new = super().__sklearn_clone__()
        choice = current_choice(vars(self).get("_backend"))
        if choice is not None:
            new._backend = choice
        return new

    def __getstate__(self):
        """State to pickle: after ``fit``, without the optimizer.

        The optimizer's state is two or three times as large as the weights, and only
        ``partial_fit`` needs it. After ``partial_fit`` it is kept, and a loaded
        estimator continues exactly.
        """
        # A copy: the base class may return the estimator's own dict.
        state, training = dict(super().__getstate__()), vars(self).get("_training")
        for name in CALLBACK_ATTRIBUTES:  # A copy is not being fitted.
            state.pop(name, None)
        choice = state.get("_backend")
        # Candidates of a search take it to worker processes. Fitted models are saved.
        if choice is not None and ("network_" in state or not choice.holds):
            del state["_backend"]
        if self._is_stacked():  # The stack is made of the members' networks.
            del state["network_"]
        lists, state = state, with_arrays(state, CURVES)
        if training is not None:
            if not training.is_incremental:
                training = training.without_optimizer()
            # Its histories are the curves: each is saved once.
            arrays = {id(lists[name]): state[name] for name in CURVES if name in state}
            state["_training"] = training.sharing(arrays)
        return state | {"_skscratch_version": __version__}

    def __setstate__(self, state):
        """Restore a pickled state, with a warning if another version wrote it."""
        state = with_lists(state, CURVES)
        version = state.pop("_skscratch_version", "an unknown version")
        if version != __version__:
            warnings.warn(
                f"{type(self).__name__} was pickled by skscratch {version} and is "
                f"loaded by {__version__}: it may not work, or not as it did. Load it "
                "with the version that wrote it, or fit it again.",
                stacklevel=2,
            )
        super().__setstate__(state)
        if "estimators_" in state and "network_" not in state:
            self.network_ = Stack([member.network_ for member in self.estimators_])

    def __copy__(self):
        new = shallow_copy(self)
        # A copy is not being fitted, though callbacks may make it in a fit.
        for name in FIT_ATTRIBUTES:
            new.__dict__.pop(name, None)
        return new

    def __deepcopy__(self, memo):
        new = memo[id(self)] = object.__new__(type(self))
        kept = {
            name: value
            for name, value in vars(self).copy().items()
            if name not in CALLBACK_ATTRIBUTES
        }
        new.__dict__.update(copy.deepcopy(kept, memo))
        if self._is_stacked():
            new.network_ = Stack([member.network_ for member in new.estimators_])
        return new

    def __sklearn_is_fitted__(self):
        return "network_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def fitted_state(estimator: BaseScratchMLP) -> tuple[Any, Any]:
    """Return what a fit keeps beside the public attributes.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Fitted.

    Returns
    -------
    targets : ClassTargets or NumericTargets
    training : TrainingState or None
        What ``partial_fit`` and warm starts continue from. None for an ensemble, and
        for a solver that takes all samples at once.
    """
    return estimator._targets, estimator._training


def copy_as_saved(estimator: BaseScratchMLP, memo: dict[int, Any]) -> BaseScratchMLP:
    """Copy an estimator; as in a pickle, without an optimizer that ``fit`` left.

    ``partial_fit`` of the copy does the same whether the estimator has been saved in
    the meantime or not.

    Parameters
    ----------
    estimator : BaseScratchMLP
        Fitted.
    memo : dict
        Of ``copy.deepcopy``: objects not to copy, by their id.

    Returns
    -------
    BaseScratchMLP
    """
    new = copy.deepcopy(estimator, memo)
    for each in [new, *vars(new).get("estimators_", [])]:
        training = each._training
        if training is not None and not training.is_incremental:
            each._training = training.without_optimizer()
    return new
