"""Workers that are killed in the middle of an epoch, and data lost with them."""

import os
import signal
from concurrent.futures import CancelledError, Future
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

distributed = pytest.importorskip("distributed", reason="The extra 'distributed'.")
da = pytest.importorskip("dask.array", reason="The extra 'distributed'.")

from skscratch import ScratchMLPClassifier  # noqa: E402
from skscratch.dask import DaskScratchMLPClassifier  # noqa: E402
from skscratch.dask.workers import LostDataError, Workers  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    # Few epochs suffice.
    "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning",
)

X, y = load_digits(return_X_y=True)
X, y = X[:400] / 16, y[:400]
OPTIONS = {"hidden_layer_sizes": (8,), "batch_size": 100, "max_iter": 3}
OPTIONS |= {"random_state": 0, "averaging": 0.9, "learning_rate": "one_cycle"}


@pytest.fixture
def client():
    with (
        distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def kill_in(monkeypatch, client, step, method="gradient", n_killed=1):
    """Kill the process of a shard's worker before a step asks for gradients."""
    pids, call = client.run(os.getpid), Workers.call
    asked, killed = [], []

    def killing(self, called, arguments):
        if called == method:
            asked.append(called)
            if len(asked) == step:
                for shard in self.shards[:n_killed]:
                    os.kill(pids[shard.worker], signal.SIGKILL)
                    killed.append(shard.worker)
        return call(self, called, arguments)

    monkeypatch.setattr(Workers, "call", killing)
    return asked, killed


def test_an_epoch_is_repeated_after_workers_were_killed(client, monkeypatch):
    local = ScratchMLPClassifier(early_stopping=True, **OPTIONS).fit(X, y)
    # Four batches an epoch: the second of the second epoch.
    asked, killed = kill_in(monkeypatch, client, step=6, n_killed=2)
    fitted = DaskScratchMLPClassifier(early_stopping=True, **OPTIONS)
    fitted.fit(da.from_array(X, chunks=(60, -1)), da.from_array(y, chunks=400))
    assert len(killed) == 2
    assert len(asked) > 3 * 4
    np.testing.assert_allclose(fitted.loss_curve_, local.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(
        fitted.network_.parameters, local.network_.parameters, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("step", [1, 6])
def test_lost_data_end_the_training_and_keep_its_epochs(client, monkeypatch, step):
    # What the client scatters is on one worker, and in no graph.
    workers = sorted(client.nthreads())
    parts = [
        client.scatter(part, workers=[workers[number % 3]])
        for number, part in enumerate(np.split(X, 4))
    ]
    blocks = [da.from_delayed(part, (100, 64), float) for part in parts]
    _, killed = kill_in(monkeypatch, client, step=step)
    fitted = DaskScratchMLPClassifier(**OPTIONS)
    with pytest.raises(LostDataError, match="can't be computed"):
        fitted.fit(da.concatenate(blocks), da.from_array(y, chunks=400))
    assert len(killed) == 1
    if step == 1:
        assert not hasattr(fitted, "network_")
        return
    assert fitted.n_iter_ == 1
    once = ScratchMLPClassifier(**OPTIONS).set_params(max_iter=3).fit(X, y)
    assert fitted.loss_curve_ == pytest.approx(once.loss_curve_[:1])
    assert fitted.to_local().predict(X).shape == (400,)


def test_a_lost_scheduler_is_not_called_lost_data():
    workers = object.__new__(Workers)
    # As a client leaves its futures when it gives its scheduler up.
    workers.client = SimpleNamespace(status="closed")
    result = Future()
    result.set_exception(CancelledError())
    future = SimpleNamespace(status="cancelled", result=result.result)
    with pytest.raises(LostDataError, match="could not reach its scheduler"):
        workers._raise_error(0, future)
