"""The benchmarks run and report what their docstrings promise; times are not tested."""

import importlib
import json
import math
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

FOLDER = Path(__file__).parents[1] / "benchmarks"
ESTIMATORS = {"ScratchMLPClassifier", "MLPClassifier"}
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.fixture
def load(monkeypatch):
    """Function that imports a file of the benchmarks."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def run(script: str, *arguments: object) -> str:
    """Run a script as its docstring says; return its output."""
    command = [sys.executable, FOLDER / script, *arguments]
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_describes_machine(facts: dict[str, Any]) -> None:
    """Check that a report describes the machine, without its name."""
    names = {"cpu", "cores", "load", "system", "python", "versions", "threads"}
    assert set(facts) == names


def write_csv(path: Path) -> None:
    """Write a data set with a column of text, empty cells, and the word NA."""
    random = np.random.default_rng(0)
    lines = ["x0,x1,target"]
    for row in range(60):
        number = "" if row % 7 == 0 else f"{random.normal():.3f}"
        text = "" if row % 11 == 0 else ("NA", "red", "blue")[row % 3]
        lines.append(f"{number},{text},{'no' if row % 2 else 'yes'}")
    path.write_text("\n".join(lines) + "\n")


def test_compare_reports_both_estimators_on_bundled_data_and_csv_files(tmp_path):
    pytest.importorskip("pandas")
    write_csv(tmp_path / "mine.csv")
    file = tmp_path / "report.json"

    printed = run(
        "compare.py", "--data", tmp_path, "--only", "iris", "mine", "--repeats", 2,
        "--max-iter", 2, "--dtype", "float32", "--json", file,
    )  # fmt: skip

    report = json.loads(file.read_text())
    assert_describes_machine(report["machine"])
    assert report["settings"]["dtype"] == "float32"
    assert set(report["datasets"]) == {"iris", "mine"}
    measures = {"error", "log_loss", "fit_seconds", "predict_seconds"}
    for name, result in report["datasets"].items():
        assert set(result["raw"]) == set(result["summaries"]) == ESTIMATORS
        assert set(result["ratios"]) == measures
        for splits in result["raw"].values():
            assert len(splits) == 3
            assert all(set(split) == measures for split in splits)
            assert all(len(split["fit_seconds"]) == 2 for split in splits)
        assert f"\n{name} " in printed
    assert set(report["geometric_means"]) == measures
    assert "\ngeometric mean " in printed


def test_compare_lists_the_data_sets_if_a_name_is_unknown(load):
    with pytest.raises(SystemExit, match=r"no data set mnist; choose from iris, wine"):
        load("compare").main(["--only", "mnist"])


def test_csv_columns_are_numeric_or_categorical(load, tmp_path):
    pytest.importorskip("pandas")
    compare = load("compare")
    write_csv(tmp_path / "mine.csv")

    dataset = compare.read_csv(tmp_path / "mine.csv")
    X_train, X_test, y_train, _ = compare.preprocessed_split(dataset, 0, "float64")

    assert dataset.categorical == (1,)
    assert X_train.shape == (45, 4)  # the number, and NA, blue and red
    assert np.isfinite(X_train).all()
    assert np.isfinite(X_test).all()
    assert set(y_train) == {"no", "yes"}


def test_reading_csv_without_pandas_names_the_extra(load, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SystemExit, match=r"pandas.*skscratch\[bench\]"):
        load("compare").read_csv(tmp_path / "mine.csv")


def test_speed_reports_all_repeats_of_all_installed_peers(load, tmp_path):
    file = tmp_path / "report.json"
    peers = [name for name in load("_peers").RIVALS if name in ("sklearn", "jax")]

    printed = run(
        "speed.py", "--cases", 1, "--peers", *peers, "--epochs", 2,
        "--repeats", 2, "--scale", 0.1, "--json", file,
    )  # fmt: skip

    report = json.loads(file.read_text())
    assert_describes_machine(report["machine"])
    epochs = report["epochs"]
    (case,) = epochs["cases"].values()
    assert case["epochs"] == 2
    names = set(case["timings"])
    assert names >= {"ours", "floor", "sklearn"}
    assert set(case["epoch_ms"]) == set(case["ratios"]) == names
    assert all(len(t["fit_seconds"]) == 2 for t in case["timings"].values())
    assert case["ratios"]["ours"] == 1
    assert case["timings"]["floor"]["loss"] is None
    assert math.isfinite(case["timings"]["sklearn"]["loss"])
    assert set(epochs["geometric_means"]) == names
    assert f"\n1: {case['case']} " in printed
    assert ("JAX is skipped" in printed) == ("jax" not in names)
    assert ("\n1: JAX " in printed) == ("jax" in names)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["ours", "sklearn", "skorch", "torch", "jax"])
def test_peers_learn(load, name, n_classes):
    peers = load("_peers")
    for package in peers.PEERS[name].packages:
        pytest.importorskip(package)
    case = peers.Case(330, 5, n_classes, (20, 10), 32, epochs=60)
    X, y = peers.make_data(case, "float32")

    losses = [peers.PEERS[name].fit(case, X, y, epochs) for epochs in (1, 60)]

    assert losses[1] < 0.5 * losses[0]


def test_the_lower_bound_computes_all_products_of_a_step(load):
    peers = load("_peers")
    case = peers.Case(100, 5, 3, (7, 6), 30, epochs=1)

    products = peers.step_products(case, 30, "float64")

    shapes = [(*a.shape, b.shape[1]) for a, b, _ in products]
    assert shapes == [
        *((7, 5, 30), (6, 7, 30), (3, 6, 30)),
        *((3, 30, 6), (6, 3, 30), (6, 30, 7), (7, 6, 30), (7, 30, 5)),
    ]
    assert all(out.shape == (a @ b).shape for a, b, out in products)
    assert list(case.batches()) == [30, 30, 30, 10]
    assert math.isnan(peers.fit_floor(case, *peers.make_data(case, "float64"), 1))


def test_compiling_pays_off_after_enough_epochs(load):
    compile_cost = load("speed").compile_cost
    cost = compile_cost([1.5, 0.5], epoch_ms=10.0, ours_ms=30.0)
    assert cost["compile_seconds"] == 1
    assert cost["overtakes_after_epochs"] == pytest.approx(50)
    assert cost["epoch_ms_with_compiling"] == pytest.approx(15)
    assert compile_cost([1.5, 0.5], 30.0, 10.0)["overtakes_after_epochs"] is None


def test_the_error_of_a_peer_is_reported(load):
    speed = load("speed")
    # NumPy does not draw normal numbers of this dtype.
    with (
        pytest.raises(RuntimeError, match=r"(?s)floor failed on .*float16"),
        speed.start_workers(["floor"], "float16"),
    ):
        pass


def test_ratios_are_plotted(load, tmp_path):
    pytest.importorskip("matplotlib")
    speed = load("speed")
    case = speed.CASES[1]
    timings = {
        name: {"warmup_seconds": [0.2, 0.1], "fit_seconds": [length]}
        for name, length in {"ours": 0.2, "floor": 0.1, "jax": 0.3}.items()
    }

    speed.plot_ratios({1: speed.summarize(case, timings)}, tmp_path / "plot.png")

    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "labels", "columns"),
    [
        (
            "profile",
            {
                "100x4, 3 classes, (100), batch 100",
                "100x16, 26 classes, (256, 256, 256), batch 100",
                "100x30, 2 classes, (64), batch 100",
                "100x54, 7 classes, (1000, 1000), batch 100",
                "100x64, 10 classes, (100), batch 100",
                "100x784, 10 classes, (100), batch 100",
                "100x784, 10 classes, (512, 256), batch 100",
            },
            {"µs per step", "products", "elementwise", "optimizer", "rest"},
        ),
        (
            "predict",
            {"1", "100"},
            {"ratio without their validation", "our peak MB"},
        ),
        (
            "row",
            {
                "64 features, (100), 10 classes",
                "784 features, (512, 256), 10 classes",
                "table of 10 columns",
            },
            {"ScratchMLPClassifier µs", "MLPClassifier / ours", "to_source / ours"},
        ),
        (
            "size",
            {
                "classifier, digits, (100)",
                "regressor, diabetes, (100)",
                "three classifiers, digits, (100)",
                "recipe for tables, 10 columns",
            },
            {"weights kB", "skops kB"},
        ),
        ("sparse", {"100x50000"}, {"ours ms", "MLPClassifier ms", "ratio"}),
        ("memory", ESTIMATORS, {"peak resident MB", "peak traced MB"}),
        ("import", {"sklearn.neural_network", "skscratch after it"}, {"ms"}),
        ("lbfgs", {"100x64", "100x16"}, {"ours ms", "ratio", "our loss"}),
        (
            "ensemble",
            {
                "products only",
                "n_estimators=8",
                "eight single fits",
                "bagged, each with all rows",
                "bagged, with replacement",
            },
            {"ms per epoch", "multiple of ours"},
        ),
        ("search", ESTIMATORS, {"seconds", "MLPClassifier / this"}),
        ("busy", ESTIMATORS, {"quiet ms per epoch", "busy / quiet"}),
        ("growth", ESTIMATORS, {"microseconds per row", "extra bytes per row"}),
    ],
)
def test_figures_have_tables(load, monkeypatch, name, labels, columns):
    figures = load("_figures")
    # Fresh processes make reliable figures, but a slow test.
    monkeypatch.setattr(
        figures, "in_fresh_process", lambda function, *rest: function(*rest)
    )

    records = figures.FIGURES[name].measure(figures.Settings(1, "float32", 1e-4))

    assert {next(iter(record.values())) for record in records} == labels
    assert columns <= {key for record in records for key in record}
    table = figures.format_records(records)
    assert len(table.splitlines()) == len(records) + 2
    json.dumps(records)


def test_onnx_models_are_timed_and_weighed_where_they_can_be_made(load):
    for package in ("onnx", "skl2onnx", "onnxruntime"):
        pytest.importorskip(package)
    serving = load("_serving")
    settings = serving.Settings(3, "float32", 1e-4)
    for record in serving.measure_row(settings):
        pairs = zip(
            record["onnxruntime µs"], record["ScratchMLPClassifier µs"], strict=True
        )
        assert record["onnxruntime / ours"] == pytest.approx([a / b for a, b in pairs])
        assert len(record["onnxruntime / ours"]) == 3
    for record in serving.measure_size(settings):
        assert record["weights kB"] < record["ONNX kB"] < 1.3 * record["weights kB"]
        assert record["compressed skops kB"] < record["skops kB"]
        for name in ("skops", "compressed skops"):
            ratio = record["ONNX kB"] / record[f"{name} kB"]
            assert record[f"ONNX / {name}"] == pytest.approx(ratio)


def test_onnx_and_skops_are_left_out_where_they_are_not_installed(load, monkeypatch):
    serving = load("_serving")
    monkeypatch.setattr(serving, "find_spec", lambda name: name == "pandas" or None)
    settings = serving.Settings(1, "float32", 1e-4)
    records = serving.measure_row(settings) + serving.measure_size(settings)
    names = {name for record in records for name in record}
    assert not {name for name in names if "onnx" in name.lower() or "skops" in name}
    assert {"to_source µs", "weights kB"} <= names


def test_a_model_that_predicts_something_else_is_not_timed(load):
    serving = load("_serving")
    actions = {"ours": lambda: np.ones(3), "other": lambda: np.zeros(3)}
    with pytest.raises(RuntimeError, match="a case: other and ours predict"):
        serving.latencies("a case", actions, serving.Settings(1, "float32", 1.0))


def test_time_counts_for_the_innermost_function(load, monkeypatch):
    figures = load("_figures")
    clock = iter(range(100))
    monkeypatch.setattr(figures.time, "perf_counter", lambda: next(clock))
    owner = SimpleNamespace(inner=lambda: 1, again=lambda: 2)
    owner.outer = lambda: owner.inner() + owner.inner() + owner.again()
    before = dict(vars(owner))
    parts = {"out": [(owner, "outer")], "in": [(owner, "inner"), (owner, "again")]}

    with figures.timed_calls(parts) as (seconds, timed):
        assert owner.outer() == 4
        assert timed(owner.again, "further")() == 2

    # The clock ticks whenever a function begins or ends. Of the seven intervals of
    # outer, three are in the functions it calls; further has three, one in another.
    assert seconds == {"out": 4, "in": 4, "further": 2}
    assert vars(owner) == before


def test_every_figure_is_tested(load):
    (mark,) = test_figures_have_tables.pytestmark
    assert {values[0] for values in mark.args[1]} == set(load("_figures").FIGURES)


def write_table(path: Path, target: Any) -> None:
    """Write a small table with a column of numbers and one of text or empty cells."""
    random = np.random.default_rng(0)
    lines = ["x0,x1,target"]
    for row in range(60):
        text = "" if row % 11 == 0 else ("red", "blue")[row % 2]
        lines.append(f"{random.normal():.3f},{text},{target(row)}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def tabular(load, monkeypatch):
    """The benchmark, with networks and searches that take little time."""
    models, defaults = load("_table_models"), "skscratch.tabular.defaults"
    quick = {"max_iter": 2, "hidden_layer_sizes": (5, 4), "batch_size": "auto"}
    for name, value in quick.items():
        monkeypatch.setitem(importlib.import_module(defaults).RECIPE, name, value)
    monkeypatch.setattr(models, "N_CANDIDATES", 2)
    monkeypatch.setattr(models, "N_FOLDS", 2)
    monkeypatch.setitem(models.TUNED, "trees__max_iter", [3])
    return load("tabular")


def options_of(tabular: Any, *arguments: str) -> Any:
    return tabular.parse_arguments(["--data", ".", *arguments])


def test_tabular_compares_ablates_reports_and_plots(tmp_path, tabular, capsys):
    pytest.importorskip("pandas")
    (tmp_path / "regression").mkdir()
    (tmp_path / "messy").mkdir()
    write_table(tmp_path / "colors.csv", lambda row: ("no", "yes")[row % 2])
    write_table(tmp_path / "regression" / "numbers.csv", lambda row: row / 7)
    write_messy(tmp_path / "messy" / "rides.csv")
    (tmp_path / "README.md").write_text(
        "| data | mlp | other |\n|---|---|---|\n| colors | 0.1 / 0.2 | 0.25 / 0.5 |\n"
    )
    file, picture = tmp_path / "report.json", tmp_path / "picture.png"
    options = ["--data", tmp_path, "--only", "colors", "numbers", "rides"]
    options += ["--splits", 2, "--ablations", "ranks alone", "equal", "no text"]
    options += ["--reported", "other", "--json", file, "--plot", picture]

    tabular.main([str(option) for option in options])

    printed = capsys.readouterr().out
    assert all(name in printed for name in (*tabular.MODELS, "other"))
    for text in ("mean rank", "0.2500", "at worst", "\nrmse\n", "\nequal weights "):
        assert text in printed
    report = json.loads(file.read_text())
    assert_describes_machine(report["machine"])
    changes = {"ranks alone", "equal weights"}
    for task, data, key, ablations in (
        ("classification", "colors", "log_loss", changes),
        ("messy", "rides", "error", changes | {"no text"}),
        ("regression", "numbers", "rmse", changes),
    ):
        result = report["results"][task]
        raw = result["raw"][data]
        assert set(raw) == {*tabular.MODELS, *ablations}
        assert all(len(splits) == 2 and splits[0][key] >= 0 for splits in raw.values())
        assert set(result["ablations"]) == ablations
        offset = 0 if key == "rmse" else 0.002
        pairs = zip(raw["ranks alone"], raw["ours"], strict=True)
        ratios = [(a[key] + offset) / (b[key] + offset) for a, b in pairs]
        mean = result["ablations"]["ranks alone"][key]["mean"]
        assert mean == pytest.approx(np.mean(ratios))
        summary = result["summary"][key]
        assert summary["relative to mlp"]["mlp"] == {"mean": 1, "standard_error": 0}
        assert summary["peers"]["best_peer"] in tabular.MODELS[1:]
        suffix = "" if task == "classification" else f"_{task}"
        assert picture.with_stem(f"picture{suffix}").stat().st_size > 5000


def write_messy(path: Path) -> None:
    """Write a raw table with dates, text, booleans and gaps."""
    random = np.random.default_rng(0)
    lines = ["start,fare,zone,alone,target"]
    for row in range(60):
        day = (
            "" if row % 13 == 0 else f"2024-03-{row % 28 + 1:02d} {row % 24:02d}:15:00"
        )
        zone = "" if row % 11 == 0 else f"zone {row % 5}"
        fare = f"{random.normal():.2f}"
        lines.append(f"{day},{fare},{zone},{row % 3 == 0},{'ab'[row % 2]}")
    path.write_text("\n".join(lines) + "\n")


def test_tabular_uses_the_data_of_scikit_learn(tabular, capsys):
    selection = ["--only", "iris", "wine", "--splits", "1", "--models", "ours", "mlp"]
    tabular.main(["--bundled", *selection])
    printed = capsys.readouterr().out
    for text in ("iris", "wine", "log_loss", "mean rank"):
        assert text in printed
    for text in ("rmse", "hgb", "±"):
        assert text not in printed


@pytest.mark.parametrize(
    "options",
    [
        ["--bundled", "--data", "."],
        ["--bundled", "--reported", "x"],
        [],
        ["--bundled", "--models", "mlp", "--ablations"],
        ["--bundled", "--models", "ours", "--plot", "x.png"],
        ["--bundled", "--models", "trees"],
    ],
)
def test_tabular_refuses_options_that_do_not_fit(load, options):
    with pytest.raises(SystemExit):
        load("tabular").main(options)


def test_tabular_lists_ablations_if_none_has_such_a_name(tabular, capsys):
    options = options_of(tabular, "--ablations", "magic")
    assert tabular.select_ablations("messy", options) == {}
    assert "there are: pieces alone, " in capsys.readouterr().out


@pytest.mark.parametrize("task", ["classification", "messy", "regression"])
def test_every_ablation_changes_something_else_and_only_in_its_context(tabular, task):
    kinds = importlib.import_module("skscratch.tabular.kinds").KINDS
    rounds = importlib.import_module("skscratch.tabular.rounds")

    def fingerprint(model: Any) -> str:
        """Describe all that a fit depends on."""
        with model.context():
            state: list[Any] = [
                {**model.estimator.get_params(), "steps": None},
                rounds.EFFORTS[model.estimator["network"].effort],
                rounds.fit_weights.__name__,
            ]
            state += [(k.encoders("float32", 0), k.parameters) for k in kinds.values()]
            return re.sub(r" at 0x\w+", "", repr(state))

    options = options_of(tabular, "--models", "ours", "--effort", "high")
    data = tabular.read_bundled(tabular.load_diabetes)
    (ours,) = tabular.make_models(data, task, options).values()
    ablations = tabular.make_ablations(task, options)
    before = fingerprint(ours)

    found = [fingerprint(model) for model in ablations.values()]

    assert len({before, *found}) == 1 + len(found)
    assert fingerprint(ours) == before
    used = {n for n, k in kinds.items() if task == "regression" or not k.logs_targets}
    assert {f"without {name}" for name in used} <= set(ablations)
    assert ("no targets" in ablations) == (task == "messy")
    assert ("no temperature" in ablations) == (task != "regression")


def test_an_ablation_is_patched_while_it_is_fitted(tabular):
    rounds = importlib.import_module("skscratch.tabular.rounds")

    class Witness(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            seen.append(rounds.fit_weights(None, [0, 0, 0, 0]))
            return self

        def predict(self, X):
            assert rounds.fit_weights.__name__ == "fit_weights"
            return np.zeros(len(X))

    seen: list[Any] = []
    options = options_of(tabular)
    equal = tabular.make_ablations("regression", options)["equal weights"]
    models = {"x": equal._replace(estimator=Witness())}
    data = tabular.read_bundled(tabular.load_diabetes)

    raw = tabular.compare_on(data, models, 2, is_regression=True)

    assert np.array_equal(seen, np.full((2, 4), 0.25))
    assert [set(split) for split in raw["x"]] == [{"rmse", "seconds"}] * 2


def test_effort_and_time_limit_are_of_ours(tabular):
    options = options_of(tabular, "--effort", "low", "--time-limit", "7")
    data = tabular.read_bundled(tabular.load_diabetes)
    models = tabular.make_models(data, "regression", options)
    models |= tabular.make_ablations("regression", options)
    for name in ("ours", "one hidden layer less"):
        network = models[name].estimator["network"]
        assert (network.effort, network.time_limit) == ("low", 7)


def test_only_the_tuned_peer_is_searched_and_stops_early(tabular):
    data = tabular.read_bundled(tabular.load_diabetes)
    models = tabular.make_models(data, "regression", options_of(tabular))
    tuned = models["hgb_tuned"].estimator
    assert tuned.estimator["trees"].early_stopping is True
    assert models["hgb"].estimator["trees"].early_stopping == "auto"
    tuned.fit(data.X[:90], data.y[:90])
    assert len(tuned.cv_results_["params"]) == 2
    assert tuned.scoring == "neg_root_mean_squared_error"


def test_columns_by_hand_are_date_parts_categories_and_numbers(load, monkeypatch):
    pd = pytest.importorskip("pandas")
    models = load("_table_models")
    monkeypatch.setattr(models, "MAX_CATEGORIES", 2)
    table = pd.DataFrame(
        {
            "day": ["2024-02-29 07:30:00", None, "2023-12-31 23:00:00", None],
            "name": ["b", "a", "a", "b"],
            "code": ["May", "June", "May", None],
            "flag": [True, False, True, True],
            "size": [1.5, None, 2.5, 3.5],
        }
    )
    original = table.copy()
    later = pd.DataFrame(
        {
            "day": ["2025-01-01 00:00:00", "?"],
            "name": ["c", "a"],
            "code": ["June", "July"],
            "flag": [False, True],
            "size": [0.0, 1.0],
        }
    )

    with warnings.catch_warnings():
        # As outside of tests: names of months are not dates of one format.
        warnings.simplefilter("ignore")
        columns = models.ColumnsByHand().fit(table)
    prepared, predicted = columns.transform(table), columns.transform(later)

    pd.testing.assert_frame_equal(table, original)
    day = prepared[[f"day {part}" for part in models.DATE_PARTS]].to_numpy()
    # Weekdays are counted from Monday, 0: these are a Thursday and a Sunday.
    gap = [np.nan] * 5
    expected = [[2024, 2, 29, 3, 7], gap, [2023, 12, 31, 6, 23], gap]
    np.testing.assert_array_equal(day, expected)
    assert list(prepared["name"].cat.categories) == ["a", "b"]
    assert list(prepared["flag"]) == [1, 0, 1, 1]
    assert list(prepared.dtypes) == list(predicted.dtypes)
    assert list(predicted["name"].isna()) == [True, False]
    assert list(predicted["code"].isna()) == [False, True]
    assert predicted["day year"].iloc[0] == 2025
    assert set(prepared.select_dtypes("category")) == {"name", "code"}


def test_rare_categories_are_missing_values_by_hand(load, monkeypatch):
    pd = pytest.importorskip("pandas")
    models = load("_table_models")
    monkeypatch.setattr(models, "MAX_CATEGORIES", 2)
    table = pd.DataFrame({"x": ["c", "a", "c", "b", "b", "c"]})
    prepared = models.ColumnsByHand().fit_transform(table)["x"]
    assert list(prepared.cat.categories) == ["b", "c"]
    assert list(prepared.isna()) == [False, True, False, False, False, False]


def split_results(**errors: list[float]) -> dict[str, list[dict[str, float]]]:
    return {name: [{"rmse": e} for e in values] for name, values in errors.items()}


def test_ratios_have_standard_errors_over_splits(load):
    results = load("_table_results")
    raw = {
        "a": split_results(ours=[1.0, 1.0], mlp=[2.0, 1.0]),
        "b": split_results(ours=[2.0, 1.0], mlp=[1.0, 4.0]),
        "c": split_results(mlp=[1.0, 1.0]),
    }
    # Geometric means over a and b: 1, of 1/2 and 2, and 1/2, of 1 and 1/4.
    ratio = results.mean_ratio(raw, "rmse", "ours")
    assert ratio == pytest.approx((0.75, 0.25))
    assert ratio.format() == "0.750 ± 0.250"
    assert math.isnan(results.mean_ratio(raw, "rmse", "rf").mean)
    first = {data: {m: s[:1] for m, s in raw[data].items()} for data in raw}
    assert results.mean_ratio(first, "rmse", "ours").format() == "1.000"
    # 0.002 is added to errors only.
    raw = {"a": {"ours": [{"error": 0.002}], "mlp": [{"error": 0.0}]}}
    assert results.mean_ratio(raw, "error", "ours").mean == pytest.approx(2)


def test_ours_is_compared_with_the_best_peers(load):
    results = load("_table_results")
    raw = {
        "a": split_results(ours=[1.0, 3.0], mlp=[4.0, 4.0], hgb=[2.0, 2.0]),
        "b": split_results(ours=[6.0, 6.0], mlp=[4.0, 4.0], hgb=[5.0, 5.0]),
    }
    peers = results.compare_with_peers(raw, "rmse")
    assert peers["best_peer"] == "hgb"
    of_splits = [math.sqrt(0.5 * 1.2), math.sqrt(1.5 * 1.2)]
    assert peers["ratio"].mean == pytest.approx(np.mean(of_splits))
    assert peers["data_sets"] == {
        "a": {"best_peer": "hgb", "ratio": 1.0},
        "b": {"best_peer": "mlp", "ratio": 1.5},
    }
    for models in raw.values():
        for name, splits in models.items():
            models[name] = [split | {"seconds": 1.0} for split in splits]
    means = {data: results.average_splits(models) for data, models in raw.items()}
    printed = results.format_results(raw, means, ("rmse",))
    assert "at worst 1.500 (mlp on b)" in printed
    assert results.compare_with_peers({"a": split_results(mlp=[1.0])}, "rmse") == {}


def test_tabular_ranks_and_ratios_skip_missing_results(load):
    tabular = load("_table_results")
    results = {
        "a": {"ours": {"error": 0.1}, "mlp": {"error": 0.2}, "x": {"error": 0.3}},
        "b": {"ours": {"error": 0.5}, "mlp": {"error": 0.2}, "x": {"error": 0.1}},
        "c": {"ours": {"error": 0.0}, "mlp": {"error": 0.2}},
    }
    assert tabular.ratios(results, "error", "x") == pytest.approx(
        [0.302 / 0.202, 0.102 / 0.202]
    )
    ranked = tabular.ranks(results, "error", ["ours", "mlp", "x"])
    assert ranked == {"ours": 2.0, "mlp": 2.0, "x": 2.0}
    assert tabular.count_wins(results, "error", "mlp") == "2, 1"
    assert tabular.count_wins(results, "error", "x") == "1, 1"


def test_tabular_reports_missing_data(load, tmp_path):
    tabular = load("tabular")
    with pytest.raises(SystemExit, match="no data sets to use"):
        tabular.main(["--data", str(tmp_path)])
    write_table(tmp_path / "colors.csv", lambda row: row % 2)
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(SystemExit, match="no column other"):
        tabular.main(["--data", str(tmp_path), "--reported", "other"])


def test_parallel_search_times_each_kind_of_workers():
    # Two rows, of a search and of an ensemble, and at least two kinds of workers.
    lines = run("parallel_search.py", "--epochs", 1, "--repeats", 1).splitlines()
    assert lines[0].startswith("| | one process | loky |")
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "a search",
        "an ensemble",
    ]
    for line in lines[2:]:
        assert all(cell.endswith(" s ") for cell in line.split("|")[2:-1])
