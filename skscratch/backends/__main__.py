"""Compile the kernels ahead of time: ``python -m skscratch.backends``.

For example in a container image, or before many processes start at once.
"""

import sys
import time
from pathlib import Path

import numpy as np

from skscratch.backends.choice import is_installed
from skscratch.backends.compiled import load_kernels

__all__ = ["main"]


def main() -> int:
    """Compile the kernels for both dtypes; return 1 if they can't be used."""
    if not is_installed():
        print("Numba is missing or too old: pip install 'skscratch[fast]'")
        return 1
    for dtype in ("float32", "float64"):
        start = time.perf_counter()
        steps = load_kernels(np.dtype(dtype))
        if steps is None:  # A warning has said why.
            return 1
        print(f"{dtype}: ready after {time.perf_counter() - start:.1f} s")
    folder = getattr(steps.train_batches.stats, "cache_path", None)
    if folder is None:
        print("There is no folder to keep them in: set NUMBA_CACHE_DIR to one.")
        return 1
    if not any(Path(folder).glob("steps.*")):
        print(f"They can't be written to {folder}: set NUMBA_CACHE_DIR to another one.")
        return 1
    print(f"They are kept in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
