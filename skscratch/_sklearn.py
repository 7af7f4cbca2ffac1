"""The parts of scikit-learn that the estimators need and that are private.

Parameter constraints and the decorator that checks them are private in scikit-learn,
but only they give its error messages and skip repeated checks in nested estimators.
All such imports are here, so that there is one place to change when they do.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    make_constraint,
)
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Decorator for ``fit`` that validates the estimator's parameters first.

    Parameters
    ----------
    prefer_skip_nested_validation : bool
        Whether to skip the validation of nested estimators.
    """
    decorator: Callable[[Method], Method] = _fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


class RegisteredOptions(StrOptions):
    """Constraint: a name in a registry as it is at the moment, or a record itself.

    Parameters
    ----------
    names : callable
        ``names()`` returns the names that are registered at the moment.
    accepts : callable, default=None
        ``accepts(value)`` returns whether another value is valid.
    description : str, default=""
        Of the other values, for the error message.
    """

    def __init__(self, names, accepts=None, description=""):
        self.type, self.deprecated, self.hidden = str, set(), False
        self._names, self._accepts = names, accepts
        self._description = description

    @property
    def options(self):
        """Names in the registry."""
        return set(self._names())

    def is_satisfied_by(self, val):
        """Return whether a value is valid."""
        if isinstance(val, str) and val in self.options:
            return True
        return self._accepts is not None and bool(self._accepts(val))

    def __str__(self):
        names = ", ".join(repr(name) for name in sorted(self.options))
        return f"a str among {{{names}}}{self._description}"


class Splits(HasMethods):
    """Constraint: a splitter, or an iterable of pairs of row indices.

    The pairs themselves are checked when they are read.
    """

    def __init__(self):
        self.methods, self.hidden = ["split", "get_n_splits"], False

    def is_satisfied_by(self, val):
        """Return whether a value is valid."""
        if isinstance(val, (str, bytes, type)):
            return False
        return super().is_satisfied_by(val) or np.iterable(val)

    def __str__(self):
        return (
            "a splitter of scikit-learn such as KFold(5), an iterable of pairs of row "
            "indices, (train, test),"
        )


# Attributes that scikit-learn gives an estimator while callbacks follow its fit.
CALLBACK_ATTRIBUTES = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
# Likewise while it is part of another estimator's fit, which may copy it.
FIT_ATTRIBUTES = (*CALLBACK_ATTRIBUTES, "_parent_callback_ctx")


def validate_parameters(estimator: Any) -> None:
    """Validate the parameters of an estimator that is part of another one.

    Its own ``fit`` would do it later, after the parameters have been used.

    Parameters
    ----------
    estimator : BaseEstimator

    Raises
    ------
    ValueError
        If one is invalid.
    """
    estimator._validate_params()


def callbacks_of(estimator: Any) -> list[Any]:
    """List the callbacks of an estimator, which scikit-learn has no public way to read.

    Parameters
    ----------
    estimator : BaseEstimator

    Returns
    -------
    list
    """
    return list(getattr(estimator, "_skl_callbacks", []))


def accepts_parameter(estimator: Any, name: str, value: Any) -> bool:
    """Return whether an estimator's constraints allow a value of a parameter.

    Parameters
    ----------
    estimator : BaseEstimator
        Or its class.
    name : str
    value : object

    Returns
    -------
    bool
    """
    constraints = map(make_constraint, estimator._parameter_constraints[name])
    return any(constraint.is_satisfied_by(value) for constraint in constraints)


class MLPOptimizer(NamedTuple):
    """State of the optimizer of scikit-learn's multilayer perceptron.

    Attributes
    ----------
    solver : str
        Name of the solver: Adam has two moments, gradient descent has one.
    moments : list of list of ndarray
        Adam's two moments, or the velocity: for each, arrays of the shapes of the
        weights and then of the biases.
    n_steps : int
        Number of Adam's steps so far.
    rate : float
        Learning rate of the next step.
    """

    solver: str
    moments: list[list[Any]]
    n_steps: int
    rate: float


def read_mlp_training(mlp: Any) -> tuple[int, MLPOptimizer | None]:
    """Read what scikit-learn's multilayer perceptron continues its training from.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Fitted by a stochastic solver.

    Returns
    -------
    no_improvement : int
        Number of epochs without improvement.
    optimizer : MLPOptimizer or None
    """
    from sklearn.neural_network._stochastic_optimizers import (
        AdamOptimizer,
        SGDOptimizer,
    )

    count = getattr(mlp, "_no_improvement_count", 0)
    optimizer = getattr(mlp, "_optimizer", None)
    if isinstance(optimizer, AdamOptimizer):
        # Its `learning_rate` has the correction of the bias in it.
        moments, rate = [optimizer.ms, optimizer.vs], optimizer.learning_rate_init
        return count, MLPOptimizer("adam", moments, optimizer.t, rate)
    if isinstance(optimizer, SGDOptimizer):
        moments, rate = [optimizer.velocities], optimizer.learning_rate
        return count, MLPOptimizer("sgd", moments, 0, rate)
    return count, None


def write_mlp_training(
    mlp: Any, no_improvement: int, optimizer: MLPOptimizer | None
) -> None:
    """Set what scikit-learn's multilayer perceptron continues its training from.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        With weights, biases and the parameters of the optimizer.
    no_improvement : int
        Number of epochs without improvement.
    optimizer : MLPOptimizer or None
        None means that ``partial_fit`` begins with a new one.
    """
    from sklearn.neural_network._stochastic_optimizers import (
        AdamOptimizer,
        SGDOptimizer,
    )

    mlp._no_improvement_count = no_improvement
    # The same lists, as a fit with early stopping leaves them: the next call returns to
    # these weights, as trained further, if none of its epochs is better.
    mlp._best_coefs, mlp._best_intercepts = mlp.coefs_, mlp.intercepts_
    if optimizer is None:
        return
    params = [*mlp.coefs_, *mlp.intercepts_]
    state: Any
    if len(optimizer.moments) == 2:
        state = AdamOptimizer(
            params, mlp.learning_rate_init, mlp.beta_1, mlp.beta_2, mlp.epsilon
        )
        state.ms, state.vs = optimizer.moments
        state.t = optimizer.n_steps
    else:
        state = SGDOptimizer(
            params,
            mlp.learning_rate_init,
            mlp.learning_rate,
            mlp.momentum,
            mlp.nesterovs_momentum,
            mlp.power_t,
        )
        (state.velocities,) = optimizer.moments
        state.learning_rate = optimizer.rate
    mlp._optimizer = state


def read_mlp_binarizer(mlp: Any) -> Any:
    """Return the LabelBinarizer of a fitted MLPClassifier.

    Parameters
    ----------
    mlp : MLPClassifier

    Returns
    -------
    LabelBinarizer
    """
    return mlp._label_binarizer


def write_mlp_binarizer(mlp: Any, binarizer: Any) -> None:
    """Set the LabelBinarizer of an MLPClassifier.

    Parameters
    ----------
    mlp : MLPClassifier
    binarizer : LabelBinarizer
        Fitted.
    """
    mlp._label_binarizer = binarizer


__all__ = [
    "CALLBACK_ATTRIBUTES",
    "FIT_ATTRIBUTES",
    "Interval",
    "MLPOptimizer",
    "Options",
    "RegisteredOptions",
    "Splits",
    "StrOptions",
    "accepts_parameter",
    "callbacks_of",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "read_mlp_binarizer",
    "read_mlp_training",
    "safe_indexing",
    "validate_parameters",
    "write_mlp_binarizer",
    "write_mlp_training",
]
