"""Time of a search and of an ensemble: one process, and the workers of joblib.

A ``GridSearchCV`` of 8 candidates and 3 folds, and an ensemble of 4 networks, on the
digits of scikit-learn::

    python benchmarks/parallel_search.py

Each is run once to start the workers, and then timed. ``dask`` needs the extra
``distributed``; without it, it is left out.
"""

import argparse
import contextlib
import time
import warnings

import joblib
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skscratch import ScratchMLPClassifier

GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2], "learning_rate_init": [1e-3, 1e-2]}


@contextlib.contextmanager
def dask_cluster(n_workers):
    """Processes of Dask with one thread each, if it is installed."""
    try:
        import distributed
    except ImportError:
        yield False
        return
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield True


def seconds(estimator, X, y, config, repeats):
    """Shortest time of several fits, after one that starts the workers."""
    times = []
    with joblib.parallel_config(**config):
        for _ in range(repeats + 1):
            new, start = clone(estimator), time.perf_counter()
            new.fit(X, y)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def main(arguments=None):
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_digits(return_X_y=True)
    X /= 16
    clf = ScratchMLPClassifier(max_iter=options.epochs, random_state=0)
    cases = {
        "a search": GridSearchCV(clf, GRID, cv=3),
        "an ensemble": clone(clf).set_params(n_estimators=4),
    }
    configs = {
        "one process": {"n_jobs": 1},
        "loky": {"backend": "loky", "n_jobs": options.workers},
    }
    with dask_cluster(options.workers) as has_dask:
        if has_dask:
            configs["dask"] = {"backend": "dask", "scatter": [X, y]}
        print("| | " + " | ".join(configs) + " |")
        print("|---" * (len(configs) + 1) + "|")
        for name, estimator in cases.items():
            times = [
                f"{seconds(estimator, X, y, config, options.repeats):.2f} s"
                for config in configs.values()
            ]
            print(f"| {name} | " + " | ".join(times) + " |")


if __name__ == "__main__":
    main()
