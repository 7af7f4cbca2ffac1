"""scikit-learn's multilayer perceptrons: from ours, and to ours.

Both have the same weights, in the same shapes, and the same state of training, so that
either continues where the other stopped.
"""

import copy
import math
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from skscratch._sklearn import (
    MLPOptimizer,
    accepts_parameter,
    read_mlp_binarizer,
    read_mlp_training,
    write_mlp_binarizer,
    write_mlp_training,
)
from skscratch.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from skscratch.estimators.attributes import feature_attributes
from skscratch.estimators.base import fitted_state
from skscratch.estimators.class_targets import ClassTargets
from skscratch.estimators.config import resolve_schedule
from skscratch.estimators.fitting import network_attributes
from skscratch.estimators.numeric_targets import NumericTargets
from skscratch.export.models import (
    check_estimator,
    layer_activations,
    output_kind,
    refuse_tables,
)
from skscratch.nn.layer import Layer
from skscratch.nn.network import Network
from skscratch.training.history import TrainingState
from skscratch.training.solvers import find_solver

__all__ = ["from_sklearn", "to_sklearn"]

# How a regressor of scikit-learn predicts, by its loss.
REGRESSOR_OUTPUTS = {"squared_error": "identity", "poisson": "exp"}


def to_sklearn(model: Any) -> Any:
    """Convert a fitted estimator to scikit-learn's own class.

    Predictions are the same, to the last bits. Parameters that scikit-learn has too are
    copied; where it does not accept the value, such as ``solver='adamw'``, it gets the
    default. ``partial_fit`` and ``warm_start`` continue the training.

    Parameters
    ----------
    model : ScratchMLPClassifier or ScratchMLPRegressor
        Fitted. A regressor of another loss that predicts the raw outputs, such as
        ``loss='huber'``, becomes one of ``loss='squared_error'``, and of
        ``loss='gamma'`` one of ``loss='poisson'``: their further training minimizes
        that loss. Prediction intervals are left out.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    TypeError
        If the model is another object.
    ValueError
        If scikit-learn's network can't hold it: an ensemble, probabilities calibrated
        by a temperature, one class, several quantiles, an activation that scikit-learn
        lacks, or several of them. Also if it is not fitted.

    Notes
    -----
    A network of float32 casts what it predicts to float32. scikit-learn's does not, so
    that predictions for float64 samples differ by the precision of float32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier
    >>> from skscratch.export import to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ScratchMLPClassifier((5,), solver="lbfgs", max_iter=1000, random_state=0)
    >>> clf = clf.fit(X, y)
    >>> to_sklearn(clf).score(X, y) == clf.score(X, y)
    True
    """
    if isinstance(model, Pipeline):
        refuse_tables(model, "to_sklearn")
        raise ValueError(
            "model must be an estimator for to_sklearn, got a Pipeline: convert its "
            "last step, and put it behind the others, as by "
            "Pipeline([*model.steps[:-1], ('mlp', to_sklearn(model[-1]))])."
        )
    check_estimator(model, "to_sklearn")
    activation = _common_activation(model)
    is_classifier = isinstance(model, ScratchMLPClassifier)
    targets, training = fitted_state(model)
    output = output_kind(model.network_.loss)
    if is_classifier:
        _check_classes(model)
        converted = MLPClassifier()
    else:
        _check_regression(model, targets)
        converted = MLPRegressor()
    _copy_parameters(model, converted)
    converted.hidden_layer_sizes = _hidden_sizes(model)
    if activation is not None:
        converted.activation = activation
    if not is_classifier:
        losses = {kind: loss for loss, kind in REGRESSOR_OUTPUTS.items()}
        converted.loss = losses[output]
    vars(converted).update(
        feature_attributes(model),
        coefs_=[np.array(W, order="C") for W in model.coefs_],
        intercepts_=[np.array(b) for b in model.intercepts_],
        n_layers_=model.n_layers_,
        n_outputs_=model.n_outputs_,
        out_activation_=output,
        n_iter_=model.n_iter_,
        t_=model.t_,
        loss_=model.loss_,
    )
    if is_classifier:
        converted.classes_ = np.array(model.classes_)
        write_mlp_binarizer(converted, _binarizer(model, targets))
    if find_solver(converted.solver).is_stochastic:
        _copy_training(model, training, converted)
    return converted


