"""The command line: its two jobs, its options and errors, and the files it writes."""

import gzip
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from csv_tables import make_rows, to_csv
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.cli import main as cli
from skscratch.cli.demo import run_xor
from skscratch.cli.output.terminal import Progress
from skscratch.cli.reading.tables import read_table
from skscratch.cli.study import Study

EXTRAS = ("pandas", "rich", "skops", "matplotlib")
QUICK = ("--folds", "2", "--max-iter", "8")
PLAIN = ("--model", "mlp", *QUICK)
RECIPE = ("--effort", "low", "--folds", "2")


def comparison_table(out):
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Mean ±"))
    return lines[start + 1 : start + 5]


def test_the_program_runs():
    program = [sys.executable, "-m", "skscratch", *QUICK]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert "1,797 rows, 64 columns, 10 classes" in done.stdout
    assert "the scores are the same" in done.stdout


def test_the_program_runs_without_extras():
    program = f"""
import sys

class Missing:
    def find_spec(self, name, *_):
        if name in {EXTRAS}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from skscratch.cli.main import main
raise SystemExit(main({QUICK}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_program_ends_with_a_table_of_scores(run):
    status, out, err = run(*QUICK)
    assert (status, err) == (0, "")
    header, *rows = comparison_table(out)
    titles = r" +accuracy +log loss +fit, m?s +predict, m?s"
    assert re.fullmatch(titles, header)
    assert [row.split("  ")[1] for row in rows] == [
        "ScratchMLPClassifier",
        "MLPClassifier",
        "before tuning",
    ]
    assert len({len(line) for line in (header, *rows)}) == 1
    accuracies, log_losses = np.array(
        [[float(x) for x in re.findall(r" (0\.\d{3}) ±", row)] for row in rows]
    ).T[:2]
    assert accuracies[0] == accuracies[1] > 0.7
    assert log_losses[0] == log_losses[1] < log_losses[2]


def test_xor_is_learned(capsys):
    with Progress() as progress:
        run_xor(progress)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    costs = [float(line[1]) for line in lines if len(line) == 2 and line[0].isdigit()]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.05
    answers = [[float(x) for x in line] for line in lines[-4:]]
    for x1, x2, xor, answer in answers:
        assert xor == (x1 != x2)
        assert abs(answer - xor) < 0.1


def test_a_path_that_is_not_a_file_is_refused(refusal, tmp_path):
    assert "No such file" in refusal(tmp_path / "none.csv", "--target", "label")
    assert "cannot read" in refusal(tmp_path, "--target", "label")


@pytest.mark.parametrize("error", [ValueError("a\nb"), MemoryError()])
def test_an_error_in_training_is_one_line(run, write, monkeypatch, error):
    def fail(self, preprocessor):
        raise error

    monkeypatch.setattr(Study, "run", fail)
    status, _, err = run(write(to_csv(make_rows())), "--target", "label", *PLAIN)
    assert status == 2
    assert re.fullmatch(r".*cannot train on this table: (a b|not enough memory)\n", err)


def test_an_interrupt_is_one_line(run, monkeypatch):
    def interrupt(options, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_demo", interrupt)
    assert run() == (130, "", "skscratch: interrupted\n")


def test_a_closed_pipe_is_not_an_error():
    program = [sys.executable, "-m", "skscratch", *QUICK]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, **pipes) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_the_separator_can_be_set(run, write):
    path = write("a;b,c;d\n" + "1;x,2;yes\n2;y,1;no\n" * 4)
    status, out, _ = run(path, "--target", "d", "--separator", "semicolon", *PLAIN)
    assert status == 0
    assert "8 rows, 2 columns" in out


def test_a_model_of_a_table_is_saved_and_its_curve_drawn(
    run, write, tmp_path, monkeypatch
):
    text = to_csv(make_rows(), separator=";")
    path = write(gzip.compress(text.encode()), "data.csv.gz")
    tuned = []
    monkeypatch.setattr(
        cli, "draw_training", lambda outcome, *_: tuned.append(outcome.model)
    )
    arguments = (path, "--target", "label", "--save", tmp_path / "model.skops")
    status, out, err = run(*arguments, "--plot", tmp_path / "curve.png", *PLAIN)
    assert (status, err) == (0, "")
    assert "60 rows, 2 columns, 2 classes" in out
    assert "12 of 12 fits stopped at --max-iter 8" in out
    assert "the scores are the same" in out
    assert str(tmp_path / "curve.png") in out

    program = "\n".join(re.findall(">>> (.*)", out)).replace("new.csv", str(path))
    names = {}
    exec(program.replace("model.predict(", "predicted = model.predict("), names)
    table = read_table(path, "label")
    np.testing.assert_array_equal(names["predicted"], tuned[0].predict(table.X))
    assert np.mean(names["predicted"] == table.y) > 0.6


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_saved_pipeline_predicts_the_same(tmp_path, early_stopping):
    random = np.random.RandomState(0)
    X, y = random.standard_normal((40, 3)), np.array(["x", "y"] * 20)
    network = ScratchMLPClassifier(
        (4,), max_iter=3, n_iter_no_change=1, tol=10, early_stopping=early_stopping
    )
    model = Pipeline([("scaler", StandardScaler()), ("network", network)]).fit(X, y)
    path = tmp_path / "model.skops"
    cli.save(model, path)
    lines = cli.loading_instructions(path, "pandas.read_csv('new.csv')")
    types = skops.io.get_untrusted_types(file=path)
    assert f"the {len(types)} types" in lines
    assert all(name.startswith("skscratch.") for name in types)
    assert "are of skscratch)" in lines
    assert f"predict {path} new.csv" in lines
    loaded = skops.io.load(path, trusted=types)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("option", ["--plot", "--save"])
def test_a_full_disk_is_one_line(run, monkeypatch, tmp_path, option):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skops.io.dump", fail)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    name = {"--plot": "curve.png", "--save": "model.skops"}[option]
    status, _, err = run(option, tmp_path / name, *QUICK)
    assert status == 2
    assert err.endswith("No space left on device\n")
    assert err.count("\n") == 1


def test_the_number_of_processes_does_not_change_the_scores(write, run):
    path = write(to_csv(make_rows()))
    outs = [run(path, "--target", "label", "--jobs", n, *PLAIN) for n in (1, 2)]
    tables = [re.findall(r"(alpha.*?\d\.\d{3} +\d\.\d{3})", out) for _, out, _ in outs]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 6
    assert [err for *_, err in outs] == ["", ""]


def table_path(write, task="classification"):
    if task == "classification":
        return write(to_csv(make_rows()))
    random = np.random.RandomState(0)
    sizes = random.standard_normal(80)
    rows = [(f"{x:.3f}", f"{i % 7}", f"{3 * x + 0.5:.3f}") for i, x in enumerate(sizes)]
    return write(to_csv(rows))


def test_json_is_one_object_and_nothing_else(run, write):
    path = table_path(write)
    arguments = ("--target", "label", "--task", "classification", *RECIPE)
    status, out, err = run(path, *arguments, "--json", "--quiet")
    assert (status, err) == (0, "")
    results = json.loads(out, parse_constant=pytest.fail)
    assert results["data"]["task"] == "classification"
    assert results["data"]["source"] == str(path)
    assert [column["name"] for column in results["columns"]] == ["size", "color"]
    assert [len(model["folds"]) for model in results["models"]] == [2, 2, 2]
    assert results["kept"] == "skscratch recipe"
    assert results["files"] == {}


def test_quiet_output_is_the_results(run, write):
    path = table_path(write)
    status, out, err = run(path, "--target", "label", *RECIPE, "--quiet")
    assert (status, err) == (0, "")
    lines = [line for line in out.splitlines() if line]
    assert lines[0].startswith("Mean ±")
    assert "fold 1 of" not in out
    assert "Columns" not in out
    assert "Best by accuracy" in out
    assert lines[-1] == "Nothing was saved: add --save model.skops to do so."


def test_all_files_of_a_regression_are_written(run, write, tmp_path):
    path = table_path(write, "regression")
    outputs = [tmp_path / name for name in ("m.skops", "p.svg", "c.md")]
    arguments = ("--target", "label", "--task", "regression", *RECIPE)
    options = zip(("--save", "--plot", "--card"), outputs, strict=True)
    status, out, err = run(path, *arguments, *(x for pair in options for x in pair))
    assert (status, err) == (0, "")
    for output in outputs:
        assert str(output) in out
        assert output.stat().st_size > 500
    card = outputs[2].read_text("utf-8")
    assert "![Training of the networks](p.svg)" in card
    assert "python -m skscratch predict m.skops" in card
    types = skops.io.get_untrusted_types(file=outputs[0])
    model = skops.io.load(outputs[0], trusted=types)
    table = pd.read_csv(path)
    assert model.score(table[["size", "color"]], table["label"]) > 0.5


def test_a_table_is_read_from_standard_input():
    arguments = ["-", "--target", "label", *RECIPE, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "skscratch", *arguments],
        input=to_csv(make_rows()).encode(),
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["data"]["source"] == "-"
