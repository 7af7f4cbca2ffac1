"""Base class of the hedged ensembles, which blend networks of several kinds.

No single encoding of numbers suits all tables. A hedged ensemble trains members of
several kinds, each with its own encoding, and learns the weight of each kind on
held-out rows. The kinds are in ``kinds``, the training in ``rounds``, and the
preparation of a table's columns in ``columns``.
"""

import numbers
import time
from abc import ABCMeta, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from skscratch._sklearn import (
    Interval,
    RegisteredOptions,
    StrOptions,
    fit_context,
    validate_parameters,
)
from skscratch.estimators.attributes import (
    feature_attributes,
    one_fit_at_a_time,
    shallow_copy,
)
from skscratch.estimators.base import fitted_state
from skscratch.estimators.parameters import check_combinations
from skscratch.estimators.splitting import ValidationArguments
from skscratch.estimators.validation import (
    validate_fit_data,
    validate_prediction_data,
)
from skscratch.tabular.deadline import Deadline
from skscratch.tabular.kinds import KINDS
from skscratch.tabular.members import Members
from skscratch.tabular.preparation import Prepared, refuse_inputs
from skscratch.tabular.rounds import EFFORTS, Hedge, Rounds, blended
from skscratch.training.data import FitData
from skscratch.training.solvers import find_solver

__all__ = ["CONSTRAINTS", "BaseHedge"]

# Constraints of the parameters that both classes share.
CONSTRAINTS: dict[str, list[Any]] = {
    "kinds": [StrOptions({"auto"}), "array-like"],
    "effort": [RegisteredOptions(lambda: EFFORTS)],
    "time_limit": [Interval(numbers.Real, 0, None, closed="neither"), None],
}
OPTIONAL_ATTRIBUTES = ("feature_names_in_", "interval_encoder_", "interval_model_")


