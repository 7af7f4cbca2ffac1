"""What ``fit`` takes in place of a matrix of samples that does not fit in memory."""

from abc import ABC, abstractmethod
from typing import Any

from skscratch.training.solvers import find_solver

__all__ = ["DataSource", "TableSample", "check_remote_parameters"]


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

    def validation_split(self, estimator, given, dtype, targets):
        """Validate data that were passed to ``fit`` as ``X_val``.

        Parameters
        ----------
        estimator : BaseScratchMLP
            Has the attributes of the features that it is fitted on.
        given : tuple of two
            ``y_val`` and ``sample_weight_val``, as the user passed them.
        dtype : dtype
            Of the training samples.
        targets : ClassTargets or NumericTargets

        Returns
        -------
        Split
            Of these data; its rows are None. The samples may be anything that has a
            shape and gives slices, from the first on, as arrays.

        Raises
        ------
        ValueError
            If data can't be used.
        """
        raise ValueError(f"X_val can't be {type(self).__name__}: pass an array.")

    def prediction_samples(self, estimator, dtype):
        """Samples to predict.

        Parameters
        ----------
        estimator : BaseScratchMLP
            Fitted.
        dtype : dtype
            Of the network.

        Returns
        -------
        object
            An array, or what ``validation_split`` may have for one.

        Raises
        ------
        ValueError
            If data can't be used.
        """
        raise ValueError(f"X can't be {type(self).__name__}: pass an array.")

    def scored_data(self, estimator, y, sample_weight):
        """Data to score predictions on.

        Parameters
        ----------
        estimator : BaseScratchMLP
            Fitted.
        y, sample_weight
            As the user passed them to ``score``.

        Returns
        -------
        X : DataSource
            To be passed to ``predict``.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : ndarray of shape (n_samples,) or None

        Raises
        ------
        ValueError
            If data can't be used.
        """
        raise ValueError(f"X can't be {type(self).__name__}: pass an array.")

    def table_sample(self, estimator, given, names, n_rows, random_state):
        """Sample rows of a table of mixed columns, in one pass over all of them.

        Parameters
        ----------
        estimator : estimator
            A classifier or a regressor.
        given : tuple of two
            Targets and weights, as the user passed them to ``fit``.
        names : tuple of two
            The parameters of ``fit`` that they were passed as.
        n_rows : int
            Number of rows to sample.
        random_state : RandomState

        Returns
        -------
        TableSample

        Raises
        ------
        ValueError
            If data can't be used.
        """
        raise ValueError(f"X can't be {type(self).__name__}: pass a table.")

    def tables(self, estimator):
        """Read all rows, as one table after the other.

        Parameters
        ----------
        estimator : estimator
            Fitted to a table.

        Yields
        ------
        DataFrame
            With the columns of the fit, as far as there are any.

        Raises
        ------
        ValueError
            If data can't be used.
        """
        raise ValueError(f"X can't be {type(self).__name__}: pass a table.")


class TableSample(ABC):
    """A uniform sample of the rows of a ``DataSource``, and access to all rows.

    Rows of weight 0 are left out.

    Attributes
    ----------
    table : DataFrame of shape (n_sampled, n_features)
    y : ndarray of shape (n_sampled,) or (n_sampled, n_outputs)
    weights : ndarray of shape (n_sampled,) or None
    rows : ndarray of int of shape (n_sampled,)
        Number of each row in the source, in ascending order.
    n_rows : int
        Number of all rows.
    classes : ndarray of shape (n_classes,) or None
        Labels of all rows, sorted; None for other targets.
    fit_arguments : tuple of two
        ``y`` and ``sample_weight`` for ``fit`` with what ``encoded`` returns.
    """

    table: Any
    y: Any
    weights: Any
    rows: Any
    n_rows: int
    classes: Any
    fit_arguments: tuple[Any, Any]

    @property
    def is_complete(self):
        """Whether the sample has all rows."""
        return len(self.rows) == self.n_rows

    @abstractmethod
    def encoded(self, encode, n_outputs, dtype, held):
        """Make a source of encoded rows.

        Parameters
        ----------
        encode : callable
            ``encode(table, y, rows)`` returns samples of shape (n_rows, n_outputs), and
            numeric targets in the shape of ``y``, for rows of these numbers. Class
            labels and labels in several columns are not encoded: there, ``y`` is None.
        n_outputs : int
        dtype : dtype
            Of the samples.
        held : ndarray of int
            Numbers of rows to leave out, in ascending order.

        Returns
        -------
        DataSource
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
        f"{refused} needs all data in memory: pass arrays to ScratchMLPClassifier or "
        "ScratchMLPRegressor, or leave it out."
    )
