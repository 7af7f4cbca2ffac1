"""Training and prediction of the members of one kind in a hedged ensemble.

The kinds are defined in ``kinds``; ``rounds`` chooses which of them to train, and for
how long.
"""

import copy
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier

from skscratch._sklearn import callbacks_of
from skscratch.estimators.checkpoint import Checkpoint
from skscratch.tabular.defaults import recipe_of
from skscratch.tabular.incremental import train_further
from skscratch.tabular.kinds import KINDS, make_encoder
from skscratch.tabular.targets import restored, scaled
from skscratch.training.schedules import NextCycle

__all__ = [
    "HedgeData",
    "HeldOut",
    "Members",
    "fit_network",
    "renamed_checkpoints",
]

Array = NDArray[Any]
Splits = list[tuple[Array, Array]]

# Parameters that differ during additional cycles.
CYCLE_SETTINGS = ("learning_rate", "max_iter", "warm_start")

# Parameters that may hold an item for each hidden layer.
BY_LAYER = ("activation", "dropout", "init")

# Relative decrease of the held-out loss in the last cycle that earns another cycle.
MIN_GAIN = 0.08


class HedgeData(NamedTuple):
    """Training data of a hedged ensemble, and their splits.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,) or None
        Sample weights.
    splits : list of tuple of (ndarray, ndarray)
        Training rows and held-out rows of each split; empty if there are ``X_val``.
    validation : tuple of three or None
        ``X_val``, ``y_val`` and their weights, which may be None.
    stream : Stream, default=None
        All training rows, of which the others are a sample.
    source : DataSource, default=None
        Likewise, encoded for the networks of a kind.
    """

    X: Any
    y: Any
    weights: Any
    splits: Splits
    validation: tuple[Any, Any, Any] | None
    stream: Any = None
    source: Any = None

    @property
    def judged(self) -> Any:
        """Samples, some or all of which are held out from training."""
        return self.X if self.validation is None else self.validation[0]

    @property
    def holds_nothing_out(self) -> bool:
        """Whether members are trained on all data."""
        return not self.splits and self.validation is None


class HeldOut:
    """Mean prediction for each row by the members that it was held out from.

    Parameters
    ----------
    n_rows : int
    """

    def __init__(self, n_rows: int) -> None:
        self._sums: Any = None
        self._counts = np.zeros(n_rows, dtype=np.int64)

    def add(self, rows: Array, predictions: Array) -> None:
        """Add the predictions of one member.

        Parameters
        ----------
        rows : ndarray of int
        predictions : ndarray of shape (len(rows), ...)
        """
        if self._sums is None:
            shape = (len(self._counts), *predictions.shape[1:])
            self._sums = np.zeros(shape)
        self._sums[rows] += predictions
        self._counts[rows] += 1

    @property
    def rows(self) -> Array:
        """Rows that were held out from at least one member, in ascending order."""
        return np.flatnonzero(self._counts)

    def means(self, rows: Array) -> Array:
        """Mean predictions for some of these rows."""
        counts = self._counts[rows].reshape(-1, *[1] * (self._sums.ndim - 1))
        means: Array = self._sums[rows] / counts
        return means


