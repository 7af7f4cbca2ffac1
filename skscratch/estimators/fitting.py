"""A fit from data and options to fitted attributes: runs, training, result."""

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from skscratch.estimators.attributes import bias_views, weight_views
from skscratch.estimators.monitor import MemberMonitor, UserCodeError
from skscratch.estimators.splitting import check_validation_data, draw_split
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import Network, hidden_activations
from skscratch.nn.predictor import Predictor, largest_norm, may_overflow
from skscratch.nn.stack import Stack
from skscratch.training.averaging import averaged
from skscratch.training.calibration import fit_temperature
from skscratch.training.history import TrainingState, mean
from skscratch.training.joint import can_join_optimizers
from skscratch.training.run import TrainingRun, start_run

__all__ = [
    "FitResult",
    "PreviousRun",
    "fit_runs",
    "joint_network",
    "make_random_state",
    "make_runs",
    "mean_history",
    "network_attributes",
]


class PreviousRun(NamedTuple):
    """What an earlier call left to continue from, for one network.

    Attributes
    ----------
    network : Network
        Trained further in place.
    state : TrainingState or None
    seed : int or None
        Of a member of an ensemble.
    """

    network: Network
    state: TrainingState | None
    seed: int | None


def make_runs(config, data, splits, targets, random_state, previous, make_scorer):
    """Make the runs of a fit, ready to be trained.

    Random numbers are drawn in a fixed order: seeds of the members; then, for each
    network, weights, split unless it is given, dropout's seed and, in training, the
    order of samples.

    Parameters
    ----------
    config : TrainingConfig
    data : FitData or RemoteData
    splits : list of Split
        The user's own, which the networks take in turn; if there are none, early
        stopping draws one for each.
    targets : ClassTargets or NumericTargets
    random_state : int, RandomState or None
    previous : list of PreviousRun
        What to continue from; empty for new networks.
    make_scorer : callable
        ``make_scorer(targets, network, split, seed)`` returns the score function of a
        ``Validator``.

    Returns
    -------
    list of TrainingRun
    """
    seeds, batch_rngs, network_rngs = _make_random_states(
        random_state, config, [run.seed for run in previous]
    )
    if previous:
        _check_previous(previous, config)
        networks = [run.network for run in previous]
        for network in networks:
            _set_activations(network, config)
    else:
        networks = [_new_network(config, rng) for rng in network_rngs]
    states = [run.state for run in previous] or [None] * len(networks)
    needs_split = config.early_stopping and config.solver.is_stochastic
    runs: list[TrainingRun] = []
    for network, state, seed, batch_rng, network_rng in zip(
        networks, states, seeds, batch_rngs, network_rngs, strict=True
    ):
        split = score = None
        if splits:
            split = splits[len(runs) % len(splits)]
        elif needs_split:
            fraction = config.validation_fraction
            if data.is_in_memory:
                split = draw_split(data, targets, fraction, batch_rng)
            else:
                split = data.draw_split(targets, fraction, batch_rng)
        if split is not None:
            check_validation_data(split, config.validation_fraction, bool(splits))
            score = make_scorer(targets, network, split, seed)
        run = start_run(
            network,
            config,
            data,
            state,
            split=split,
            score=score,
            random_state=batch_rng,
            dropout_random_state=network_rng,
            seed=seed,
        )
        runs.append(run)
    return runs


def _make_random_states(random_state, config, old_seeds):
    """Seeds of the members, and each network's random states.

    Returns
    -------
    seeds : list of (int or None)
        None for a network on its own.
    batch_rngs : list of RandomState
        Sources of the split and of the order of samples.
    network_rngs : list of RandomState
        Sources of weights and dropout; the same objects, unless batches are shared.
    """
    rng = make_random_state(random_state)
    if config.n_estimators == 1:
        return [None], [rng], [rng]
    seeds = old_seeds
    if not seeds:
        high = np.iinfo(np.int32).max
        seeds = rng.randint(high, size=config.n_estimators).tolist()
    network_rngs = [np.random.RandomState(seed) for seed in seeds]
    if not config.share_batches:
        return seeds, network_rngs, network_rngs
    return seeds, [np.random.RandomState(seeds[0]) for _ in seeds], network_rngs


def make_random_state(random_state):
    """Return the generator of a ``random_state``; None is seeded by the system.

    scikit-learn's ``check_random_state`` would return NumPy's global generator.

    Parameters
    ----------
    random_state : int, RandomState or None

    Returns
    -------
    RandomState
    """
    if random_state is None:
        return np.random.RandomState()
    return check_random_state(random_state)


