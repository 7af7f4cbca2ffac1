"""What ``fit`` takes in place of a matrix of samples that does not fit in memory."""

from abc import ABC, abstractmethod

from skscratch.training.solvers import find_solver

__all__ = ["DataSource", "check_remote_parameters"]


class DataSource(ABC):
    """Samples that are elsewhere, to be passed to ``fit`` as ``X``.

    It is not converted to an array: a fit asks it for ``RemoteData``.
    """

    @abstractmethod
    def fit_data(
        self, estimator, given, validation, *, dtype, reset, make_targets, class_weight
    ):
        """Validate the data of a fit, and encode its targets.

        Parameters
        ----------
        estimator : BaseScratchMLP
            Gets ``n_features_in_`` and ``feature_names_in_`` if ``reset``, and is
            checked against them otherwise.
        given : tuple of two
            ``y`` and ``sample_weight``, as the user passed them to ``fit``.
        validation : ValidationArguments
        dtype : dtype or sequence of dtype
            Accepted dtypes of the samples; others are converted to the first.
        reset : bool
            Whether this is the first fit.
        make_targets : callable
            ``make_targets(y)`` returns the fitted ``ClassTargets`` or
            ``NumericTargets``.
        class_weight : dict, list of dict, "balanced" or None
            The estimator's parameter.

        Returns
        -------
        data : RemoteData
        kept : None
            There is no mask of the user's rows.
        split : Split or None
            The user's own validation data.
        targets : ClassTargets or NumericTargets

        Raises
        ------
        ValueError
            If data can't be used.
        """


def check_remote_parameters(parameters):
    """Refuse parameters that need all data in memory.

    Parameters
    ----------
    parameters : dict
        The estimator's, each valid by itself.

    Raises
    ------
    ValueError
    """
    solver = parameters["solver"]
    if not find_solver(solver).is_stochastic:
        refused = f"solver={solver!r}"
    elif parameters["validation_split"] is not None:
        refused = "validation_split"
    elif parameters.get("intervals"):
        refused = "intervals=True"
    else:
        return
    raise ValueError(
        f"{refused} needs all data in memory, as arrays: it can't be used for data "
        "that are elsewhere."
    )
