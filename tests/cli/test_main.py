"""The command line: its two jobs, its options and errors, and the files it writes."""

import gzip
import re
import subprocess
import sys

import numpy as np
import pytest
import skops.io
from csv_tables import make_rows, to_csv
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.cli import main as cli
from skscratch.cli.demo import run_xor
from skscratch.cli.main import main
from skscratch.cli.options import PLOT_ENDINGS, make_parser
from skscratch.cli.pictures import draw_learning_curve
from skscratch.cli.study import Study
from skscratch.cli.tables import read_table
from skscratch.cli.terminal import Progress

EXTRAS = ("pandas", "rich", "skops", "matplotlib")
QUICK = ("--folds", "2", "--max-iter", "8")


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


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for option in make_parser()._actions:
        assert option.option_strings[-1:] == [] or option.option_strings[-1] in out
    assert "skscratch[cli]" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.csv"], "--target"),
        (["--target", "label"], "CSV file"),
        (["--separator", ";"], "CSV file"),
        (["a.csv", "b.csv", "--target", "x"], "b.csv"),
        (["--bogus"], "--bogus"),
        (["--tar", "x"], "unrecognized .*--tar"),
        (["--folds", "1"], "from 2"),
        (["--folds", "five"], "'five'"),
        (["--max-iter", "0"], "from 1"),
        (["--jobs", "0"], "from 1 .* or -1"),
        (["--seed", "-1"], "from 0"),
        (["--seed", str(2**32)], "2\\*\\*32 - 1"),
        (["data.csv", "--target", "x", "--separator", "ab"], "neither one character"),
        (["--plot", "curve.txt"], "\\.png"),
        (["--save", "model.pkl"], "\\.skops"),
        (["--plot", "no-folder/curve.png"], "no folder 'no-folder'"),
        (["--save", "no-folder/model.skops"], "no folder 'no-folder'"),
    ],
)
def test_wrong_options_are_refused(refusal, arguments, message):
    assert re.search(message, refusal(*arguments))


@pytest.mark.parametrize(
    ("arguments", "missing", "message"),
    [
        *(
            (
                ["data.csv", "--target", "label"],
                package,
                "reading a CSV file needs pandas, rich and skops: "
                "pip install 'skscratch[cli]'",
            )
            for package in ("pandas", "rich", "skops")
        ),
        (
            ["--save", "m.skops"],
            "skops",
            "--save needs skops: pip install 'skscratch[cli]'",
        ),
        (
            ["--plot", "c.png"],
            "matplotlib",
            "--plot needs matplotlib: pip install 'skscratch[plot]'",
        ),
    ],
)
def test_missing_packages_are_named(
    refusal, monkeypatch, tmp_path, arguments, missing, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    assert refusal(*arguments) == message


def test_paths_that_are_not_writable_are_refused(refusal, monkeypatch, tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert "cannot write" in refusal("--plot", tmp_path / "folder.png")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot write" in refusal("--save", tmp_path / "model.skops")


def test_a_path_that_is_not_a_file_is_refused(refusal, tmp_path):
    assert "No such file" in refusal(tmp_path / "none.csv", "--target", "label")
    assert "cannot read" in refusal(tmp_path, "--target", "label")


@pytest.mark.parametrize("error", [ValueError("a\nb"), MemoryError()])
def test_an_error_in_training_is_one_line(run, write, monkeypatch, error):
    def fail(self, preprocessor):
        raise error

    monkeypatch.setattr(Study, "run", fail)
    status, _, err = run(write(to_csv(make_rows())), "--target", "label")
    assert status == 2
    assert re.fullmatch(r".*cannot train on this table: (a b|not enough memory)\n", err)


def test_an_interrupt_is_one_line(run, monkeypatch):
    def interrupt(options, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupt)
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
    status, out, _ = run(path, "--target", "d", "--separator", "semicolon", *QUICK)
    assert status == 0
    assert "8 rows, 2 columns" in out


def test_a_model_of_a_table_is_saved_and_its_curve_drawn(
    run, write, tmp_path, monkeypatch
):
    text = to_csv(make_rows(), separator=";")
    path = write(gzip.compress(text.encode()), "data.csv.gz")
    tuned = []
    monkeypatch.setattr(
        cli, "draw_learning_curve", lambda network, path: tuned.append(network)
    )
    arguments = (path, "--target", "label", "--save", tmp_path / "model.skops")
    status, out, err = run(*arguments, "--plot", tmp_path / "curve.png", *QUICK)
    assert (status, err) == (0, "")
    assert "60 rows, 2 columns, 2 classes" in out
    assert "12 of 12 fits stopped at --max-iter 8" in out
    assert "the scores are the same" in out
    assert str(tmp_path / "curve.png") in out

    program = "\n".join(re.findall(">>> (.*)", out)).replace("new.csv", str(path))
    names = {}
    exec(program.replace("model.predict(", "predicted = model.predict("), names)
    table = read_table(path, "label")
    inputs = names["model"][0].transform(table.X)
    np.testing.assert_array_equal(names["predicted"], tuned[0].predict(inputs))
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
    for name in types:
        assert repr(name) in lines
    loaded = skops.io.load(path, trusted=types)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("ending", PLOT_ENDINGS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_learning_curves_are_drawn_without_pyplot(tmp_path, ending, early_stopping):
    random = np.random.RandomState(0)
    network = ScratchMLPClassifier(
        (4,), max_iter=5, n_iter_no_change=1, tol=10, early_stopping=early_stopping
    ).fit(random.standard_normal((40, 3)), random.randint(2, size=40))
    path = tmp_path / f"curve{ending}"
    loaded_before = "matplotlib.pyplot" in sys.modules
    draw_learning_curve(network, path)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    assert ("matplotlib.pyplot" in sys.modules) == loaded_before


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
    outs = [run(path, "--target", "label", "--jobs", n, *QUICK) for n in (1, 2)]
    tables = [re.findall(r"(alpha.*?\d\.\d{3} +\d\.\d{3})", out) for _, out, _ in outs]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 6
    assert [err for *_, err in outs] == ["", ""]