def _new_network(config, random_state):
    is_given = isinstance(config.init, tuple)
    network = Network.initialized(
        config.sizes,
        config.activation,
        config.loss,
        init="glorot" if is_given else config.init,
        random_state=random_state,
        dtype=config.dtype,
    )
    if is_given:
        weights, biases = config.init
        with np.errstate(over="ignore", invalid="ignore"):
            weight_views(network).assign("the weights in init", weights)
            bias_views(network).assign("the biases in init", biases)
        if not network.is_finite():
            raise ValueError(
                f"the weights and biases in init must be finite in {network.dtype}."
            )
    return network


def _check_previous(previous, config):
    """Refuse to continue with networks that the parameters do not describe."""
    advice = "leave it as it was, or fit a clone."
    if len(previous) != config.n_estimators:
        raise ValueError(
            f"n_estimators={config.n_estimators} does not fit the {len(previous)} "
            f"networks to continue with: {advice}"
        )
    for run in previous:
        hidden = run.network.layers[:-1]
        sizes = tuple(layer.neurons for layer in hidden)
        if sizes != config.sizes[1:-1]:
            raise ValueError(
                f"hidden_layer_sizes={config.sizes[1:-1]!r} does not fit the network "
                f"to continue with, which has {sizes!r}: {advice}"
            )


def _set_activations(network, config):
    """Activations may change from call to call, as in scikit-learn."""
    hidden = network.layers[:-1]
    activations = hidden_activations(config.activation, len(hidden))
    for layer, activation in zip(hidden, activations, strict=True):
        layer.activation = activation


def fit_runs(runs, targets, monitor, workers=None):
    """Train the networks of a fit: side by side where possible, else in turn.

    Parameters
    ----------
    runs : list of TrainingRun
    targets : ClassTargets or NumericTargets
    monitor : FitMonitor
    workers : Workers, default=None
        Train the networks elsewhere.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If training diverges before it has finished an epoch.
    Exception
        Of a callback or a scorer, if it comes before the first epoch has finished.
    """
    solver, config = runs[0].config.solver, runs[0].config
    _warn_of_large_batches(runs, monitor)
    error, trained, outcome = None, runs, ""
    try:
        if workers is not None:
            trained = []
            monitor.begin_fit(runs, "member", len(runs))
            outcome = workers.train(runs, monitor, trained)
        elif len(runs) == 1 or _can_train_jointly(runs):
            monitor.begin_fit(runs, solver.step_name, config.max_epochs)
            outcome = _train(runs, monitor)
        else:
            trained = []
            monitor.begin_fit(runs, "member", len(runs))
            outcome = _train_in_turn(runs, monitor, trained)
    except UserCodeError as caught:
        # Finished epochs are kept. Without any, the call is refused.
        if not any(run.n_epochs for run in trained):
            raise caught.error from None
        error = caught.error
    if error is None:
        _check_predictions(trained, monitor)
    temperature = None
    if config.calibration_classes is not None and error is None:
        temperature = fit_temperature(trained, config.calibration_classes)
    return FitResult(trained, targets, temperature, error, outcome == "interrupted")


def _check_predictions(runs, monitor):
    """Refuse networks whose predictions for the training data are not finite."""
    input_norm = largest_norm(runs[0].data.X)
    for run in runs:
        losses = run.state.loss_curve
        has_risen = len(losses) > 1 and not losses[-1] <= losses[0]
        # Where nothing hints at trouble, this saves the time of a forward pass.
        if not has_risen and not may_overflow(run.network, input_norm):
            continue
        predictor = Predictor(run.network)
        predictions = resolve_loss(run.network.loss).predictions
        with np.errstate(over="ignore", invalid="ignore"):
            are_finite = predictor.raw_outputs(
                run.data.X, finish=lambda Z, of=predictions: np.isfinite(of(Z))
            )
        if not are_finite.all():
            monitor.refuse_predictions(run)


def _warn_of_large_batches(runs, monitor):
    config = runs[0].config
    if not (config.solver.is_stochastic and config.is_batch_size_given):
        return
    n_samples = min(run.batches.n_samples for run in runs)
    if config.batch_size > n_samples:
        monitor.warn_batch_size(config.batch_size, n_samples)


def _can_train_jointly(runs):
    """Whether several networks take the same kind of steps, on dense data."""
    config = runs[0].config
    data = runs[0].data
    if not config.solver.is_stochastic or issparse(data.X):
        return False
    if not (data.is_in_memory or config.share_batches):
        return False
    if config.schedule.reduces_on_plateau:
        return False
    return can_join_optimizers([run.state.optimizer for run in runs])


