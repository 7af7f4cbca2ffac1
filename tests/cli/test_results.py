"""Results: scores of models, and who leads by how much."""

import numpy as np
import pytest
from fold_scores import make_scores

from skscratch.cli.results import (
    ACCURACY,
    LOG_LOSS,
    RMSE,
    FoldScores,
    ModelScores,
    best_of,
    find_lead,
)


@pytest.mark.parametrize(
    ("metric", "best"), [(ACCURACY, "high"), (LOG_LOSS, "low"), (RMSE, "low")]
)
def test_the_leader_depends_on_what_is_better(metric, best):
    key = metric.key
    models = [
        make_scores("middle", **{key: [0.5, 0.6]}),
        make_scores("low", **{key: [0.3, 0.4]}),
        make_scores("high", **{key: [0.7, 0.8]}),
    ]
    lead = find_lead(models, metric)
    assert (lead.best.name, lead.next.name) == (best, "middle")
    assert lead.difference == pytest.approx(0.2)
    assert lead.n_better == 2
    assert lead.is_clear


def test_a_lead_within_the_spread_of_the_differences_is_not_clear():
    # Both vary much over the folds, but always in the same way.
    a, b = [0.6, 0.9, 0.7], [0.58, 0.88, 0.67]
    models = [make_scores("a", accuracy=a), make_scores("b", accuracy=b)]
    assert find_lead(models, ACCURACY).is_clear
    models = [make_scores("a", accuracy=a), make_scores("b", accuracy=b[::-1])]
    lead = find_lead(models, ACCURACY)
    assert not lead.is_clear
    assert lead.n_better == 2


@pytest.mark.parametrize(
    ("task", "key"), [("classification", "log_loss"), ("regression", "rmse")]
)
def test_the_deciding_metric_is_a_loss(task, key):
    models = [make_scores(name, **{key: [float(name)] * 2}) for name in "312"]
    assert best_of(models, task).name == "1"


def test_predictions_of_all_folds_are_joined():
    folds = [(np.array([2, 3]), np.array([0, 1])), (np.array([0, 1]), np.array([2, 3]))]
    bounds = np.array([[0, 1], [2, 3]])
    scores = [FoldScores({}, np.array([i, i + 1]), bounds + i) for i in (0, 5)]
    rows, predicted, joined = ModelScores("a", True, scores).out_of_fold(folds)
    assert rows.tolist() == [0, 1, 2, 3]
    assert predicted.tolist() == [0, 1, 5, 6]
    assert joined.tolist() == [[0, 1], [2, 3], [5, 6], [7, 8]]
    without = [FoldScores({}, np.array([i, i + 1])) for i in (0, 5)]
    assert len(ModelScores("a", True, without).out_of_fold(folds)) == 2
