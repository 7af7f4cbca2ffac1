"""``python -m skscratch``: the two jobs, every refusal, and what they write."""

import gzip
import io
import re
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.cli import main as cli
from skscratch.cli import study
from skscratch.cli.main import draw_learning_curve, main, make_parser, run_xor
from skscratch.cli.study import Progress, Study, aligned, twin_of, verdict
from skscratch.cli.tables import SEPARATORS, make_preparation, read_table

EXTRAS = ("pandas", "rich", "skops", "matplotlib")
QUICK = ("--folds", "2", "--max-iter", "8")


def make_rows(n_rows=60):
    """Sizes, colours with some missing, and labels that both tell something of."""
    random = np.random.RandomState(0)
    rows = []
    for i in range(n_rows):
        label = "no" if i % 2 else "yes"
        size = "" if i % 11 == 3 else f"{random.normal(2 * (i % 2)):.3f}"
        colour = "" if i % 7 == 5 else str(random.choice(["red", "blue, dark"]))
        rows.append((size, colour, label))
    return rows


def to_csv(rows, header="size,colour,label", separator=","):
    def quoted(field):
        return f'"{field}"' if separator in field else field

    lines = [header.split(","), *rows]
    return "".join(separator.join(map(quoted, line)) + "\n" for line in lines)


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def refusal(run):
    """The one line of a run that must fail, without what they all begin with."""

    def refusal(*arguments):
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert err.count("\n") == 1
        start, message = err[:-1].split(": error: ", maxsplit=1)
        assert start == "skscratch"
        return message

    return refusal


def with_column(values, header="size,colour,label,more"):
    rows = make_rows(len(values))
    return to_csv(
        [(*row, value) for row, value in zip(rows, values, strict=True)], header
    )


def comparison_table(out):
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Mean ±"))
    return lines[start + 1 : start + 5]


def test_the_main_job_runs_as_a_program():
    program = [sys.executable, "-m", "skscratch", *QUICK]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert "1,797 rows, 64 columns, 10 classes" in done.stdout
    assert "the scores are the same" in done.stdout


def test_the_main_job_needs_no_extra():
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


def test_the_main_job_ends_with_a_table(run):
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


def test_xor_is_learnt(capsys):
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
        (["data.csv", "--target", "x", "--separator", "ab"], "one character"),
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