def _train(runs, monitor):
    """Train runs together, and warn if training does not end as it should."""
    try:
        outcome = runs[0].config.solver.train(runs, monitor)
    except KeyboardInterrupt:
        outcome = "interrupted"
    monitor.end_training(runs, outcome)
    return outcome


def _train_in_turn(runs, monitor, trained):
    """Train one network after the other; add those that count to ``trained``.

    Returns the outcome of the last one.
    """
    outcome = ""
    for run in runs:
        monitor.begin_step()
        try:
            outcome = _train([run], MemberMonitor(monitor, runs, run))
        except UserCodeError:
            if run.n_epochs:
                trained.append(run)
            raise
        # A member interrupted before its first epoch is dropped; L-BFGS may need none.
        if outcome != "interrupted" or run.n_epochs or not trained:
            trained.append(run)
        if monitor.end_member(trained) or outcome == "interrupted":
            break
    return outcome


class FitResult(NamedTuple):
    """What a fit has learned.

    Attributes
    ----------
    runs : list of TrainingRun
    targets : ClassTargets or NumericTargets
    temperature : float or None
        What raw outputs are divided by, if they are calibrated.
    error : Exception or None
        Of a callback or a scorer that ended the training.
    is_interrupted : bool
        Whether the user has interrupted the training.
    """

    runs: list[TrainingRun]
    targets: Any
    temperature: float | None = None
    error: Exception | None = None
    is_interrupted: bool = False

    def attributes(self, make_member, earlier=None):
        """Fitted attributes of the estimator: all that there are, by name.

        Parameters
        ----------
        make_member : callable
            ``make_member(attributes, seed)`` makes a fitted estimator of one network.
        earlier : dict, default=None
            Attributes from before, of a stream that this training continues. Their
            curves are extended.

        Returns
        -------
        dict
        """
        of_each = [self._attributes_of(run) for run in self.runs]
        if self.runs[0].config.n_estimators == 1:
            return of_each[0]
        members = [
            make_member(attributes, run.seed)
            for attributes, run in zip(of_each, self.runs, strict=True)
        ]
        histories = [run.history() for run in self.runs]
        return of_each[0] | {
            **mean_history(histories, earlier),
            "network_": Stack([run.network for run in self.runs]),
            "estimators_": members,
            "_training": None,
        }

    def _attributes_of(self, run):
        attributes = {
            **network_attributes(run.network, self.targets),
            **run.history(),
            "is_interrupted_": self.is_interrupted,
            "_training": run.state if run.config.solver.is_stochastic else None,
        }
        if self.temperature is not None:
            attributes["temperature_"] = self.temperature
        return attributes

    def snapshot(self):
        """Copy of the result as if training had stopped now.

        The networks have the parameters of the last epoch, or their average; with
        early stopping too, not those of the best.

        Returns
        -------
        FitResult
        """
        return self._replace(runs=[_copy_run(run) for run in self.runs])


def network_attributes(network, targets):
    """Fitted attributes that an estimator needs to predict, by name.

    Parameters
    ----------
    network : Network
    targets : ClassTargets or NumericTargets

    Returns
    -------
    dict
    """
    return {
        **targets.attributes(),
        "network_": network,
        "n_layers_": len(network.layers) + 1,
        "out_activation_": network.output,
        "_targets": targets,
    }


def joint_network(networks):
    """Network that predicts with all of several: it alone, or a stack of them.

    Parameters
    ----------
    networks : list of Network

    Returns
    -------
    Network
    """
    return networks[0] if len(networks) == 1 else Stack(networks)


def _copy_run(run):
    with averaged(run.network, run.state.average):
        network = copy.deepcopy(run.network)
    state = run.state.without_optimizer().with_copied_histories()
    state = replace(state, is_incremental=False)
    return replace(run, network=network, state=state)


def mean_history(histories, earlier=None):
    """History of an ensemble: means over its members.

    Parameters
    ----------
    histories : list of dict
        Of the members: see ``TrainingRun.history``.
    earlier : dict, default=None
        The history from before this call's epochs, whose curves are extended.

    Returns
    -------
    dict
        Curves are, epoch by epoch, means over the members that were trained in it. The
        best epoch is that of the members if they share one, and otherwise None.
    """
    columns = {name: [one[name] for one in histories] for name in histories[0]}
    together, n_new = {}, max(columns["n_iter_"])
    for name, values in columns.items():
        if name in ("n_iter_", "t_"):
            together[name] = max(values)
        elif earlier is not None and isinstance(earlier.get(name), list):
            together[name] = earlier[name]
            together[name] += mean([curve[len(curve) - n_new :] for curve in values])
        else:
            together[name] = mean(values)
    best, *others = set(columns["best_epoch_"])
    return together | {"best_epoch_": None if others else best}
