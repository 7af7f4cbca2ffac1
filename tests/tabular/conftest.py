"""A filter for all tests of tables."""

from pathlib import Path

import pytest

# In a few epochs with dropout, on a few rows, the loss may end above where it began.
FILTER = "ignore:Training made the loss worse:sklearn.exceptions.ConvergenceWarning"


def pytest_collection_modifyitems(items):
    """Apply the filter to the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(FILTER), append=False)
