"""Early stopping on splits of the user's own: which rows train, and which validate."""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_strategies import logits_of, make_data, parameters_of, quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from refusals import (
    Estimators,
    Refused,
    assert_all_differ,
    assert_refused,
    assert_works_or_is_refused,
    each_case,
    each_state,
    grid,
)
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from skscratch import (
    Checkpoint,
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    set_backend,
)
from skscratch.backends.choice import is_installed

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Of parts that are smaller than a batch.
    pytest.mark.filterwarnings("ignore:Got `batch_size`:UserWarning"),
]
both = pytest.mark.parametrize("cls", [ScratchMLPClassifier, ScratchMLPRegressor])
SMALL = {
    "hidden_layer_sizes": (6, 5),
    "max_iter": 8,
    "early_stopping": True,
    "n_iter_no_change": 3,
    "learning_rate_init": 0.05,
    "random_state": 0,
}
# Products of several networks may be rounded otherwise.
CLOSE = {"rtol": 1e-8, "atol": 1e-10}


def data(cls, n_samples=30):
    kind = "many classes" if cls is ScratchMLPClassifier else "number"
    return make_data(kind, n_samples, seed=1)


def numbered(X):
    """The same samples, told apart by their first feature."""
    X = np.array(X, dtype=float)
    X[:, 0] = np.arange(len(X)) / len(X)
    return X


class Watching:
    """Scorer that keeps the validation rows of each network, by the first feature."""

    def __init__(self, n_samples):
        self.n_samples, self.rows, self.networks = n_samples, {}, []

    def __call__(self, estimator, X, y, sample_weight=None):
        self.networks.append(estimator)  # Kept, so that no other has its id.
        rows = np.round(np.asarray(X)[:, 0] * self.n_samples).astype(int)
        self.rows.setdefault(id(estimator), rows)
        return estimator.score(X, y, sample_weight)

    def held_out(self):
        """Validation rows of each network, in order."""
        return [rows.tolist() for rows in self.rows.values()]


def alone(member, split):
    """What a member is when it is trained by itself, on the split that it had."""
    return clone(member).set_params(validation_split=[split])


# What a network is trained on


@pytest.mark.filterwarnings("ignore:X_val seems not to be:UserWarning")
@both
@given(
    n_samples=st.integers(8, 40),
    share=st.floats(0.1, 0.9),
    is_weighted=st.booleans(),
    seed=st.integers(0, 1000),
    options=st.sampled_from(
        [
            {},
            {"batch_size": 3},
            {"shuffle": False, "batch_size": 4},
            {"solver": "sgd", "dropout": 0.2},
            {"averaging": 0.5, "restore_best": False},
            {"restore_best": "together"},
            {"scoring": "loss", "solver": "adamw", "learning_rate": "cosine"},
        ]
    ),
)
@settings(max_examples=40)
def test_rows_are_those_that_are_named(
    cls, n_samples, share, is_weighted, seed, options
):
    """As if the held-out rows had been passed as X_val, bit for bit."""
    X, y = make_data("number", n_samples, seed=seed)
    random = np.random.RandomState(seed)
    if cls is ScratchMLPClassifier:
        y = (y > np.median(y)).astype(int)
    order = random.permutation(n_samples)
    n_held = min(max(2, int(share * n_samples)), n_samples - 4)
    held, rest = order[:n_held], order[n_held:]
    weights = weights_val = given_weights = None
    if is_weighted:
        given_weights = random.choice([0.5, 1.0, 3.0], n_samples)
        weights, weights_val = given_weights[rest], given_weights[held]
    if cls is ScratchMLPClassifier:
        y[rest[:2]] = [0, 1]  # Both classes are known to both.
    found, expected = (cls(**SMALL | options) for _ in range(2))
    found.set_params(validation_split=[(rest.tolist(), held)])
    quietly(found.fit, X, y, given_weights)
    quietly(
        expected.fit,
        *(X[rest], y[rest], weights),
        **{"X_val": X[held], "y_val": y[held], "sample_weight_val": weights_val},
    )
    assert_array_equal(parameters_of(found), parameters_of(expected))
    assert_allclose(found.validation_scores_, expected.validation_scores_, **CLOSE)
    assert (found.t_, found.n_iter_) == (expected.t_, expected.n_iter_)


SPLITTERS = {
    "folds": KFold(8),
    "shuffled folds": KFold(4, shuffle=True, random_state=3),
    "fewer folds than members": KFold(2),
    "repeated folds": RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    "random shares": ShuffleSplit(9, test_size=0.3, random_state=0),
    "time": TimeSeriesSplit(5),
    "predefined": PredefinedSplit(np.r_[[-1] * 10, [0] * 5, [1] * 15]),
    "a list": [(range(20), range(20, 29)), ([5, 6, 7, 8, 9, 9], (0, 1, 2))],
}
TRAININGS = {
    "plain": {},
    "small batches": {"batch_size": 13},  # Of 26 rows there are 2, of 27 there are 3.
    "planned": {"batch_size": 13, "learning_rate": "cosine", "dropout": 0.2},
    "together": {"restore_best": "together", "n_iter_no_change": np.inf},
    "averaged": {"averaging": 0.5, "restore_best": False, "batch_size": 13},
    "in turn": {"solver": "sgd", "learning_rate": "adaptive"},
    "in order": {"shuffle": False, "solver": "sgd", "batch_size": 9},
}


