"""What the estimators need of scikit-learn that has no public name.

Parameter constraints and the decorator that checks them are private in scikit-learn,
but they alone give its error messages and its way of skipping repeated checks in
nested estimators. Whether an estimator has callbacks has no public name either, and
training without any is not to wait for theirs. All such imports stand here, so that
there is one place to mend.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

# Attributes that an estimator has while callbacks follow its fit.
OF_ITS_OWN_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown", "_running")
# And of a fit of what it is a part of, which may send it to another process.
OF_A_FIT = (*OF_ITS_OWN_FIT, "_parent_callback_ctx")

__all__ = [
    "OF_A_FIT",
    "OF_ITS_OWN_FIT",
    "Interval",
    "Options",
    "StrOptions",
    "callbacks_of",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "has_callbacks",
]


def callbacks_of(estimator):
    """Callbacks that are set on an estimator, or propagated to it.

    Parameters
    ----------
    estimator : BaseEstimator
    """
    return list(getattr(estimator, "_skl_callbacks", []))


def has_callbacks(estimator):
    """Whether callbacks are set on an estimator, or propagated to it.

    Parameters
    ----------
    estimator : BaseEstimator
    """
    return bool(getattr(estimator, "_skl_callbacks", None))
