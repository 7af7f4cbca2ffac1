"""L-BFGS: all samples at once, in scipy's implementation."""

import numpy as np
from scipy.optimize import minimize

from skscratch.backends.buffered import BufferedOperations
from skscratch.backends.threads import one_scipy_thread
from skscratch.training.regularization import smooth

__all__ = ["minimize_lbfgs", "run_lbfgs"]

# Samples that the cost is summed over at a time: few enough for a layer's outputs to
# stay in a core's cache.
CHUNK = 1024


def run_lbfgs(runs, monitor):
    """Train one network by L-BFGS.

    The line search compares costs that differ by less than float32 resolves, so all is
    computed in float64. The network always has parameters that the line search
    accepted, never those it only tried.

    Parameters
    ----------
    runs : list of one TrainingRun
    monitor : FitMonitor or MemberMonitor
        Hears of each iteration, and may stop the training.

    Returns
    -------
    {"stopped", "diverged"}
    """
    (run,) = runs
    config, curve = run.config, run.state.loss_curve
    network = run.network.astype(np.float64)
    data = run.data.astype(np.float64)
    Y = data.Y
    if config.smoothing is not None:
        Y = Y.astype(np.float64)
        smooth(Y, *config.smoothing)
    has_been_stopped = False

    def report(loss):
        nonlocal has_been_stopped
        if not (np.isfinite(loss) and network.is_finite()):
            return True
        curve.append(loss)
        run.n_epochs = len(curve)
        run.network.restore(network.parameters)
        has_been_stopped = monitor.end_iteration(len(curve), loss)
        return has_been_stopped

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = minimize_lbfgs(
            network,
            data.X,
            Y,
            alpha=config.alpha,
            tol=config.tol,
            max_iter=config.max_epochs,
            max_fun=config.max_fun,
            weights=data.weights,
            report=report,
            begin=monitor.begin_step,
        )
    if has_been_stopped:
        return "stopped"
    if not (np.isfinite(result.fun) and network.is_finite()):
        return "diverged"
    run.network.restore(network.parameters)
    run.n_epochs = min(int(result.nit), config.max_epochs)
    run.state.best_loss = float(result.fun)
    if result.status != 0:
        monitor.warn_not_converged(
            run,
            f"lbfgs failed to converge after {run.n_epochs} iteration(s) "
            f"(status={result.status}):\n{result.message}\n\nRaise "
            f"max_iter={config.max_epochs} or max_fun={config.max_fun}, or scale the "
            "features.",
        )
    return "stopped"


def minimize_lbfgs(
    network,
    X,
    Y,
    *,
    alpha,
    tol,
    max_iter,
    max_fun,
    weights=None,
    report=None,
    begin=None,
):
    """Minimize the cost over all rows by L-BFGS, in scipy's implementation.

    Parameters
    ----------
    network : Network
        Its parameters are the start, and at the end the solution.
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_outputs)
    alpha : float
        Strength of the L2 regularization.
    tol : float
        It stops when the largest component of the gradient is at most this, or when an
        iteration decreases the cost by less than scipy's default ``ftol``.
    max_iter, max_fun : int
        Maximum number of iterations and of evaluations of the cost.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.
    report : callable, default=None
        Called with the cost after each iteration, when the network has its parameters;
        returns whether to stop.
    begin : callable, default=None
        Called before each evaluation of the cost.

    Returns
    -------
    OptimizeResult
        Of ``scipy.optimize.minimize``.
    """
    cost_and_gradients = _chunked_cost(network, X, Y, weights, alpha, begin)

    def after_iteration(intermediate_result):
        if report is not None:
            network.restore(intermediate_result.x)
            if report(float(intermediate_result.fun)):
                raise StopIteration

    with one_scipy_thread():
        result = minimize(
            cost_and_gradients,
            network.snapshot(),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
        )
    network.restore(result.x)
    return result


def _chunked_cost(network, X, Y, weights, alpha, begin):
    """Function of the parameters that returns the cost over all rows and its gradient.

    It sums over chunks of rows, whose layer outputs stay in a core's cache.
    """
    total = X.shape[0] if weights is None else float(weights.sum())
    operations = BufferedOperations(network.dtype)
    chunks = [
        (
            X[rows].T,
            np.ascontiguousarray(Y[rows].T, dtype=network.dtype),
            None if weights is None else weights[rows],
        )
        for rows in (slice(i, i + CHUNK) for i in range(0, X.shape[0], CHUNK))
    ]

    def cost_and_gradients(parameters):
        if begin is not None:
            begin()
        network.restore(parameters)
        cost, gradients, penalty = 0.0, np.zeros_like(parameters), alpha
        for A1, targets, shares in chunks:
            cost += network.cost_and_gradients(
                A1,
                targets,
                alpha=penalty,
                weights=shares,
                total=total,
                operations=operations,
            )
            gradients += network.gradients
            penalty = 0.0  # The penalty counts once.
        return cost, gradients

    return cost_and_gradients
