"""Resolved options of one training: no ``'auto'``, no names left to look up."""

from typing import Any, NamedTuple

__all__ = ["TrainingConfig"]


class TrainingConfig(NamedTuple):
    """Options of one training, resolved from an estimator's parameters.

    Attributes
    ----------
    sizes : tuple of int
        Number of features, neurons of each hidden layer, number of raw outputs.
    activation : str, Activation or sequence
        Activation of the hidden layers, one for all or one for each.
    loss : str or Loss
    init : str or callable
        How the initial weights are drawn.
    dtype : dtype
    solver : Solver
    optimizer_options : dict
        Hyperparameters of the solver's optimizer.
    schedule : type of Schedule
        Learning rate schedule.
    schedule_options : dict
        Hyperparameters of the schedule.
    learning_rate_init : float
    max_epochs : int
        Largest number of epochs, or iterations, of this call.
    max_fun : int
        Largest number of evaluations of the loss by L-BFGS.
    batch_size : int
        Number of samples of a batch, before it is limited to the number of samples.
    is_batch_size_given : bool
        Whether the user gave it as a number, and is warned if it is too large.
    shuffle : bool
    alpha : float
        Strength of the L2 regularization.
    tol : float
        Smallest improvement that counts as one.
    patience : float
        Number of epochs without improvement after which training stops, or infinity.
    dropout : tuple of float
        Dropout rate of each hidden layer.
    smoothing : tuple of (float, int) or None
        Share of label smoothing and number of classes.
    calibration_classes : int or None
        Number of classes that an output distinguishes, if a temperature is fitted.
    max_grad_norm : float or None
    averaging : float or None
        Decay of the moving average of the parameters.
    early_stopping : bool
        Whether validation data decide when to stop.
    validation_fraction : float
    restore_best : bool
        Whether the parameters of the best epoch are kept.
    restore_best_together : bool
        Whether one best epoch is chosen for all networks, by their common error.
    n_estimators : int
    share_batches : bool
    is_incremental : bool
        Whether this is a call of ``partial_fit``.
    backend : {"auto", "numpy", "compiled"}
        Backend that is asked for.
    """

    sizes: tuple[int, ...]
    activation: Any
    loss: Any
    init: Any
    dtype: Any
    solver: Any
    optimizer_options: dict[str, Any]
    schedule: Any
    schedule_options: dict[str, Any]
    learning_rate_init: float
    max_epochs: int
    max_fun: int
    batch_size: int
    is_batch_size_given: bool
    shuffle: bool
    alpha: float
    tol: float
    patience: float
    dropout: tuple[float, ...]
    smoothing: tuple[float, int] | None
    calibration_classes: int | None
    max_grad_norm: float | None
    averaging: float | None
    early_stopping: bool
    validation_fraction: float
    restore_best: bool
    restore_best_together: bool
    n_estimators: int
    share_batches: bool
    is_incremental: bool
    backend: str = "auto"