class Members:
    """Networks of one kind, with the encoder of their inputs.

    Parameters
    ----------
    name : str
        A key of ``KINDS``.
    template : ScratchMLPClassifier or ScratchMLPRegressor
        Network with the parameters that the kind does not override.
    data : HedgeData
    seed : int
        Seed of the encoder.
    scaler : transformer or None, default=None
        Fitted scaler of the targets of this kind.

    Attributes
    ----------
    encoder : KindEncoder
    networks : list of ScratchMLPClassifier or ScratchMLPRegressor
        Ensembles, or single networks, one for each call of ``train``.
    """

    def __init__(
        self, name: str, template: Any, data: HedgeData, seed: int, scaler: Any = None
    ) -> None:
        self.name, self.scaler, self.n_axes = name, scaler, np.ndim(data.y)
        dtype = "float32" if template.dtype == "float32" else "float64"
        self.encoder = make_encoder(KINDS[name], dtype, seed)
        self.networks: list[Any] = []

    def predict(self, X: Array) -> Array:
        """Mean prediction of all members.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        Returns
        -------
        ndarray
            Probabilities of shape (n_samples, n_classes), or numbers in the shape of
            the targets.
        """
        inputs = self.encoder.transform(X)
        predictions = [self._predict_with(network, inputs) for network in self.networks]
        sizes = [network.n_estimators for network in self.networks]
        mean: Array = np.average(predictions, axis=0, weights=sizes)
        return mean

    def _predict_with(self, network: Any, inputs: Array) -> Array:
        if is_classifier(network):
            probabilities: Array = network.predict_proba(inputs)
            return probabilities.astype(np.float64, copy=False)
        predictions: Array = network.predict(inputs).astype(np.float64, copy=False)
        if self.scaler is None:
            return predictions
        return restored(self.scaler, predictions, self.n_axes)

    def make_network(
        self, template: Any, n_members: int, seed: int, splits: Splits
    ) -> Any:
        """Make the next ensemble, unfitted.

        Parameters
        ----------
        template : ScratchMLPClassifier or ScratchMLPRegressor
        n_members : int
        seed : int
        splits : list of tuple of (ndarray, ndarray)
            One for each member; empty if no training data are held out.

        Returns
        -------
        ScratchMLPClassifier or ScratchMLPRegressor
        """
        network = clone(template)
        network.set_params(n_estimators=n_members, random_state=seed)
        if not is_classifier(network):
            # The ensemble has a single network for intervals, not one for each kind.
            network.set_params(intervals=False)
        recipe = recipe_of(network)
        has_items = any(_has_items(getattr(template, name)) for name in BY_LAYER)
        for name, value in KINDS[self.name].parameters.items():
            # A kind does not override what the user has chosen.
            is_chosen = not np.array_equal(getattr(template, name), recipe[name])
            # Items for each layer fit the number of layers of the template alone.
            is_chosen |= name == "hidden_layer_sizes" and has_items
            if not is_chosen:
                network.set_params(**{name: value})
        if splits:
            network.set_params(validation_split=splits)
        return network

    def encode(self, data: HedgeData) -> HedgeData:
        """Encode data for the networks, and fit the encoder if it is not fitted.

        Parameters
        ----------
        data : HedgeData

        Returns
        -------
        HedgeData
        """
        if not hasattr(self.encoder, "encoders_"):
            self.encoder.fit(data.X)
        validation = data.validation
        if validation is not None:
            X_val, y_val, weights_val = validation
            X_val = self.encoder.transform(X_val)
            validation = X_val, self._scaled(y_val), weights_val
        if data.stream is not None:
            scalers = [*data.stream.scalers, *([self.scaler] if self.scaler else [])]
            source = data.stream.source(self.encoder, data.X, scalers)
            return data._replace(source=source, validation=validation)
        X = self.encoder.transform(data.X)
        return data._replace(X=X, y=self._scaled(data.y), validation=validation)

    def train(
        self,
        network: Any,
        encoded: HedgeData,
        held_out: HeldOut,
        max_cycles: int,
        has_time: Callable[[float], bool],
    ) -> None:
        """Train an ensemble for as many cycles as the held-out loss justifies.

        After the schedule 'coslog4', training continues with additional cycles of the
        learning rate, each twice as long as the one before, while every cycle lowers
        the held-out loss of each member by at least ``MIN_GAIN``.

        Parameters
        ----------
        network : ScratchMLPClassifier or ScratchMLPRegressor
            From ``make_network``.
        encoded : HedgeData
            From ``encode``.
        held_out : HeldOut
            Collects each member's predictions for the rows held out from it.
        max_cycles : int
            Maximum number of additional cycles.
        has_time : callable
            ``has_time(seconds)`` returns whether that much time is left.

        Raises
        ------
        Exception
            If a callback or scorer raises it. The ensemble is kept if an epoch has
            finished.
        """
        started = time.monotonic()
        try:
            fit_network(network, encoded)
            seconds = time.monotonic() - started
            with closing(_cycles(network, max_cycles, seconds, has_time)) as cycles:
                for longer in cycles:
                    fit_network(longer, encoded)
        finally:
            if hasattr(network, "network_"):
                self.networks.append(network)
                self._predict_held_out(network, encoded, held_out)
                # Splits are as long as the data: drop them.
                for each in [network, *getattr(network, "estimators_", [])]:
                    each.validation_split = None

    def trained_further(self, X: Array, y: Array, weights: Array | None) -> "Members":
        """Copy whose networks have been trained for one epoch on further samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        weights : ndarray of shape (n_samples,) or None

        Returns
        -------
        Members
        """
        further, inputs, y = copy.copy(self), self.encoder.transform(X), self._scaled(y)
        further.networks = [
            train_further(network, inputs, y, weights) for network in self.networks
        ]
        return further

    def _predict_held_out(
        self, network: Any, data: HedgeData, held_out: HeldOut
    ) -> None:
        """Predict the rows that were held out from each member."""
        if data.validation is not None:
            inputs = data.validation[0]
            held_out.add(np.arange(len(inputs)), self._predict_with(network, inputs))
        elif data.splits:
            members = getattr(network, "estimators_", [network])
            # After an interruption there may be fewer members than splits.
            splits = network.validation_split
            for member, (_, rows) in zip(members, splits, strict=False):
                held_out.add(rows, self._predict_with(member, data.X[rows]))

    def _scaled(self, y: Array) -> Array:
        return y if self.scaler is None else scaled(self.scaler, y)