def test_places_that_cannot_be_written_to_are_refused(refusal, monkeypatch, tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert "cannot write" in refusal("--plot", tmp_path / "folder.png")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot write" in refusal("--save", tmp_path / "model.skops")


FILES = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "header": (b"a,label\n", "no rows"),
    "binary": (bytes(range(256)), "binary"),
    "utf-16": (to_csv(make_rows()).encode("utf-16"), "binary"),
    "latin-1": ("a,label\n1,x\n2,é\n".encode("latin-1"), "not UTF-8 text \\(line 3"),
    "cut gzip": (gzip.compress(to_csv(make_rows()).encode())[:-20], "cannot read"),
    "not gzip": (b"\x1f\x8b no", "cannot read"),
    "short": (b"a,label\n1,x\n2\n", "line 3 .* 1 field, the first line 2"),
    "long": (b"a,label\n1,x\n2,y,z\n", "line 3 .* 3 fields"),
    "open quote": (b'a,label\n1,x\n"2,y\n', "1 field"),
    "endless field": (b"a" * 200_000 + b",label\n1,x\n", "field larger"),
    "no such column": (b"a,Label\n1,x\n", "did you mean 'Label'"),
    "two targets": (b"a,label,label\n1,x,x\n2,y,y\n", "2 columns 'label'"),
    "no label": (b"a,label\n1,\n2,\n", "'label' is empty"),
    "one class": (b"a,label\n1,x\n2,x\n", "two classes"),
    "classes of one row": (b"a,label\n1,x\n2,y\n", "two classes"),
    "fractions": (b"a,label\n1,0.5\n2,1.0\n", "not a class label.* 0.5"),
    "infinite label": (b"a,label\n1,inf\n2,1.0\n", "not a class label.* inf"),
    "label of no end": (b"a,label\n1,1e300\n2,1.0\n", "not a class label.* 1e"),
    "only the target": (b"label\nx\ny\nx\ny\n", "no column but 'label'"),
    "constant": (b"a,b,label\n1,,x\n1,,y\n1,,x\n1,,y\n", "no column but 'label'"),
    "infinite": (with_column(["inf", *"1234567"]).encode(), "'more' holds .* inf"),
    "huge": (with_column(["-1e200", *"1234567"]).encode(), "'more' holds .* 1e.200"),
    # Which versions of pandas read, or do not.
    "no float": (
        with_column(["1" * 400, *"1234567"]).encode(),
        "cannot read .* int|'more' holds a number too large",
    ),
    "copy": (with_column(["yes", "no"] * 4).encode(), "copy of the target"),
    "identifiers": (
        to_csv([(*row[:2], f"id {i}") for i, row in enumerate(make_rows())]).encode(),
        "not a class label: 60 different values in 60 rows",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_table_of_classes_are_refused(refusal, write, case):
    content, message = FILES[case]
    assert re.search(message, refusal(write(content), "--target", "label"))


def test_what_is_not_a_file_is_refused(refusal, tmp_path):
    assert "No such file" in refusal(tmp_path / "none.csv", "--target", "label")
    assert "cannot read" in refusal(tmp_path, "--target", "label")


@pytest.mark.parametrize("error", [ValueError("a\nb"), MemoryError()])
def test_training_that_fails_is_one_line(run, write, monkeypatch, error):
    def fail(self, preparation):
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


def test_a_reader_that_leaves_is_no_error():
    program = [sys.executable, "-m", "skscratch", *QUICK]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, **pipes) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


FORMS = {
    **{
        name: to_csv(make_rows(), separator=separator)
        for name, separator in SEPARATORS.items()
    },
    "gzip": gzip.compress(to_csv(make_rows()).encode()),
    "byte order mark": "\ufeff" + to_csv(make_rows()),
    "CRLF": to_csv(make_rows()).replace("\n", "\r\n"),
    "CR": to_csv(make_rows()).replace("\n", "\r"),
    "blank lines": "\n" + to_csv(make_rows()).replace("\n", "\n  \n\n"),
    "spaces": to_csv(make_rows()).replace(",", ", ").replace(",  ", ", "),
    "decimal comma": to_csv(
        [(row[0].replace(".", ","), *row[1:]) for row in make_rows()], separator=";"
    ),
    "row numbers": to_csv(
        [(str(i), *row) for i, row in enumerate(make_rows())], ",size,colour,label"
    ),
    "separators at the end": to_csv(
        [(*row, "") for row in make_rows()], "size,colour,label,"
    ),
    "no label": to_csv([*make_rows(), ("1", "red", "")]),
    "class of one row": to_csv([*make_rows(), ("1", "red", "perhaps")]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_the_same_in_every_form(write, form):
    expected = read_table(write(to_csv(make_rows())), "label")
    table = read_table(write(FORMS[form], "other.csv"), "label")
    pd.testing.assert_frame_equal(table.X, expected.X)
    np.testing.assert_array_equal(table.y, expected.y)
    assert table.numeric == ["size"]
    assert table.categorical == ["colour"]
    left_out = form in {"row numbers", "separators at the end"} or "label" in form
    assert len(table.notes) == (left_out or form == "class of one row")


def test_a_byte_order_mark_is_no_part_of_the_targets_name(write):
    text = "\ufefflabel,size\n" + "x,1\ny,2\n" * 3
    assert list(read_table(write(text), "label").X) == ["size"]


def test_a_given_separator_is_obeyed(run, write):
    path = write("a;b,c;d\n" + "1;x,2;yes\n2;y,1;no\n" * 4)
    status, out, _ = run(path, "--target", "d", "--separator", "semicolon", *QUICK)
    assert status == 0
    assert "8 rows, 2 columns" in out


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "0"] * 5, "i"),
        (["1", "0", "2", "", "1", "0", "2", "1", "0", "2"], "i"),
        (["true", "false"] * 5, "b"),
        (["true", "false", ""] * 3 + ["true"], "b"),
        (["é", "1"] * 5, "U"),
    ],
)
def test_labels_keep_their_type(write, values, kind):
    table = read_table(write(with_column(values)), "more")
    assert table.y.dtype.kind == kind
    shown = {str(label).lower() for label in table.y.tolist()}
    assert shown == set(filter(None, values))


