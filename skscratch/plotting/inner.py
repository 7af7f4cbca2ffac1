"""The networks inside of pipelines, searches and other estimators."""

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

__all__ = ["fitted_networks", "require_matplotlib"]

# Attributes in which searches, regressors of transformed targets and meta-estimators
# have the one estimator that they predict with.
FITTED_INSIDE = ("best_estimator_", "regressor_", "estimator_")


def fitted_networks(estimator: Any) -> list[Any]:
    """List the fitted networks, without the pipelines and searches around them.

    Parameters
    ----------
    estimator : estimator or list of estimators

    Returns
    -------
    list of estimators

    Raises
    ------
    ValueError
        If there is none, or one has no losses.
    """
    several = isinstance(estimator, list | tuple)
    networks = [_network_in(item) for item in (estimator if several else [estimator])]
    if not networks:
        raise ValueError("estimator must have at least one estimator, got none.")
    return networks


def _network_in(estimator: Any) -> Any:
    """Find the network in pipelines and meta-estimators, nested to any depth."""
    network = estimator
    while True:
        # scikit-learn checks a pipeline by its last step, which comes next.
        if not isinstance(network, Pipeline):
            check_is_fitted(network)
        if getattr(network, "loss_curve_", None):
            return network
        inner = _inner_estimator(network)
        if inner is None:
            break
        network = inner
    found = repr(network)
    if network is not estimator:
        found = f"{found}, which is in a {type(estimator).__name__},"
    advice = ""
    if hasattr(network, "estimators_"):
        advice = " It has several estimators_: pass a list of those with a loss_curve_."
    raise ValueError(
        "estimator must have a loss_curve_ of at least one epoch, or hold an estimator "
        f"that has one, but {found} has none.{advice}"
    )


def _inner_estimator(estimator: Any) -> Any:
    """Return the one fitted estimator that another one predicts with, or None."""
    if isinstance(estimator, Pipeline):
        last_step = estimator.steps[-1][1] if estimator.steps else None
        return None if isinstance(last_step, str) else last_step
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    # The estimator_ of an ensemble is a template, which is not fitted.
    if hasattr(estimator, "estimators_"):
        return None
    for name in FITTED_INSIDE:
        inner = getattr(estimator, name, None)
        if inner is not None:
            return inner
    if getattr(estimator, "refit", True) is False:
        raise ValueError(
            f"estimator must hold a fitted network, but {type(estimator).__name__} has "
            "refit=False and keeps none: use refit=True."
        )
    return None


def require_matplotlib(name: str) -> None:
    """Refuse to draw without matplotlib, and say what to install.

    Parameters
    ----------
    name : str
        What is to be drawn.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{name} needs matplotlib: pip install 'skscratch[plot]'"
        ) from error
