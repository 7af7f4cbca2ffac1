"""Columns that identify rows are told from columns that tell something."""

import hashlib
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skscratch.tabular.identifiers import identifier_reason

N = 40
NUMBERS = [str(i) for i in range(N)]
UUIDS = [str(uuid.UUID(int=7**40 + i)) for i in range(N)]
HASHES = [hashlib.sha256(text.encode()).hexdigest()[:20] for text in NUMBERS]
CODES = [f"K-{7 * i}/x" for i in range(N)]
NAMES = [
    *(
        "id",
        "ID",
        "Id",
        "PassengerId",
        "customer_id",
        "order id",
        "userID",
        "id_client",
    ),
    *("uuid", "guid", "index", "row", "Row Number", "rownum", "Unnamed: 0"),
]
OTHER_NAMES = [
    *("year", "zip", "zip code", "price", "count", "tick", "width", "paid", "video"),
    *(
        "idea",
        "heat_index",
        "row_width",
        "idle",
        "grid",
        "key",
        "x",
        "",
        "Ids",
        0,
        None,
    ),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [NUMBERS, NUMBERS[::-1], CODES])
def test_different_values_under_the_name_of_identifiers_are_identifiers(name, values):
    assert identifier_reason(name, values, N).startswith("identifier, by its name: 40")


@pytest.mark.parametrize("values", [UUIDS, [u.upper() for u in UUIDS], HASHES])
@pytest.mark.parametrize("name", ["key", "x", 0])
def test_uuids_and_hashes_are_identifiers_under_any_name(name, values):
    assert "identifier: 40 different" in identifier_reason(name, values, N)
    # A few may occur twice, but most must differ.
    assert identifier_reason(name, values, N + 2) is not None
    assert identifier_reason(name, values, N + 3) is None
    # All must be of the kind.
    assert identifier_reason(name, [*values[1:], "unknown"], N) is None


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_numbers_and_codes_under_other_names_are_kept(name):
    random = np.random.RandomState(0)
    for values in (
        range(N),  # Ticks of a clock, or the index of an array.
        range(1980, 1980 + N),
        random.permutation(N),
        random.choice(10**5, N, replace=False),
        np.arange(N) * 5 + 10000,
    ):
        assert identifier_reason(name, [str(value) for value in values], N) is None
    assert identifier_reason(name, CODES, N) is None


@pytest.mark.parametrize("name", NAMES)
def test_repeated_integers_and_phrases_are_kept(name):
    assert identifier_reason(name, NUMBERS, N + 1) is None
    assert identifier_reason(name, [f"the word {i}" for i in range(N)], N) is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_identifiers_need_twenty_rows_of_different_values(n_values, n_more):
    values = [str(uuid.UUID(int=7**40 + i)) for i in range(n_values)]
    found = identifier_reason("id", values, n_values + n_more)
    expected = n_values + n_more >= 20 and n_values >= 0.95 * (n_values + n_more)
    assert (found is not None) == expected
