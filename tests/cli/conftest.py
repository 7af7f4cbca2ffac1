"""Fixtures that write files and run the command line."""

import pytest

from skscratch.cli.main import main


@pytest.fixture
def write(tmp_path):
    """Function that writes a file and returns its path."""

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def run(capsys):
    """Function that runs the program; returns exit status, output and errors."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def refusal(run):
    """Function that runs the program, which must fail, and returns its message."""

    def refusal(*arguments):
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert err.count("\n") == 1
        start, message = err[:-1].split(": error: ", maxsplit=1)
        assert start == "skscratch"
        return message

    return refusal
