"""The score of early stopping: accuracy or R², the loss, or a scorer of the user's."""

from skscratch.estimators.attributes import exclusive_fit
from skscratch.estimators.monitor import user_code

__all__ = ["make_scorer"]


def make_scorer(scoring, targets, view, split):
    """Make the score function of a ``Validator``.

    Parameters
    ----------
    scoring : str, callable or None
        The estimator's parameter.
    targets : ClassTargets or NumericTargets
    view : BaseScratchMLP
        Fitted estimator of the network in training.
    split : Split

    Returns
    -------
    callable
        ``score(Z, Y, weights, loss)``

    Raises
    ------
    ValueError
        If there is no such score.
    """
    if scoring is None:
        return targets.score
    if scoring == "loss":
        return _negative_loss
    from sklearn.metrics import check_scoring  # Slow to import: see `_scoring_names`.

    scorer = check_scoring(view, scoring)

    def score(Z, Y, weights, loss):
        data = split.validation_data()
        options = {} if weights is None else {"sample_weight": weights}
        # The scorer can't fit its view of the network in training.
        with user_code(), exclusive_fit(view):
            try:
                value = scorer(view, data.X, data.y, **options)
            except (AttributeError, ValueError) as error:
                # A user's function may raise what it likes; a name is a parameter.
                if not isinstance(scoring, str):
                    raise
                raise ValueError(
                    f"scoring={scoring!r} does not fit {type(view).__name__}: {error}"
                ) from None
            try:
                return float(value)
            except (TypeError, ValueError):
                raise ValueError(
                    f"scoring must return a number, got {value!r}."
                ) from None

    return score


def _negative_loss(Z, Y, weights, loss):
    return -loss
