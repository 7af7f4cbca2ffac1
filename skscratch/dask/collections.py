"""Dask collections: what is accepted, their partitions, and small ones in memory."""

import contextlib
import importlib

import numpy as np
from scipy.sparse import issparse

__all__ = [
    "check_matrix",
    "find_client",
    "import_dask",
    "in_memory",
    "is_collection",
    "is_frame",
    "partitions",
]


def import_dask(*names):
    """Import modules of Dask.

    Parameters
    ----------
    *names : str

    Returns
    -------
    list of module

    Raises
    ------
    ImportError
        If one is not installed; the message names the extra.
    """
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        raise ImportError(
            "skscratch.dask needs dask and distributed: install them with "
            f"pip install 'skscratch[distributed]' ({error})."
        ) from error


def find_client(client, owner):
    """Find the Dask client to use.

    Parameters
    ----------
    client : distributed.Client or None
        None means the current one.
    owner : object
        The estimator, which errors name.

    Returns
    -------
    distributed.Client

    Raises
    ------
    ValueError
        If there is none, it is closed, or its methods are coroutines.
    TypeError
        If it is no client.
    """
    (distributed,) = import_dask("distributed")
    name = type(owner).__name__
    if client is None:
        try:
            client = distributed.default_client()
        except ValueError:
            raise ValueError(
                f"{name} found no Dask client: make one, such as "
                "distributed.Client(distributed.LocalCluster()), or pass "
                "client=distributed.Client(address)."
            ) from None
    if not isinstance(client, distributed.Client):
        raise TypeError(
            f"client must be a distributed.Client or None, got {type(client).__name__}."
        )
    if client.status in ("closed", "closing"):
        raise ValueError(
            f"the client of {name} is closed: make a new one, and pass it by "
            "set_params(client=...), or client=None for the current one."
        )
    if client.asynchronous:
        raise ValueError(
            f"{name} needs a client that blocks, got one with asynchronous=True."
        )
    return client


def is_collection(data):
    """Return whether data are a Dask collection.

    Parameters
    ----------
    data : object

    Returns
    -------
    bool
    """
    (dask,) = import_dask("dask")
    return dask.is_dask_collection(data)


def is_frame(data):
    """Return whether a collection is a dataframe or a series.

    Parameters
    ----------
    data : Dask collection

    Returns
    -------
    bool
    """
    return hasattr(data, "npartitions") and hasattr(data, "map_partitions")


def check_matrix(X, owner, method):
    """Refuse samples that are not a Dask array or dataframe.

    Parameters
    ----------
    X : object
    owner : object
        The estimator, which errors name.
    method : str
        Name of its method, likewise.

    Raises
    ------
    TypeError
        If they are no Dask array or dataframe.
    ValueError
        If they have not two dimensions.
    """
    name = type(owner).__name__
    # A `Delayed` has any attribute, as a `Delayed`.
    is_array = isinstance(getattr(X, "ndim", None), int)
    if not (is_collection(X) and is_array):
        raise TypeError(
            f"{name}.{method} needs X as a Dask array or dataframe, got "
            f"{type(X).__name__}. For data in memory use "
            f"skscratch.{name.removeprefix('Dask')}, or to_local() of a fitted one."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. X must have the shape "
            "(n_samples, n_features)."
        )


def partitions(X):
    """Blocks of rows of a matrix, in order.

    Parameters
    ----------
    X : Dask array or dataframe of shape (n_samples, n_features)

    Returns
    -------
    list of Delayed
    """
    if is_frame(X):
        return list(X.to_delayed())
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return X.to_delayed().ravel().tolist()


def in_memory(client, **given):
    """Compute collections, and leave other values as they are.

    Parameters
    ----------
    client : distributed.Client
    **given : dict
        By their names in errors.

    Returns
    -------
    list
        In the order of the arguments: arrays or DataFrames, and what was no collection.

    Raises
    ------
    TypeError
        If one is a string, such as the name of a column.
    """
    (distributed,) = import_dask("distributed")
    for name, value in given.items():
        if isinstance(value, str):
            raise TypeError(
                f"{name} must be a Dask array, series or dataframe, got {value!r}. For "
                f"a column of a dataframe ddf, pass ddf[{value!r}], and "
                f"ddf.drop(columns={value!r}) as X."
            )
    lazy = {name: value for name, value in given.items() if is_collection(value)}
    futures = client.compute(list(lazy.values()))
    distributed.wait(futures)
    computed = dict(given)
    for name, future in zip(lazy, futures, strict=True):
        computed[name] = _plain(future.result())
    return list(computed.values())


def _plain(array):
    """Array as a local fit takes it; DataFrames stay as they are."""
    if issparse(array) or hasattr(array, "columns"):
        return array
    with contextlib.suppress(TypeError, ValueError):
        return np.asarray(array)
    return array
