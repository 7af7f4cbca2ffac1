"""Ctrl-C: the program ends at once, whatever it is doing, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skops.io

from skscratch import ScratchMLPRegressor
from skscratch.cli.interrupt import prepare_workers

if sys.platform == "win32":
    pytest.skip("These tests send signals.", allow_module_level=True)

PATIENCE = 60  # Seconds; on a busy machine everything takes its time.

# Parts of the program; each prints "ready" before what is interrupted.
START = """
import sys, time
from skscratch.cli import interrupt
def ready():
    print("ready", flush=True)
"""

FIT = """
def run():
    import numpy as np
    from skscratch import make_tabular_classifier
    X = np.random.RandomState(0).standard_normal((3000, 4))
    ready()
    make_tabular_classifier(random_state=0).fit(X, X[:, 0] > X[:, 1] ** 2)
    print("went on")
"""

WRITING = """
def run():
    from pathlib import Path
    from skscratch.cli.output.writing import replacing
    with replacing(Path("file.csv")) as path:
        path.write_text("half of i")
        ready()
        time.sleep(600)
"""

# Code that catches everything, as "except:" does: only exiting helps.
DEAF = """
def run():
    from pathlib import Path
    from skscratch.cli.output.writing import replacing
    with replacing(Path("file.csv")) as path:
        while True:
            try:
                ready()
                time.sleep(600)
            except BaseException:
                print("caught", flush=True)
"""

# Other code catches the exception just before all is done.
SWALLOWING = """
def run():
    try:
        ready()
        time.sleep(600)
    except BaseException:
        return 0
"""

RAISING = """
def run():
    try:
        ready()
        time.sleep(600)
    except BaseException as error:
        raise ImportError from error
"""

# NumPy releases the interpreter's lock, but no handler runs before it returns.
COMPILED = """
def run():
    import numpy as np
    matrix = np.ones((1000, 1000, 6)).transpose(0, 2, 1)
    ready()
    np.einsum("iaj,kaj->ik", matrix, matrix, optimize=False)
"""

# Fits that would not end, in other processes.
JOBS = """
def run():
    import numpy as np
    from sklearn.model_selection import GridSearchCV
    from skscratch import ScratchMLPClassifier
    X = np.random.RandomState(0).standard_normal((200, 4))
    clf = ScratchMLPClassifier(max_iter=10**6, n_iter_no_change=10**6)
    search = GridSearchCV(clf, {"alpha": [1, 2, 3, 4]}, cv=2, n_jobs=2)
    interrupt.prepare_workers()
    ready()
    search.fit(X, X[:, 0] > 0)
"""

END = """
raise SystemExit(interrupt.run_interruptible(run))
"""


@pytest.fixture
def start(tmp_path):
    """Function that starts a Python program in a group of its own, as terminals do."""
    processes = []

    def start(*arguments):
        root = Path(__file__).parents[2]
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        processes.append(process)
        return process

    # Where it is ignored, as in a background job, it is for the program, too.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield start
    signal.signal(signal.SIGINT, former)
    for process in processes:
        if count_running(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def count_running(process):
    """Count the processes of a group, without those that have ended."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return sum(int(group) == process.pid and state[0] != "Z" for group, state in rows)


def read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"The program never wrote {text!r}: {process.stderr.read()}")


def assert_interrupted(process, folder):
    """Check how the program ends."""
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (130, "skscratch: interrupted\n")
    assert list(folder.iterdir()) == []
    deadline = time.monotonic() + PATIENCE
    while count_running(process):
        assert time.monotonic() < deadline, "Processes go on."
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("seconds", [0, 0.3])
def test_imports_are_interrupted(start, tmp_path, seconds):
    process = start("-m", "skscratch")
    status = Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + PATIENCE
    while not int(re.search(r"SigBlk:\s*(\w+)", status.read_text())[1], 16) & 2:
        assert time.monotonic() < deadline, "Nothing waits for Ctrl-C."
        time.sleep(0.002)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(process, tmp_path)


@pytest.mark.parametrize(
    "program",
    [FIT, WRITING, DEAF, COMPILED, SWALLOWING, RAISING],
    ids=["fit", "writing", "deaf", "compiled", "swallowing", "raising"],
)
def test_the_program_is_interrupted(start, tmp_path, program):
    process = start("-c", START + program + END)
    read_until(process, "ready")
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(process, tmp_path)


def test_predictions_are_whole_or_not_there(start, tmp_path):
    numbers = np.arange(20.0)[:, np.newaxis]
    model = ScratchMLPRegressor(
        hidden_layer_sizes=(100,) * 20, solver="lbfgs", max_iter=5, tol=1e9
    )
    inputs, outputs = tmp_path / "inputs", tmp_path / "outputs"
    inputs.mkdir()
    outputs.mkdir()
    skops.io.dump(model.fit(numbers, numbers[:, 0]), inputs / "model.skops")
    (inputs / "new.csv").write_text("n\n" + "1\n2\n" * 500_000)
    process = start(
        *("-m", "skscratch", "predict", inputs / "model.skops", inputs / "new.csv"),
        *("--quiet", "--output", outputs / "predictions.csv"),
    )
    deadline = time.monotonic() + PATIENCE
    while not any(path.stat().st_size for path in outputs.iterdir()):
        assert time.monotonic() < deadline, "Nothing is written."
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(process, outputs)


def test_a_second_interrupt_is_not_waited_for(start, tmp_path):
    slow = "\ninterrupt.PATIENCE = 1e6\n"
    process = start("-c", START + DEAF + slow + END)
    read_until(process, "ready")
    os.killpg(process.pid, signal.SIGINT)
    read_until(process, "caught")
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(process, tmp_path)


@pytest.mark.parametrize(("seconds", "patience"), [(0, 60), (2, 0)])
def test_processes_of_jobs_end_too(start, tmp_path, seconds, patience):
    # Without patience, joblib has no time to end its workers.
    patient = f"\ninterrupt.PATIENCE = {patience}\n"
    process = start("-c", START + JOBS + patient + END)
    read_until(process, "ready")
    deadline = time.monotonic() + PATIENCE
    # The program, two that look after what workers share, and the workers.
    while count_running(process) < 5:
        assert time.monotonic() < deadline, "No workers are started."
        time.sleep(0.05)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(process, tmp_path)


def test_a_terminated_program_leaves_no_file(start, tmp_path):
    process = start("-c", START + WRITING + END)
    read_until(process, "ready")
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (-signal.SIGTERM, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_only_the_main_thread_is_told_to_terminate(start):
    """The system may give a signal to any thread, but Python handles it in the main."""
    process = start("-c", START + WRITING + END)
    read_until(process, "ready")
    has_blocked = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        fields = dict(
            line.split(":", 1) for line in (task / "status").read_text().splitlines()
        )
        blocked = int(fields["SigBlk"], 16)
        has_blocked[int(task.name)] = bool(blocked >> (signal.SIGTERM - 1) & 1)
    assert has_blocked.pop(process.pid) is False
    assert has_blocked
    assert all(has_blocked.values())
    process.terminate()
    process.communicate(timeout=PATIENCE)


def test_a_background_job_ignores_ctrl_c(start):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = "\ndef run():\n    ready()\n    sys.stdin.read(1)\n    return 7\n"
    process = start(
        "-c", START + program.replace("sys.stdin.read(1)", "time.sleep(1)") + END
    )
    read_until(process, "ready")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 7


def test_only_the_program_changes_how_signals_are_handled(run):
    def state():
        handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
        return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, []), dict(os.environ)

    before = state()
    prepare_workers()
    assert run("--max-iter", "0")[0] == 2
    assert state() == before
