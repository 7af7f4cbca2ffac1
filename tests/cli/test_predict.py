"""Predictions for new rows: what is written, what is noted, and what is refused."""

import csv
import gzip
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import (
    ScratchMLPClassifier,
    ScratchMLPRegressor,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skscratch.cli import predict
from skscratch.cli.models import save
from skscratch.cli.reading import schema
from skscratch.cli.reading.tables import Schema, read_table
from skscratch.tabular.columns import make_preprocessor

# The models need not be good.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Training made the loss worse"),
]

COLUMNS = {"size": "number", "zip": "text", "day": "text"}
QUICK = {"effort": "low", "max_iter": 3, "n_estimators": 1, "random_state": 0}


def make_rows(n_rows=120, seed=0):
    """Return rows as text: a number, a code with leading zeros, and a date."""
    random = np.random.RandomState(seed)
    return pd.DataFrame(
        {
            "size": [f"{x:.3f}" for x in random.standard_normal(n_rows)],
            "zip": [f"{i:04d}" for i in random.randint(5, size=n_rows)],
            "day": [f"{i % 28 + 1}.{i % 12 + 1}.2023" for i in range(n_rows)],
        }
    )


def typed(rows):
    return rows.assign(size=pd.to_numeric(rows["size"]))


TRAINING, NEW = make_rows(), make_rows(50, seed=1)
SIZES = typed(TRAINING)["size"].to_numpy()
LABELS = np.where(SIZES > 0, "large", "small")


