"""Fits on files: the same as on arrays, or as good, with all that a fit can do."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import accuracy_score, r2_score

pytest.importorskip("pyarrow", reason="The extra 'files' is not installed.")

from table_folder import FORMATS, table_of, write_folder, write_table

from skscratch import Checkpoint, ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.files import TableFiles

pytestmark = [
    # Few epochs suffice.
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    # As NumPy does from files.
    pytest.mark.usefixtures("numpy_trains"),
]

X, y = load_digits(return_X_y=True)
X, y = X[:600] / 16, y[:600]
WEIGHTS = (np.arange(600) % 4).astype(float)
NAMES = [f"f{j}" for j in range(64)]
EDGES = [0, 150, 151, 400, 600]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(
        tmp_path_factory.mktemp("digits"), table_of(X, y, WEIGHTS), EDGES
    )


def named(X, prefix="f"):
    return pd.DataFrame(X, columns=[f"{prefix}{j}" for j in range(X.shape[1])])


def make(max_iter=4, cls=ScratchMLPClassifier, **options):
    options = {"hidden_layer_sizes": (20,), "tol": 0.0, "random_state": 0} | options
    return cls(max_iter=max_iter, **options)


def assert_same(one, other):
    np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_scores_ == other.validation_scores_


# One window


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
def test_what_fits_into_a_window_is_fitted_as_arrays_are(tmp_path, kind, text):
    labels = np.array([f"class {k}" for k in y], dtype=object) if text else y
    write_folder(tmp_path, table_of(X, labels, WEIGHTS), EDGES, kind)
    files = TableFiles(tmp_path)
    clf = make().fit(files, "t", sample_weight="w")
    arrays = make().fit(X, labels, WEIGHTS)
    assert_same(clf, arrays)
    np.testing.assert_array_equal(clf.classes_, arrays.classes_)
    assert clf.classes_.dtype == arrays.classes_.dtype
    assert clf.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(clf.predict_proba(files), arrays.predict_proba(X))


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "temperature_scaling": True},
        {"class_weight": "balanced", "dtype": "float32"},
        {"n_estimators": 2, "early_stopping": True},
        {"solver": "lbfgs", "max_iter": 99, "tol": 0.1},
    ],
    ids=str,
)
def test_options_do_the_same_as_on_arrays(folder, options):
    files = TableFiles(folder, columns=NAMES)
    assert_same(make(**options).fit(files, "t"), make(**options).fit(X, y))


# Several windows


@pytest.mark.parametrize("weight", [None, "w"])
def test_without_shuffling_windows_make_no_difference(folder, weight):
    files = TableFiles(folder, columns=NAMES, window=130)
    clf = make(shuffle=False).fit(files, "t", weight)
    given = None if weight is None else WEIGHTS
    arrays = make(shuffle=False).fit(X, y, given)
    np.testing.assert_allclose(
        clf.network_.parameters, arrays.network_.parameters, rtol=1e-9, atol=1e-12
    )
    if weight is None:
        assert_same(clf, arrays)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "temperature_scaling": True},
        {"class_weight": "balanced"},
        {"class_weight": {3: 2.0}, "label_smoothing": 0.1, "dropout": 0.1},
        {"n_estimators": 2, "share_batches": True, "early_stopping": True},
        {"n_estimators": 2, "early_stopping": True, "restore_best": "together"},
        {"batch_size": 400},
    ],
    ids=str,
)
def test_windows_train_as_well_as_arrays(folder, options):
    options = {"max_iter": 25, "learning_rate_init": 0.01} | options
    files = TableFiles(folder, columns=NAMES, window=130)
    clf = make(**options).fit(files, "t")
    assert clf.score(named(X), y) > make(**options).fit(X, y).score(X, y) - 0.03
    again = make(**options).fit(files, "t")
    np.testing.assert_array_equal(again.network_.parameters, clf.network_.parameters)


def test_balanced_weights_are_those_of_all_rows(folder):
    rows = np.flatnonzero((y < 3) | (np.arange(600) < 100))
    table = table_of(X[rows], y[rows], WEIGHTS[rows])
    options = {"class_weight": "balanced", "shuffle": False}
    path = folder / "few.feather"
    write_table(table, path)
    files = TableFiles(path, columns=NAMES, window=80)
    clf = make(**options).fit(files, "t", "w")
    path.unlink()
    arrays = make(**options).fit(X[rows], y[rows], WEIGHTS[rows])
    np.testing.assert_allclose(clf.loss_curve_, arrays.loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, "balanced", "list"])
def test_several_labels(tmp_path, weights):
    Y = np.stack([y % 2, y > 4, y == 3], axis=1).astype(np.int8)
    columns = dict(zip("abc", Y.T.copy(), strict=True))
    table = table_of(X)
    for name, column in columns.items():
        table = table.append_column(name, [column])
    write_folder(tmp_path, table, EDGES)
    files = TableFiles(tmp_path, window=100)
    if weights == "list":
        weights = [{0: 1.0, 1: 2.0}, {1: 0.5}, {}]
    options = {"class_weight": weights, "shuffle": False}
    clf = make(**options).fit(files, ["a", "b", "c"])
    arrays = make(**options).fit(X, Y, None)
    np.testing.assert_allclose(clf.loss_curve_, arrays.loss_curve_, rtol=1e-6)
    np.testing.assert_array_equal(clf.predict(files), clf.predict(named(X)))
    expected = accuracy_score(Y, clf.predict(named(X)))
    assert clf.score(files, ["a", "b", "c"]) == expected


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile(0.3)", "poisson"])
def test_a_regressor_learns_from_all_targets(tmp_path, loss):
    X, y = load_diabetes(return_X_y=True)
    write_folder(tmp_path, table_of(X, y, 1 + y % 3), [0, 100, 442])
    files = TableFiles(tmp_path, window=90, columns=[f"f{j}" for j in range(10)])
    options = {"cls": ScratchMLPRegressor, "loss": loss, "shuffle": False}
    reg = make(**options).fit(files, "t", "w")
    arrays = make(**options).fit(X, y, 1 + y % 3)
    assert reg.network_.loss == arrays.network_.loss
    np.testing.assert_allclose(reg.predict(files), arrays.predict(X), rtol=1e-6)
    expected = r2_score(y, reg.predict(named(X)), sample_weight=1 + y % 3)
    assert reg.score(files, "t", "w") == pytest.approx(expected)


def test_several_targets_of_a_regressor(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    table = table_of(X, y).append_column("u", [-y])
    write_folder(tmp_path, table, [0, 442])
    options = {"cls": ScratchMLPRegressor, "shuffle": False}
    reg = make(**options).fit(TableFiles(tmp_path, window=90), ["t", "u"])
    assert_same(reg, make(**options).fit(X, np.stack([y, -y], axis=1)))


# Validation data


@pytest.mark.parametrize("window", [None, 70])
@pytest.mark.parametrize("in_files", [True, False])
def test_validation_files_are_scored_as_arrays_are(folder, tmp_path, window, in_files):
    write_folder(tmp_path, table_of(X[:200], y[:200], WEIGHTS[:200]), [0, 90, 200])
    options = {"early_stopping": True, "shuffle": False, "temperature_scaling": True}
    given = (TableFiles(folder, columns=NAMES, window=300), "t") if in_files else (X, y)
    clf = make(**options).fit(
        *given,
        X_val=TableFiles(tmp_path, window=window, columns=NAMES),
        y_val="t",
        sample_weight_val="w",
    )
    held = {"y_val": y[:200], "sample_weight_val": WEIGHTS[:200]}
    arrays = make(**options).fit(X, y, X_val=X[:200], **held)
    assert_same(clf, arrays)
    assert clf.temperature_ == arrays.temperature_
    np.testing.assert_array_equal(
        clf.validation_loss_curve_, arrays.validation_loss_curve_
    )


def test_a_scorer_gets_validation_files_as_arrays_if_they_fit(folder):
    files = TableFiles(folder, columns=NAMES)
    options = {"early_stopping": True, "scoring": "neg_log_loss"}
    clf = make(**options).fit(files, "t", X_val=files, y_val="t")
    assert_same(clf, make(**options).fit(X, y, X_val=X, y_val=y))
    small = TableFiles(folder, columns=NAMES, window=300)
    clf = make(**options).fit(small, "t")  # Rows that are held out are in memory.
    assert len(clf.validation_scores_) == 4
    with pytest.raises(ValueError, match=r"scoring='neg_log_loss' needs all validat"):
        make(**options).fit(files, "t", X_val=small, y_val="t")


# Life of a training


def test_a_warm_start_and_a_stream_continue(folder):
    files = TableFiles(folder, columns=NAMES, window=130)
    warm = make(warm_start=True, shuffle=False).fit(files, "t").fit(files, "t")
    arrays = make(warm_start=True, shuffle=False)
    assert_same(warm, arrays.fit(X, y).fit(X, y))
    stream, of_arrays = make(shuffle=False), make(shuffle=False)
    for _ in range(3):
        stream.partial_fit(files, "t", classes=np.arange(10))
        of_arrays.partial_fit(X, y, classes=np.arange(10))
    assert_same(stream, of_arrays)
    assert len(stream.loss_curve_) == 3


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True},
        {"n_estimators": 2},
        {"n_estimators": 2, "early_stopping": True},
        {"n_estimators": 2, "share_batches": True, "early_stopping": True},
    ],
    ids=str,
)
def test_a_checkpoint_resumes_bit_for_bit(folder, tmp_path, options, seed):
    files = TableFiles(folder, columns=NAMES, window=130)
    path = tmp_path / "training.npz"

    class Copy:
        """Copies the checkpoint of an epoch in the middle."""

        setup = teardown = on_fit_task_begin = lambda *args, **data: None

        def on_fit_task_end(self, estimator, context, **data):
            if getattr(estimator, "n_iter_", 0) >= 2 and not copied:
                copied.append(path.read_bytes())

    copied: list[bytes] = []
    options = options | {"random_state": seed}
    whole = make(**options).set_callbacks(Checkpoint(path), Copy()).fit(files, "t")
    path.write_bytes(copied[0])
    resumed = make(**options).set_callbacks(Checkpoint(path, resume=True))
    assert_same(resumed.fit(files, "t"), whole)


def test_a_checkpoint_is_of_these_files(folder, tmp_path):
    def fit(files, target="t", **options):
        clf = make(**options)
        clf.set_callbacks(Checkpoint(tmp_path / "c.npz", resume=True))
        return clf.fit(files, target)

    fit(TableFiles(folder, columns=NAMES, window=130))
    fit(TableFiles(folder, columns=NAMES, window=130))
    for files in (
        TableFiles(folder, columns=NAMES, window=131),
        TableFiles(folder, columns=NAMES[1:], window=130),
        TableFiles(sorted(folder.iterdir())[1:], columns=NAMES, window=130),
    ):
        with pytest.raises(ValueError, match="X differs"):
            fit(files)
    with pytest.raises(ValueError, match="y differs"):
        fit(TableFiles(folder, columns=NAMES, window=130), "w")


def test_callbacks_hear_of_each_epoch(folder, capsys):
    files = TableFiles(folder, columns=NAMES, window=130)
    heard = []

    class Count:
        setup = teardown = on_fit_task_begin = lambda *args, **data: None

        def on_fit_task_end(self, estimator, context, **data):
            heard.append(estimator.n_iter_)
            return estimator.n_iter_ == 2

    clf = make(verbose=True).set_callbacks(Count()).fit(files, "t")
    assert clf.n_iter_ == 2
    assert capsys.readouterr().out.count("Iteration") == 2


def test_ctrl_c_keeps_the_finished_epochs(folder, fail_at):
    files = TableFiles(folder, columns=NAMES, window=130)
    one = make(max_iter=1).fit(files, "t")
    fail_at(2 * 3 - 1, KeyboardInterrupt())
    with pytest.warns(UserWarning, match="interrupted by user"):
        clf = make().fit(files, "t")
    assert clf.is_interrupted_
    np.testing.assert_array_equal(clf.network_.parameters, one.network_.parameters)


def test_a_training_that_diverges_is_refused(folder):
    files = TableFiles(folder, columns=NAMES, window=130)
    clf = make(solver="sgd", learning_rate_init=1e200)
    with pytest.raises(ValueError, match="non-finite"):
        clf.fit(files, "t")
    assert not hasattr(clf, "network_")


# Prediction


@pytest.mark.parametrize("window", [None, 70])
def test_predictions_are_those_of_arrays(folder, window):
    files = TableFiles(folder, window=window)
    clf = make().fit(TableFiles(folder, columns=NAMES), "t")
    for method in ("predict", "predict_proba", "decision_function"):
        found, expected = (getattr(clf, method)(of) for of in (files, named(X)))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert clf.score(files, "t") == clf.score(named(X), y)
    expected = clf.score(named(X), y, WEIGHTS)
    assert clf.score(files, "t", "w") == pytest.approx(expected, rel=1e-12)


def test_an_estimator_of_arrays_takes_files(folder):
    clf = make().fit(X, y)
    files = TableFiles(folder, columns=NAMES, window=70)
    np.testing.assert_array_equal(clf.predict(files), clf.predict(X))
    weighted = clf.score(X, y, WEIGHTS)
    assert clf.score(TableFiles(folder), "t", "w") == pytest.approx(weighted)
    with pytest.raises(ValueError, match="X has 66 features, but"):
        clf.predict(TableFiles(folder))


def test_columns_are_found_by_name(folder, tmp_path):
    clf = make().fit(TableFiles(folder, columns=NAMES), "t")
    order = np.random.RandomState(0).permutation(64)
    table = table_of(X).select([NAMES[j] for j in order])
    write_table(table.append_column("more", [np.arange(600)]), tmp_path / "n.parquet")
    np.testing.assert_array_equal(
        clf.predict(TableFiles(tmp_path)), clf.predict(named(X))
    )


def test_validation_rows_are_not_trained_on(tmp_path):
    """A network that knows every row by heart fails on those held out."""
    random = np.random.RandomState(0)
    X, y = random.standard_normal((400, 20)), random.randint(2, size=400)
    write_folder(tmp_path, table_of(X, y), [0, 200, 400])
    clf = make(max_iter=60, early_stopping=True, learning_rate_init=0.02, alpha=0)
    clf.set_params(restore_best=False, hidden_layer_sizes=(200,), n_iter_no_change=99)
    clf.fit(TableFiles(tmp_path, window=150), "t")
    assert clf.score(named(X), y) > 0.9
    assert clf.validation_scores_[-1] < 0.75
