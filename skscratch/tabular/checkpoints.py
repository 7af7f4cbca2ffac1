"""Checkpoints of a table pipeline, which save the training of its networks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skscratch._sklearn import callbacks_of
from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.checkpoint import Checkpoint

__all__ = ["checkpoints_on_network"]


@contextmanager
def checkpoints_on_network(pipeline: Any) -> Iterator[None]:
    """Set a pipeline's checkpoints on its network within the context.

    scikit-learn propagates callbacks only if they request it.

    Parameters
    ----------
    pipeline : TablePipeline

    Raises
    ------
    ValueError
        If there is a checkpoint, and the last step has no network of this package.
    """
    checkpoints = [c for c in callbacks_of(pipeline) if isinstance(c, Checkpoint)]
    if not checkpoints:
        yield
        return
    step = pipeline.steps[-1][1]
    network = getattr(step, "estimator", step)
    if not isinstance(network, (ScratchMLPClassifier, ScratchMLPRegressor)):
        raise ValueError(
            "Checkpoint needs a ScratchMLPClassifier or ScratchMLPRegressor as the "
            f"network, got {network!r}."
        )
    # A checkpoint that is already set on the network would run twice.
    callbacks = callbacks_of(network)
    added = [c for c in checkpoints if c not in callbacks]
    network.set_callbacks(*callbacks, *added)
    try:
        yield
    finally:
        network.set_callbacks(*callbacks)
        # The trained networks are copies, which include the callbacks.
        for members in getattr(step, "members_", []):
            for trained in members.networks:
                kept = [c for c in callbacks_of(trained) if c not in added]
                trained.set_callbacks(*kept)
