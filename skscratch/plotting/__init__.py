"""Plots, as displays in scikit-learn's convention.

matplotlib is optional, and imported when something is drawn.
"""

from skscratch.plotting.interval import PredictionIntervalDisplay
from skscratch.plotting.loss_curve import LossCurveDisplay

__all__ = ["LossCurveDisplay", "PredictionIntervalDisplay"]
