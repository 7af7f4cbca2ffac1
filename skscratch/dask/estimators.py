"""``DaskScratchMLPClassifier`` and ``DaskScratchMLPRegressor``: the estimators.

They have the parameters and fitted attributes of the local classes, and call their
``fit`` with data that the workers hold. Predictions are lazy, partition by partition.
"""

import copy
import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import check_is_fitted

from skscratch.dask.collections import (
    check_matrix,
    find_client,
    in_memory,
    is_frame,
)
from skscratch.dask.data import DaskSource
from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.attributes import exclusive_fit, shallow_copy
from skscratch.estimators.base import BaseScratchMLP
from skscratch.nn.checks import is_size

__all__ = ["DaskScratchMLPClassifier", "DaskScratchMLPRegressor"]

OWN_PARAMETERS = ("client", "local_steps")

PARAMETERS = """\
client : distributed.Client or None, default=None
    Client of the Dask cluster; None means the client that is current when a method
    needs one. ``clone`` keeps it; a pickle has none.
local_steps : int, default=1
    Number of steps that each worker takes on batches of its own rows before
    parameters, and the optimizer's moments, are averaged over the workers, weighted
    by the rows' weights (Stich, *Local SGD converges fast and communicates little*,
    arXiv 1805.09767). With 1, the workers take each step together, which gives
    the same network as a local fit.
"""


def on_dask(cls):
    """Class decorator: parameters and documentation of the local class, and our own.

    Parameters
    ----------
    cls : type
        Its first base is ``_DaskMixin``, the second the local class.
    """
    local = cls.__mro__[2]

    @functools.wraps(local.__init__)
    def __init__(self, *args, client=None, local_steps=1, **parameters):
        local.__init__(self, *args, **parameters)
        self.client = client
        self.local_steps = local_steps

    signature = inspect.signature(local.__init__)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in zip(OWN_PARAMETERS, (None, 1), strict=True)
    ]
    # scikit-learn reads an estimator's parameters from the signature.
    __init__.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *own]
    )
    cls.__init__ = __init__
    cls._local_class = local
    if cls.__doc__ and local.__doc__:
        cls.__doc__ = inspect.cleandoc(cls.__doc__)
        parameters = _section(local, "Parameters") + "\n" + PARAMETERS.rstrip()
        cls.__doc__ = cls.__doc__.replace("{parameters}", parameters)
        attributes = _section(local, "Attributes")
        cls.__doc__ = cls.__doc__.replace("{attributes}", attributes)
    return cls


def _section(cls, title):
    """Entries of a section of a docstring."""
    pattern = rf"^{title}\n-+\n(.*?)\n+(?=^\S[^\n]*\n-+$)"
    found = re.search(pattern, inspect.cleandoc(cls.__doc__), re.M | re.S)
    return "" if found is None else found[1]


# For type checkers, the methods that the mixin extends are those of the base class; at
# run time, they are those of the local class.
_Local: Any = BaseScratchMLP if TYPE_CHECKING else object


class _DaskMixin(_Local):
    """What the classifier and the regressor on Dask collections share."""

    _local_class: Any
    client: Any
    local_steps: Any

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the model to samples X and targets y on the workers of a Dask cluster.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples. Each worker trains on the partitions that it holds: use at least
            as many partitions as workers, of similar size.
        y : Dask array, series or dataframe of shape (n_samples,) or \
(n_samples, n_outputs)
            Targets, in the order of the rows of ``X``; their partitions may differ.
            They are gathered in this process.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Non-negative weight of each sample, as in the local class.
        X_val : Dask array or dataframe of shape (n_val, n_features), default=None
            Samples for early stopping, which are gathered in this process, as are
            those that ``validation_fraction`` sets aside.
        y_val : Dask array, series or dataframe of shape (n_val,) or \
