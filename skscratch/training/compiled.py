"""Epochs in compiled loops: the steps of ``steps``, for one network or several.

Several networks are trained side by side in threads, since compiled loops release the
interpreter's lock.
"""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import scipy
from scipy.sparse import issparse

from skscratch.backends.choice import is_installed
from skscratch.backends.compiled import (
    Plan,
    are_known,
    are_loaded,
    kernel_of,
    load_kernels_for,
    product_address,
    read_only,
)
from skscratch.backends.linalg import WORTH_THREADS
from skscratch.backends.threads import blas_in, one_thread
from skscratch.nn.activations import resolve_activation
from skscratch.nn.losses import resolve_loss
from skscratch.nn.network import count_parameters, hidden_activations
from skscratch.training.joint import EpochTrainer
from skscratch.training.schedules import Schedule

__all__ = ["CompiledRuns", "choose_backend", "prepare"]

# Multiplications of a training (parameters times samples) from which the kernels are
# loaded: NumPy takes about 50 ms for them.
_WORTH_LOADING = 10**8

# Epochs that a stream of calls of `partial_fit` is taken to have.
_EPOCHS_OF_A_STREAM = 200

# Multiplications of one call of a kernel, about a tenth of a second, so that Ctrl-C is
# heard between two calls.
_PER_CALL = 10**9

# Multiplications of an epoch from which members train in threads, which take a tenth of
# a millisecond to wake.
_WORTH_THREADS = 3 * 10**6

# Versions of OpenBLAS whose products are wrong if threads that multiply at once take
# several threads each: https://github.com/numpy/numpy/issues/29391
_WRONG_IN_THREADS = ("0.3.28", "0.3.29")

# Numbers of the dropout masks of one call.
_MASKS_PER_CALL = 2**21


def choose_backend(config, data, recorded=None):
    """Choose what trains a network.

    Parameters
    ----------
    config : TrainingConfig
    data : FitData or RemoteData
    recorded : {"numpy", "compiled"}, default=None
        Backend of the training that this one continues.

    Returns
    -------
    {"numpy", "compiled"}
    """
    if config.backend == "numpy" or not _is_known(config, data):
        return "numpy"
    if config.backend == "compiled":
        return "compiled"
    if recorded is not None:
        return recorded
    n_epochs = _EPOCHS_OF_A_STREAM if config.is_incremental else config.max_epochs
    work = count_parameters(config.sizes) * data.n_samples * n_epochs
    return "compiled" if work >= _WORTH_LOADING and is_installed() else "numpy"


def _is_known(config, data):
    """Return whether the kernels know a kind of training."""
    optimizer = config.solver.optimizer
    activations = hidden_activations(config.activation, len(config.sizes) - 2)
    return (
        optimizer is not None
        and kernel_of(optimizer) is not None
        and data.is_in_memory
        and not issparse(data.X)
        and are_known(map(resolve_activation, activations), resolve_loss(config.loss))
    )