@both
@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("backend", ["numpy", "compiled"])
def test_a_member_is_what_it_is_alone_on_its_split(cls, training, splitter, backend):
    if backend == "compiled" and not is_installed():
        pytest.skip("The extra 'fast' is not installed.")
    X, y = data(cls)
    given_splits = SPLITTERS[splitter]
    options = SMALL | TRAININGS[training] | {"n_estimators": 8}
    with set_backend(backend):
        model = cls(**options, validation_split=given_splits)
        quietly(model.fit, X, y)
        splits = given_splits
        if not isinstance(splits, list):
            splits = list(splits.split(X, y))
            if splitter == "time":  # Read backwards.
                splits.reverse()
        for number, member in enumerate(model.estimators_):
            split = splits[number % len(splits)]
            single = alone(member, split)
            if training == "together":  # The members' common epoch.
                single.set_params(max_iter=member.best_epoch_, restore_best=False)
            quietly(single.fit, X, y)
            parameters = member.network_.parameters
            assert_allclose(parameters, single.network_.parameters, **CLOSE)
            if training != "together":
                assert_allclose(member.loss_curve_, single.loss_curve_, **CLOSE)
                assert (member.n_iter_, member.t_) == (single.n_iter_, single.t_)
                assert member.learning_rate_curve_ == single.learning_rate_curve_
                assert_allclose(
                    member.validation_scores_, single.validation_scores_, **CLOSE
                )
            assert len(split[0]) * member.n_iter_ == member.t_
            assert np.shares_memory(parameters, model.network_.parameters)


@both
@pytest.mark.parametrize("n_estimators", [1, 5])
@pytest.mark.parametrize("share_batches", [False, True])
def test_members_take_the_splits_in_turn(cls, n_estimators, share_batches):
    X, y = data(cls)
    X, watching = numbered(X), Watching(len(X))
    model = cls(
        **SMALL,
        n_estimators=n_estimators,
        share_batches=share_batches,
        validation_split=KFold(3),
        scoring=watching,
    )
    quietly(model.fit, X, y)
    folds = [list(range(10 * i, 10 * i + 10)) for i in range(3)]
    expected = [folds[0 if share_batches else i % 3] for i in range(n_estimators)]
    assert watching.held_out() == expected


