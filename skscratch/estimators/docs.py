"""Documentation that the estimators share: parameters and attributes.

The names that a parameter accepts come from the registries.
"""

import inspect
import textwrap

from skscratch.nn.activations import ACTIVATIONS
from skscratch.nn.initializers import INITIALIZERS
from skscratch.training.schedules import SCHEDULES
from skscratch.training.solvers import SOLVERS

__all__ = ["documented"]

PARAMETERS = """\
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Number of neurons of each hidden layer. An empty tuple makes a linear model.
    activation : {activations} or sequence, default='relu'
        Activation function of the hidden layers, one for all or one for each. Some
        take a parameter, as in 'leaky_relu(0.2)'; an ``Activation`` of your own works
        too. 'sigmoid' is another name for 'logistic'.
    solver : {solvers}, default='adam'
        Algorithm that trains the network. 'lbfgs' uses all samples in each iteration,
        which suits small data sets. An ``Optimizer`` class of your own works too.
    alpha : float, default=0.0001
        Strength of the L2 regularization: half of it times the sum of the squared
        weights, divided by the number of samples in the batch, is added to the loss.
    batch_size : int, 'auto' or 'small', default='auto'
        Number of samples in a minibatch; 'auto' is 200, 'small' 128. If there are
        fewer samples, they make one batch, with a warning if the size was a number.
        Not used by 'lbfgs'.
    learning_rate : {schedules}, default='constant'
        Learning rate schedule. For the solver 'sgd' only: 'invscaling' divides the
        rate by ``(t_ + 1) ** power_t`` after each epoch, 'adaptive' divides it by five
        whenever training reaches a plateau. For all solvers but 'lbfgs': 'cosine'
        decreases it to zero along half a cosine, 'one_cycle' increases and decreases
        it once, 'coslog4' four times. These three are planned for ``max_iter`` epochs:
        ``tol`` and ``n_iter_no_change`` do not end training before, unless
        ``early_stopping=True``. A schedule class of your own works too.
    learning_rate_init : float, default=0.001
        Initial learning rate, or the highest of 'cosine', 'one_cycle' and 'coslog4'.
        Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of the schedule 'invscaling'.
    max_iter : int or 'auto', default=200
        Maximum number of epochs, or of iterations of 'lbfgs'. 'auto' suits planned
        schedules: as many epochs as take about ``400 * sqrt(n_samples / 1000)`` steps,
        where ``n_samples`` counts the samples trained on, but at least 8 and at most
        400 epochs; 200 for 'lbfgs'.
    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation split, the order of samples and
        dropout. Pass an int for reproducible results. None uses fresh entropy from the
        operating system, never NumPy's global state.
    tol : float, default=0.0001
        Smallest improvement of an epoch that counts as one; for 'lbfgs', training
        stops when the largest component of the gradient is this small.
    verbose : bool, default=False
        Whether to print the loss and the score of each epoch.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of the previous call.
    momentum : float, default=0.9
        Momentum of 'sgd', between 0 and 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to score each epoch on validation data, stop when the score no longer
        improves, and keep the weights of the best epoch. Not used by 'lbfgs'.
    validation_fraction : float, default=0.1
        Share of the samples to set aside for early stopping, stratified for two
        classes, unless ``X_val`` is passed to ``fit`` or ``validation_split`` given.
        It is increased to two samples, or one of each of two classes, if it is less.
    beta_1 : float, default=0.9
        Decay rate of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay rate of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-08
        Term that keeps Adam from dividing by zero.
    n_iter_no_change : int or inf, default=10
        Number of epochs without improvement after which training stops.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss by 'lbfgs'.
    scoring : str, callable or None, default=None
        Score for early stopping: None is {score}, 'loss' the negative loss on the
        validation data, others are scikit-learn's scorers. With
        ``restore_best='together'`` it is reported and can stop training, but does not
        choose the epoch.
    restore_best : bool or 'together', default=True
        Whether early stopping ends with the weights of the best epoch, rather than the
        last, for which a planned schedule may be made. The best epoch has the highest
        score; each member of an ensemble has its own. 'together' chooses one epoch for
        all networks that are trained side by side: the one with the least squared
        error of their mean prediction, where each validation sample is predicted by
        the members that were not trained on it. A member that stopped before keeps its
        last epoch. Members trained one after the other, for sparse data or the
        schedule 'adaptive', each have the epoch of their own least error.
    validation_split : splitter, iterable of (train, test) or None, default=None
        Rows that early stopping sets aside; None draws ``validation_fraction`` of them
        at random. A splitter of scikit-learn, such as ``KFold(8)``, ``GroupKFold(5)``
        or ``TimeSeriesSplit(5)``, or pairs of arrays of row indices: the network is
        trained on the training rows of the first split and validated on its test rows.
        Member i of an ensemble takes split i, counted from 0, and starts over after
        the last; with ``share_batches`` all take the first. A splitter that walks
        forward in time, so that no split is trained on rows that a later one holds
        out, is read backwards: the first split is then the latest, and member 1 takes
        the one before it. Pairs are taken as they are. Rows in neither part are not
        used. To hold out the last rows, pass ``[(range(0, 80), range(80, 100))]``, for
        example. With 'auto', ``max_iter`` is that of the first split.
    init : {inits}, default='glorot'
        How the initial weights are drawn: 'glorot' as in scikit-learn; 'he' from a
        normal distribution of variance ``2 / fan_in`` with biases of 0, which suits
        several layers of rectifiers. A function of your own works too. A tuple
        ``(coefs, intercepts)``, such as those of another model, gives the weights
        themselves, in the shapes of ``coefs_`` and ``intercepts_``.
    dropout : float or sequence of float, default=0.0
        Dropout rate of the hidden layers in training, one for all or one for each.
        ``loss_curve_`` is the loss with dropout.
    weight_decay : float, default=0.01
        Weight decay of 'adamw': each step subtracts this share of a weight, times the
        learning rate; biases are not decayed. It is not part of the loss, and unlike
        ``alpha`` not divided by the number of samples.
    warmup_fraction : float or None, default=None
        Share of the steps in which the schedules 'cosine', 'one_cycle' and 'coslog4'
        warm up; None is 0.3 for 'one_cycle' and 0 for the others.
    max_grad_norm : float or None, default=None
        Maximum norm of the gradient of all weights and biases together; longer ones
        are scaled down to it.
    averaging : float or None, default=None
        Decay rate, such as 0.99, of an exponential moving average of the weights over
        the steps, which is used for validation and prediction; None uses the last
        weights.
    dtype : {{'auto', 'float32', 'float64'}}, default='auto'
        Precision of the network and of the features it sees; 'auto' is float32 for
        features in float32 and float64 for others.
    n_estimators : int, default=1
        Number of networks, whose predictions are averaged. They differ in their
        initial weights, batches and validation data. They are trained side by side,
        each as an estimator of its seed (and its split of ``validation_split``) would
        be alone, except that all stop if one diverges; for 'lbfgs', sparse data and
        the schedule 'adaptive' one after the other.
    share_batches : bool, default=False
        Whether the networks of an ensemble share batches and validation data, so that
        only initial weights and dropout differ.
"""
ATTRIBUTES = """\
    network_ : Network
        The network itself, made of ``Layer`` objects. For an ensemble a ``Stack``,
        whose arrays have a leading axis.
    estimators_ : list of estimators
        The members of an ensemble, each a fitted estimator of ``n_estimators=1`` with
        its own history. Weights assigned to a member change the ensemble too, until it
        or the member is fitted again. The ensemble's own curves and scores are means
        over the members still in training, ``n_iter_`` and ``t_`` maxima. Only if
        ``n_estimators`` is greater than 1.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer: views into the network, so that writing into them, or
        assigning the whole list, changes it. For an ensemble of shape (n_estimators,
        fan_in, fan_out).
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer, likewise. For an ensemble of shape (n_estimators,
        fan_out).
    loss_ : float
        Loss of the last epoch, or at the end of 'lbfgs'.
    best_loss_ : float or None
        Lowest loss of all epochs; None with early stopping.
    loss_curve_ : list of float
        Loss of each epoch, averaged over its batches, or after each iteration of
        'lbfgs': the weighted loss of the samples plus the L2 term.
    learning_rate_curve_ : list of float or None
        Learning rate of each epoch's last step; None for 'lbfgs'.
    validation_scores_ : list of float or None
        Score of each epoch on the validation data, with early stopping: {score}, or
        the score that ``scoring`` names.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the validation data, without the L2 term.
    best_validation_score_ : float or None
        Highest validation score, whether or not its epoch's weights are kept.
    best_epoch_ : int or None
        Epoch with the highest score, with ``restore_best='together'`` the least squared
        error, without early stopping the lowest loss. It is counted from 1 over all
        calls that continued from each other. None for 'lbfgs', and for an ensemble
        whose members differ in it.
    is_interrupted_ : bool
        Whether the user interrupted the training by Ctrl-C.
    t_ : int
        Number of samples trained on, over all epochs.
    n_iter_ : int
        Number of epochs, or iterations, of the last call.
    n_layers_ : int
        Number of layers, including input and output.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the function that turns raw outputs into predictions.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all of them are strings.
"""


def documented(score):
    """Class decorator that fills the shared sections into a docstring.

    Lines ``{parameters}`` and ``{attributes}`` are replaced by ``PARAMETERS`` and
    ``ATTRIBUTES``, with the names in the registries.

    Parameters
    ----------
    score : str
        Default score of early stopping.
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
                    solvers=_names(SOLVERS),
                    schedules=_names(SCHEDULES),
                    inits=_names(INITIALIZERS),
                    score=score,
                )
            )
            cls.__doc__ = cls.__doc__.replace(f"{{{name}}}", filled)
        return cls

    return complete


def _names(registry):
    """Format names as in ``{'adam', 'sgd'}``."""
    return "{" + ", ".join(map(repr, registry)) + "}"
