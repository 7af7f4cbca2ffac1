"""Arrays, targets and tables of all kinds, good and bad, drawn by hypothesis."""

import numpy as np
import pandas as pd
from hypothesis import reject
from hypothesis import strategies as st
from scipy import sparse

NUMBERS = [
    *(0.0, 1.0, -1.0, 2.0, 0.5, 1e-320, 65504.0, 1e6, np.nan, np.inf, -np.inf),
    # Too large for float32; with squares that overflow.
    *(1e39, 1e300),
]
OBJECTS = [
    *(0, 1, 2, 1.5, "a", "1", None, True, b"x", (1, 2), {}, pd.NA, 1j, object()),
    *(10**400, "False"),
]
DTYPES = [
    *("f8", "f8", "f4", "f2", ">f8", "i8", "i1", "u8", "bool", "c16"),
    *("M8[D]", "m8[s]", "O", "U3", "S3"),
]


@st.composite
def arrays(draw, shape):
    """Arrays of all dtypes, mostly of good numbers."""
    size = int(np.prod(shape))
    dtype = draw(st.sampled_from(["f8", "f8", "i8", *DTYPES]))
    if dtype == "O":
        values = draw(st.lists(st.sampled_from(OBJECTS), min_size=size, max_size=size))
        array = np.empty(size, object)
        array[:] = values
        return array.reshape(shape)
    if dtype in ("U3", "S3"):
        words = st.sampled_from(["a", "b", "1", ""])
        values = draw(st.lists(words, min_size=size, max_size=size))
        return np.array(values, dtype).reshape(shape)
    good = st.sampled_from([0.0, 1.0, 2.0])
    number = draw(st.sampled_from([good, good, st.sampled_from(NUMBERS)]))
    values = draw(st.lists(number, min_size=size, max_size=size))
    with np.errstate(all="ignore"):
        return np.array(values).reshape(shape).astype(dtype)


def make_frame(values):
    """Make a table; some versions of pandas refuse integers that no float holds."""
    try:
        return pd.DataFrame(values)
    except OverflowError:
        reject()


@st.composite
def samples(draw, n_samples):
    """Samples in any container, some of a wrong shape."""
    n_features = draw(st.sampled_from([1, 2, 3, 0]))
    shape = (n_samples, n_features)
    shape = draw(st.sampled_from([shape] * 6 + [shape[:1], (*shape, 1), ()]))
    array = draw(arrays(shape))
    forms = [lambda a: a] * 4 + [lambda a: a.tolist(), np.asfortranarray]
    if array.ndim == 2:
        forms += [make_frame, lambda a: a[::-1]]
        if array.dtype.kind in "fiub" and array.dtype.isnative:
            forms += [sparse.csr_array, sparse.csc_array, sparse.coo_array]
            forms = forms if array.dtype != np.float16 else forms[:-3]
    return draw(st.sampled_from(forms))(array)


@st.composite
def targets(draw, n_samples):
    """Targets in any container, some of a wrong shape."""
    shapes = [(n_samples,)] * 8 + [(n_samples, 1), (n_samples, 2), (n_samples + 1,), ()]
    array = draw(arrays(draw(st.sampled_from(shapes))))
    forms = [lambda a: a] * 4 + [lambda a: a.tolist()]
    if array.ndim == 1:
        forms += [pd.Series, lambda a: a[::-1]]
    return draw(st.sampled_from(forms))(array)


@st.composite
def tables(draw, n_samples):
    """Tables of columns of all dtypes, or samples that are no table."""
    if draw(st.integers(0, 4)) == 0:
        return draw(samples(n_samples))
    columns = [draw(arrays((n_samples,))) for _ in range(draw(st.integers(1, 3)))]
    names = draw(st.permutations(["a", "b", "c", 0]))
    return make_frame(
        {
            name: column if column.dtype.isnative else column.astype(float)
            for name, column in zip(names, columns, strict=False)
        }
    )