class BaseHedge(BaseEstimator, metaclass=ABCMeta):
    """Base class of the hedged ensembles; use one of its subclasses.

    A subclass validates its targets and scores its predictions.
    """

    # The table pipeline passes them, whatever metadata the user requests.
    __metadata_request__fit = {"started": True, "stream": True}

    members_: list[Members]
    weights_: NDArray[np.float64]
    n_features_in_: int
    is_interrupted_: bool

    def __init__(
        self,
        estimator: Any = None,
        *,
        kinds: Any = "auto",
        effort: str = "default",
        time_limit: float | None = None,
    ) -> None:
        self.estimator = estimator
        self.kinds = kinds
        self.effort = effort
        self.time_limit = time_limit

    @one_fit_at_a_time
    @fit_context(prefer_skip_nested_validation=False)
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
        started: float | None = None,
        stream: Any = None,
    ) -> Self:
        """Train members of each kind and learn the weights of the kinds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, without missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative sample weights, used in training and for everything learned on
            held-out samples. None means equal weights.
        X_val : array-like of shape (n_val, n_features), default=None
            Validation samples. None holds out folds of the training data, or the rows
            given by the estimator's ``validation_split``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of ``X_val``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of ``X_val``.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample, for a ``validation_split`` such as ``GroupKFold(5)``.
        started : float, default=None
            Start of ``time_limit``, as returned by ``time.monotonic``; None means now.
        stream : Stream, default=None
            Rows to train on, of which ``X`` is a sample; for the pipeline of a recipe.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If data or parameters are invalid, or training diverges in its first epoch.
            The estimator stays unchanged.
        """
        started = time.monotonic() if started is None else started
        validation = ValidationArguments(X_val, y_val, sample_weight_val, groups)
        if stream is not None:
            validation = stream.validation() or validation
        template = self._template()
        validate_parameters(template)
        refuse_inputs(X)
        check_combinations(template.get_params(deep=False), validation)
        # A copy: this estimator can predict until the fit has ended.
        checked = shallow_copy(self)
        attributes, error = checked._train(
            template, (X, y, sample_weight), validation, started, stream
        )
        kept = {k: v for k, v in vars(self).items() if k not in OPTIONAL_ATTRIBUTES}
        # A single assignment: another thread may be predicting.
        self.__dict__ = kept | attributes
        # Keep what was trained before the error.
        if error is not None:
            raise error
        return self

    def _train(
        self, template: Any, given: Any, validation: Any, started: float, stream: Any
    ) -> tuple[dict[str, Any], Exception | None]:
        """Fit; return the fitted attributes and the error that ended training."""
        effort = EFFORTS[self.effort]
        n_splits = sum(effort.members(template.n_estimators))
        classes = None if stream is None else stream.classes
        prepared = self._prepare(template, given, validation, n_splits, classes)
        if stream is not None:
            prepared = prepared._replace(data=prepared.data._replace(stream=stream))
            if "scaler_" in vars(self):
                stream.scalers = [self.scaler_]
        # Its splits have been read. An iterator could be neither read again nor copied.
        template = shallow_copy(template)
        template.validation_split = None
        members = [
            Members(
                name,
                template,
                prepared.data,
                prepared.rng.randint(np.iinfo(np.int32).max),
                self._scaler_of(name, prepared),
            )
            for name in self._kind_names(prepared)
        ]
        rounds = Rounds(
            template,
            members,
            prepared.data,
            self._make_judge(template, prepared),
            effort,
            prepared.rng,
            Deadline(self.time_limit, started, self._training_share(template)),
        )
        hedge = rounds.train()
        deadline = Deadline(self.time_limit, started)
        attributes = {
            **feature_attributes(self),
            "members_": hedge.members,
            "weights_": hedge.weights,
            "is_interrupted_": hedge.is_interrupted,
            **self._attributes_of_task(template, prepared, hedge, deadline),
        }
        return attributes, hedge.error

    def template(self) -> Any:
        """Network with the parameters of all members.

        Returns
        -------
        ScratchMLPClassifier or ScratchMLPRegressor
        """
        return self._template()

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any) -> Self:
        """Train copies of all members for an epoch, and then keep them."""
        fitted = self._fitted_view()
        refuse_inputs(X)
        data = fitted._validate_further(X, y, sample_weight, classes)
        members = [
            members.trained_further(data.X, data.y, data.weights)
            for members in fitted.members_
        ]
        # A single assignment: another thread may be predicting.
        self.members_ = members
        return self

    def _validate_further(
        self, X: Any, y: Any, sample_weight: Any, classes: Any
    ) -> FitData:
        """Validate the data of ``partial_fit`` against those of ``fit``.

        Returns
        -------
        FitData
            Its ``y`` are the targets for the members.
        """
        network = self.members_[0].networks[0]
        data, *_ = validate_fit_data(
            self,
            (X, y, sample_weight),
            ValidationArguments(),
            dtype=self._accepted_dtypes(),
            reset=False,
            make_targets=lambda y: _checked_targets(network, y, classes),
        )
        return data

    def _supports_streams(self) -> bool:
        """Whether there is ``partial_fit``; the error says why not."""
        if "members_" not in vars(self):
            raise AttributeError(
                "partial_fit needs a fitted model, as fit learns the encoding of the "
                "samples: call fit first, on samples that represent those to come."
            )
        solver = self.members_[0].networks[0].solver
        if not find_solver(solver).is_stochastic:
            raise AttributeError(
                "partial_fit is only available for stochastic solvers, got "
                f"solver={solver!r}."
            )
        return True

    @abstractmethod
    def _template(self) -> Any:
        """Network whose parameters the members use unless their kind overrides them."""

    @abstractmethod
    def _prepare(
        self,
        template: Any,
        given: Any,
        validation: Any,
        n_splits: int,
        classes: Any,
    ) -> Prepared:
        """Validate the data of ``fit``; see ``prepare``.

        ``classes`` are the labels that may occur, or None if ``y`` has all of them.
        """

    @abstractmethod
    def _make_judge(self, template: Any, prepared: Prepared) -> Any:
        """Judge of held-out predictions."""

    @abstractmethod
    def _attributes_of_task(
        self, template: Any, prepared: Prepared, hedge: Hedge, deadline: Deadline
    ) -> Any:
        """Fitted attributes of a subclass, by name."""

    def _training_share(self, template: Any) -> float:
        """Share of the time limit available for training the members."""
        return 1.0

    def _is_applicable(self, name: str, prepared: Prepared) -> bool:
        """Return whether a kind suits these targets."""
        return not KINDS[name].logs_targets

    def _scaler_of(self, name: str, prepared: Prepared) -> Any:
        """Target scaler of a kind, or None."""
        return None

    def _kind_names(self, prepared: Prepared) -> list[str]:
        """Kinds to train; without held-out rows, only the first one that suits."""
        names = list(KINDS)
        if not isinstance(self.kinds, str):
            names = list(self.kinds)
            are_known = all(isinstance(n, str) and n in KINDS for n in names)
            if not names or not are_known or len(set(names)) < len(names):
                raise ValueError(
                    "kinds must be 'auto' or a sequence of different names among "
                    f"{list(KINDS)}, got {self.kinds!r}."
                )
        suitable = [name for name in names if self._is_applicable(name, prepared)]
        if not suitable:
            raise ValueError(
                f"kinds={self.kinds!r} has no kind that suits these targets."
            )
        return suitable[:1] if prepared.data.holds_nothing_out else suitable

    @property
    def estimator_(self) -> Any:
        """Networks of the kind with the largest weight, from the first round."""
        check_is_fitted(self)
        return self.members_[int(np.argmax(self.weights_))].networks[0]

    def _fitted_view(self) -> Self:
        """Shallow copy for prediction that a fit in another thread can't change."""
        check_is_fitted(self)
        return shallow_copy(self)

    def _blend(self, X: Any) -> NDArray[np.float64]:
        """Blend the members' predictions."""
        refuse_inputs(X)
        X = validate_prediction_data(self, X, self._accepted_dtypes())
        # Matrix products round differently for another memory layout.
        X = np.ascontiguousarray(X)
        predictions = [members.predict(X) for members in self.members_]
        return blended(predictions, self.weights_)

    def _accepted_dtypes(self) -> Any:
        """Dtypes that samples may have; others are converted to the first."""
        is_single = self.members_[0].encoder.dtype == "float32"
        return np.float32 if is_single else (np.float64, np.float32)

    def __sklearn_is_fitted__(self) -> bool:
        return "members_" in vars(self)


def _checked_targets(network: Any, y: Any, classes: Any) -> Any:
    """Targets of a fitted network, after a check of further ones."""
    targets, _ = fitted_state(network)
    if is_classifier(network):
        targets.check_later(y, classes, is_incremental=True)
    else:
        targets.check_later(y, targets.given_loss)
    return targets
