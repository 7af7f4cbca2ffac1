"""The parts of scikit-learn that the estimators need and that are private.

Parameter constraints and the decorator that checks them are private in scikit-learn,
but only they give its error messages and skip repeated checks in nested estimators.
All such imports are here, so that there is one place to change when they do.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

# Attributes that scikit-learn gives an estimator while callbacks follow its fit.
CALLBACK_ATTRIBUTES = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
# Likewise while it is part of another estimator's fit, which may copy it.
FIT_ATTRIBUTES = (*CALLBACK_ATTRIBUTES, "_parent_callback_ctx")

__all__ = [
    "CALLBACK_ATTRIBUTES",
    "FIT_ATTRIBUTES",
    "Interval",
    "Options",
    "StrOptions",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
]
