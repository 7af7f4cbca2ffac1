"""The cases that ``speed.py`` times, and the same training with each peer library.

Every fit takes NumPy arrays and trains the same network: equal layers, batches, epochs
and dtype, Adam with a learning rate of 0.001, samples shuffled in every epoch, and the
loss of every epoch computed. This file neither times nor prints anything.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from _common import OURS, THEIRS, estimator_classes

ALPHA = 1e-4
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """Sizes of a problem; the number of epochs does not matter for equality."""

    n_samples: int
    n_features: int
    n_classes: int
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int = field(compare=False)

    def __str__(self) -> str:
        hidden = ", ".join(map(str, self.hidden))
        return (
            f"{self.n_samples}x{self.n_features}, {self.n_classes} classes, "
            f"({hidden}), batch {self.batch_size}"
        )

    @property
    def n_outputs(self) -> int:
        """Number of outputs: one for two classes, as in MLPClassifier."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of neurons of each layer, beginning with the input."""
        return (self.n_features, *self.hidden, self.n_outputs)

    def scaled(self, fraction: float) -> "Case":
        """Return the case with a fraction of its samples."""
        n_samples = max(100, round(self.n_samples * fraction))
        batch_size = min(self.batch_size, n_samples)
        return replace(self, n_samples=n_samples, batch_size=batch_size)

    def batches(self) -> Iterator[int]:
        """Yield the size of each batch of an epoch; the last may be smaller."""
        for start in range(0, self.n_samples, self.batch_size):
            yield min(self.batch_size, self.n_samples - start)


# One fit takes about 0.3 to 3 seconds.
CASES = {
    1: Case(150, 4, 3, (100,), 150, epochs=200),
    2: Case(1797, 64, 10, (100,), 200, epochs=50),
    3: Case(60_000, 784, 10, (100,), 200, epochs=3),
    4: Case(20_000, 16, 26, (256, 256, 256), 256, epochs=3),
    5: Case(200_000, 30, 2, (64,), 200, epochs=3),
    6: Case(60_000, 784, 10, (512, 256), 256, epochs=1),
    7: Case(100_000, 54, 7, (1000, 1000), 1024, epochs=1),
}
# A peer's process fits this first, so that imports and threads count for no case.
WARMUP = Case(100, 3, 3, (5,), 50, epochs=1)