@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize(
    "splitter",
    [
        *(GroupKFold(4), GroupShuffleSplit(3, random_state=0)),
        *(LeaveOneGroupOut(), StratifiedGroupKFold(3)),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_no_group_is_in_both_parts(splitter, n_estimators, is_weighted):
    cls = ScratchMLPClassifier
    X, y = data(cls, 60)
    y, X = y % 2, numbered(X)
    groups = np.array(list("abcdef"))[np.random.RandomState(0).randint(6, size=60)]
    weights = np.random.RandomState(1).randint(3, size=60) if is_weighted else None
    watching = Watching(60)
    model = cls(**SMALL, n_estimators=n_estimators, validation_split=splitter)
    quietly(model.set_params(scoring=watching).fit, X, y, weights, groups=groups)
    members = getattr(model, "estimators_", [model])
    assert len(watching.held_out()) == len(members)
    for member, held in zip(members, watching.held_out(), strict=True):
        assert 0 < len(set(groups[held])) < 6
        # Trained on the other groups alone, and on all of them but for no weight.
        rest = np.flatnonzero(~np.isin(groups, groups[held]))
        of_both = np.isin(groups, groups[held])
        if is_weighted:
            of_both &= weights > 0
        assert held == np.flatnonzero(of_both).tolist()
        single = cls(**SMALL).set_params(random_state=member.random_state)
        quietly(
            single.fit,
            *(X[rest], y[rest], None if weights is None else weights[rest]),
            X_val=X[held],
            y_val=y[held],
            sample_weight_val=None if weights is None else weights[held],
        )
        assert_allclose(parameters_of(member), parameters_of(single), **CLOSE)


@both
def test_of_a_time_series_the_later_rows_are_held_out(cls):
    X, y = data(cls)
    X = numbered(X)
    last = list(TimeSeriesSplit(5).split(X))[-1:]
    for given_splits, expected in (
        (TimeSeriesSplit(5), [range(25, 30), range(20, 25), range(15, 20)]),
        (list(TimeSeriesSplit(2).split(X)), [range(10, 20), range(20, 30)] * 2),
        (last, [range(25, 30)] * 3),
        ([(range(24), range(24, 30))], [range(24, 30)] * 3),
    ):
        watching = Watching(30)
        model = cls(**SMALL, n_estimators=3, validation_split=given_splits)
        quietly(model.set_params(scoring=watching).fit, X, y)
        assert watching.held_out() == [list(rows) for rows in expected[:3]]
        for member, rows in zip(model.estimators_, expected, strict=False):
            assert member.t_ == rows.start * member.n_iter_


@both
@pytest.mark.parametrize("n_estimators", [1, 2, 9])
@pytest.mark.parametrize(
    "options", [{}, {"max_train_size": 4}, {"gap": 2}, {"test_size": 3}]
)
def test_the_latest_rows_are_never_left_out(cls, n_estimators, options):
    """Of windows that grow, or that move, or with a gap behind them."""
    X, y = data(cls)
    X, watching = numbered(X), Watching(30)
    splitter = TimeSeriesSplit(4, **options)
    splits = list(splitter.split(X))[::-1]
    model = cls(**SMALL, n_estimators=n_estimators, validation_split=splitter)
    quietly(model.set_params(scoring=watching).fit, X, y)
    held = [splits[i % 4][1].tolist() for i in range(n_estimators)]
    assert watching.held_out() == held
    assert held[0][-1] == 29
    members = getattr(model, "estimators_", [model])
    for number, member in enumerate(members):
        assert member.t_ == len(splits[number % 4][0]) * member.n_iter_


class CountedFolds(KFold):
    """Splitter that notes how many splits were read."""

    n_read = 0

    def split(self, X, y=None, groups=None):
        for split in super().split(X, y, groups):
            self.n_read += 1
            yield split


def test_splits_are_read_no_further_than_needed():
    """There may be as many as rows, each as long as the data."""
    X, y = data(ScratchMLPRegressor)
    for n_estimators, n_read in ((1, 2), (3, 3), (20, 10)):
        splitter = CountedFolds(10)
        model = ScratchMLPRegressor(
            **SMALL, n_estimators=n_estimators, validation_split=splitter
        )
        quietly(model.fit, X, y)
        assert splitter.n_read == n_read


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_splits_are_of_the_rows_before_those_of_weight_zero_are_left_out(
    cls, n_estimators
):
    X, y = data(cls)
    X, watching = numbered(X), Watching(30)
    weights = np.random.RandomState(3).randint(2, size=30) * 1.5
    options = SMALL | {"n_estimators": n_estimators}
    y[weights == 0] = y[weights > 0][0]  # No class is lost.
    found = cls(**options, validation_split=KFold(3), scoring=watching)
    quietly(found.fit, X, y, weights)
    kept = np.flatnonzero(weights)
    pairs = [
        tuple(np.flatnonzero(np.isin(kept, part)) for part in split)
        for split in KFold(3).split(X)
    ]
    expected = cls(**options, validation_split=pairs)
    quietly(expected.fit, X[kept], y[kept], weights[kept])
    assert_array_equal(found.network_.parameters, expected.network_.parameters)
    for held, (_, test) in zip(watching.held_out(), pairs, strict=False):
        assert held == kept[test].tolist()


@given(st.data())
@settings(max_examples=40)
def test_without_splits_of_the_users_own_the_split_is_drawn_as_ever(data):
    """The rows of train_test_split, in the stream behind the weights."""
    n_samples = data.draw(st.integers(8, 40))
    X, y = make_data("number", n_samples)
    seed = data.draw(st.integers(0, 1000))
    X, watching = numbered(X), Watching(n_samples)
    options = SMALL | {"random_state": seed, "validation_fraction": 0.25}
    quietly(ScratchMLPRegressor(**options, scoring=watching).fit, X, y)
    stream = np.random.RandomState(seed)
    for n_numbers in (4 * 6, 6, 6 * 5, 5, 5 * 1, 1):
        stream.uniform(size=n_numbers)
    splitter = ShuffleSplit(
        1, test_size=max(2, -(-n_samples // 4)), random_state=stream
    )
    ((_, held),) = splitter.split(X)
    assert watching.held_out() == [held.tolist()]


# What members have in common


def mean_where_held_out(members, splits, predict, n_samples):
    """Mean prediction for each row of the members that it is held out from."""
    predicted = [[] for _ in range(n_samples)]
    for number, member in enumerate(members):
        rows = np.asarray(splits[number % len(splits)][1])
        for row, prediction in zip(rows, predict(member, rows), strict=True):
            predicted[row].append(prediction)
    held = [row for row in range(n_samples) if predicted[row]]
    return held, np.array([np.mean(predicted[row], axis=0) for row in held])


SHARED = {
    "disjoint": KFold(4),
    "shared": [(range(30), range(30, 80)), (range(40, 80), range(20))],
    "one for all": [(range(20, 80), range(20))],
}


@pytest.mark.parametrize("kind", SHARED)
def test_the_temperature_is_of_the_rows_that_members_hold_out(kind):
    X, y = make_data("two classes", 80)
    splits = SHARED[kind]
    splits = splits if isinstance(splits, list) else list(splits.split(X))
    plain, scaled = (
        ScratchMLPClassifier(
            **SMALL | {"max_iter": 60, "n_iter_no_change": 60},
            n_estimators=4,
            validation_split=SHARED[kind],
            temperature_scaling=scaling,
        )
        for scaling in (False, True)
    )
    for model in (plain, scaled):
        quietly(model.fit, X, y)

    def cost(temperature):
        def predict(member, rows):
            return 1 / (1 + np.exp(-logits_of(member, X[rows])[:, 0] / temperature))

        rows, P = mean_where_held_out(plain.estimators_, splits, predict, 80)
        share = 1 / (len(rows) + 1)
        soft = y[rows] * (1 - share) + share / 2
        return np.mean(-soft * np.log(P) - (1 - soft) * np.log(1 - P))

    best = scaled.temperature_
    assert best != 1
    assert cost(best) < min(cost(1.0), cost(best * 1.02), cost(best / 1.02))


@pytest.mark.parametrize("kind", SHARED)
@both
def test_the_common_epoch_is_of_the_rows_that_members_hold_out(cls, kind):
    X, y = data(cls, 80)
    X[:, 0] = np.arange(80) / 80
    y[::2] = np.random.RandomState(5).permutation(y[::2])  # Soon overfitted.
    splits = SHARED[kind]
    splits = splits if isinstance(splits, list) else list(splits.split(X))
    seen = {}

    def scorer(estimator, X, y):
        of_member = seen.setdefault(id(estimator), SimpleNamespace(it=estimator, P=[]))
        is_classifier = hasattr(estimator, "classes_")
        predict = estimator.predict_proba if is_classifier else estimator.predict
        of_member.P.append(predict(X))
        return estimator.score(X, y)

    options = {"n_estimators": 4, "max_iter": 25, "learning_rate_init": 0.2}
    model = cls(
        **SMALL | options | {"n_iter_no_change": np.inf},
        restore_best="together",
        validation_split=SHARED[kind],
        scoring=scorer,
    )
    quietly(model.fit, X, y)
    T = y[:, np.newaxis] == model.classes_ if hasattr(model, "classes_") else y
    errors = []
    for epoch in range(25):
        rows, P = mean_where_held_out(
            list(seen.values()), splits, lambda member, _, e=epoch: member.P[e], 80
        )
        errors.append(np.mean((P - T[rows]) ** 2))
    best = 1 + int(np.argmin(errors))
    assert best < 25
    assert [member.best_epoch_ for member in model.estimators_] == [best] * 4


# Whatever is passed


class Spy(KFold):
    """Splitter that keeps what it is called with."""

    calls = ()

    def split(self, X, y=None, groups=None):
        """Split as the base class does."""
        self.calls = [*self.calls, (X, y, groups)]
        return super().split(X, y)


class Bare:
    """Splitter that is no class of scikit-learn's."""

    def split(self, X, y, groups):
        """Hold the groups out that are marked."""
        yield np.flatnonzero(groups == 0), np.flatnonzero(groups == 1)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits."""
        return 1


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_a_splitter_is_called_once_with_what_the_user_passed(n_estimators):
    X, y = data(ScratchMLPClassifier)
    frame = pd.DataFrame(X, columns=list("abcd"))
    labels = [f"class {label}" for label in y]
    groups = pd.Series(np.arange(30) % 7)
    spy = Spy(3)
    model = ScratchMLPClassifier(
        **SMALL, n_estimators=n_estimators, validation_split=spy
    )
    quietly(model.fit, frame, labels, np.arange(30) % 4, groups=groups)
    ((*called,),) = spy.calls
    for passed, expected in zip(called, (frame, labels, groups), strict=True):
        assert passed is expected


@both
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array, pd.DataFrame])
def test_containers_give_the_same(cls, form):
    X, y = data(cls)
    options = SMALL | {"n_estimators": 3, "validation_split": KFold(4)}
    dense, other = (
        quietly(cls(**options).fit, samples, y)
        for samples in (
            X,
            form(X) if form is not pd.DataFrame else form(X).add_prefix("x"),
        )
    )
    assert_allclose(dense.network_.parameters, other.network_.parameters, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("two classes", {"class_weight": "balanced"}),
        ("many classes", {"class_weight": {0: 3.0}, "label_smoothing": 0.1}),
        ("multilabel", {"class_weight": "balanced"}),
        ("numbers", {}),
        ("count", {"loss": "poisson"}),
        ("number", {"loss": "quantile", "quantile": (0.1, 0.5)}),
    ],
)
def test_targets_of_every_kind(kind, options):
    classifies = kind in ("two classes", "many classes", "multilabel")
    cls = ScratchMLPClassifier if classifies else ScratchMLPRegressor
    X, y = make_data(kind, 30)
    model = cls(**SMALL, **options, n_estimators=3, validation_split=KFold(4))
    quietly(model.fit, X, y)
    for member, split in zip(model.estimators_, KFold(4).split(X), strict=False):
        single = quietly(alone(member, split).fit, X, y)
        assert_allclose(parameters_of(member), parameters_of(single), **CLOSE)


def test_folds_may_be_stratified_by_labels_of_text():
    X, y = make_data("two classes", 40)
    y = np.where(np.arange(40) < 8, "rare", "common")
    model = ScratchMLPClassifier(**SMALL, validation_split=StratifiedKFold(4))
    watching = Watching(40)
    quietly(model.set_params(scoring=watching).fit, numbered(X), y)
    (held,) = watching.held_out()
    assert sorted(y[held]) == ["common"] * 8 + ["rare"] * 2


def test_iterables_and_splitters_of_the_users_own():
    X, y = data(ScratchMLPRegressor)
    groups = np.r_[np.zeros(15), np.ones(10), np.full(5, 2)]
    expected = ScratchMLPRegressor(
        **SMALL, validation_split=[(np.arange(15), np.arange(15, 25))]
    )
    quietly(expected.fit, X, y)
    bare = ScratchMLPRegressor(**SMALL, validation_split=Bare())
    quietly(bare.fit, X, y, groups=groups)
    assert_array_equal(parameters_of(bare), parameters_of(expected))
    splits = ((rows, rows + 15) for rows in (np.arange(15), np.arange(3)))
    once = ScratchMLPRegressor(**SMALL, validation_split=splits)
    once.set_params(validation_split=Bare().split(X, y, groups))
    quietly(once.fit, X, y)
    assert_array_equal(parameters_of(once), parameters_of(expected))
    with pytest.raises(ValueError, match="iterator can be read only once: pass a list"):
        once.fit(X, y)
    assert_array_equal(parameters_of(once), parameters_of(expected))
    # Rows that come twice count twice, as in a bootstrap sample.
    twice = ScratchMLPRegressor(**SMALL)
    rows = np.r_[np.arange(15), np.arange(15)]
    quietly(twice.fit, X[rows], y[rows], X_val=X[15:25], y_val=y[15:25])
    bootstrap = ScratchMLPRegressor(
        **SMALL, validation_split=[(rows, np.arange(15, 25))]
    )
    quietly(bootstrap.fit, X, y)
    assert_array_equal(parameters_of(bootstrap), parameters_of(twice))


def test_no_more_splits_are_read_than_there_are_networks():
    X, y = data(ScratchMLPRegressor)

    def splits(n_good):
        for _ in range(n_good):
            yield range(20), range(20, 30)
        raise AssertionError("one too many")

    for n_estimators, share, n_good in ((1, False, 1), (3, False, 3), (3, True, 1)):
        model = ScratchMLPRegressor(
            **SMALL,
            n_estimators=n_estimators,
            share_batches=share,
            validation_split=splits(n_good),
        )
        quietly(model.fit, X, y)


@pytest.mark.filterwarnings("error")
def test_batches_larger_than_the_smallest_training_part_are_warned_of():
    X, y = data(ScratchMLPRegressor)
    largest_first = list(KFold(8).split(X))[::-1]
    options = SMALL | {"n_estimators": 8, "validation_split": largest_first}
    model = ScratchMLPRegressor(**options, batch_size=26)
    quietly(model.fit, X, y)
    with pytest.warns(UserWarning, match="batch_size=27, but there are 26 samples"):
        quietly(model.set_params(batch_size=27).fit, X, y)


def test_epochs_are_planned_for_the_rows_trained_on():
    X, y = make_data("number", 3000)
    options = SMALL | {"hidden_layer_sizes": (), "max_iter": "auto"}
    options |= {"learning_rate": "cosine", "n_iter_no_change": np.inf}
    n_epochs = []
    for n_training in (2900, 500):
        split = (range(n_training), range(2900, 3000))
        model = ScratchMLPRegressor(**options, validation_split=[split])
        n_epochs.append(quietly(model.fit, X, y).n_iter_)
        plain = ScratchMLPRegressor(**options).set_params(early_stopping=False)
        quietly(plain.fit, X[:n_training], y[:n_training])
        assert n_epochs[-1] == plain.n_iter_
    assert n_epochs[0] != n_epochs[1]


# Copies, and later calls


@both
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_copies_have_the_splitter_and_train_alike(cls, n_estimators):
    X, y = data(cls)
    splitter = KFold(4, shuffle=True, random_state=7)
    model = cls(**SMALL, n_estimators=n_estimators, validation_split=splitter)
    assert model.get_params()["validation_split"] is splitter
    quietly(model.fit, X, y)
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        assert repr(copied.validation_split) == repr(splitter)
        quietly(copied.fit, X, y)
        assert_array_equal(copied.network_.parameters, model.network_.parameters)
    # A pickle holds the splitter, not the rows.
    many = np.tile(X, (100, 1)), np.tile(y, 100)
    size = len(pickle.dumps(quietly(clone(model).fit, *many)))
    assert size < len(pickle.dumps(model)) + 3000
    search = GridSearchCV(clone(model), {"alpha": [0.1, 1.0]}, cv=2)
    assert hasattr(quietly(search.fit, X, y), "best_estimator_")


@both
@pytest.mark.parametrize("restore_best", [True, False, "together"])
def test_a_warm_start_goes_on_as_each_would(cls, restore_best):
    X, y = data(cls)

    def twice(model):
        model.set_params(warm_start=True, restore_best=restore_best)
        for _ in range(2):
            quietly(model.fit, X, y)
        return model

    model = twice(cls(**SMALL, n_estimators=3, validation_split=KFold(4)))
    for member, split in zip(model.estimators_, KFold(4).split(X), strict=False):
        assert len(member.validation_scores_) > member.n_iter_
        if restore_best != "together":
            single = twice(alone(member, split))
            assert_allclose(parameters_of(member), parameters_of(single), **CLOSE)


def test_a_checkpoint_of_other_splits_is_refused(tmp_path):
    X, y = data(ScratchMLPRegressor)
    path = tmp_path / "training.npz"
    options = SMALL | {"n_estimators": 3}

    def make(validation_split):
        new = ScratchMLPRegressor(**options, validation_split=validation_split)
        return new.set_callbacks(Checkpoint(path, resume=True))

    shuffled = KFold(4, shuffle=True, random_state=0)
    first = quietly(make(shuffled).fit, X, y)
    written = path.read_bytes()
    for other in (
        KFold(4),
        KFold(4, shuffle=True, random_state=1),
        KFold(4, shuffle=True),
        KFold(5, shuffle=True, random_state=0),
        [*shuffled.split(X)][1:],
        [*[*shuffled.split(X)][:2], *KFold(4).split(X)],
        [(train[:-1], test) for train, test in shuffled.split(X)],
        None,
    ):
        model = make(other)
        with pytest.raises(ValueError, match="validation_split differs"):
            model.fit(X, y)
        assert not hasattr(model, "network_")
        assert path.read_bytes() == written
    # Of the same rows, however they are named.
    for same in (clone(shuffled, safe=False), list(shuffled.split(X))):
        again = quietly(make(same).fit, X, y)
        assert_array_equal(again.network_.parameters, first.network_.parameters)


# Prediction intervals


@pytest.mark.parametrize(
    "given_splits", [KFold(4), [(range(90), range(90, 120))]], ids=["folds", "list"]
)
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_intervals_are_learned_from_what_is_left_of_the_splits(
    given_splits, n_estimators
):
    X, y = make_data("number", 120)
    groups = np.arange(120) // 30
    options = SMALL | {"n_estimators": n_estimators, "validation_split": given_splits}
    if n_estimators == 3:
        options["validation_split"] = GroupKFold(4)
    given_groups = groups if n_estimators == 3 else None
    plain, model = (
        ScratchMLPRegressor(**options, intervals=intervals)
        for intervals in (False, True)
    )
    for each in (plain, model):
        quietly(each.fit, X, y, groups=given_groups)
    assert_array_equal(model.predict(X), plain.predict(X))
    splits = options["validation_split"]
    if not isinstance(splits, list):
        splits = list(splits.split(X, y, given_groups))
    # The rows of calibration come first in the order that the seed gives.
    order = check_random_state(SMALL["random_state"]).permutation(120)
    rest = np.sort(order[30:])
    within = model.interval_model_.estimator.validation_split
    for pair, split in zip(within, splits, strict=False):
        for rows, whole in zip(pair, split, strict=True):
            assert set(rest[rows]) == set(whole) & set(rest)
    assert model.predict_interval(X).shape == (120, 2)


def test_intervals_work_with_splits_that_are_read_once():
    X, y = make_data("number", 120)
    model = ScratchMLPRegressor(**SMALL, intervals=True)
    expected = clone(model).set_params(validation_split=KFold(4))
    model.set_params(validation_split=KFold(4).split(X))
    for each in (model, expected):
        quietly(each.fit, X, y)
    assert_array_equal(model.predict_interval(X), expected.predict_interval(X))


def test_intervals_need_validation_rows_beside_those_of_calibration():
    X, y = make_data("number", 120)
    order = check_random_state(0).permutation(120)
    model = ScratchMLPRegressor(
        **SMALL, intervals=True, validation_split=[(order[2:], order[:2])]
    )
    with pytest.raises(ValueError, match="intervals=True sets samples aside for cal"):
        quietly(model.fit, X, y)
    assert not hasattr(model, "network_")
    # Splits that keep some are enough.
    model.set_params(
        n_estimators=2,
        validation_split=[(order[2:], order[:2]), (order[2:], order[:2])],
    )
    model.validation_split[1] = (order[:90], order[90:])
    assert quietly(model.fit, X, y).predict_interval(X).shape == (120, 2)


# Groups


def test_groups_are_routed():
    X, y = data(ScratchMLPRegressor)
    groups = np.random.RandomState(0).randint(5, size=30)
    model = ScratchMLPRegressor(**SMALL, validation_split=GroupKFold(5))
    expected = quietly(
        clone(model).fit, StandardScaler().fit_transform(X), y, groups=groups
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), model)
        quietly(pipeline.fit, X, y, groups=groups)
        assert_array_equal(parameters_of(pipeline[-1]), parameters_of(expected))
        search = GridSearchCV(model, {"alpha": [0.1]}, cv=KFold(2))
        quietly(search.fit, X, y, groups=groups)
        # The splits of the search leave each its own groups.
        refit = clone(model).set_params(alpha=0.1)
        quietly(refit.fit, X, y, groups=groups)
        best = search.best_estimator_
        assert_array_equal(parameters_of(best), parameters_of(refit))


def test_callbacks_follow_a_fit_with_splits():
    X, y = data(ScratchMLPClassifier)
    monitor = ScoringMonitor(scoring="accuracy")
    model = ScratchMLPClassifier(**SMALL, n_estimators=3, validation_split=KFold(4))
    plain = quietly(clone(model).fit, X, y)
    quietly(model.set_callbacks(monitor).fit, X, y)
    assert_array_equal(model.network_.parameters, plain.network_.parameters)


# What is refused


def split_by(t, validation_split, *args, name="classifier", **kwargs):
    """Fit with splits; the arguments of fit come after."""
    options = {"early_stopping": True, "validation_split": validation_split}
    estimator = getattr(t, name)(**options)
    y = t.y if name == "classifier" else t.numbers
    return estimator.fit(t.X, y, *args, **kwargs)


HALVES = (np.arange(12), np.arange(12, 24))


def changed(part, rows):
    """A list of one split, with other rows in one of its parts."""
    pair = list(HALVES)
    pair[part] = rows
    return [tuple(pair)]


SINGLE = "A single split is a list of one pair: [(train, test)]"
REFUSED = {
    "no split": Refused(
        lambda t: split_by(t, []),
        "validation_split must have at least one pair of row indices, got none",
    ),
    "one pair, not in a list": Refused(
        lambda t: split_by(t, HALVES),
        "split 0 of validation_split must be a pair of row indices, (train, test), got "
        f"ndarray. {SINGLE}",
    ),
    "three parts": Refused(
        lambda t: split_by(t, [(*HALVES, HALVES[0])], name="regressor"),
        f"(train, test), got tuple. {SINGLE}",
    ),
    "numbers": Refused(
        lambda t: split_by(t, [3, 4]), f"(train, test), got int. {SINGLE}"
    ),
    "a dictionary": Refused(
        lambda t: split_by(t, {0: HALVES}), f"(train, test), got int. {SINGLE}"
    ),
    "text": Refused(lambda t: split_by(t, ["ab"]), f"(train, test), got str. {SINGLE}"),
    "rows of text": Refused(
        lambda t: split_by(t, changed(0, ["a", "b"])),
        "the training rows of split 0 of validation_split must be a one-dimensional "
        "array of integers, got 1 dimensions of <U1",
    ),
    "a mask": Refused(
        lambda t: split_by(t, changed(0, np.arange(24) < 12)),
        "array of integers, got 1 dimensions of bool: convert a mask with "
        "numpy.flatnonzero",
    ),
    "fractions": Refused(
        lambda t: split_by(t, changed(1, [12.0, 13.0])),
        "the validation rows of split 0 of validation_split must be a one-dimensional "
        "array of integers, got 1 dimensions of float64",
    ),
    "two dimensions": Refused(
        lambda t: split_by(t, changed(1, [[12, 13]]), name="regressor"),
        "must be a one-dimensional array of integers, got 2 dimensions of int64",
    ),
    "lists of different lengths": Refused(
        lambda t: split_by(t, changed(1, [[12, 13], [14]])),
        "must be a one-dimensional array of integers, got 0 dimensions of object",
    ),
    "integers that no dtype holds": Refused(
        lambda t: split_by(t, changed(1, [10**400])),
        "must be a one-dimensional array of integers, got 1 dimensions of object",
    ),
    "no training rows": Refused(
        lambda t: split_by(t, changed(0, [])),
        "the training rows of split 0 of validation_split must be at least one row",
    ),
    "no validation rows": Refused(
        lambda t: split_by(t, changed(1, np.arange(0)), name="regressor"),
        "the validation rows of split 0 of validation_split must be at least one row",
    ),
    "a row too far": Refused(
        lambda t: split_by(t, changed(1, [12, 24])),
        "the validation rows of split 0 of validation_split must be from 0 to 23, got "
        "the row index 24",
    ),
    "a negative row": Refused(
        lambda t: split_by(t, changed(0, [0, -1]), name="regressor"),
        "the training rows of split 0 of validation_split must be from 0 to 23, got "
        "the row index -1",
    ),
    "rows in both parts": Refused(
        lambda t: split_by(t, changed(0, [0, 12, 13])),
        "split 0 of validation_split must not have a row in both parts, but 2 are, "
        "such as row 12",
    ),
    "no training row of any weight": Refused(
        lambda t: split_by(t, [HALVES], 1.0 * (np.arange(24) >= 12)),
        "split 0 of validation_split needs training rows and validation rows of "
        "positive sample_weight, got 0 and 12",
    ),
    "no validation row of any weight": Refused(
        lambda t: split_by(t, [HALVES], 1.0 * (np.arange(24) < 12), name="regressor"),
        "positive sample_weight, got 12 and 0",
    ),
    "no validation row of a class that counts": Refused(
        lambda t: t.classifier(
            early_stopping=True,
            class_weight={0: 0.0, 1: 1.0, 2: 1.0},
            validation_split=[(range(1, 24), [0])],
        ).fit(t.X, t.y),
        "by sample_weight and class_weight, choose others by validation_split, or pass",
    ),
    "no training row of a class that counts": Refused(
        lambda t: t.classifier(
            early_stopping=True,
            class_weight={0: 0.0, 1: 1.0, 2: 1.0},
            validation_split=[([0, 3], range(4, 24))],
        ).fit(t.X, t.y),
        "the training rows of split 0 of validation_split all have weight 0: give",
    ),
    # With other parameters and arguments
    "without early stopping": Refused(
        lambda t: t.classifier(validation_split=KFold(3)).fit(t.X, t.y),
        "validation_split needs early_stopping=True and one of the solvers ['adam', "
        "'adamw', 'sgd'], got solver='adam', early_stopping=False",
    ),
    "with L-BFGS": Refused(
        lambda t: t.regressor(
            validation_split=[HALVES], early_stopping=True, solver="lbfgs"
        ).fit(t.X, t.numbers),
        "validation_split needs early_stopping=True and one of the solvers ['adam', "
        "'adamw', 'sgd'], got solver='lbfgs', early_stopping=True",
    ),
    "in a stream": Refused(
        lambda t: t.new_regressor(validation_split=KFold(3)).partial_fit(
            t.X, t.numbers
        ),
        "validation_split needs early_stopping=True and one of the solvers",
    ),
    "in a stream, with early stopping": Refused(
        lambda t: t.new_regressor(
            validation_split=KFold(3), early_stopping=True
        ).partial_fit(t.X, t.numbers),
        "partial_fit does not support early_stopping=True",
    ),
    "with validation data": Refused(
        lambda t: split_by(t, KFold(3), X_val=t.X, y_val=t.y),
        "validation_split and X_val can't be given together",
    ),
    "weights of validation data": Refused(
        lambda t: split_by(t, KFold(3), sample_weight_val=t.weights),
        "sample_weight_val needs X_val and y_val",
    ),
    # Groups
    "groups without a splitter": Refused(
        lambda t: split_by(t, None, groups=t.y),
        "groups needs a splitter that uses them, such as validation_split=GroupKFold(5)"
        ", got None",
    ),
    "groups without early stopping": Refused(
        lambda t: t.regressor().fit(t.X, t.numbers, groups=t.y),
        "groups needs early_stopping=True and one of the solvers",
    ),
    "groups for folds": Refused(
        lambda t: split_by(t, KFold(3), groups=t.y),
        "groups needs a splitter that uses them, such as validation_split=GroupKFold(5)"
        ", got KFold(n_splits=3, random_state=None, shuffle=False)",
    ),
    "groups for a list": Refused(
        lambda t: split_by(t, [HALVES], groups=t.y, name="regressor"),
        "such as validation_split=GroupKFold(5), got pairs of row indices",
    ),
    "groups and validation data": Refused(
        lambda t: t.classifier(early_stopping=True).fit(
            t.X, t.y, X_val=t.X, y_val=t.y, groups=t.y
        ),
        "groups needs a splitter that uses them",
    ),
    "no groups": Refused(
        lambda t: split_by(t, GroupKFold(3)),
        "The 'groups' parameter should not be None",
    ),
    "too few groups": Refused(
        lambda t: split_by(t, GroupKFold(3), groups=t.y[1:], name="regressor"),
        "groups must have one label for each of the 24 samples, got 23",
    ),
    "one group": Refused(
        lambda t: split_by(t, GroupKFold(3), groups=3),
        "groups must have one label for each of the 24 samples, got int",
    ),
    # scikit-learn's own words
    "too many folds": Refused(
        lambda t: split_by(t, KFold(25)),
        "Cannot have number of splits n_splits=25 greater than the number of samples",
    ),
}


@each_case(REFUSED)
@each_state
def test_what_can_not_be_is_refused_and_changes_nothing(case, state):
    assert_refused(case, Estimators(state))


def test_no_call_is_in_the_table_twice():
    assert_all_differ(REFUSED)


def test_groups_of_other_libraries_are_refused(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # scikit-learn insists on it.

    class Tensor:
        """Stand-in for tensors of PyTorch, which have no ``__array_namespace__``."""

        def __dlpack__(self, **_):
            raise AssertionError("not to be computed with")

    t, groups = Estimators(), Tensor()
    with (
        sklearn.config_context(array_api_dispatch=True),
        pytest.raises(TypeError, match="groups must be a NumPy array"),
    ):
        split_by(t, GroupKFold(3), groups=groups)


ODD = [
    *(0, -1, 3, 24, 2.0, 10**30, None, True, "a", b"a", (), [], {}, {1}, range(4)),
    *(np.arange(3), np.array(3), np.ones((2, 3), int), [[0], [1]], ([0, 1], [2, 3])),
    *(np.arange(5) > 2, np.uint64(2**63), np.array([2**63], np.uint64), pd.Series([1])),
    *(pd.DataFrame({"a": [1]}), sparse.csr_array([[1, 2]]), [None], ["a", "b"]),
]


@given(st.data())
@settings(max_examples=300)
def test_arbitrary_splits_work_or_are_refused(data):
    odd = st.sampled_from(ODD) | st.lists(st.integers(-1, 12), max_size=4)
    value = data.draw(
        odd
        | st.lists(odd, max_size=3)
        | st.lists(st.tuples(odd, odd), max_size=2)
        | st.lists(st.tuples(odd, odd, odd), max_size=1)
    )
    options = SMALL | {"max_iter": 1, "validation_split": value, "scoring": "loss"}
    model = ScratchMLPRegressor(**options)
    works = assert_works_or_is_refused(model, "fit", grid(12, 3), np.arange(12.0))
    assert not works or value is None or model.t_ > 0


def test_a_draw_from_a_splitter_is_not_taken_by_a_refused_call():
    X, y = data(ScratchMLPRegressor)
    stream = np.random.RandomState(0)
    before = stream.get_state()[1].copy()
    model = ScratchMLPRegressor(
        **SMALL, validation_split=KFold(3, shuffle=True, random_state=stream)
    )
    for changes in ({"dropout": (0.1,)}, {"hidden_layer_sizes": 10**12}):
        with pytest.raises(ValueError, match=r"dropout|parameters"):
            clone(model).set_params(
                validation_split=model.validation_split, **changes
            ).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X * np.nan, y)
    assert_array_equal(stream.get_state()[1], before)