def _common_activation(model):
    """Activation of all hidden layers; None if there is none."""
    if "estimators_" in vars(model):
        raise ValueError(
            "n_estimators must be 1 for to_sklearn, whose network is a single one, got "
            f"an ensemble of {len(model.estimators_)}: convert its estimators_ one by "
            "one."
        )
    temperature = vars(model).get("temperature_", 1.0)
    if temperature != 1:
        raise ValueError(
            "temperature_ must be 1 for to_sklearn, whose network can't divide its raw "
            f"outputs, got {temperature}: fit with temperature_scaling=False."
        )
    activations = set(layer_activations(model.network_))
    if not activations:
        return None
    names = sorted(
        name if not parameter else f"{name}({parameter:g})"
        for name, parameter in activations
    )
    is_known = accepts_parameter(MLPClassifier, "activation", names[0])
    if len(names) > 1 or not is_known:
        raise ValueError(
            "activation must be one of 'identity', 'logistic', 'relu' and 'tanh' for "
            f"to_sklearn, the same for all hidden layers, got {', '.join(names)}."
        )
    return names[0]


def _check_classes(model):
    if len(model.classes_) < 2:
        raise ValueError(
            "classes_ must be two or more for to_sklearn, whose probabilities have two "
            f"columns at least, got {model.classes_!r}."
        )


def _check_regression(model, targets):
    output = output_kind(model.network_.loss)
    if output not in REGRESSOR_OUTPUTS.values() or targets.n_predictions > 1:
        raise ValueError(
            "loss must predict one number for each target for to_sklearn, got "
            f"{model.network_.loss!r}: fit one quantile, as by quantile=0.5."
        )


def _copy_parameters(model, converted):
    """Set the parameters that both have, where the other accepts the value."""
    given = model.get_params(deep=False)
    for name in set(converted.get_params(deep=False)) & set(given):
        if accepts_parameter(converted, name, given[name]):
            setattr(converted, name, copy.deepcopy(given[name]))


def _hidden_sizes(model):
    """Sizes of the hidden layers, as the parameter has them if it still does."""
    sizes = [layer.neurons for layer in model.network_.layers[:-1]]
    given = model.hidden_layer_sizes
    if list(np.atleast_1d(given)) == sizes:
        return copy.deepcopy(given)
    return tuple(sizes)


def _binarizer(model, targets):
    if targets.binarizer is not None:
        return copy.deepcopy(targets.binarizer)
    binarizer = LabelBinarizer().fit(model.classes_)
    binarizer.classes_ = np.array(model.classes_)  # With their dtype, such as object.
    return binarizer


def _copy_training(model, training, converted):
    """Copy the histories, and the optimizer if it is one of scikit-learn's."""
    scores = model.validation_scores_
    converted.loss_curve_ = list(model.loss_curve_)
    converted.validation_scores_ = None if scores is None else list(scores)
    converted.best_validation_score_ = model.best_validation_score_
    converted.best_loss_ = model.best_loss_
    optimizer, count = None, 0
    if training is not None:
        count = training.no_improvement
        optimizer = _their_optimizer(training, model.network_, converted)
    write_mlp_training(converted, count, optimizer)


def _their_optimizer(training, network, converted):
    """State of the optimizer; None if it is not that of the solver."""
    solver = find_solver(converted.solver)
    if type(training.optimizer) is not solver.optimizer:
        return None
    optimizer = copy.deepcopy(training.optimizer)
    _, moments, n_steps = optimizer.to_kernel_units()
    moments = [_unpacked(moment, network) for moment in moments]
    rate = converted.learning_rate_init
    # The rate of another schedule, such as the last of "cosine", is near 0.
    if type(training.schedule) is resolve_schedule(converted.learning_rate, solver):
        rate = training.schedule.rate
    return MLPOptimizer(converted.solver, moments, n_steps, rate)


def _unpacked(vector, network):
    """Parts of a vector in scikit-learn's shapes: first all weights, then biases."""
    shapes = [
        *((layer.inputs, layer.neurons) for layer in network.layers),
        *((layer.neurons,) for layer in network.layers),
    ]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(s) for part, s in zip(parts, shapes, strict=True)]


def from_sklearn(fitted: Any) -> Any:
    """Convert scikit-learn's fitted multilayer perceptron to ours.

    Predictions are the same, to the last bits, and ``partial_fit`` and ``warm_start``
    continue the training.

    Parameters
    ----------
    fitted : MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    ScratchMLPClassifier or ScratchMLPRegressor
        With the same parameters. What scikit-learn does not record of an epoch, its
        learning rate and its validation loss, is nan in the curves. Of a single class,
        our probabilities have one column, and scikit-learn's have two.

    Raises
    ------
    TypeError
        If it is another object.
    ValueError
        If it is not fitted, or its ``out_activation_`` is not that of its targets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from skscratch.export import from_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = MLPClassifier((5,), solver="lbfgs", max_iter=1000, random_state=0)
    >>> theirs = theirs.fit(X, y)
    >>> from_sklearn(theirs).score(X, y) == theirs.score(X, y)
    True
    """
    if not isinstance(fitted, (MLPClassifier, MLPRegressor)):
        raise TypeError(
            "from_sklearn needs a fitted MLPClassifier or MLPRegressor of "
            f"scikit-learn, got {type(fitted).__name__}."
        )
    check_is_fitted(fitted, "coefs_")
    new: Any
    if isinstance(fitted, MLPClassifier):
        new, targets = ScratchMLPClassifier(), _class_targets(fitted)
    else:
        new = ScratchMLPRegressor()
        targets = NumericTargets(fitted.loss, fitted.n_outputs_, fitted.loss)
    for name in set(new.get_params(deep=False)) & set(fitted.get_params(deep=False)):
        setattr(new, name, copy.deepcopy(getattr(fitted, name)))
    network = _network(fitted, targets.loss)
    if fitted.out_activation_ != network.output:
        raise ValueError(
            f"out_activation_ must be {network.output!r} for these targets, got "
            f"{fitted.out_activation_!r}."
        )
    # L-BFGS leaves no curve; the parameter may have been changed since.
    state = _state(fitted, network) if hasattr(fitted, "loss_curve_") else None
    vars(new).update(
        {
            **feature_attributes(fitted),
            **network_attributes(network, targets),
            **_history(fitted, state),
            "is_interrupted_": False,
            "_training": state,
        }
    )
    return new


