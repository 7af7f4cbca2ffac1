"""Estimators on Dask collections: one network that many workers train.

The extra ``distributed`` installs what this package needs. Without it the package can
be imported, and its estimators refuse to be fitted.
"""

from skscratch.dask.estimators import (
    DaskScratchMLPClassifier,
    DaskScratchMLPRegressor,
)

__all__ = ["DaskScratchMLPClassifier", "DaskScratchMLPRegressor"]