def test_columns_without_use_are_left_out_and_named(write):
    random = np.random.RandomState(0)
    rows = [
        ("1", "", f"name {i}", "?" if i % 20 == 0 else str(random.randint(9)), *row)
        for i, row in enumerate(make_rows())
    ]
    header = "same,void,name,marked,size,colour,label"
    table = read_table(write(to_csv(rows, header)), "label")
    assert list(table.X) == ["marked", "size", "colour"]
    assert table.categorical == ["marked", "colour"]
    notes = "\n".join(table.notes)
    for word in ("'same'", "'void'", "'name'", "'marked' is text because of '?'"):
        assert word in notes


def test_columns_are_prepared_by_their_kind(write):
    numbers = ["1", "2", "", "9"] * 3
    words = ["often"] * 6 + ["once", *[""] * 5]
    rows = zip(numbers, words, ["x", "y"] * 6, strict=True)
    table = read_table(write(to_csv(rows, "number,word,label")), "label")
    prepared = make_preparation(table).fit_transform(table.X)
    number, missing, often, no_word, rare = prepared.T
    np.testing.assert_allclose(number.reshape(3, 4).mean(axis=0), number[:4])
    np.testing.assert_allclose([number.mean(), number.std()], [0, 1], atol=1e-12)
    assert number[2] == number[1]
    assert missing[2] > 0 > missing[0]
    np.testing.assert_array_equal(often, [word == "often" for word in words])
    np.testing.assert_array_equal(no_word, [word == "" for word in words])
    np.testing.assert_array_equal(rare, [word == "once" for word in words])


cells = st.one_of(
    st.none(), st.floats(-1e100, 1e100), st.booleans(), st.sampled_from(["a", "b"])
)


@given(data=st.data(), n_rows=st.integers(4, 12))
@settings(max_examples=25)
def test_prepared_columns_are_finite_numbers(tmp_path_factory, data, n_rows):
    columns = {
        name: data.draw(st.lists(kind, min_size=n_rows, max_size=n_rows))
        for name, kind in {
            "mixed": cells,
            "numbers": st.none() | st.floats(-1e6, 1e6, width=32),
            "flags": st.none() | st.booleans(),
        }.items()
    }
    columns["count"] = range(n_rows)
    columns["label"] = ["x", "x", "y", "y", *"x" * (n_rows - 4)]
    path = tmp_path_factory.mktemp("data") / "data.csv"
    pd.DataFrame(columns).to_csv(path)
    table = read_table(path, "label")
    half = n_rows // 2
    preparation = make_preparation(table).fit(table.X[:half])
    prepared = preparation.transform(table.X)
    assert np.isfinite(prepared).all()
    assert len(prepared) == len(table.y)