def _class_targets(fitted):
    binarizer = read_mlp_binarizer(fitted)
    kind, classes = binarizer.y_type_, np.array(fitted.classes_)
    is_multilabel = kind.startswith("multilabel")
    return ClassTargets(
        classes, kind, copy.deepcopy(binarizer) if is_multilabel else None
    )


def _network(fitted, loss):
    activations = [*[fitted.activation] * (fitted.n_layers_ - 2), "identity"]
    layers = [
        Layer.from_arrays(np.array(W.T), np.array(b[:, np.newaxis]), activation)
        for W, b, activation in zip(
            fitted.coefs_, fitted.intercepts_, activations, strict=True
        )
    ]
    return Network(layers, loss)


def _state(fitted, network):
    """State of the training, to continue from."""
    count, optimizer_state = read_mlp_training(fitted)
    losses, scores = list(fitted.loss_curve_), fitted.validation_scores_
    optimizer, schedule = _our_optimizer(fitted, network, optimizer_state)
    best_loss, best_score = fitted.best_loss_, fitted.best_validation_score_
    best_epoch = 0
    if losses:
        best_epoch = 1 + int(np.argmin(losses) if scores is None else np.argmax(scores))
    return TrainingState(
        optimizer,
        schedule,
        loss_curve=losses,
        best_loss=math.inf if best_loss is None else best_loss,
        learning_rates=[math.nan] * len(losses),
        validation_scores=list(scores or []),
        validation_losses=[math.nan] * len(scores or []),
        best_validation_score=-math.inf if best_score is None else best_score,
        best_epoch=best_epoch,
        no_improvement=count,
        n_samples_seen=fitted.t_,
        # scikit-learn saves the optimizer, so that a loaded model continues exactly.
        is_incremental=optimizer is not None,
    )


def _our_optimizer(fitted, network, state):
    """Optimizer and schedule; None for both if they are not those of the solver."""
    if state is None or state.solver != fitted.solver:
        return None, None
    solver = find_solver(fitted.solver)
    options = {name: getattr(fitted, name) for name in solver.optimizer.hyperparameters}
    optimizer = solver.optimizer(network.parameters.size, network.dtype, **options)
    optimizer.n_weights = network.weights.size
    _, moments, _ = optimizer.to_kernel_units()
    for moment, arrays in zip(moments, state.moments, strict=True):
        moment[...] = np.concatenate([array.ravel() for array in arrays])
    optimizer.count_steps(state.n_steps)
    schedule_class = resolve_schedule(fitted.learning_rate, solver)
    options = {name: getattr(fitted, name) for name in schedule_class.hyperparameters}
    schedule = schedule_class(fitted.learning_rate_init, **options)
    schedule.rate = state.rate
    return optimizer, schedule


def _history(fitted, state):
    """Fitted attributes that describe the training, by name."""
    history = {"n_iter_": fitted.n_iter_, "t_": fitted.t_, "loss_": fitted.loss_}
    if state is None:
        # Of L-BFGS, scikit-learn keeps the last loss alone.
        return history | {
            "loss_curve_": [],
            "learning_rate_curve_": None,
            "best_epoch_": None,
            "best_loss_": fitted.loss_,
            "validation_scores_": None,
            "validation_loss_curve_": None,
            "best_validation_score_": None,
        }
    scored = bool(state.validation_scores)
    return history | {
        "loss_curve_": state.loss_curve,
        "learning_rate_curve_": state.learning_rates,
        "best_epoch_": state.best_epoch or None,
        "best_loss_": fitted.best_loss_,
        "validation_scores_": state.validation_scores if scored else None,
        "validation_loss_curve_": state.validation_losses if scored else None,
        "best_validation_score_": fitted.best_validation_score_ if scored else None,
    }
