"""Plot of prediction intervals, beside the targets that they should hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skscratch.plotting.inner import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["PredictionIntervalDisplay"]

# Of Okabe and Ito, *Color universal design*, 2008. Targets outside of their interval
# have another marker too, so that no information depends on color alone.
INTERVAL, INSIDE, OUTSIDE = "#56B4E9", "0.25", "#D55E00"


class PredictionIntervalDisplay:
    """Plot of the intervals of samples, in the order of the predictions.

    Use ``PredictionIntervalDisplay.from_estimator`` to create a display. All parameters
    are stored as attributes.

    Parameters
    ----------
    intervals : array-like of shape (n_samples, 2)
        Lower and upper bounds.
    y_pred : array-like of shape (n_samples,)
        Predictions.
    y_true : array-like of shape (n_samples,)
        Targets.
    coverage : float, default=None
        Probability that the intervals were made for, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.
    interval_lines_ : matplotlib LineCollection
        The intervals.
    prediction_line_ : matplotlib Line2D
        The predictions.
    inside_line_, outside_line_ : matplotlib Line2D
        The targets within their intervals, and the others.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skscratch import make_tabular_regressor
    >>> from skscratch.plotting import PredictionIntervalDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> options = {"intervals": True, "n_estimators": 2, "random_state": 0}
    >>> model = make_tabular_regressor(**options).fit(X[:350], y[:350])
    >>> display = PredictionIntervalDisplay.from_estimator(model, X[350:], y[350:])
    >>> display.ax_.get_xlabel()
    'Sample, in the order of the predictions'
    """

    ax_: Axes
    figure_: Figure
    interval_lines_: LineCollection
    prediction_line_: Line2D
    inside_line_: Line2D
    outside_line_: Line2D

    def __init__(
        self,
        intervals: ArrayLike,
        y_pred: ArrayLike,
        y_true: ArrayLike,
        coverage: float | None = None,
    ) -> None:
        self.intervals = intervals
        self.y_pred = y_pred
        self.y_true = y_true
        self.coverage = coverage

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        coverage: float = 0.9,
        ax: Axes | None = None,
    ) -> Self:
        """Predict intervals for some samples, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor that has ``predict_interval``.
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples that were not used in training.
        y : array-like of shape (n_samples,)
            Their targets.
        coverage : float, default=0.9
            Probability that an interval holds its target.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.

        Returns
        -------
        PredictionIntervalDisplay

        Raises
        ------
        ValueError
            If the estimator has no ``predict_interval``, or predicts several targets.
        ImportError
            If matplotlib is not installed.
        """
        if not hasattr(estimator, "predict_interval"):
            raise ValueError(
                "estimator must have predict_interval, which a regressor has after a "
                f"fit with intervals=True, got {estimator!r}."
            )
        intervals = estimator.predict_interval(X, coverage)
        return cls(intervals, estimator.predict(X), y, coverage).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.

        Returns
        -------
        self : PredictionIntervalDisplay

        Raises
        ------
        ValueError
            If the arrays do not have a row for each of the same samples.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("PredictionIntervalDisplay")
        from matplotlib.pyplot import subplots

        intervals, predictions, targets = self._checked()
        order = np.argsort(predictions, kind="stable")
        low, high = intervals[order].T
        predictions, targets = predictions[order], targets[order]
        is_inside = (low <= targets) & (targets <= high)
        if ax is None:
            _, ax = subplots(layout="constrained")
        samples = np.arange(len(order))
        width = max(0.5, min(4.0, 200 / len(order)))
        self.interval_lines_ = ax.vlines(
            samples, low, high, colors=INTERVAL, linewidth=width, label="interval"
        )
        (self.prediction_line_,) = ax.plot(
            samples, predictions, color="black", linewidth=1, label="prediction"
        )
        lines = []
        for chosen, color, marker, name in (
            (is_inside, INSIDE, ".", "target inside"),
            (~is_inside, OUTSIDE, "x", "target outside"),
        ):
            lines += ax.plot(
                samples[chosen],
                targets[chosen],
                color=color,
                marker=marker,
                linestyle="none",
                markersize=5,
                label=f"{name} ({chosen.mean():.1%})",
            )
        self.inside_line_, self.outside_line_ = lines
        ax.set(xlabel="Sample, in the order of the predictions", ylabel="Target")
        if self.coverage is not None:
            ax.set_title(f"Intervals of coverage {self.coverage:g}")
        ax.legend(loc="upper left", fontsize="small", frameon=False)
        self.ax_ = ax
        # Of a subfigure, the figure that can be saved.
        self.figure_ = ax.figure.figure
        return self

    def _checked(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        intervals, predictions, targets = (
            np.asarray(array, dtype=np.float64)
            for array in (self.intervals, self.y_pred, self.y_true)
        )
        n_samples = predictions.shape[0] if predictions.ndim == 1 else 0
        if (
            not n_samples
            or intervals.shape != (n_samples, 2)
            or targets.shape != (n_samples,)
        ):
            raise ValueError(
                "intervals must have shape (n_samples, 2), and y_pred and y_true "
                f"(n_samples,), got {intervals.shape}, {predictions.shape} and "
                f"{targets.shape}."
            )
        return intervals, predictions, targets
