"""Without Dask the package can be imported, and says what to install."""

import subprocess
import sys
from pathlib import Path

import skscratch

PROGRAM = """
import sys
sys.modules.update(dask=None, distributed=None)
import skscratch
clf = skscratch.dask.DaskScratchMLPClassifier(alpha=1.0)
assert clf.get_params()["local_steps"] == 1
assert "skscratch.dask.data" in sys.modules
try:
    clf.fit([[1.0]], [1])
except ImportError as error:
    assert "pip install 'skscratch[distributed]'" in str(error)
else:
    raise AssertionError
"""


def test_the_error_names_the_extra():
    subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        check=True,
        cwd=Path(skscratch.__file__).parents[1],
    )
