"""The benchmarks run and report what their docstrings promise; times are not tested."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

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


def test_tabular_compares_ablates_reports_and_plots(
    tmp_path, load, monkeypatch, capsys
):
    pytest.importorskip("pandas")
    tabular, recipe = (
        load("tabular"),
        importlib.import_module("skscratch.tabular.recipe"),
    )
    quick = {"max_iter": 2, "n_estimators": 2, "batch_size": "auto"}
    monkeypatch.setattr(recipe, "RECIPE", recipe.RECIPE | quick)
    (tmp_path / "regression").mkdir()
    write_table(tmp_path / "colors.csv", lambda row: ("no", "yes")[row % 2])
    write_table(tmp_path / "regression" / "numbers.csv", lambda row: row / 7)
    (tmp_path / "README.md").write_text(
        "| data | mlp | other |\n|---|---|---|\n| colors | 0.1 / 0.2 | 0.25 / 0.5 |\n"
    )
    file, picture = tmp_path / "report.json", tmp_path / "picture.png"
    options = ["--data", tmp_path, "--only", "colors", "numbers", "--splits", 2]
    options += ["--ablations", "--reported", "other", "--json", file, "--plot", picture]

    tabular.main([str(option) for option in options])

    printed = capsys.readouterr().out
    for text in ("ours", "mlp", "hgb", "rf", "other", "mean rank", "without", "rmse"):
        assert text in printed
    assert "0.2500" in printed
    report = json.loads(file.read_text())
    assert_describes_machine(report["machine"])
    for kind, data, key in (
        ("classification", "colors", "log_loss"),
        ("regression", "numbers", "rmse"),
    ):
        raw = report["results"][kind]["raw"][data]
        assert {"ours", "mlp", "hgb", "rf", "no pieces"} <= set(raw)
        assert all(len(splits) == 2 and splits[0][key] > 0 for splits in raw.values())
    assert picture.stat().st_size > 5000
    assert (tmp_path / "picture_regression.png").stat().st_size > 5000


def test_tabular_uses_the_data_of_scikit_learn(load, monkeypatch, capsys):
    tabular, recipe = (
        load("tabular"),
        importlib.import_module("skscratch.tabular.recipe"),
    )
    quick = {"max_iter": 2, "n_estimators": 1, "batch_size": "auto"}
    monkeypatch.setattr(recipe, "RECIPE", recipe.RECIPE | quick)
    tabular.main(["--bundled", "--only", "iris", "wine", "--splits", "1"])
    printed = capsys.readouterr().out
    for text in ("iris", "wine", "log_loss", "mean rank"):
        assert text in printed
    assert "rmse" not in printed
    for options in (["--bundled", "--data", "."], ["--bundled", "--reported", "x"], []):
        with pytest.raises(SystemExit):
            tabular.main(options)


def test_tabular_ranks_and_ratios_skip_missing_results(load):
    tabular = load("tabular")
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