def test_a_table_is_trained_on_saved_and_drawn(run, write, tmp_path, monkeypatch):
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
    lines = cli.save(model, path, "import pandas", "pandas.read_csv('new.csv')")
    types = skops.io.get_untrusted_types(file=path)
    for name in types:
        assert repr(name) in lines
    loaded = skops.io.load(path, trusted=types)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("ending", cli.PLOT_ENDINGS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_learning_curves_are_drawn(tmp_path, ending, early_stopping):
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


def make_study(X, y, **options):
    defaults = {"folds": 5, "max_iter": 5, "jobs": 1, "seed": 0}
    return Study(X, y, Namespace(**defaults | options), Progress())


def test_the_rarest_class_limits_the_folds(capsys):
    y = np.array([0] * 20 + [1] * 20 + [2] * 3)
    study = make_study(np.random.RandomState(0).standard_normal((43, 2)), y)
    study.describe()
    assert "3 folds instead of 5" in capsys.readouterr().out
    assert len(study.folds) == 3
    for train, test in study.folds:
        assert set(y[train]) == set(y[test]) == {0, 1, 2}
        assert not set(train) & set(test)


def test_the_candidate_of_the_lowest_log_loss_is_taken(capsys):
    random = np.random.RandomState(0)
    X, y = random.standard_normal((60, 5)), np.array(["x", "y"] * 30)
    make_study(X, y, max_iter=60).run(StandardScaler())
    out = capsys.readouterr().out
    tried = re.findall(r"(alpha=\S+, .*?) +(\d\.\d{3}) +(\d\.\d{3})", out)
    assert len(tried) == 6
    best = min(tried, key=lambda candidate: float(candidate[2]))
    most_accurate = max(tried, key=lambda candidate: float(candidate[1]))
    assert best != most_accurate
    assert f"lowest log loss: {best[0]}\n" in out


def test_many_rows_are_sampled_and_stopped_early(monkeypatch, capsys):
    monkeypatch.setattr(study, "MANY_ROWS", 60)
    random = np.random.RandomState(0)
    y = np.sort(np.array(["x"] * 150 + ["y"] * 145 + ["z"] * 5))
    X = random.standard_normal((300, 2)) + (y == "x")[:, np.newaxis]
    many = make_study(X, y, max_iter=30)
    drawn = many.sample()
    assert len(drawn) == len(set(drawn)) == 30 + 29 + 5
    assert np.unique(y[drawn], return_counts=True)[1].tolist() == [30, 29, 5]
    tuned = many.run(StandardScaler())
    assert tuned[-1].early_stopping
    assert tuned[0].n_samples_seen_ == 300
    out = capsys.readouterr().out
    assert "early stopping, and tuning on 60 of them" in out
    assert "the scores are the same" in out


def test_processes_change_no_score(write, run):
    path = write(to_csv(make_rows()))
    outs = [run(path, "--target", "label", "--jobs", n, *QUICK) for n in (1, 2)]
    tables = [re.findall(r"(alpha.*?\d\.\d{3} +\d\.\d{3})", out) for _, out, _ in outs]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 6
    assert [err for *_, err in outs] == ["", ""]


def test_the_twin_has_the_same_parameters():
    network = ScratchMLPClassifier(
        (3, 2), alpha=0.5, random_state=7, early_stopping=True
    )
    twin = twin_of(Pipeline([("preparation", StandardScaler()), ("network", network)]))
    assert type(twin[-1]) is MLPClassifier
    assert twin[-1].get_params().items() <= network.get_params().items()


def test_scores_that_differ_are_called_different():
    ours = {
        "test_accuracy": [0.9, 0.8],
        "test_log_loss": [-0.5, -0.4],
        "fit_time": [1, 1],
        "test_predict": [2, 2],
    }
    theirs = ours | {"test_accuracy": [0.9, 0.75], "fit_time": [3, 2]}
    text = " ".join(verdict(ours, theirs).split())
    assert "differ by 0.05" in text
    assert "2.5 times as fast to fit and 1.0 times as fast to predict" in text


def test_columns_are_aligned():
    lines = aligned([("", "a"), ("long name", "1.25"), ("x", "10")]).split("\n")
    assert lines == ["                a", "  long name  1.25", "  x            10"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("with_rich", [False, True])
def test_a_terminal_shows_what_runs_and_keeps_what_is_said(monkeypatch, with_rich):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not with_rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    with Progress() as progress:
        progress.now("fold 1 of 2")
        progress.say("short")
        progress.say("fold 1: [bold] :+1: " + "long " * 20)
        progress.now("fold 2 of 2")
    written = terminal.getvalue()
    assert "fold 1: [bold] :+1: " + "long " * 20 in written
    assert "fold 2 of 2" in written
    assert "\x1b[2Kshort\n" in written or f"\r{'short':59}\n" in written
    last = re.split(r"\r|\x1b\[2K", written)[-1]
    assert last.strip() == ""


def test_lines_are_written_as_work_goes_on():
    program = [sys.executable, "-m", "skscratch", "--folds", "2", "--max-iter", "300"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "fold 1" in line:
                break
        assert process.poll() is None
        process.kill()
