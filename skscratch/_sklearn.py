"""The parts of scikit-learn that the estimators need and that are private.

Parameter constraints and the decorator that checks them are private in scikit-learn,
but only they give its error messages and skip repeated checks in nested estimators.
All such imports are here, so that there is one place to change when they do.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
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


__all__ = [
    "CALLBACK_ATTRIBUTES",
    "FIT_ATTRIBUTES",
    "Interval",
    "Options",
    "RegisteredOptions",
    "Splits",
    "StrOptions",
    "callbacks_of",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "safe_indexing",
    "validate_parameters",
]