def _has_items(parameter: Any) -> bool:
    """Return whether a parameter is a sequence, such as one item for each layer."""
    return np.iterable(parameter) and not isinstance(parameter, str)


def fit_network(network: Any, encoded: HedgeData) -> Any:
    """Fit a network to encoded data.

    Parameters
    ----------
    network : ScratchMLPClassifier or ScratchMLPRegressor
    encoded : HedgeData

    Returns
    -------
    ScratchMLPClassifier or ScratchMLPRegressor
        The network.
    """
    X_val, y_val, weights_val = encoded.validation or (None, None, None)
    given = encoded.X, encoded.y, encoded.weights
    if encoded.source is not None:
        # Rows are read once for all members.
        network.set_params(share_batches=True)
        given = encoded.source, *encoded.stream.fit_arguments
    return network.fit(
        *given,
        X_val=X_val,
        y_val=y_val,
        sample_weight_val=weights_val,
    )


def _cycles(
    network: Any, max_cycles: int, seconds: float, has_time: Callable[[float], bool]
) -> Generator[Any, None, None]:
    """Yield the network, set up for another cycle, while cycles are worthwhile.

    Afterwards, the network has the weights of its best cycle and its original settings.
    ``seconds`` is the time that the four cycles of 'coslog4' took.
    """
    settings = {name: getattr(network, name) for name in CYCLE_SETTINGS}
    callbacks = callbacks_of(network)
    if settings["learning_rate"] != "coslog4" or settings["max_iter"] != "auto":
        return
    n_epochs = len(network.loss_curve_)
    # The four cycles are 1, 2, 4 and 8 units long.
    unit, last, length = n_epochs / 15, n_epochs - round(n_epochs * 8 / 15), 16
    for number in range(5, 5 + max_cycles):
        # Every member must gain: with few held-out rows, one may gain by chance.
        is_worth_it = min(_gains(network, last)) >= MIN_GAIN
        if network.is_interrupted_ or not is_worth_it:
            break
        if not has_time(length / 15 * seconds):
            break
        last, before = len(network.loss_curve_), network.network_.snapshot()
        network.set_params(
            learning_rate=NextCycle,
            max_iter=max(round(length * unit), 1),
            warm_start=True,
        )
        network.set_callbacks(*renamed_checkpoints(callbacks, f"cycle{number}"))
        try:
            yield network
        finally:
            network.set_params(**settings).set_callbacks(*callbacks)
        if np.mean(_gains(network, last)) <= 0:
            network.network_.restore(before)
            break
        length *= 2


def _gains(network: Any, start: int) -> list[float]:
    """Relative decrease of each member's best held-out loss from epoch `start` on."""
    gains = []
    for member in getattr(network, "estimators_", [network]):
        curve = member.validation_loss_curve_
        gain = 0.0
        if curve is not None and 0 < start < len(curve) and min(curve[:start]) > 0:
            gain = 1 - min(curve[start:]) / min(curve[:start])
        gains.append(gain)
    return gains


def renamed_checkpoints(callbacks: list[Any], part: str) -> list[Any]:
    """Replace each ``Checkpoint`` by one with a separate file for part of the training.

    Parameters
    ----------
    callbacks : list
    part : str
        Name of the part, which is appended to the file name.

    Returns
    -------
    list
    """
    renamed = []
    for callback in callbacks:
        if isinstance(callback, Checkpoint):
            path = callback.path
            callback = copy.copy(callback)
            callback.path = path.with_stem(f"{path.stem}-{part}")
        renamed.append(callback)
    return renamed
