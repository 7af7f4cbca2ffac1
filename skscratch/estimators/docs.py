"""What the estimators document alike: parameters and attributes, said once.

The names that a parameter accepts come from the registries.
"""

import inspect
import textwrap

from skscratch.nn.activations import ACTIVATIONS
from skscratch.nn.initializers import INITIALIZERS
from skscratch.training.optimizers import OPTIMIZERS
from skscratch.training.schedules import SCHEDULES

__all__ = ["documented"]

PARAMETERS = """\
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Number of neurons of each hidden layer. An empty tuple makes a linear model.
    activation : {activations} or a sequence, default='relu'
        Activation function of the hidden layers, one name for all or one for each;
        'sigmoid' is the article's name for 'logistic'.
    solver : {solvers}, default='adam'
        What optimises the weights. 'lbfgs' takes all samples at once, which suits
        small data sets.
    alpha : float, default=0.0001
        Strength of the L2 regularisation: half of it times the sum of the squared
        weights, divided by the number of samples of the batch, joins the loss.
    batch_size : int, 'auto' or 'small', default='auto'
        Samples of a minibatch; 'auto' is 200, 'small' 128. Where there are fewer
        samples they make one batch, with a warning where the size was a number. Not
        used by 'lbfgs'.
    learning_rate : {schedules}, default='constant'
        Schedule of the learning rate. For the solver 'sgd' alone: 'invscaling' divides
        it by ``(t_ + 1) ** power_t`` after each epoch, 'adaptive' by five whenever
        training comes to a plateau. For 'sgd', 'adam' and 'adamw': 'cosine' lets it
        fall to zero along half a cosine, 'one_cycle' rise and fall, 'coslog4' rise and
        fall four times. Those three are planned to the end of ``max_iter`` epochs:
        neither ``tol`` nor ``n_iter_no_change`` ends them sooner, but for early
        stopping.
    learning_rate_init : float, default=0.001
        The learning rate at first, or the highest of 'cosine', 'one_cycle' and
        'coslog4'. Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of the schedule 'invscaling'.
    max_iter : int or 'auto', default=200
        Largest number of epochs, or of iterations of 'lbfgs'. 'auto' is for planned
        schedules: as many epochs as take about ``400 * sqrt(n_samples / 1000)`` steps,
        of the samples that are trained on, 8 epochs at least and 400 at most; 200 for
        'lbfgs'.
    shuffle : bool, default=True
        Whether the samples are shuffled before each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, the validation split, the order of samples and
        dropout. An int gives the same at each call; None draws from the operating
        system, never from NumPy's global state.
    tol : float, default=0.0001
        What an epoch must improve to count as one that improved; for 'lbfgs' the
        largest component of the gradient at which it stops.
    verbose : bool, default=False
        Whether loss and score of each epoch are printed.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last call.
    momentum : float, default=0.9
        Momentum of 'sgd', from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' looks ahead along the momentum.
    early_stopping : bool, default=False
        Whether each epoch is scored on validation data, training stops when the score
        does not improve any more, and the best epoch's weights are kept. Not used by
        'lbfgs'.
    validation_fraction : float, default=0.1
        Share of the data that is set aside, of two classes in equal shares, unless
        ``fit`` is given ``X_val``. Where that is less than two samples, or one of each
        of two classes, it is as many.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, from 0 to below 1.
    beta_2 : float, default=0.999
        Decay of Adam's second moment, from 0 to below 1.
    epsilon : float, default=1e-08
        Adam's guard against division by zero.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement after which training stops.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by 'lbfgs'.
    scoring : str, callable or None, default=None
        What early stopping scores: None is {score}, 'loss' the loss on the validation
        data, and else one of scikit-learn's scorers. With ``restore_best='together'``
        it is there to be read, and to stop by; it does not choose the epoch.
    restore_best : bool or 'together', default=True
        Whether early stopping ends with the best epoch's weights, rather than with the
        last's, which a planned schedule may be made for. The best is that of the
        highest score, for each member of an ensemble its own; with 'together' it is
        one for all that are trained as one: that in which their mean prediction of
        held-out samples, each by the members that it is held out from, has the least
        squared error; a member that stops before keeps its last. Members that are
        trained one after the other, for sparse data or the schedule 'adaptive', have
        each the epoch of its own least error.
    init : {inits}, default='glorot'
        How the initial weights are drawn: 'glorot' as in scikit-learn, 'he' of the
        normal distribution with the variance ``2 / fan_in``, which suits several
        layers of rectifiers; biases are then 0 at first.
    dropout : float or sequence of float, default=0.0
        Rate at which outputs of the hidden layers are dropped in training, one for all
        layers or one for each. ``loss_curve_`` is that of the thinned networks.
    weight_decay : float, default=0.01
        Weight decay of 'adamw': each step takes this share of a weight, times the
        learning rate; biases are left alone. It is no part of the loss, and not
        divided by the number of samples as ``alpha`` is, which acts as well.
    warmup_fraction : float or None, default=None
        Share of the steps in which the schedules 'cosine', 'one_cycle' and 'coslog4'
        warm up; None is 0.3 for 'one_cycle' and else 0.
    max_grad_norm : float or None, default=None
        Longer gradients, of all weights and biases together, are scaled down to this
        norm.
    averaging : float or None, default=None
        Decay of an exponential moving average of the weights over the steps, such as
        0.99, which validation and prediction then use; None uses the last weights.
    dtype : {{'auto', 'float32', 'float64'}}, default='auto'
        Of the network and of the features it sees; 'auto' takes float32 for features
        of float32 and else float64.
    n_estimators : int, default=1
        Number of networks, which differ in their initial weights, batches and
        validation data, and whose predictions are averaged. They are trained together,
        each as one of its own seed is alone, but that all stop where one diverges; one
        after the other for 'lbfgs', sparse data and the schedule 'adaptive'.
    share_batches : bool, default=False
        Whether the networks of an ensemble have batches and validation data in common,
        so that only initial weights and dropout tell them apart.
"""
ATTRIBUTES = """\
    network_ : Network
        The network itself, of ``Layer`` objects; of an ensemble a ``Stack``, whose
        arrays have a leading axis.
    estimators_ : list of estimators
        The members of an ensemble, each a fitted estimator of ``n_estimators=1`` with
        its own history; weights that are assigned to it are the ensemble's, but not
        those of another ``fit``. Curves and scores of the ensemble are means over the
        members that were still trained, ``n_iter_`` and ``t_`` the largest. Only with
        ``n_estimators`` above 1.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. They are views into the network: what is written into
        them, or assigned as a whole, takes effect. Of an ensemble, (n_estimators,
        fan_in, fan_out).
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer, views likewise. Of an ensemble, (n_estimators, fan_out).
    loss_ : float
        Loss of the last epoch, or at the end of 'lbfgs'.
    best_loss_ : float or None
        Lowest loss of all epochs; None with early stopping.
    loss_curve_ : list of float
        Loss of each epoch, the mean over its batches, or after each iteration of
        'lbfgs': that of the samples, weighted, and the L2 term.
    learning_rate_curve_ : list of float or None
        Learning rate of each epoch's last step; None for 'lbfgs'.
    validation_scores_ : list of float or None
        Score of each epoch on the validation data, with early stopping: {score}, or
        what ``scoring`` says, for 'loss' its negative.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the validation data, without the L2 term.
    best_validation_score_ : float or None
        The highest score, whether or not its epoch's weights are kept.
    best_epoch_ : int or None
        Epoch of the highest score, with ``restore_best='together'`` of the least
        squared error, or without early stopping of the lowest loss, counted from 1 over
        all calls that went on from each other. None for 'lbfgs', and for an ensemble
        whose members do not have the same.
    t_ : int
        Number of samples trained on, over all epochs.
    n_iter_ : int
        Number of epochs, or iterations, of the last call.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the function that makes predictions of the raw outputs.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where the data have names that are all strings.
"""


def documented(score):
    """Class decorator that completes a docstring by what the estimators share.

    A line ``{parameters}`` or ``{attributes}`` of it gives way to ``PARAMETERS`` or
    ``ATTRIBUTES``, in which the registries' names are filled in.

    Parameters
    ----------
    score : str
        What early stopping scores unless it is told otherwise.
    """

    def complete(cls):
        if cls.__doc__ is None:  # Under python -OO.
            return cls
        # As the compiler leaves it from Python 3.13 on.
        cls.__doc__ = inspect.cleandoc(cls.__doc__)
        for name, section in (("parameters", PARAMETERS), ("attributes", ATTRIBUTES)):
            filled = (
                textwrap.dedent(section)
                .rstrip()
                .format(
                    activations=_names(ACTIVATIONS),
                    solvers=_names([*OPTIMIZERS, "lbfgs"]),
                    schedules=_names(SCHEDULES),
                    inits=_names(INITIALIZERS),
                    score=score,
                )
            )
            cls.__doc__ = cls.__doc__.replace(f"{{{name}}}", filled)
        return cls

    return complete


def _names(registry):
    """Names of a registry as documentation gives them: ``{'adam', 'sgd'}``."""
    return "{" + ", ".join(map(repr, registry)) + "}"