class CompiledRuns(EpochTrainer):
    """Runs whose epochs are compiled loops.

    Parameters
    ----------
    runs : list of TrainingRun
        Several share the batches of the first if they share batches at all.
    steps : module
        As ``load_kernels`` returned it.
    """

    def __init__(self, runs, steps):
        self.runs = runs
        self._trainings = [_CompiledRun(run, steps) for run in runs]
        self._shares_batches = (
            runs[0].config.share_batches or runs[0].batches.order is None
        )
        first = self._trainings[0]
        # The package whose BLAS would take several threads for a product.
        self._limited_package = None
        if any(training.has_large_products for training in self._trainings):
            self._limited_package = np if first.uses_numpys_blas else scipy
        # The main thread trains too.
        self._executor: Any = None
        self._n_helpers = 0
        work = runs[0].network.parameters.size * runs[0].batches.n_samples
        if len(runs) > 1 and work >= _WORTH_THREADS:
            n_threads = _count_threads(self._limited_package)
            self._n_helpers = min(len(runs), n_threads) - 1
        if self._n_helpers:
            self._executor = ThreadPoolExecutor(self._n_helpers)

    def train_epoch(self, number):
        """Train an epoch; see ``EpochTrainer``."""
        rates = self._rates(number)
        orders = [self.runs[0].batches.next_order()] * len(self.runs)
        if not self._shares_batches:
            orders[1:] = [run.batches.next_order() for run in self.runs[1:]]
        epochs = list(zip(self._trainings, orders, rates, strict=True))
        if not self._n_helpers:
            return [training.train(*epoch) for training, *epoch in epochs]
        return self._train_in_threads(epochs)

    def _rates(self, number):
        """Learning rate of each step of an epoch, for each run."""
        # Runs with as many batches have the same, which take a while to compute.
        computed: dict[int, Any] = {}
        for run in self.runs:
            schedule, n_batches = run.state.schedule, run.batches.n_batches
            if n_batches not in computed:
                rates = _rates_of_epoch(run, number)
                computed[n_batches] = rates, schedule.rate
            schedule.rate = computed[n_batches][1]
        return [computed[run.batches.n_batches][0] for run in self.runs]

    def _train_in_threads(self, trainings):
        losses = [0.0] * len(trainings)
        numbers = iter(range(len(trainings)))
        stop: list[bool] = []

        def work():
            try:
                for i in numbers:
                    training, order, rates = trainings[i]
                    losses[i] = training.train(order, rates, stop)
            except BaseException:
                stop.append(True)
                raise

        helpers = []
        with self._limited():
            try:
                helpers += [self._executor.submit(work) for _ in range(self._n_helpers)]
                work()
                wait(helpers)
            finally:
                # After Ctrl-C, helpers end with the calls that they are in.
                stop.append(True)
                wait(helpers)
        for helper in helpers:
            helper.result()
        return losses

    def _limited(self):
        """Context in which products use no threads beside those of the networks."""
        if self._limited_package is None:
            return contextlib.nullcontext()
        return one_thread(self._limited_package)

    def close(self):
        """End the training, and the threads."""
        if self._executor is not None:
            self._executor.shutdown()


def _rates_of_epoch(run, number):
    """Learning rate of each step of a run's epoch."""
    schedule, n_batches = run.state.schedule, run.batches.n_batches
    rates = np.full(n_batches, float(schedule.rate))
    if type(schedule).on_step is not Schedule.on_step:
        n_done = (number - 1) * n_batches
        n_steps = run.config.max_epochs * n_batches
        for i in range(n_batches):
            schedule.on_step((n_done + i) / n_steps)
            rates[i] = schedule.rate
    return rates


def _count_threads(limited_package):
    """Number of threads for members: those of BLAS, which joblib's workers limit.

    Parameters
    ----------
    limited_package : module or None
        NumPy or SciPy, if products might take several threads after all, because
        another thread ends its limit.
    """
    if limited_package is not None and any(
        str(pool["version"]).startswith(_WRONG_IN_THREADS)
        for pool in blas_in(limited_package).info()
    ):
        return 1
    return max((pool["num_threads"] for pool in blas_in(np).info()), default=1)


