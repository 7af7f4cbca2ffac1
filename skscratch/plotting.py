"""Pictures of a training: loss, validation score and learning rate of each epoch.

``LossCurveDisplay`` draws them from fitted estimators, in the manner of
scikit-learn's displays. matplotlib is imported when something is drawn.
"""

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

__all__ = ["LossCurveDisplay"]

# Colour and marker tell estimators apart, dashes tell what is drawn of each, so that
# nothing hangs on the colour alone. The colours are those of Okabe and Ito, *Color
# universal design*, 2008, without their yellow, which is too light for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
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

# Several curves carry markers, about so many each, to be told apart by.
MARKERS_PER_CURVE = 7

# Scores are such that more is better.
SCORE_NAMES = {"r2": "R²", "loss": "negative loss"}


class LossCurveDisplay:
    """Loss, validation score and learning rate of each epoch of a training.

    Use ``LossCurveDisplay.from_estimator`` to make one. Parameters are kept as
    attributes of the same names; each list has one item for each estimator, and None
    in the place of a list says that no estimator has such a thing.

    Parameters
    ----------
    loss_curves : list of array-like of shape (n_epochs,)
        Loss on the training data after each epoch.
    validation_loss_curves : list of array-like or None, default=None
        Loss on the validation data. A curve that is shorter than the training loss
        belongs to the last epochs, here and below, for training may have gone on
        with early stopping; what is not a number is a gap.
    validation_scores : list of array-like or None, default=None
        Score on the validation data, drawn on an axis of its own.
    learning_rate_curves : list of array-like or None, default=None
        Learning rate of each epoch, drawn on request.
    best_epochs : list of int or None, default=None
        Epoch to mark, counted from 1; None is that of the highest validation score,
        or, where there are no scores, of the lowest training loss.
    labels : list of str, default=None
        Names of the estimators in the legend; None is 'Training 1', 'Training 2' and
        so on, or no name for a single one.
    score_name : str, default='Validation score'
        Name of the axis of the scores.
    epoch_name : str, default='Epoch'
        Name of the axis of the epochs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    score_ax_ : matplotlib Axes or None
        Axes with the validation scores, which shares the epochs with ``ax_``.
    learning_rate_ax_ : matplotlib Axes or None
        Axes with the learning rates, below ``ax_``.
    figure_ : matplotlib Figure
        Figure containing them.
    loss_lines_ : list of matplotlib Line2D
        Training losses, by estimator.
    validation_loss_lines_ : list of matplotlib Line2D or None
        Validation losses, None for an estimator without.
    score_lines_ : list of matplotlib Line2D or None
        Validation scores, likewise.
    learning_rate_lines_ : list of matplotlib Line2D or None
        Learning rates, likewise.
    best_epoch_markers_ : list of matplotlib Line2D or None
        Mark of the best epoch: on the scores, or on the training loss where there
        are none. None where all of them are not numbers.
    legend_ : matplotlib Legend
        The legend of all axes, above ``ax_``, where it hides no line. A title over
        it is best given to the figure: ``figure_.suptitle``.

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

    def __init__(
        self,
        *,
        loss_curves,
        validation_loss_curves=None,
        validation_scores=None,
        learning_rate_curves=None,
        best_epochs=None,
        labels=None,
        score_name="Validation score",
        epoch_name="Epoch",
    ):
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
        estimator,
        *,
        ax=None,
        labels=None,
        learning_rate=False,
        loss_scale="linear",
    ):
        """Draw the training of one fitted estimator, or of several in one picture.

        Parameters
        ----------
        estimator : estimator, or list or tuple of them
            Fitted, with a ``loss_curve_``; of a pipeline the last step is taken.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure. What stands around a given one
            finds room where its figure has ``layout="constrained"``.
        labels : str or list of str, default=None
            Names in the legend, one for each estimator; None is the class and a
            number, or no name for a single estimator.
        learning_rate : bool, default=False
            Whether the learning rates are drawn, on an Axes below.
        loss_scale : str, default='linear'
            Scale of the axis of the losses, as matplotlib names it, such as 'log'.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If ``estimator`` is neither one nor a list of them.
        ValueError
            If there is no estimator, or one has no ``loss_curve_``, or, for
            ``learning_rate=True``, no ``learning_rate_curve_``; if ``labels`` are
            not as many as estimators.
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
        several = isinstance(estimator, list | tuple)
        estimators = [
            one[-1] if isinstance(one, Pipeline) else one
            for one in (estimator if several else [estimator])
        ]
        if not estimators:
            raise ValueError("estimator must hold at least one estimator, got none.")
        for one in estimators:
            check_is_fitted(one)
            if not getattr(one, "loss_curve_", None):
                raise ValueError(
                    "estimator must have a loss_curve_ with an epoch or more, but "
                    f"{one!r} has none."
                )
        if isinstance(labels, str):
            labels = [labels]
        elif labels is None and len(estimators) > 1:
            labels = [
                f"{type(one).__name__} {number}"
                for number, one in enumerate(estimators, 1)
            ]
        display = cls(
            loss_curves=[one.loss_curve_ for one in estimators],
            validation_loss_curves=[
                getattr(one, "validation_loss_curve_", None) for one in estimators
            ],
            validation_scores=[
                getattr(one, "validation_scores_", None) for one in estimators
            ],
            learning_rate_curves=[
                getattr(one, "learning_rate_curve_", None) for one in estimators
            ],
            best_epochs=[getattr(one, "best_epoch_", None) for one in estimators],
            labels=labels,
            score_name=_only(map(_score_name, estimators), "Validation score"),
            epoch_name=_only(map(_epoch_name, estimators), "Epoch or iteration"),
        )
        return display.plot(ax, learning_rate=learning_rate, loss_scale=loss_scale)

    def plot(self, ax=None, *, learning_rate=False, loss_scale="linear"):
        """Draw what the display holds.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure. What stands around a given one
            finds room where its figure has ``layout="constrained"``.
        learning_rate : bool, default=False
            Whether the learning rates are drawn, on an Axes below.
        loss_scale : str, default='linear'
            Scale of the axis of the losses, as matplotlib names it, such as 'log'.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If lists, curves or best epochs do not fit each other, or there are no
            learning rates to draw.
        ImportError
            If matplotlib is not installed.
        """
        _require_matplotlib()
        losses, labels = self._losses(), self._labels()
        validation_losses = self._curves("validation_loss_curves")
        scores = self._curves("validation_scores")
        rates = self._learning_rates(labels) if learning_rate else [None] * len(losses)
        best = self._best_epochs(losses, scores)

        self._make_axes(ax, _any(scores), learning_rate)
        self.ax_.set_yscale(loss_scale)
        self.loss_lines_ = self._draw(self.ax_, losses, "loss")
        self.validation_loss_lines_ = self._draw(
            self.ax_, validation_losses, "validation_loss"
        )
        self.score_lines_ = self._draw(self.score_ax_, scores, "score")
        self.learning_rate_lines_ = self._draw(self.learning_rate_ax_, rates, "loss")
        self.best_epoch_markers_ = [
            None if epoch is None else self._mark(line, epoch)
            for line, epoch in zip(self._scored_lines(), best, strict=True)
        ]
        self.legend_ = self._add_legend(labels)
        return self

    def _items(self, name):
        """Attribute as a list of one item for each estimator."""
        items, n = getattr(self, name), len(self.loss_curves)
        if items is None:
            return [None] * n
        if isinstance(items, str) or len(items) != n:
            raise ValueError(
                f"{name} must be a list with one item for each estimator, that is {n}, "
                f"got {items!r}."
            )
        return list(items)

    def _curves(self, name):
        """Attribute as a list of arrays, with None where there is no curve."""
        curves = []
        for loss, items in zip(self.loss_curves, self._items(name), strict=True):
            curve = np.asarray([] if items is None else items, dtype=float)
            if curve.ndim != 1 or len(curve) > len(loss):
                raise ValueError(
                    f"{name} must hold at most a number for each epoch, that is "
                    f"{len(loss)}, got an array of shape {curve.shape}."
                )
            curves.append(curve if len(curve) else None)
        return curves

    def _losses(self):
        if not len(self.loss_curves):
            raise ValueError("loss_curves must hold at least one curve, got none.")
        curves = self._curves("loss_curves")
        if any(curve is None for curve in curves):
            raise ValueError("loss_curves must hold an epoch or more of each estimator")
        return curves

    def _labels(self):
        """Names of the estimators; None for a single one that was given none."""
        n = len(self.loss_curves)
        if self.labels is None and n > 1:
            return [f"Training {number}" for number in range(1, n + 1)]
        return self._items("labels")

    def _learning_rates(self, labels):
        rates = self._curves("learning_rate_curves")
        lacking = [
            label or "this one"
            for label, rate in zip(labels, rates, strict=True)
            if rate is None
        ]
        if lacking:
            raise ValueError(
                "learning_rate=True needs the learning_rate_curve_ of each estimator, "
                "which those trained by 'lbfgs' do not have; there is none of "
                f"{', '.join(lacking)}."
            )
        return rates

    def _best_epochs(self, losses, scores):
        """Epoch to mark of each estimator; None where there is nothing to go by."""
        found: list[int | None] = []
        for given, loss, score in zip(
            self._items("best_epochs"), losses, scores, strict=True
        ):
            if given is not None:
                if not 1 <= given <= len(loss):
                    raise ValueError(
                        f"best_epochs must be from 1 to the number of epochs, "
                        f"{len(loss)}, got {given!r}."
                    )
                found.append(int(given))
                continue
            merit = -loss if score is None else score
            first = len(loss) - len(merit) + 1
            known = not np.isnan(merit).all()
            found.append(first + int(np.nanargmax(merit)) if known else None)
        return found

    def _make_axes(self, ax, with_scores, with_rates):
        """Set the figure and its Axes, with names and ticks."""
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.figure(layout="constrained").add_subplot()
        from matplotlib.ticker import MaxNLocator

        self.ax_, self.figure_ = ax, ax.figure
        # What is added becomes the figure's current Axes, which is the user's affair.
        current = ax.figure.gca()
        self.learning_rate_ax_ = _panel_below(ax) if with_rates else None
        self.score_ax_ = ax.twinx() if with_scores else None
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

    def _draw(self, ax, curves, kind):
        """Draw a curve of each estimator; None where it has none."""
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
                markevery=self._marked(number, curve),
            )
            lines.append(line)
        return lines

    def _style(self, number):
        several = len(self.loss_curves) > 1
        return {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)] if several else "o",
            "markersize": 5,
        }

    def _marked(self, number, curve):
        """Where a curve carries a marker: here and there, and where no line shows."""
        n, n_curves = len(curve), len(self.loss_curves)
        known = np.isfinite(curve)
        beside = np.concatenate([[False], known, [False]])
        marked = known & ~beside[:-2] & ~beside[2:]
        if n_curves > 1:
            step = max(1, n // MARKERS_PER_CURVE)
            # Curves that lie on each other still show the markers of each.
            marked[step * number // n_curves :: step] = True
        return np.flatnonzero(marked).tolist()

    def _scored_lines(self):
        """Line of each estimator that the best epoch is marked on."""
        return [
            loss if score is None else score
            for loss, score in zip(self.loss_lines_, self.score_lines_, strict=True)
        ]

    def _mark(self, line, epoch):
        """Mark an epoch on a line, if the line has it."""
        at = line.get_xdata() == epoch
        (marker,) = line.axes.plot(
            line.get_xdata()[at],
            line.get_ydata()[at],
            color=line.get_color(),
            **BEST,
        )
        return marker

    def _add_legend(self, labels):
        """Name the estimators by colour, then the kinds of line, of all Axes."""
        from matplotlib.lines import Line2D

        several = len(self.loss_curves) > 1
        colour = NEUTRAL if several else COLOURS[0]
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
            if _any(lines):
                dashes = DASHES[kind]
                handles.append(
                    Line2D([], [], label=name, color=colour, linestyle=dashes)
                )
        if _any(self.best_epoch_markers_):
            name = f"Best {self.epoch_name.lower()}"
            handles.append(Line2D([], [], label=name, color=colour, **BEST))
        n_rows = max(min(len(labels), 4), -(-len(handles) // 3))
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
            # Long names take fewer columns.
            if legend.get_window_extent().width <= self.ax_.bbox.width:
                break
        return legend


def _require_matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "LossCurveDisplay needs matplotlib: pip install 'skscratch[plot]'"
        ) from error


def _any(items):
    return any(item is not None for item in items)


def _only(names, otherwise):
    """Return the name that all share, or else another."""
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else otherwise


def _epoch_name(estimator):
    lbfgs = getattr(estimator, "solver", None) == "lbfgs"
    return "Iteration" if lbfgs else "Epoch"


def _score_name(estimator):
    """Name of what an estimator scores its epochs by, as far as it can be told."""
    scoring = getattr(estimator, "scoring", None)
    if scoring is None and is_classifier(estimator):
        scoring = "accuracy"
    elif scoring is None and is_regressor(estimator):
        scoring = "r2"
    name = (
        scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    )
    name = SCORE_NAMES.get(name, name.replace("neg_", "negative ").replace("_", " "))
    return f"Validation {name}"


def _panel_below(ax):
    """Make room below an Axes, in its own place; return the Axes there."""
    place = ax.get_subplotspec()
    if place is not None:
        grid = place.subgridspec(2, 1, height_ratios=(3, 1))
        ax.set_subplotspec(grid[0])
        return ax.figure.add_subplot(grid[1], sharex=ax)
    x, y, width, height = ax.get_position(original=True).bounds
    ax.set_position((x, y + 0.3 * height, width, 0.7 * height))
    return ax.figure.add_axes((x, y, width, 0.22 * height), sharex=ax)
