"""Cross-validation: folds, scores against scikit-learn's, and processes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_validate as reference_cross_validate
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from skscratch.cli import comparison
from skscratch.cli.comparison import (
    Candidate,
    count_folds,
    cross_validate,
    make_folds,
    score_fold,
)
from skscratch.cli.errors import InputError

SCORERS = {
    "classification": {"accuracy": "accuracy", "log_loss": "neg_log_loss"},
    "regression": {
        "mae": "neg_mean_absolute_error",
        "rmse": "neg_root_mean_squared_error",
        "r2": "r2",
    },
}
DATA = {
    "classification": load_iris(return_X_y=True, as_frame=True),
    "regression": load_diabetes(return_X_y=True, as_frame=True),
}


@given(
    sizes=st.lists(st.integers(2, 9), min_size=2, max_size=4),
    asked=st.integers(2, 12),
    seed=st.integers(0, 5),
)
@settings(max_examples=30, deadline=None)
def test_folds_of_classes_are_a_partition_with_all_classes(sizes, asked, seed):
    y = np.repeat(np.arange(len(sizes)), sizes)
    n_folds = count_folds(y, "classification", asked)
    assert n_folds == min(asked, *sizes)
    folds = make_folds(y, "classification", n_folds, seed)
    tests = np.concatenate([test for _, test in folds])
    assert sorted(tests) == list(range(len(y)))
    for train, test in folds:
        assert not set(train) & set(test)
        assert set(y[train]) == set(y)


def test_folds_of_numbers_are_shuffled_and_have_ten_rows():
    assert count_folds(np.arange(11.0), "regression", 20) == 2
    y = np.arange(57.0)
    assert count_folds(y, "regression", 20) == 5
    folds = make_folds(y, "regression", 5, 0)
    assert all(len(test) >= 10 for _, test in folds)
    assert any(np.diff(test).max() > 1 for _, test in folds)
    with pytest.raises(InputError, match="3 rows: at least 4"):
        count_folds(y[:3], "regression", 5)


@pytest.mark.parametrize("task", DATA)
def test_scores_are_those_of_scikit_learn(task):
    X, y = DATA[task]
    model = LogisticRegression(max_iter=500) if task == "classification" else Ridge()
    folds = make_folds(y.to_numpy(), task, 3, 0)
    (scores,) = cross_validate([Candidate("a", model)], X, y.to_numpy(), folds, task)
    expected = reference_cross_validate(model, X, y, cv=folds, scoring=SCORERS[task])
    for key, scorer in SCORERS[task].items():
        sign = -1 if scorer.startswith("neg") else 1
        np.testing.assert_allclose(scores.values(key), sign * expected[f"test_{key}"])
    assert scores.mean("fit_seconds") > 0
    assert scores.mean("predict_seconds") > 0


class WithIntervals(DummyRegressor):
    """Predicts the mean, with intervals of one below to two above it."""

    def predict_interval(self, X, coverage):
        assert coverage == 0.9
        mean = self.predict(X)[:, np.newaxis]
        return np.hstack([mean - 1, mean + 2])


def test_coverage_and_width_of_intervals_are_measured():
    y = np.array([0.0, 0, 0, 0, -0.5, -2, 1.5, 3])
    fold = np.arange(4), np.arange(4, 8)
    found = score_fold(WithIntervals(), np.zeros((8, 1)), y, fold, "regression")
    assert found.scores["coverage"] == 0.5
    assert found.scores["width"] == 3
    np.testing.assert_array_equal(found.bounds, [[-1, 2]] * 4)
    without = score_fold(DummyRegressor(), np.zeros((8, 1)), y, fold, "regression")
    assert without.bounds is None
    assert "coverage" not in without.scores


def test_models_are_fitted_fold_by_fold_in_alternating_order():
    X, y = DATA["regression"]
    calls = []
    candidates = [Candidate(name, Ridge(), name == "a") for name in "abc"]
    results = cross_validate(
        candidates,
        X,
        y.to_numpy(),
        make_folds(y, "regression", 3, 0),
        "regression",
        on_start=lambda number, name: calls.append(f"{name}{number}"),
        on_end=lambda number, name, scores: calls.append(f"{name}{number}."),
    )
    starts = [call for call in calls if not call.endswith(".")]
    assert starts == ["a0", "b0", "c0", "c1", "b1", "a1", "a2", "b2", "c2"]
    assert calls[1::2] == [f"{start}." for start in starts]
    assert [(model.name, model.is_ours) for model in results] == [
        *(("a", True), ("b", False), ("c", False)),
    ]
    # The same model has the same scores, whatever its place in the order.
    np.testing.assert_array_equal(results[0].values("rmse"), results[2].values("rmse"))


def test_processes_do_not_change_the_scores():
    X, y = DATA["classification"]
    y = np.asarray(y.astype(str))
    candidates = [
        Candidate("mlp", MLPClassifier((5,), max_iter=20, random_state=0)),
        Candidate("linear", LogisticRegression(max_iter=500)),
    ]
    folds = make_folds(y, "classification", 3, 0)
    ended = []
    one, two = (
        cross_validate(
            candidates,
            X,
            y,
            folds,
            "classification",
            n_jobs=n_jobs,
            on_end=lambda number, name, scores: ended.append((number, name)),
        )
        for n_jobs in (1, 2)
    )
    assert ended[:6] == ended[6:]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.values("log_loss"), b.values("log_loss"))
        for left, right in zip(a.folds, b.folds, strict=True):
            np.testing.assert_array_equal(left.predicted, right.predicted)
            assert left.has_converged == right.has_converged
    assert not any(fold.has_converged for fold in one[0].folds)
    assert all(fold.has_converged for fold in one[1].folds)


def test_a_fit_has_one_thread(monkeypatch):
    seen = []

    class Watching(DummyRegressor):
        def fit(self, X, y):
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().fit(X, y)

    monkeypatch.setattr(comparison, "clone", lambda model: model)
    fold = np.arange(4), np.arange(4, 8)
    with threadpool_limits(2):
        score_fold(Watching(), np.zeros((8, 1)), np.arange(8.0), fold, "regression")
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert set(seen) == {1}
