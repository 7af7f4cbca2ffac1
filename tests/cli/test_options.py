"""Options: the help, and what is refused before any work."""

import re
import sys

import pytest

from skscratch import __version__
from skscratch.cli.main import main
from skscratch.cli.options import check_options, make_parser

FILE = ("data.csv", "--target", "x")


def help_text(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_option(capsys):
    out = help_text(capsys)
    for option in make_parser()._actions:
        assert option.option_strings[-1:] == [] or option.option_strings[-1] in out
    assert "skscratch[cli]" in out


def test_help_fits_on_a_screen_and_has_an_example_of_each_form(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = help_text(capsys).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.startswith("  python -m skscratch")]
    forms = ("skscratch$", "skscratch data.csv --target", "skscratch predict .*skops")
    for form in forms:
        assert any(re.search(form, example) for example in examples)


def test_examples_of_the_help_are_accepted(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    examples = re.findall("  python -m skscratch(.*)", help_text(capsys))
    for example in examples:
        if "predict" not in example:  # It has a parser of its own.
            check_options(make_parser().parse_args(example.split()))


def test_the_version_is_written(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"skscratch {__version__}\n"


def test_a_dash_stands_for_standard_input():
    options = make_parser().parse_args(["-", "--target", "x"])
    assert options.file == "-"
    check_options(options)


def test_the_file_that_is_read_is_not_overwritten(refusal, write):
    path = write("a,b\n1,2\n", "data.md")
    other = path.parent / "." / "data.md"
    message = refusal(path, "--target", "b", "--card", other)
    assert "this is the file to be read" in message
    assert path.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.csv"], "--target"),
        (["--target", "label"], "needs a file"),
        (["--separator", ";"], "needs a file"),
        (["a.csv", "b.csv", "--target", "x"], "b.csv"),
        (["--bogus"], "--bogus"),
        (["--tar", "x"], "unrecognized .*--tar"),
        (["--folds", "1"], "2 or more"),
        (["--folds", "five"], "'five'"),
        (["--max-iter", "0"], "1 or more"),
        (["--jobs", "0"], "1 or more, or -1"),
        (["--seed", "-1"], "0 or more"),
        (["--seed", str(2**32)], "2\\*\\*32 - 1"),
        (["data.csv", "--target", "x", "--separator", "ab"], "neither one character"),
        (["--plot", "curve.txt"], "\\.png"),
        ([*FILE, "--card", "card.txt"], "--card .*\\.md"),
        (["--card", "card.md"], "needs a file"),
        (["--task", "regression"], "needs a file"),
        (["--time-limit", "5"], "--time-limit needs a file"),
        ([*FILE, "--time-limit", "0"], "'0' is not a positive"),
        ([*FILE, "--time-limit", "nan"], "'nan' is not a positive"),
        ([*FILE, "--time-limit", "soon"], "'soon' is not a positive"),
        ([*FILE, "--task", "guessing"], "'guessing'.*classification"),
        ([*FILE, "--model", "forest"], "'forest'.*recipe"),
        ([*FILE, "--effort", "some"], "'some'.*low"),
        ([*FILE, "--max-iter", "5"], "--max-iter needs --model mlp or both"),
        ([*FILE, "--model", "mlp", "--effort", "low"], "--effort needs --model recipe"),
        ([*FILE, "--model", "mlp", "--time-limit", "5"], "--time-limit needs --model"),
        ([*FILE, "--card", "no-folder/card.md"], "no folder 'no-folder'"),
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
                "reading a file needs pandas, rich and skops: "
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