(n_val, n_outputs), default=None
            Targets of ``X_val``.
        sample_weight_val : Dask array or series of shape (n_val,), default=None
            Weights of ``X_val`` in the score.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If ``X`` is not a Dask collection.
        ValueError
            If there is no client, or data or parameters are invalid. The estimator is
            left unchanged.
        LostDataError
            If partitions were lost with a worker and can't be computed again. Finished
            epochs are kept.
        """
        if not is_size(self.local_steps):
            raise ValueError(
                f"local_steps must be a positive integer, got {self.local_steps!r}."
            )
        with exclusive_fit(self):
            source = DaskSource(X, self, self.client, self.local_steps)
            local = self._as_local()
            try:
                local.fit(
                    *(source, y, sample_weight),
                    X_val=X_val,
                    y_val=y_val,
                    sample_weight_val=sample_weight_val,
                )
            finally:
                source.close()
                # After an error, too: the local estimator holds the finished epochs.
                own = {name: getattr(self, name) for name in OWN_PARAMETERS}
                self.__dict__ = vars(local).copy() | own
        return self

    @property
    def partial_fit(self):
        """Not available: a stream has no partitions."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit: use fit, or call "
            f"partial_fit of {self._local_class.__name__} for each part of the data."
        )

    def predict(self, X: Any) -> Any:
        """Predict each sample, lazily.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        Dask array
            Predictions of the local class, in the partitions of ``X``.
        """
        return self._lazily("predict", X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score of the predictions, the same as that of the local class.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples.
        y : Dask array, series or dataframe of shape (n_samples,) or \
(n_samples, n_outputs)
            Their targets. They and the predictions are gathered in this process.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        float
        """
        client = find_client(self.client, self)
        predicted, y, sample_weight = in_memory(
            client, predicted=self.predict(X), y=y, sample_weight=sample_weight
        )
        return self._score(y, predicted, sample_weight)

    def to_local(self) -> Any:
        """Plain fitted estimator, which predicts arrays in memory.

        Returns
        -------
        ScratchMLPClassifier or ScratchMLPRegressor
            A copy.
        """
        check_is_fitted(self)
        return copy.deepcopy(self._as_local())

    @property
    def client_(self) -> Any:
        """Client that a method of the fitted estimator would use now."""
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"This {type(self).__name__} has no client_ before it is fitted."
            )
        return find_client(self.client, self)

    def _as_local(self):
        """Estimator of the local class with the same attributes."""
        local = object.__new__(self._local_class)
        local.__dict__.update(
            {k: v for k, v in vars(self).items() if k not in OWN_PARAMETERS}
        )
        return copy.copy(local)

    def _lazily(self, method, X):
        """Call a method of the local estimator for each partition, later."""
        check_is_fitted(self)
        check_matrix(X, self, method)
        # Callbacks have nothing to do on the workers.
        local = self._as_local().set_callbacks()
        predict = functools.partial(_predict_block, local, method)
        # Refuses wrong columns now, and shows what the results look like.
        example = predict(_example(X))
        if is_frame(X):
            return X.map_partitions(predict, meta=example[:0], enforce_metadata=False)
        X = X.rechunk({1: -1}) if X.numblocks[1] > 1 else X
        if example.ndim == 1:
            return X.map_blocks(predict, drop_axis=1, meta=example[:0])
        more = list(range(2, example.ndim))
        chunks = (X.chunks[0], *((size,) for size in example.shape[1:]))
        return X.map_blocks(
            predict, chunks=chunks, new_axis=more or None, meta=example[:0]
        )

    def __getstate__(self):
        # A connection can't be pickled.
        return {**super().__getstate__(), "client": None}

    def __deepcopy__(self, memo):
        memo[id(self.client)] = self.client  # Copies share it.
        return super().__deepcopy__(memo)

    def __sklearn_clone__(self):
        bare = shallow_copy(self)
        bare.client = None
        new = super(_DaskMixin, bare).__sklearn_clone__()
        new.client = self.client
        return new


def _example(X):
    """A few rows like those of a collection."""
    if is_frame(X):
        return X._meta_nonempty
    return np.zeros((1, X.shape[1]), X.dtype)


def _predict_block(estimator, method, block):
    """Predictions for a partition, which may be empty."""
    if block.shape[0]:
        return getattr(estimator, method)(block)
    example = np.zeros((1, estimator.n_features_in_))
    if hasattr(block, "columns"):
        example = type(block)(example, columns=block.columns)
    return getattr(estimator, method)(example)[:0]


@on_dask
class DaskScratchMLPClassifier(  # type: ignore[misc]  # `fit` takes no groups.
    _DaskMixin, ScratchMLPClassifier
):
    """Multi-layer perceptron classifier on Dask collections.

    The distributed version of ``ScratchMLPClassifier``: each worker of a Dask cluster
    computes the gradient of its rows of a batch, and each step is the one that a local
    fit would take, to rounding.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    skscratch.ScratchMLPClassifier : The class for data in memory.

    Notes
    -----
    Dropout masks are drawn by the workers: with ``dropout``, results equal those of a
    local fit only in distribution. 'lbfgs', ``validation_split``
    and ``share_batches`` need all data in one place, and are refused.
    """

    def predict_proba(self, X: Any) -> Any:
        """Probability of each class, lazily.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        Dask array of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._lazily("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithm of the probabilities, lazily; see ``predict_proba``.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        Dask array of shape (n_samples, n_classes)
        """
        return self._lazily("predict_log_proba", X)

    def decision_function(self, X: Any) -> Any:
        """Log-odds of each class, lazily.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        Dask array of shape (n_samples,) or (n_samples, n_classes)
            Those of the local class.
        """
        return self._lazily("decision_function", X)

    def _score(self, y, predicted, sample_weight):
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))


@on_dask
class DaskScratchMLPRegressor(  # type: ignore[misc]  # `fit` takes no groups.
    _DaskMixin, ScratchMLPRegressor
):
    """Multi-layer perceptron regressor on Dask collections.

    The distributed version of ``ScratchMLPRegressor``: each worker of a Dask cluster
    computes the gradient of its rows of a batch, and each step is the one that a local
    fit would take, to rounding.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    skscratch.ScratchMLPRegressor : The class for data in memory.

    Notes
    -----
    Dropout masks are drawn by the workers: with ``dropout``, results equal those of a
    local fit only in distribution. 'lbfgs', ``validation_split``,
    ``intervals`` and ``share_batches`` need all data in one place, and are refused.
    """

    def _score(self, y, predicted, sample_weight):
        if predicted.ndim > np.ndim(y):
            raise ValueError(
                "score needs one prediction for each target, but several are predicted,"
                f" such as the quantiles {self.quantile!r}."
            )
        return float(r2_score(y, predicted, sample_weight=sample_weight))
