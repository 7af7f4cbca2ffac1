"""The estimators: scikit-learn's face of the network.

``classifier`` and ``regressor`` hold what users see, ``base`` what the two share.
"""

from skscratch.estimators.classifier import ScratchMLPClassifier
from skscratch.estimators.regressor import ScratchMLPRegressor

__all__ = ["ScratchMLPClassifier", "ScratchMLPRegressor"]