def saved(tmp_path_factory, model, y, task):
    path = tmp_path_factory.mktemp("models") / "model.skops"
    schema = Schema("label", task, COLUMNS, ".")
    save(model.fit(typed(TRAINING), y), path, schema.as_dict())
    return path, model


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Path of a saved classifier, and the model itself."""
    model = make_tabular_classifier(**QUICK)
    return saved(tmp_path_factory, model, LABELS, "classification")


@pytest.fixture(scope="module")
def regressor(tmp_path_factory):
    """Path of a saved regressor with intervals, and the model itself."""
    model = make_tabular_regressor(**QUICK, intervals=True)
    return saved(tmp_path_factory, model, SIZES**3, "regression")


@pytest.fixture
def new(write):
    """Path of new rows."""
    return write(NEW.to_csv(index=False), "new.csv")


@pytest.fixture
def table(run):
    """Function that predicts and returns a table of text, and what was noted."""

    def table(*arguments):
        status, out, err = run("predict", *arguments)
        assert status == 0, err
        return pd.DataFrame(read(out)[1:], columns=read(out)[0]), err

    return table


def read(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("chunk_rows", [1, 7, 50, 10_000])
def test_predictions_are_those_of_the_model_in_the_order_of_rows(
    table, classifier, new, monkeypatch, chunk_rows
):
    monkeypatch.setattr(predict, "CHUNK_ROWS", chunk_rows)
    path, model = classifier
    found, err = table(path, new, "--proba")
    assert err == ""
    assert list(found) == [
        *("prediction", "probability of large", "probability of small"),
    ]
    rows = typed(NEW)
    assert found["prediction"].tolist() == model.predict(rows).tolist()
    probabilities = found.iloc[:, 1:].astype(float).to_numpy()
    np.testing.assert_allclose(probabilities, model.predict_proba(rows), rtol=1e-6)


def test_intervals_are_those_of_the_model(table, regressor, new):
    path, model = regressor
    found, _ = table(path, new, "--interval", "0.8")
    assert list(found) == ["prediction", "lower", "upper"]
    found = found.astype(float).to_numpy()
    rows = typed(NEW)
    np.testing.assert_allclose(found[:, 0], model.predict(rows), rtol=1e-6)
    expected = model.predict_interval(rows, 0.8)
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [([3, 12], {"3", "12"}), ([False, True], {"False", "True"}), (["é", "a,b"],) * 2],
)
def test_labels_are_written_as_they_are(tmp_path, table, write, labels, shown):
    numbers = np.arange(20.0)[:, np.newaxis]
    y = np.array(labels)[[0] * 10 + [1] * 10]
    model = make_pipeline(
        StandardScaler(), ScratchMLPClassifier(solver="lbfgs", random_state=0)
    )
    save(model.fit(pd.DataFrame(numbers, columns=["n"]), y), tmp_path / "m.skops")
    rows = write("n\n" + "\n".join(map(str, range(20))))
    found, _ = table(tmp_path / "m.skops", rows, "--proba")
    assert set(found["prediction"]) == set(shown)
    assert set(found.columns[1:]) == {f"probability of {label}" for label in shown}


def test_kept_columns_stay_as_they_are(table, classifier, write):
    rows = NEW[:4].assign(
        id=["007", "1.50 ", 'a "quoted", id', "two\nlines"], prediction="mine"
    )
    found, err = table(
        *(classifier[0], write(rows.to_csv(index=False), "new.csv")),
        *("--keep", "id", "--keep", "prediction", "--keep", "zip"),
    )
    assert list(found) == ["id", "prediction", "zip", "prediction 2"]
    assert found["id"].tolist() == rows["id"].tolist()
    assert found["zip"].tolist() == rows["zip"].tolist()
    assert set(found["prediction"]) == {"mine"}
    assert set(found["prediction 2"]) <= {"large", "small"}
    assert err == ""


def test_other_columns_are_noted_once(table, classifier, write, monkeypatch):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 10)
    rows = NEW.assign(label="large", note="x", other="y")[
        ["other", "day", "note", "zip", "label", "size"]
    ]
    found, err = table(classifier[0], write(rows.to_csv(index=False)))
    assert err.count("\n") == 2
    assert "note: ignored column 'label', which is the target\n" in err
    assert "ignored 2 columns" in err
    assert "'other', 'note'" in err
    expected = classifier[1].predict(typed(NEW))
    assert found["prediction"].tolist() == expected.tolist()
    _, err = table(classifier[0], write(rows.to_csv(index=False)), "--quiet")
    assert err == ""


def test_all_missing_columns_are_named(refusal, classifier, write, tmp_path):
    rows = NEW.rename(columns={"size": "Size", "zip": "postcode"})
    output = tmp_path / "predictions.csv"
    path = write(rows.to_csv(index=False))
    message = refusal("predict", classifier[0], path, "--output", output)
    assert "2 columns" in message
    assert "'size', 'zip'" in message
    assert "did you mean 'Size'" in message
    assert not output.exists()


def test_values_that_are_unknown_or_count_as_missing_are_counted(
    table, classifier, write, monkeypatch
):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 10)
    rows = NEW.copy()
    rows.loc[[3, 30, 31], "zip"] = ["9999", "9999", "1234"]
    rows.loc[[4, 40], "zip"] = ""
    rows.loc[[5, 6, 45], "size"] = ["NA", "", "NA"]
    found, err = table(classifier[0], write(rows.to_csv(index=False)))
    assert len(found) == len(NEW)
    assert "missing: 2 in 'size' (such as 'NA')" in err
    assert "not in the training data: 3 in 'zip' (such as '9999')" in err
    assert err.count("\n") == 2


@pytest.mark.parametrize("chunk_rows", [1, 1000])
def test_the_decimal_separator_is_that_of_the_new_file(
    tmp_path, table, write, monkeypatch, chunk_rows
):
    monkeypatch.setattr(schema, "CHUNK_ROWS", chunk_rows)
    price = [f"${1000 + abs(size):,.2f}" for size in SIZES]
    points = pd.DataFrame({"size": TRAINING["size"], "price": price})
    # Rows without fractions come first.
    points.loc[:2, "size"] = ["3", "", "NA"]
    swapped = str.maketrans(".,", ",.")
    commas = points.apply(lambda column: column.str.translate(swapped))
    texts = {
        ".": points.to_csv(index=False, sep="\t"),
        ",": commas.to_csv(index=False, sep=";"),
    }
    paths = {mark: write(text, f"{ord(mark)}.csv") for mark, text in texts.items()}
    for trained, new in (".,", ",."):
        data = pd.read_csv(io.StringIO(texts[trained]), sep=None, engine="python")
        y = list(LABELS)
        text = data.astype(str).assign(label=y).replace("nan", "")
        separator = {".": "\t", ",": ";"}[trained]
        read = read_table(
            write(text.to_csv(index=False, sep=separator), "training.csv"), "label"
        )
        assert read.schema.decimal == trained
        assert read.schema.formats["price"].thousands == new
        model = make_tabular_classifier(**QUICK).fit(read.X, read.y)
        save(model, tmp_path / "model.skops", read.schema.as_dict())
        found, err = table(tmp_path / "model.skops", paths[new], "--proba")
        same, silence = table(tmp_path / "model.skops", paths[trained], "--proba")
        pd.testing.assert_frame_equal(found, same)
        kinds = {".": "points", ",": "commas"}
        assert f"read with decimal {kinds[new]}; those of the training" in err
        assert f"data had decimal {kinds[trained]}" in err
        assert "decimal" not in silence


def test_without_fractions_the_decimal_separator_is_that_of_training(
    table, classifier, write
):
    rows = NEW.assign(size="7")
    for separator in ",;":
        _, err = table(classifier[0], write(rows.to_csv(index=False, sep=separator)))
        assert err == ""


def test_empty_rows_are_predicted_and_those_at_the_end_left_out(
    table, classifier, write, monkeypatch
):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 10)
    rows = NEW.assign(id="x").copy()
    rows.loc[[3, 17], ["size", "zip", "day"]] = ""
    found, err = table(classifier[0], write(rows.to_csv(index=False) + ",,,\n,,,\n"))
    assert len(found) == len(NEW)
    assert "note: 2 rows without a value in any column that the model takes" in err
    assert "note: left out 2 rows without any value at the end" in err


def test_what_the_model_warns_of_is_said_once(table, classifier, write, monkeypatch):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 10)
    rows = NEW.assign(day="soon")
    found, err = table(classifier[0], write(rows.to_csv(index=False)))
    assert len(found) == len(NEW)
    assert err.count("none of its values can be read as such, for example 'soon'") == 1
    assert err.startswith("skscratch: warning: column 'day' held dates in fit")
    assert err.count("\n") == 1


def test_a_word_in_a_column_of_numbers_is_refused(
    run, classifier, write, tmp_path, monkeypatch
):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 10)
    rows = NEW.copy()
    rows.loc[44, "size"] = "tiny"
    output = tmp_path / "out" / "predictions.csv"
    output.parent.mkdir()
    output.write_text("older")
    arguments = (classifier[0], write(rows.to_csv(index=False)), "--output", output)
    status, _, err = run("predict", *arguments)
    assert status == 2
    assert err.count("\n") == 1
    for part in ("'size'", "'tiny'", "45"):
        assert part in err
    assert [path.read_text() for path in output.parent.iterdir()] == ["older"]


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.csv.gz"])
def test_the_output_can_be_a_file(run, table, classifier, new, tmp_path, name):
    expected = run("predict", classifier[0], new)[1]
    contents = []
    for _ in range(2):
        status, out, _ = run("predict", classifier[0], new, "--output", tmp_path / name)
        assert status == 0
        assert name in out
        assert "50 rows" in out
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    if name.endswith(".gz"):
        assert contents[0][4:8] == bytes(4)  # No time, with which files would differ.
    content = gzip.decompress(contents[0]) if name.endswith(".gz") else contents[0]
    assert content.decode() == expected
    assert {path.name for path in tmp_path.iterdir()} == {"new.csv", name}


def test_separator_and_encoding_can_be_given(table, classifier, write):
    rows = NEW.assign(id="é;ü").rename(columns={"id": "a;b"})
    path = write(rows.to_csv(index=False, sep="~").encode("utf-16-le"))
    options = ("--separator", "~", "--encoding", "utf-16-le")
    found, _ = table(classifier[0], path, *options, "--keep", "a;b")
    assert set(found["a;b"]) == {"é;ü"}
    expected = classifier[1].predict(typed(NEW)).tolist()
    assert found["prediction"].tolist() == expected


def test_rows_can_come_from_standard_input_and_labels_go_out_as_utf_8(
    tmp_path, monkeypatch
):
    model = ScratchMLPClassifier(solver="lbfgs", random_state=0)
    numbers = pd.DataFrame({"n": np.arange(4.0)})
    skops.io.dump(model.fit(numbers, ["é", "é", "ü", "ü"]), tmp_path / "m.skops")
    program = [sys.executable, "-m", "skscratch", "predict", tmp_path / "m.skops", "-"]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run(program, input=b"n\n0\n3\n", capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "prediction\né\nü\n"


PLAIN = make_pipeline(
    make_preprocessor(
        StandardScaler(), min_frequency=1, numeric=["size"], categorical=["zip"]
    ),
    ScratchMLPClassifier(solver="lbfgs", random_state=0),
)


@pytest.mark.parametrize(
    "model",
    [
        make_tabular_classifier(**QUICK),
        PLAIN,
        make_tabular_classifier(**QUICK, numbers_in_text=False),
    ],
)
def test_models_that_were_saved_in_python_predict(tmp_path, table, new, model):
    model.fit(typed(TRAINING), LABELS)
    skops.io.dump(model, tmp_path / "model.skops")
    found, err = table(tmp_path / "model.skops", new)
    assert found["prediction"].tolist() == model.predict(typed(NEW)).tolist()
    assert err == ""


def test_booleans_of_a_model_that_was_saved_in_python_are_read(tmp_path, table, write):
    flags = pd.DataFrame({"a": SIZES > 0, "b": np.arange(120) % 3 == 0})
    model = make_tabular_classifier(**QUICK).fit(flags, LABELS)
    skops.io.dump(model, tmp_path / "model.skops")
    found, _ = table(tmp_path / "model.skops", write(flags.to_csv(index=False)))
    assert found["prediction"].tolist() == model.predict(flags).tolist()


def test_without_names_columns_are_taken_by_position(tmp_path, table, refusal, write):
    rows = NEW.assign(other=NEW["size"].to_numpy()[::-1])[["size", "other"]]
    numbers = rows.astype(float).to_numpy()
    model = ScratchMLPRegressor(solver="lbfgs", max_iter=5, random_state=0)
    skops.io.dump(model.fit(numbers, numbers[:, 0]), tmp_path / "model.skops")
    found, err = table(tmp_path / "model.skops", write(rows.to_csv(index=False)))
    assert "'size', 'other' in this order" in err
    expected = model.predict(numbers)
    np.testing.assert_allclose(found["prediction"].astype(float), expected, rtol=1e-9)

    path = write(rows.assign(id="x").to_csv(index=False))
    message = refusal("predict", tmp_path / "model.skops", path)
    assert "takes 2 columns" in message
    assert "there are 3" in message
    kept, _ = table(tmp_path / "model.skops", path, "--keep", "id")
    assert kept["prediction"].tolist() == found["prediction"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interval", "0.9"], "predicts classes: use --proba"),
        (["--interval", "90"], "'90' is not a probability .* such as 0.9"),
        (["--interval", "x"], "'x' is not a probability"),
        (["--keep", "zipp"], "no column 'zipp': did you mean 'zip'"),
        (["--output", "predictions.xlsx"], r"must end in \.csv or \.csv\.gz"),
        (["--output", "nowhere/predictions.csv"], "no folder 'nowhere'"),
        (["--output", "new.csv"], "is the file of the new rows"),
        (["--bogus"], "--bogus"),
        (["more.csv"], "more.csv"),
    ],
)
def test_wrong_options_are_refused(
    refusal, classifier, new, monkeypatch, options, message
):
    monkeypatch.chdir(new.parent)
    assert re.search(message, refusal("predict", classifier[0], new, *options))
    assert new.read_text() == NEW.to_csv(index=False)


def test_what_a_model_can_not_do_is_refused(refusal, regressor, new, tmp_path):
    assert "numbers, not classes" in refusal("predict", regressor[0], new, "--proba")
    model = make_tabular_regressor(**QUICK).fit(typed(TRAINING), SIZES)
    skops.io.dump(model, tmp_path / "model.skops")
    message = refusal("predict", tmp_path / "model.skops", new, "--interval", "0.9")
    assert "the model has no intervals" in message


def test_what_the_model_refuses_is_one_line(run, classifier, write):
    rows = NEW.copy()
    rows.loc[3, "size"] = "inf"
    status, _, err = run("predict", classifier[0], write(rows.to_csv(index=False)))
    assert status == 2
    assert err.count("\n") == 1
    assert "'size'" in err


@pytest.mark.parametrize("package", ["pandas", "skops"])
def test_missing_packages_are_named(refusal, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'skscratch[cli]'" in refusal("predict", "m.skops", "new.csv")


def test_help_fits_on_a_screen_and_has_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        predict.run_predict(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert out.count("\n") <= 30
    assert max(map(len, out.splitlines())) < 80
    assert "predict model.skops new.csv --output predictions.csv" in out
    for action in predict.make_parser()._actions:
        assert all(option in out for option in action.option_strings)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Path of 300,000 rows."""
    path = tmp_path_factory.mktemp("rows") / "large.csv"
    rows = NEW.to_csv(index=False, header=False) * 6000
    path.write_text("size,zip,day\n" + rows)
    return path


