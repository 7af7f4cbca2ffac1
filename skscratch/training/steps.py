"""The steps of an epoch: one for each batch."""

import numpy as np

from skscratch.training.regularization import clip_gradients

__all__ = ["take_steps"]


# What overflows is noticed at the end of the epoch.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def take_steps(network, batches, state, number, config, operations, dropout=None):
    """Take one step of the optimizer for each batch.

    Parameters
    ----------
    network : Network
    batches : Batches
    state : TrainingState
        Its optimizer, schedule and average are used.
    number : int
        Number of the epoch, counted from 1.
    config : TrainingConfig
    operations : Operations
        The same in all epochs.
    dropout : Dropout, default=None
        Draws masks for each batch.

    Returns
    -------
    float or ndarray of shape (n_networks,)
        Mean loss over the batches; of a stack, that of each network.
    """
    optimizer, schedule, average = state.optimizer, state.schedule, state.average
    n_done = (number - 1) * batches.n_batches
    n_steps = config.max_epochs * batches.n_batches
    loss_sum = 0.0
    for step, rows in enumerate(batches, start=n_done):
        A1, Y, weights, total = operations.batch(batches.data, rows)
        schedule.on_step(step / n_steps)
        loss = network.cost_and_gradients(
            A1,
            Y,
            alpha=config.alpha,
            weights=weights,
            total=total,
            masks=() if dropout is None else dropout.masks(A1.shape[-1]),
            operations=operations,
        )
        loss_sum += loss * A1.shape[-1]
        if config.max_grad_norm is not None:
            clip_gradients(network.gradients, config.max_grad_norm)
        operations.update(
            optimizer, network.parameters, network.gradients, schedule.rate
        )
        if average is not None:
            average.update(network.parameters)
    return loss_sum / batches.n_samples
