"""The operations that a network's mathematics consists of.

Each method of ``Operations`` is a formula, written in NumPy, whose result is a new
array. Other backends override the methods with faster ones, and are tested against
these.

In the shapes below, a batch is (features, samples). All but sparse batches may have a
leading axis, of independent networks or of their batches. ``f`` is an activation: any
object that has ``function(Z)``, ``derivative(Z, A)`` and the other attributes of
``skscratch.Activation``. ``key`` is the position of a layer counted from the output:
-1 is the last layer, -2 the one before it.

Some operations may *consume* an argument: use its memory for something else. Its
contents are undefined afterwards, and callers must not read it again. Which ones these
are is documented for each operation. The operations of this module consume nothing.
"""

import numpy as np

from skscratch.backends.linalg import (
    product,
    product_transposed,
    row_sums,
    squared_norms,
)

__all__ = ["ALLOCATING", "Operations", "smooth"]


class Operations:
    """NumPy, with a new array for each result.

    An object of this class holds nothing, so that all threads may share it. Those of
    its subclasses belong to one training or prediction, and to one thread.
    """

    def __repr__(self):
        return f"{type(self).__name__}()"

    def batch(self, data, rows):
        """Gather some rows of the training data.

        Parameters
        ----------
        data : BatchData
            The training data: see ``skscratch.training.batches``.
        rows : slice or ndarray of int of shape (n,) or (n_networks, n)
            Two axes give each network a batch of its own.

        Returns
        -------
        A1 : {ndarray, sparse array} of shape (..., n_features, n)
        Y : ndarray of shape (..., n_targets, n)
        weights : ndarray of shape (n,) or (n_networks, 1, n), or None
        total : float or ndarray
            What sums over the batch are divided by: ``n`` mean weights.
        """
        A1, weights = data.X[rows], None
        A1 = A1.mT if isinstance(A1, np.ndarray) else A1.T
        Y = data.Y[rows].mT.astype(A1.dtype)
        if data.weights is not None:
            weights = data.weights[rows]
            if weights.ndim == 2:
                weights = weights[:, np.newaxis]
        if data.smoothing is not None:
            smooth(Y, *data.smoothing)
        return A1, Y, weights, Y.shape[-1] * data.mean_weight

    def dense(self, key, W, b, A1, f, mask=None):
        """Forward pass of a layer: ``Z = W A1 + b`` and ``A = f(Z)``.

        May consume ``Z`` where ``f.needs_Z`` is False: then the ``Z`` that it returns
        can only be passed to ``back``.

        Parameters
        ----------
        key : int
        W : ndarray of shape (..., neurons, inputs)
        b : ndarray of shape (..., neurons, 1)
        A1 : {ndarray, sparse array} of shape (..., inputs, samples)
        f : Activation
        mask : ndarray of shape (..., neurons, samples), default=None
            Factors of the outputs, for dropout; None means 1 for each.

        Returns
        -------
        Z, A, output : ndarray of shape (..., neurons, samples)
            ``output`` is ``A``, multiplied by the mask if there is one.
        """
        Z = product(W, A1)
        Z += b
        A = f.function(Z)
        return Z, A, A if mask is None else A * mask

    def back(self, key, dA, Z, A, f, mask=None):
        """Backward pass through an activation: ``dZ = dA · f'(Z)``.

        May consume ``dA``, ``Z`` and ``A``.

        Parameters
        ----------
        key : int
        dA : ndarray of shape (..., neurons, samples)
            Gradient with respect to the output of the layer.
        Z, A : ndarray of shape (..., neurons, samples)
            As ``dense`` returned them.
        f : Activation
        mask : ndarray of shape (..., neurons, samples), default=None
            As in ``dense``.

        Returns
        -------
        dZ : ndarray of shape (..., neurons, samples)
        """
        if mask is not None:
            dA = dA * mask
        return dA * f.derivative(Z, A)

    def weight_gradients(self, key, dZ, A1, dW, db):
        """Gradients of weights and biases: ``dW = dZ A1ᵀ`` and ``db = sum(dZ)``.

        Consumes nothing.

        Parameters
        ----------
        key : int
        dZ : ndarray of shape (..., neurons, samples)
        A1 : {ndarray, sparse array} of shape (..., inputs, samples)
        dW : ndarray of shape (..., neurons, inputs) or None
            Where the gradient is written; None allocates a new array.
        db : ndarray of shape (..., neurons, 1) or None
            As ``dW``.

        Returns
        -------
        dW, db : ndarray
            Sums over the samples.
        """
        return product_transposed(dZ, A1, out=dW), row_sums(dZ, out=db)

    def input_gradient(self, key, W, dZ):
        """Gradient with respect to the inputs of a layer: ``dA1 = Wᵀ dZ``.

        May consume ``dZ``.

        Parameters
        ----------
        key : int
        W : ndarray of shape (..., neurons, inputs)
        dZ : ndarray of shape (..., neurons, samples)

        Returns
        -------
        dA1 : ndarray of shape (..., inputs, samples)
        """
        return product(W.mT, dZ)

    def loss(self, loss, Z, Y, weights, total):
        """Sum of the samples' losses, and the gradient of their mean.

        Consumes nothing: the last layer may still need ``Z``, which is its output.

        Parameters
        ----------
        loss : Loss
        Z : ndarray of shape (..., n_outputs, samples)
            Raw outputs of the network.
        Y : ndarray of shape (..., n_targets, samples)
        weights : ndarray of shape (samples,) or (n_networks, 1, samples), or None
            Sample weights; None means 1 for each.
        total : float or ndarray of shape (n_networks, 1, 1)
            What the gradient is divided by.

        Returns
        -------
        loss_sum : float or ndarray of shape (n_networks,)
            Each sample's loss times its weight. May be overwritten by the next call.
        dA : ndarray of shape (..., n_outputs, samples)
            Divided by ``total``, so that layers only sum over the samples.
        """
        return loss.sum_and_gradient(Z, Y, weights, total, self)

    def penalty(self, weights, weight_gradients, strength):
        """L2 penalty ``strength / 2 · |w|²``; its gradient is added in place.

        Consumes nothing.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,) or (n_networks, n_weights)
        weight_gradients : ndarray of the shape of ``weights``, or None
            None computes the penalty alone.
        strength : float or ndarray of shape (n_networks,)

        Returns
        -------
        float or ndarray of shape (n_networks,)
        """
        if weight_gradients is not None:
            weight_gradients += np.expand_dims(strength, -1) * weights
        squares = squared_norms(weights)
        if weights.ndim == 1:
            return 0.5 * strength * float(squares)
        return 0.5 * strength * squares.astype(np.float64)

    def update(self, optimizer, parameters, gradients, rate):
        """Take a step of the optimizer, which changes ``parameters`` in place.

        Consumes nothing.

        Parameters
        ----------
        optimizer : Optimizer
        parameters, gradients : ndarray of shape (n_parameters,)
            Or a row for each of several networks.
        rate : float
            Learning rate.
        """
        optimizer.update(parameters, gradients, rate)

    def run(self, step, inputs, version):
        """Run a sequence of operations of this object: ``step(*inputs)``.

        A backend may record the operations and replay them when the same inputs come
        again.

        Parameters
        ----------
        step : callable
            Depends on nothing that can change but the contents of arrays, the inputs
            and what is in ``version``.
        inputs : tuple
            Arrays, numbers and None. The first is the batch.
        version : tuple
            What else decides which operations the step consists of, and on what
            arrays: activations, the loss, the vector of parameters.

        Returns
        -------
        object
            What the step returns. The next run may overwrite it.
        """
        return step(*inputs)

    # Used inside losses and activations.

    def array(self, name, shape, order="C"):
        """Array to write a result into, or None: NumPy allocates one."""
        return None

    def call(self, function, *arguments, **options):
        """Call a function of NumPy; a backend that records a step records it.

        Parameters
        ----------
        function : callable
            Writes into one of its arguments, and computes the same from the same
            contents of the others.
        *arguments, **options
            Arrays and constants.

        Returns
        -------
        object
            What the function returns.
        """
        return function(*arguments, **options)


def smooth(Y, share, n_classes):
    """Label smoothing: distribute a share of each target over all classes, in place.

    ``Y ← (1 - share) Y + share / n_classes`` (Szegedy et al., *Rethinking the
    Inception architecture for computer vision*, CVPR 2016, section 7).

    Parameters
    ----------
    Y : ndarray
        Targets, 0 or 1, as floating-point numbers.
    share : float
    n_classes : int
    """
    Y *= 1 - share
    Y += share / n_classes


ALLOCATING = Operations()