@lru_cache(maxsize=1)
def make_data(case: Case, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal features, and classes assigned by a linear model."""
    random = np.random.default_rng(0)
    kind = np.dtype(dtype)
    X = random.standard_normal((case.n_samples, case.n_features), dtype=kind)
    teacher = random.standard_normal((case.n_features, case.n_classes), dtype=kind)
    return X, np.argmax(X @ teacher, axis=1)


def fit_estimator(
    name: str, case: Case, X: np.ndarray, y: np.ndarray, epochs: int
) -> float:
    """Fit one of the two estimators; return the loss of the last epoch."""
    estimator = estimator_classes()[name](
        hidden_layer_sizes=case.hidden,
        batch_size=case.batch_size,
        alpha=ALPHA,
        learning_rate_init=LEARNING_RATE,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=math.inf,
        random_state=0,
    )
    return float(estimator.fit(X, y).loss_)


def fit_ours(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit `ScratchMLPClassifier`."""
    return fit_estimator(OURS, case, X, y, epochs)


def fit_on_numpy(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit `ScratchMLPClassifier` without compiled kernels."""
    from skscratch import set_backend

    with set_backend("numpy"):
        return fit_estimator(OURS, case, X, y, epochs)


def fit_sklearn(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit `MLPClassifier`."""
    return fit_estimator(THEIRS, case, X, y, epochs)


def fit_floor(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Compute only the matrix products of an epoch; there is no loss."""
    steps = [step_products(case, n, X.dtype.name) for n in case.batches()]
    for _ in range(epochs):
        for products in steps:
            for a, b, out in products:
                np.matmul(a, b, out)
    return math.nan


Product = tuple[np.ndarray, np.ndarray, np.ndarray]


@lru_cache(maxsize=2)
def step_products(case: Case, n: int, dtype: str) -> tuple[Product, ...]:
    """Return the products of one step, each in its fastest memory order.

    Parameters
    ----------
    case : Case
        Case that defines the sizes of the layers.
    n : int
        Number of samples of the batch.
    dtype : {"float32", "float64"}
        dtype of all arrays.

    Returns
    -------
    products : tuple of (a, b, out)
        Forward ``W @ A``, and backward ``dZ @ A.T`` and ``W.T @ dZ``.
    """
    shapes: dict[str, tuple[int, int]] = {}
    names: list[tuple[str, str, str]] = []
    for layer, size in enumerate(case.sizes):
        shapes[f"A{layer}"] = shapes[f"dZ{layer}"] = (size, n)
    for layer, weights in enumerate(itertools.pairwise(case.sizes), start=1):
        shapes[f"W{layer}"] = shapes[f"dW{layer}"] = weights[::-1]
        names.append((f"W{layer}", f"A{layer - 1}", f"A{layer}"))
    for layer in range(len(case.sizes) - 1, 0, -1):
        names.append((f"dZ{layer}", f"A{layer - 1}.T", f"dW{layer}"))
        if layer > 1:
            names.append((f"W{layer}.T", f"dZ{layer}", f"dZ{layer - 1}"))

    random = np.random.default_rng(0)

    @cache
    def array(name: str, order: Any) -> np.ndarray:
        if name.endswith(".T"):
            return array(name[:-2], order).T
        values = random.standard_normal(shapes[name], dtype=np.dtype(dtype))
        return np.asarray(values, order=order)

    def orders(name: str) -> str:
        # A batch is gathered row by row, one sample after the other.
        return "F" if name.startswith("A0") else "CF"

    def candidates(a: str, b: str, out: str) -> list[Product]:
        choices = itertools.product(orders(a), orders(b), orders(out))
        return [(array(a, x), array(b, y), array(out, z)) for x, y, z in choices]

    return tuple(fastest(candidates(*product)) for product in names)


def fastest(candidates: Sequence[Product], rounds: int = 7) -> Product:
    """Return the product with the smallest minimum time over several rounds."""
    best = [math.inf] * len(candidates)
    calls = 1
    for turn in range(rounds):
        for index, (a, b, out) in enumerate(candidates):
            start = time.perf_counter()
            for _ in range(calls):
                np.matmul(a, b, out)
            elapsed = (time.perf_counter() - start) / calls
            best[index] = min(best[index], elapsed)
        if turn == 0:
            # The first calls are slow. From now on a round takes at least about 2 ms.
            calls = max(1, round(2e-3 / min(best)))
            best = [math.inf] * len(candidates)
    return candidates[best.index(min(best))]


def torch_module(case: Case, dtype: str) -> Any:
    """Return the network as a sequence of PyTorch layers."""
    import torch

    layers: list[Any] = []
    for fan_in, fan_out in itertools.pairwise(case.sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1]).to(getattr(torch, dtype))


def torch_adam_parameters(case: Case) -> dict[str, Any]:
    """Return the parameters of Adam, in PyTorch's fastest implementation.

    Its weight decay is the gradient of the L2 penalty, but applies to biases too.
    """
    decay = ALPHA / case.batch_size
    return {"lr": LEARNING_RATE, "weight_decay": decay, "fused": True}


def fit_torch(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit in eager PyTorch, with a minimal training loop."""
    import torch

    torch.manual_seed(0)
    module = torch_module(case, X.dtype.name)
    features, targets = torch.from_numpy(X), torch.from_numpy(y)
    criterion: Any = torch.nn.CrossEntropyLoss()
    if case.n_outputs == 1:
        criterion = torch.nn.BCEWithLogitsLoss()
        targets = targets.to(features.dtype)[:, None]
    adam = torch.optim.Adam(module.parameters(), **torch_adam_parameters(case))
    cost = math.nan
    for _ in range(epochs):
        total = torch.zeros(())
        for rows in torch.randperm(case.n_samples).split(case.batch_size):
            adam.zero_grad()
            batch = features.index_select(0, rows)
            loss = criterion(module(batch), targets.index_select(0, rows))
            loss.backward()
            adam.step()
            total += loss.detach() * len(rows)
        cost = total.item() / case.n_samples
    return cost


def fit_skorch(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit the same PyTorch module through skorch's classifier."""
    import skorch
    import torch

    torch.manual_seed(0)
    classifier, criterion = skorch.NeuralNetClassifier, torch.nn.CrossEntropyLoss
    if case.n_outputs == 1:
        classifier = skorch.NeuralNetBinaryClassifier
        criterion = torch.nn.BCEWithLogitsLoss
        y = y.astype(X.dtype)
    adam = torch_adam_parameters(case)
    net = classifier(
        torch_module(case, X.dtype.name),
        criterion=criterion,
        optimizer=torch.optim.Adam,
        **{f"optimizer__{name}": value for name, value in adam.items()},
        max_epochs=epochs,
        batch_size=case.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    net.fit(X, y)
    return float(net.history[-1, "train_loss"])


@lru_cache(maxsize=1)
def jax_epoch(case: Case) -> tuple[Any, Any]:
    """Return an Optax optimizer, and a compiled function that trains for one epoch."""
    import jax
    import optax

    optimizer = optax.adam(LEARNING_RATE)

    def cost(parameters: Any, X: Any, y: Any) -> Any:
        A = X
        for W, b in parameters[:-1]:
            A = jax.nn.relu(A @ W + b)
        W, b = parameters[-1]
        Z = A @ W + b
        if case.n_outputs == 1:
            losses = optax.sigmoid_binary_cross_entropy(Z[:, 0], y)
        else:
            losses = optax.softmax_cross_entropy_with_integer_labels(Z, y)
        squares = sum((W * W).sum() for W, _ in parameters)
        return losses.mean() + ALPHA / (2 * len(X)) * squares

    def epoch(state: Any, X: Any, y: Any, permutation: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            parameters, moments = state
            loss, gradients = jax.value_and_grad(cost)(parameters, X[rows], y[rows])
            updates, moments = optimizer.update(gradients, moments)
            return (optax.apply_updates(parameters, updates), moments), loss

        n_full = case.n_samples // case.batch_size * case.batch_size
        batches = permutation[:n_full].reshape(-1, case.batch_size)
        state, losses = jax.lax.scan(step, state, batches)
        total = losses.sum() * case.batch_size
        if n_full < case.n_samples:
            state, loss = step(state, permutation[n_full:])
            total += loss * (case.n_samples - n_full)
        return state, total / case.n_samples

    return optimizer, jax.jit(epoch)


def fit_jax(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Fit in JAX: ``lax.scan`` over the batches of an epoch, compiled once per case."""
    import jax

    if X.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    optimizer, epoch = jax_epoch(case)
    random = np.random.default_rng(0)
    parameters = []
    for fan_in, fan_out in itertools.pairwise(case.sizes):
        bound = math.sqrt(6 / (fan_in + fan_out))
        W = random.uniform(-bound, bound, (fan_in, fan_out)).astype(X.dtype)
        parameters.append((W, np.zeros(fan_out, X.dtype)))
    state = jax.device_put((parameters, optimizer.init(parameters)))
    features, targets = jax.device_put((X, y))
    cost = math.nan
    for _ in range(epochs):
        # NumPy shuffles several times faster than JAX on a CPU.
        order = random.permutation(case.n_samples)
        state, cost = epoch(state, features, targets, order)
    jax.block_until_ready(state)
    return float(cost)


@dataclass(frozen=True)
class Peer:
    """A library or method that fits a case.

    Attributes
    ----------
    title : str
        Name in tables and plots.
    fit : callable
        ``fit(case, X, y, epochs)`` returns the loss of the last epoch.
    packages : tuple of str
        Names of the packages that it imports, the most important one first.
    compiles : bool
        Whether the first fit of a case compiles.
    """

    title: str
    fit: Callable[[Case, np.ndarray, np.ndarray, int], float]
    packages: tuple[str, ...]
    compiles: bool = False

    def missing(self) -> list[str]:
        """Return the packages that are not installed."""
        return [name for name in self.packages if find_spec(name) is None]


# These are always timed: the subject of the comparison, and a lower bound for NumPy.
SUBJECT = "ours"
ON_NUMPY = "ours_on_numpy"
FLOOR = "floor"
PEERS = {
    SUBJECT: Peer("ours", fit_ours, ("skscratch", "sklearn")),
    ON_NUMPY: Peer("ours on NumPy", fit_on_numpy, ("skscratch", "sklearn")),
    FLOOR: Peer("products only", fit_floor, ("numpy",)),
    "sklearn": Peer("MLPClassifier", fit_sklearn, ("sklearn",)),
    "skorch": Peer("skorch", fit_skorch, ("skorch", "torch")),
    "torch": Peer("PyTorch", fit_torch, ("torch",)),
    "jax": Peer("JAX", fit_jax, ("jax", "optax"), compiles=True),
}
RIVALS = tuple(name for name in PEERS if name not in (SUBJECT, ON_NUMPY, FLOOR))