class _CompiledRun:
    """One network in compiled training."""

    def __init__(self, run, steps):
        self.run, self._steps = run, steps
        network, config, batches = run.network, run.config, run.batches
        dtype = network.dtype
        self._blas = product_address(dtype)
        layers = network.layers
        sizes = [layers[0].inputs, *(layer.neurons for layer in layers)]
        self._plan = Plan(
            steps,
            sizes,
            [resolve_activation(layer.activation) for layer in layers[:-1]],
            resolve_loss(network.loss),
            batches.batch_size,
            dtype,
            dropout=config.dropout if run.dropout is not None else (),
        )
        self.uses_numpys_blas = self._blas != 0
        self.has_large_products = not self.uses_numpys_blas or (
            max(a * b for a, b in itertools.pairwise(sizes)) * batches.batch_size
            >= WORTH_THREADS
        )
        self._batches_per_call = max(
            1, _PER_CALL // (3 * network.parameters.size * batches.batch_size)
        )
        self._neurons = 0
        if run.dropout is not None:
            self._neurons = sum(n for rate, n in run.dropout.layers if rate)
            per_batch = self._neurons * batches.batch_size
            limit = max(1, _MASKS_PER_CALL // per_batch)
            self._batches_per_call = min(self._batches_per_call, limit)
        self._nothing = np.zeros(0, dtype)
        self._data = self._kernel_data(batches.data)
        self._order = None
        if batches.order is None:
            self._order = np.arange(batches.n_samples)
        optimizer, average = run.state.optimizer, run.state.average
        hyperparameters, moments, self._n_steps = optimizer.to_kernel_units()
        max_norm = config.max_grad_norm
        self._options = steps.Options(
            steps.OPTIMIZER_NUMBERS[kernel_of(optimizer)],
            tuple(map(float, hyperparameters)),
            float(config.alpha),
            np.inf if max_norm is None else float(max_norm),
            0.0 if average is None else float(average.decay),
        )
        self._vectors = steps.Vectors(
            network.parameters,
            network.gradients,
            *[*moments, self._nothing][:2],
            self._nothing if average is None else average.mean,
            self._plan.workspace,
        )

    def _kernel_data(self, data):
        none = np.zeros((0, data.Y.shape[1]), self._nothing.dtype)
        is_boolean = data.Y.dtype == bool
        share, n_classes = data.smoothing or (0.0, 1)
        return self._steps.Data(
            read_only(data.X),
            read_only(data.Y if is_boolean else none.astype(bool)),
            read_only(none if is_boolean else data.Y),
            read_only(self._nothing if data.weights is None else data.weights),
            float(data.mean_weight),
            float(share),
            int(n_classes),
        )

    def train(self, order, rates, stop=()):
        """Train an epoch, in calls that are short enough for Ctrl-C.

        Parameters
        ----------
        order : ndarray of int or None
            Rows in the epoch's order; None means as they are.
        rates : ndarray of float
            Learning rate of each step.
        stop : list, default=()
            A non-empty list ends the epoch early.

        Returns
        -------
        float
            Mean loss over the batches.
        """
        batches, state = self.run.batches, self.run.state
        average, loss_sum = state.average, 0.0
        for first in range(0, batches.n_batches, self._batches_per_call):
            if stop:
                break
            part = rates[first : first + self._batches_per_call]
            loss_sum += self._steps.train_batches(
                self._blas,
                self._data,
                self._order if order is None else order,
                batches.batch_size,
                self._plan.network,
                self._options,
                self._vectors,
                self._draw_masks(first, len(part)),
                part,
                first,
                self._n_steps,
                0 if average is None else average.n_steps,
            )
            self._n_steps += len(part)
            state.optimizer.count_steps(self._n_steps)
            if average is not None:
                average.n_steps += len(part)
        return loss_sum / batches.n_samples

    def _draw_masks(self, first, n_batches):
        """Masks of several batches, one after the other, for each layer in turn."""
        dropout, batches = self.run.dropout, self.run.batches
        if not self._neurons:
            return self._nothing
        start = first * batches.batch_size
        stop = min(start + n_batches * batches.batch_size, batches.n_samples)
        masks = np.empty((stop - start) * self._neurons, self._nothing.dtype)
        place = 0
        for i in range(start, stop, batches.batch_size):
            n = min(batches.batch_size, stop - i)
            for rate, neurons in dropout.layers:
                if rate:
                    mask = masks[place : place + n * neurons].reshape(n, neurons)
                    dropout.draw(mask.T, rate)
                    place += mask.size
        return masks


def prepare(runs, monitor):
    """Load the kernels for runs that are to use them.

    Parameters
    ----------
    runs : list of TrainingRun
        If the kernels can't be used, NumPy is noted as their backend.
    monitor : FitMonitor or MemberMonitor
        Told before the kernels are loaded, which takes a while.

    Returns
    -------
    module or None
        ``kernels.steps``; None for NumPy.
    """
    steps = None
    if all(run.state.backend == "compiled" for run in runs):
        dtype = runs[0].network.dtype
        if not are_loaded(dtype):
            monitor.print_loading()
        layers = runs[0].network.layers[:-1]
        activations = [resolve_activation(layer.activation) for layer in layers]
        steps = load_kernels_for(activations, dtype)
    for run in runs:
        run.state.backend = "numpy" if steps is None else "compiled"
    return steps
