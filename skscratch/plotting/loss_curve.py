"""Plots of training: loss, validation score and learning rate of each epoch.

``LossCurveDisplay`` draws them from fitted estimators, like scikit-learn's displays do.
matplotlib is optional, and imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from skscratch.plotting.inner import fitted_networks, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

__all__ = ["LossCurveDisplay"]

# Estimators differ in color and marker, and the curves of one estimator in dashes, so
# that no information depends on color alone. The colors are those of Okabe and Ito,
# *Color universal design*, 2008, without yellow, which is too light for lines.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: dict[str, Any] = {
    "loss": "-",
    "validation_loss": (0, (6, 2)),
    "score": (0, (1, 1)),
}
NEUTRAL = "0.25"
BEST: dict[str, Any] = {
    "linestyle": "none",
    "marker": "*",
    "markersize": 14,
    "markeredgecolor": "white",
    "zorder": 5,
}

# Approximate number of markers on each curve, if there are several.
MARKERS_PER_CURVE = 7

# Losses are negated, because a higher score is better.
SCORE_NAMES = {"r2": "R²", "loss": "negative loss"}


class LossCurveDisplay:
    """Plot of the loss, validation score and learning rate of each epoch.

    Use ``LossCurveDisplay.from_estimator`` to create a display. All parameters are
    stored as attributes. Each list has one item per estimator; None instead of a list
    means that no estimator has such values.

    Parameters
    ----------
    loss_curves : list of array-like of shape (n_epochs,)
        Loss on the training data after each epoch.
    validation_loss_curves : list of array-like or None, default=None
        Loss on the validation data. This and the following curves may be shorter than
        the training loss, for example if early stopping was turned on for a warm start:
        they then belong to the last epochs. nan is drawn as a gap.
    validation_scores : list of array-like or None, default=None
        Score on the validation data, drawn on an axis of its own.
    learning_rate_curves : list of array-like or None, default=None
        Learning rate of each epoch; drawn on request.
    best_epochs : list of int or None, default=None
        Epoch to mark, counted from 1. None marks the highest validation score or,
        without scores, the lowest validation loss; without validation data it marks
        nothing, because the training loss does not tell which epoch is best.
    labels : list of str, default=None
        Names of the estimators in the legend. None means 'Training 1', 'Training 2' and
        so on, or no name for a single estimator.
    score_name : str, default='Validation score'
        Label of the axis of scores.
    epoch_name : str, default='Epoch'
        Label of the axis of epochs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    score_ax_ : matplotlib Axes or None
        Axes with the validation scores; it shares the x-axis of ``ax_``.
    learning_rate_ax_ : matplotlib Axes or None
        Axes with the learning rates, below ``ax_``.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    loss_lines_ : list of matplotlib Line2D
        Training loss of each estimator.
    validation_loss_lines_ : list of matplotlib Line2D or None
        Validation loss of each estimator, or None.
    score_lines_ : list of matplotlib Line2D or None
        Validation scores of each estimator, or None.
    learning_rate_lines_ : list of matplotlib Line2D or None
        Learning rate of each estimator, or None.
    best_epoch_markers_ : list of matplotlib Line2D or None
        Marker of the best epoch of each estimator, on its validation scores or, without
        scores, on its validation loss; without either, on its training loss, if
        ``best_epochs`` names an epoch. None if no epoch is marked, or if the curve has
        no value in that epoch.
    legend_ : matplotlib Legend
        Legend of all axes, above ``ax_``. To put a title above it, use
        ``figure_.suptitle``.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against numbers of samples.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier
    >>> from skscratch.plotting import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ScratchMLPClassifier(solver="lbfgs", alpha=1.0, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(clf)
    >>> display.figure_.savefig("loss.png")  # doctest: +SKIP
    """

    ax_: Axes
    score_ax_: Axes | None
    learning_rate_ax_: Axes | None
    figure_: Figure
    loss_lines_: list[Line2D]
    validation_loss_lines_: list[Line2D | None]
    score_lines_: list[Line2D | None]
    learning_rate_lines_: list[Line2D | None]
    best_epoch_markers_: list[Line2D | None]
    legend_: Legend

    def __init__(
        self,
        *,
        loss_curves: Sequence[Any],
        validation_loss_curves: Sequence[Any] | None = None,
        validation_scores: Sequence[Any] | None = None,
        learning_rate_curves: Sequence[Any] | None = None,
        best_epochs: Sequence[int | None] | None = None,
        labels: Sequence[str] | None = None,
        score_name: str = "Validation score",
        epoch_name: str = "Epoch",
    ) -> None:
        self.loss_curves = loss_curves
        self.validation_loss_curves = validation_loss_curves
        self.validation_scores = validation_scores
        self.learning_rate_curves = learning_rate_curves
        self.best_epochs = best_epochs
        self.labels = labels
        self.score_name = score_name
        self.epoch_name = epoch_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        labels: str | Sequence[str] | None = None,
        learning_rate: bool = False,
        loss_scale: str = "linear",
    ) -> Self:
        """Plot the training of one fitted estimator, or of several in one plot.

        Parameters
        ----------
        estimator : estimator, or list or tuple of estimators
            Fitted estimators with a ``loss_curve_``, or others that hold one: pipelines
            that end in it, such as those of ``make_tabular_classifier`` and
            ``make_tabular_regressor``, searches such as ``GridSearchCV``, whose best
            estimator is drawn, and meta-estimators with a ``regressor_`` or
            ``estimator_``, such as ``TransformedTargetRegressor``. They may be nested.
            The curves of an ensemble are means over its members. The best epoch is
            marked if there are validation scores: it is the ``best_epoch_`` or, for
            an ensemble whose members differ in it, the epoch with the highest mean
            score.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure. The figure of given axes should
            have ``layout="constrained"``, which makes space for legend and labels.
        labels : str or list of str, default=None
            Names of the estimators in the legend. None means the class name and a
            number, or no name for a single estimator.
        learning_rate : bool, default=False
            Whether to draw learning rates, on axes below.
        loss_scale : str, default='linear'
            Scale of the axis of losses, such as 'linear' or 'log'.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If ``estimator`` is neither an estimator nor a list of estimators.
        ValueError
            If there is no estimator, if one has no ``loss_curve_`` or, with
            ``learning_rate=True``, no ``learning_rate_curve_``, if a search was made
            with ``refit=False``, or if the number of ``labels`` is not that of the
            estimators.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skscratch import ScratchMLPClassifier
        >>> from skscratch.plotting import LossCurveDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> fitted = [
        ...     ScratchMLPClassifier(early_stopping=stopping, random_state=0).fit(X, y)
        ...     for stopping in (False, True)
        ... ]
        >>> labels = ["all epochs", "early stopping"]
        >>> display = LossCurveDisplay.from_estimator(fitted, labels=labels)
        >>> display.score_ax_.get_ylabel()
        'Validation accuracy'
        """
        estimators = fitted_networks(estimator)
        if isinstance(labels, str):
            labels = [labels]
        elif labels is None and len(estimators) > 1:
            labels = [
                f"{type(network).__name__} {number}"
                for number, network in enumerate(estimators, 1)
            ]

        def values_of(name: str) -> list[Any]:
            return [getattr(network, name, None) for network in estimators]

        display = cls(
            loss_curves=values_of("loss_curve_"),
            validation_loss_curves=values_of("validation_loss_curve_"),
            validation_scores=values_of("validation_scores_"),
            learning_rate_curves=values_of("learning_rate_curve_"),
            best_epochs=[_best_epoch(network) for network in estimators],
            labels=labels,
            score_name=_common(map(_score_name, estimators), "Validation score"),
            epoch_name=_common(map(_epoch_name, estimators), "Epoch or iteration"),
        )
        return display.plot(ax, learning_rate=learning_rate, loss_scale=loss_scale)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        learning_rate: bool = False,
        loss_scale: str = "linear",
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure. The figure of given axes should
            have ``layout="constrained"``, which makes space for legend and labels.
        learning_rate : bool, default=False
            Whether to draw learning rates, on axes below.
        loss_scale : str, default='linear'
            Scale of the axis of losses, such as 'linear' or 'log'.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If lists, curves or best epochs are inconsistent, or if there are no
            learning rates to draw.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("LossCurveDisplay")
        losses, labels = self._check_losses(), self._check_labels()
        validation_losses = self._curves("validation_loss_curves")
        scores = self._curves("validation_scores")
        rates: list[NDArray[Any] | None] = [None] * len(losses)
        if learning_rate:
            rates = self._check_learning_rates(labels)
        best = self._find_best_epochs(losses, validation_losses, scores)

        self._make_axes(ax, has_scores=_has_any(scores), has_rates=learning_rate)
        self.ax_.set_yscale(loss_scale)
        self.loss_lines_ = self._draw(self.ax_, losses, "loss")
        self.validation_loss_lines_ = self._draw(
            self.ax_, validation_losses, "validation_loss"
        )
        self.score_lines_ = self._draw(self.score_ax_, scores, "score")
        self.learning_rate_lines_ = self._draw(self.learning_rate_ax_, rates, "loss")
        self.best_epoch_markers_ = [
            None if epoch is None else self._mark_epoch(line, epoch)
            for line, epoch in zip(self._lines_to_mark(), best, strict=True)
        ]
        self.legend_ = self._add_legend(labels)
        return self

    def _items(self, name: str) -> list[Any]:
        """Attribute as a list with one item per estimator."""
        items, n = getattr(self, name), len(self.loss_curves)
        if items is None:
            return [None] * n
        if isinstance(items, str) or len(items) != n:
            raise ValueError(
                f"{name} must be a list with one item per estimator, that is {n}, got "
                f"{items!r}."
            )
        return list(items)

    def _curves(self, name: str) -> list[NDArray[Any] | None]:
        """Attribute as a list of arrays, with None for estimators without a curve."""
        curves: list[NDArray[Any] | None] = []
        for loss, items in zip(self.loss_curves, self._items(name), strict=True):
            curve = np.asarray([] if items is None else items, dtype=float)
            if curve.ndim != 1 or len(curve) > len(loss):
                raise ValueError(
                    f"{name} must have at most one number per epoch, that is "
                    f"{len(loss)}, got an array of shape {curve.shape}."
                )
            curves.append(curve if len(curve) else None)
        return curves

    def _check_losses(self) -> list[NDArray[Any]]:
        if not len(self.loss_curves):
            raise ValueError("loss_curves must have at least one curve, got none.")
        curves = [c for c in self._curves("loss_curves") if c is not None]
        if len(curves) < len(self.loss_curves):
            raise ValueError(
                "loss_curves must have at least one epoch per estimator, got an empty "
                "curve."
            )
        return curves

    def _check_labels(self) -> list[str | None]:
        """Names of the estimators; None for a single estimator without a name."""
        n = len(self.loss_curves)
        if self.labels is None and n > 1:
            return [f"Training {number}" for number in range(1, n + 1)]
        return self._items("labels")

    def _check_learning_rates(
        self, labels: list[str | None]
    ) -> list[NDArray[Any] | None]:
        rates = self._curves("learning_rate_curves")
        missing = [
            label or "the estimator"
            for label, rate in zip(labels, rates, strict=True)
            if rate is None
        ]
        if missing:
            raise ValueError(
                "learning_rate=True needs the learning_rate_curve_ of each estimator, "
                "which estimators trained by 'lbfgs' do not have; it is missing for "
                f"{', '.join(missing)}."
            )
        return rates

    def _find_best_epochs(
        self,
        losses: list[NDArray[Any]],
        validation_losses: list[NDArray[Any] | None],
        scores: list[NDArray[Any] | None],
    ) -> list[int | None]:
        """Epoch to mark for each estimator, or None."""
        best: list[int | None] = []
        for epoch, loss, validation_loss, score in zip(
            self._items("best_epochs"), losses, validation_losses, scores, strict=True
        ):
            if epoch is None:
                epoch = _best_of(score, validation_loss, len(loss))
            elif not 1 <= epoch <= len(loss):
                raise ValueError(
                    f"best_epochs must be from 1 to the number of epochs, {len(loss)}, "
                    f"got {epoch!r}."
                )
            best.append(None if epoch is None else int(epoch))
        return best

    def _make_axes(self, ax: Axes | None, has_scores: bool, has_rates: bool) -> None:
        """Create the axes, with labels and ticks."""
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.figure(layout="constrained").add_subplot()
        from matplotlib.ticker import MaxNLocator

        # A SubFigure has the same methods, except savefig.
        self.ax_, self.figure_ = ax, cast("Figure", ax.figure)
        # New axes become the figure's current ones, which the user does not expect.
        current = ax.figure.gca()
        self.learning_rate_ax_ = _add_axes_below(ax) if has_rates else None
        self.score_ax_ = ax.twinx() if has_scores else None
        ax.figure.sca(current)

        ax.xaxis.set_major_locator(
            MaxNLocator("auto", integer=True, steps=(1, 2, 5, 10), min_n_ticks=1)
        )
        ax.set_ylabel("Loss")
        if self.score_ax_ is not None:
            self.score_ax_.set_ylabel(self.score_name)
        if self.learning_rate_ax_ is not None:
            self.learning_rate_ax_.set_ylabel("Learning\nrate")
            ax.figure.align_ylabels([ax, self.learning_rate_ax_])
            ax.tick_params(labelbottom=False)
        (self.learning_rate_ax_ or ax).set_xlabel(self.epoch_name)

    def _draw(self, ax: Any, curves: Sequence[Any], kind: str) -> list[Any]:
        """Draw one curve per estimator; the line is None if it has no curve."""
        lines: list[Any] = []
        for number, curve in enumerate(curves):
            if curve is None:
                lines.append(None)
                continue
            n_epochs = len(self.loss_curves[number])
            epochs = np.arange(n_epochs - len(curve), n_epochs) + 1
            (line,) = ax.plot(
                epochs,
                curve,
                **self._style(number),
                linestyle=DASHES[kind],
                markevery=self._marker_indices(number, curve),
            )
            lines.append(line)
        return lines

    def _style(self, number: int) -> dict[str, Any]:
        several = len(self.loss_curves) > 1
        return {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)] if several else "o",
            "markersize": 5,
        }

    def _marker_indices(self, number: int, curve: NDArray[Any]) -> list[int]:
        """Indices of the epochs with a marker.

        These are isolated points, where no line is visible, and if there are several
        curves, some points of each.
        """
        n_epochs, n_curves = len(curve), len(self.loss_curves)
        is_known = np.isfinite(curve)
        padded = np.concatenate([[False], is_known, [False]])
        has_marker = is_known & ~padded[:-2] & ~padded[2:]
        if n_curves > 1:
            step = max(1, n_epochs // MARKERS_PER_CURVE)
            # Offsets keep the markers of equal curves apart.
            has_marker[step * number // n_curves :: step] = True
        indices: list[int] = np.flatnonzero(has_marker).tolist()
        return indices

    def _lines_to_mark(self) -> list[Line2D]:
        """Line of each estimator on which its best epoch is marked."""
        kinds = (self.score_lines_, self.validation_loss_lines_, self.loss_lines_)
        return [
            next(line for line in lines if line is not None)
            for lines in zip(*kinds, strict=True)
        ]

    def _mark_epoch(self, line: Any, epoch: int) -> Line2D | None:
        """Mark an epoch on a line; None if the line has no point there."""
        x, y = line.get_xdata(), line.get_ydata()
        is_best = (x == epoch) & np.isfinite(y)
        if not is_best.any():
            return None
        marker: Line2D
        (marker,) = line.axes.plot(
            x[is_best], y[is_best], color=line.get_color(), **BEST
        )
        return marker

    def _add_legend(self, labels: list[str | None]) -> Legend:
        """Add a legend of the estimators, then of the kinds of lines of all axes."""
        from matplotlib.lines import Line2D

        several = len(self.loss_curves) > 1
        color = NEUTRAL if several else COLORS[0]
        handles = [
            Line2D([], [], label=label, **self._style(number))
            for number, label in enumerate(labels)
            if label is not None
        ]
        for kind, name, lines in (
            ("loss", "Training loss", self.loss_lines_),
            ("validation_loss", "Validation loss", self.validation_loss_lines_),
            ("score", self.score_name, self.score_lines_),
        ):
            if _has_any(lines):
                dashes = DASHES[kind]
                handles.append(
                    Line2D([], [], label=name, color=color, linestyle=dashes)
                )
        if _has_any(self.best_epoch_markers_):
            name = f"Best {self.epoch_name.lower()}"
            handles.append(Line2D([], [], label=name, color=color, **BEST))
        return self._fit_legend(handles, n_rows=min(len(labels), 4))

    def _fit_legend(self, handles: list[Line2D], n_rows: int) -> Legend:
        """Draw the legend above the axes, in at most three columns that fit."""
        n_rows = max(n_rows, -(-len(handles) // 3))
        for n_columns in range(-(-len(handles) // n_rows), 0, -1):
            legend = self.ax_.legend(
                handles=handles,
                ncols=n_columns,
                loc="lower left",
                bbox_to_anchor=(0, 1),
                fontsize="small",
                handlelength=2.8,
                columnspacing=1.2,
                frameon=False,
            )
            # Long names need fewer columns.
            if legend.get_window_extent().width <= self.ax_.bbox.width:
                break
        return legend


def _best_epoch(network: Any) -> int | None:
    """Best epoch by validation, which is none if there was no validation."""
    scores = getattr(network, "validation_scores_", None)
    return getattr(network, "best_epoch_", None) if scores else None


def _best_of(
    score: NDArray[Any] | None, validation_loss: NDArray[Any] | None, n_epochs: int
) -> int | None:
    """Epoch with the highest score or, without scores, the lowest loss."""
    values = score
    if values is None and validation_loss is not None:
        values = -validation_loss
    if values is None or np.isnan(values).all():
        return None
    # Short curves belong to the last epochs.
    return n_epochs - len(values) + 1 + int(np.nanargmax(values))


def _has_any(items: Iterable[Any]) -> bool:
    return any(item is not None for item in items)


def _common(names: Iterable[str], otherwise: str) -> str:
    """Return the name if all are equal, otherwise another one."""
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else otherwise


def _epoch_name(estimator: Any) -> str:
    # L-BFGS and the like have no learning rate, and iterate over all samples at once.
    has_no_rate = getattr(estimator, "learning_rate_curve_", ()) is None
    return "Iteration" if has_no_rate else "Epoch"


def _score_name(estimator: Any) -> str:
    """Label of the validation scores; "Validation score" if the metric is unknown."""
    scoring = getattr(estimator, "scoring", None)
    if scoring is None and is_classifier(estimator):
        scoring = "accuracy"
    elif scoring is None and is_regressor(estimator):
        has_r2 = getattr(estimator, "loss", "poisson") in ("squared_error", "poisson")
        scoring = "r2" if has_r2 else "loss"
    name = (
        scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    )
    name = SCORE_NAMES.get(name, name.replace("neg_", "negative ").replace("_", " "))
    return f"Validation {name}"


def _add_axes_below(ax: Axes) -> Axes:
    """Split the area of axes in two; return new axes in the lower part."""
    area = ax.get_subplotspec()
    if area is not None:
        grid = area.subgridspec(2, 1, height_ratios=(3, 1))
        ax.set_subplotspec(grid[0])
        return ax.figure.add_subplot(grid[1], sharex=ax)
    x, y, width, height = ax.get_position(original=True).bounds
    ax.set_position((x, y + 0.3 * height, width, 0.7 * height))
    return ax.figure.add_axes((x, y, width, 0.22 * height), sharex=ax)
