"""Real servers on the loopback interface, as the guide to serving starts them.

Each test runs the program of the guide, which saves a model, and then a server in a
process of its own. They are skipped where mlflow or FastAPI is not installed.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "skscratch/export/README.md").read_text(encoding="utf-8")
# Seconds that a server may take to start, as it imports much, and to answer.
STARTS, ANSWERS = 120, 30
SERVE_MLFLOW = "mlflow models serve --model-uri models:/shop/1 --env-manager local"
SAVE_EXPECTED = """
import json
table = table.astype(object).where(table.notna(), None)
rows = table.to_dict("records")
expected = model.predict_proba(table).tolist()
with open("expected.json", "w") as file:
    json.dump([rows, expected], file)
"""


def block(heading, language):
    """Return the first block of code of a language under a heading of the guide."""
    section = GUIDE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return re.search(f"```{language}\n(.*?)```", section, re.DOTALL)[1]


def environment():
    """Return environment variables with which a process imports the checkout."""
    folders = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "MLFLOW_TRACKING_URI": "sqlite:///models.db",
    }


def run_program(code, folder):
    """Run a program in a folder; return the rows and probabilities that it saves."""
    result = subprocess.run(
        [sys.executable, "-c", code + SAVE_EXPECTED],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return json.loads((folder / "expected.json").read_text())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(command, folder, ready):
    """Context with a server that answers at the path ``ready``; yields its address.

    A server may start further processes: all of its group end with the context.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(f"{address}{ready}", process, log)
        yield address
        assert process.poll() is None, log.read_text()
    finally:
        end_group(process)


def wait_for(url, process, log):
    """Wait until a server answers."""
    deadline = time.monotonic() + STARTS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            urlopen(url, timeout=ANSWERS).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def end_group(process):
    """End a process and those that it started, at once if they do not end in time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait(timeout=10)


def post(url, content):
    """Return the status and the JSON of the answer to a request."""
    body = json.dumps(content).encode()
    request = Request(url, body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=ANSWERS) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.status, json.load(error)


def assert_serves(url, wrap, unwrap, rows, expected):
    """Check answers to right requests, one by one and at once, and to a wrong one.

    ``wrap`` makes a request of rows, and ``unwrap`` probabilities of an answer.
    """

    def assert_answers(rows, expected):
        status, answer = post(url, wrap(rows))
        assert status == 200, answer
        # A matrix of other rows is multiplied in another order.
        np.testing.assert_allclose(unwrap(answer), expected, rtol=0, atol=1e-6)

    assert_answers(rows, expected)
    assert_answers(rows[:1], expected[:1])
    incomplete = [{name: row[name] for name in row if name != "shop"} for row in rows]
    status, answer = post(url, wrap(incomplete))
    assert 400 <= status < 500
    assert "missing" in json.dumps(answer)
    assert "'shop'" in json.dumps(answer)
    with ThreadPoolExecutor(8) as threads:
        singles = [([row], [p]) for row, p in zip(rows, expected, strict=True)]
        list(threads.map(assert_answers, *zip(*singles, strict=True)))


def test_mlflow_serves_a_logged_pipeline(tmp_path):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    commands = block("With mlflow", "bash")
    assert f"{SERVE_MLFLOW} --port" in commands
    rows, expected = run_program(block("With mlflow", "python"), tmp_path)
    assert None in rows[0].values()
    with serving(SERVE_MLFLOW.split(), tmp_path, "/ping") as address:
        url = f"{address}/invocations"
        assert_serves(
            url,
            lambda rows: {"dataframe_records": rows},
            lambda answer: answer["predictions"],
            *(rows, expected),
        )
        request = json.loads(re.search("--json '(.*)'", commands)[1])
        status, answer = post(url, request)
        assert status == 200
        assert len(answer["predictions"]) == len(request["dataframe_records"])


def test_fastapi_serves_a_skops_file(tmp_path):
    for package in ("fastapi", "httpx2", "uvicorn"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    program = block("With FastAPI", "python")
    imports = program.partition("\n\n")[0]
    training, _, others = program.partition("# The server\n")
    server = others.partition("# A client\n")[0]
    (tmp_path / "server.py").write_text(f"{imports}\n{server}")
    load = 'model = skops.io.load("shop.skops", trusted='
    assert load in server
    training += f'{load}skops.io.get_untrusted_types(file="shop.skops"))\n'
    rows, expected = run_program(training, tmp_path)
    with serving(["uvicorn", "server:app"], tmp_path, "/docs") as address:
        assert_serves(
            f"{address}/predict",
            lambda rows: rows,
            lambda answer: answer,
            *(rows, expected),
        )