MEASURE = """
import resource, sys
from skscratch.cli.main import main
assert main(["predict", *sys.argv[1:]]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts kilobytes as Linux does")
def test_memory_does_not_grow_with_the_file(tmp_path, large):
    PLAIN.fit(typed(TRAINING), LABELS)
    skops.io.dump(PLAIN, tmp_path / "model.skops")
    small = tmp_path / "small.csv"
    with large.open() as stream:
        small.write_text("".join(next(stream) for _ in range(30_001)))
    peaks = []
    for path in (small, large):
        output = tmp_path / f"{path.stem}-predictions.csv"
        program = [sys.executable, "-c", MEASURE, tmp_path / "model.skops", path]
        done = subprocess.run(
            [*program, "--output", output], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert output.read_text().count("\n") == 300_001
    # Of 10 MB of text more, and the objects that it becomes.
    assert peaks[1] < peaks[0] + 15


def test_a_closed_pipe_ends_quietly(tmp_path, large):
    PLAIN.fit(typed(TRAINING), LABELS)
    skops.io.dump(PLAIN, tmp_path / "model.skops")
    program = [sys.executable, "-m", "skscratch", "predict", tmp_path / "model.skops"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*program, large], **pipes) as process:
        assert process.stdout.readline() == b"prediction\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
