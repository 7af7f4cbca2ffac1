"""Layers, networks, stacks and the gradient check refuse bad input in words."""

import numpy as np
from refusals import (
    Refused,
    assert_all_differ,
    assert_refused,
    contents,
    each_case,
    names_in,
    put,
)
from scipy import sparse

from skscratch import (
    ACTIVATIONS,
    LOSSES,
    Layer,
    Network,
    ScratchMLPClassifier,
    Stack,
    check_gradients,
)


class Networks:
    """A layer, networks and a batch for them, made anew for each call.

    Attributes
    ----------
    layer : Layer
        Of two inputs and three neurons.
    fed_layer : Layer
        The same after a forward pass of four samples.
    network : Network
        Of two inputs, three neurons and three classes.
    one_output : Network
        The same with one number as output.
    stack : Stack
        Two networks like ``network``.
    A1, Y : ndarray of shape (2, 4) and (3, 4)
        A batch in the network's shapes.
    X, y : ndarray of shape (4, 2) and (4,)
        The same in scikit-learn's.
    weights : ndarray of shape (4,)
    """

    def __init__(self):
        self.layer, self.fed_layer = (
            Layer(2, 3, "tanh", random_state=0) for _ in range(2)
        )
        self.A1, self.X, self.weights = np.ones((2, 4)), np.ones((4, 2)), np.ones(4)
        self.y = np.array([0, 1, 2, 0])
        self.Y = np.eye(3)[:, self.y]
        self.fed_layer.feedforward(self.A1)
        self.network, *others = (
            Network.glorot([2, 3, 3], "tanh", random_state=i) for i in (0, 0, 1)
        )
        self.stack = Stack(others)
        self.one_output = Network.glorot(
            [2, 3, 1], "tanh", "squared_error", random_state=0
        )

    def data_and_parameters(self):
        """Return everything that a refused call must not change."""
        networks = self.network, self.stack, self.one_output
        layers = [self.layer, self.fed_layer]
        layers += [layer for network in networks for layer in network.layers]
        parameters = [(layer.W, layer.b, layer.activation) for layer in layers]
        return [self.A1, self.Y, self.X, self.y, self.weights, parameters]

    def check(self, network=None, X=None, y=None, **options):
        """Check gradients of the network and data, of which others may be given."""
        return check_gradients(
            self.network if network is None else network,
            self.X if X is None else X,
            self.y if y is None else y,
            **options,
        )


def assign(thing, **attributes):
    for name, value in attributes.items():
        setattr(thing, name, value)


LAYERS = {
    **{
        f"inputs={value!r}": Refused(
            lambda t, value=value: Layer(value, 2, "relu"),
            f"inputs must be a positive integer, got {value!r}",
        )
        for value in (0, -1, 2.0, "3", True, np.True_)
    },
    **{
        f"neurons={value!r}": Refused(
            lambda t, value=value: Layer(2, value, "relu"),
            f"neurons must be a positive integer, got {value!r}",
        )
        for value in (0, -1, 2.0, "3", True, np.True_)
    },
    "too many inputs": Refused(
        lambda t: Layer(10**30, 2, "tanh"),
        "inputs=1000000000000000000000000000000 and neurons=2 make more weights than",
    ),
    **{
        f"activation={value!r}": Refused(
            lambda t, value=value: Layer(2, 3, value),
            f"activation must be one of {sorted(ACTIVATIONS)}, got {value!r}",
        )
        for value in ("softmax", None, ["relu"])
    },
    "no activation": Refused(
        lambda t: Layer(2, 3),
        "missing 1 required positional argument: 'activation'",
        TypeError,
        worded=False,
    ),
    # Passes
    "backprop first": Refused(
        lambda t: t.layer.backprop(np.ones((3, 4))),
        "call feedforward before gradients or backprop",
    ),
    "gradients first": Refused(
        lambda t: t.layer.gradients(np.ones((3, 4))),
        "call feedforward before gradients or backprop",
    ),
    **{
        f"{name}: A1 of shape {np.shape(A1)}": Refused(
            lambda t, name=name, A1=A1: getattr(t.layer, name)(A1),
            f"A1 must have shape (2, samples), got {np.shape(A1)}",
        )
        for name in ("feedforward", "forward")
        for A1 in (np.ones((3, 4)), np.ones(24), np.ones((5, 2, 4)))
    },
    "feedforward: None": Refused(
        lambda t: t.layer.feedforward(None), "A1 must have shape (2, samples), got ()"
    ),
    # NumPy's own error, for checking the dtype would slow down each batch.
    "feedforward: A1 of text": Refused(
        lambda t: t.layer.feedforward(t.A1.astype(str)),
        "(dtype('float64'), dtype('<U32",
        TypeError,
        worded=False,
    ),
    "backprop: more samples": Refused(
        lambda t: t.fed_layer.backprop(np.ones((3, 5))),
        "dA must have shape (3, 4), got (3, 5)",
    ),
    "gradients: a number": Refused(
        lambda t: t.fed_layer.gradients(1.0), "dA must have shape (3, 4), got ()"
    ),
    "feedforward: mask of other neurons": Refused(
        lambda t: t.layer.feedforward(t.A1, mask=t.A1),
        "mask must be an array of shape (3, 4), got (2, 4)",
    ),
    "feedforward: mask a number": Refused(
        lambda t: t.layer.feedforward(t.A1, mask=2),
        "mask must be an array of shape (3, 4), got int",
    ),
    "feedforward: mask of samples": Refused(
        lambda t: t.layer.feedforward(t.A1, mask=np.ones(4)),
        "mask must be an array of shape (3, 4), got (4,)",
    ),
    # Parameters
    "W transposed": Refused(
        lambda t: assign(t.layer, W=np.ones((2, 3))),
        "W must have shape (3, 2), got (2, 3)",
    ),
    "W complex": Refused(
        lambda t: assign(t.layer, W=np.full((3, 2), 1j)), "W must be an array of num"
    ),
    "W of text": Refused(
        lambda t: assign(t.layer, W=np.full((3, 2), "a")),
        "W must be an array of numbers, got <U1",
    ),
    "W of unequal rows": Refused(
        lambda t: assign(t.layer, W=[[1], [1, 2]]), "W must be an array of numbers: s"
    ),
    "b of one dimension": Refused(
        lambda t: assign(t.layer, b=np.ones(3)), "b must have shape (3, 1), got (3,)"
    ),
    "b of durations": Refused(
        lambda t: assign(t.layer, b=np.full((3, 1), 5, "m8[s]")),
        "b must be an array of numbers, got timedelta64[s]",
    ),
    "assigned activation": Refused(
        lambda t: assign(t.layer, activation="a"), "'softplus', 'tanh'], got 'a'"
    ),
    "from_arrays: b of one dimension": Refused(
        lambda t: Layer.from_arrays(np.ones((3, 2)), np.ones(3), "relu"),
        "W and b must have shapes (neurons, inputs) and (neurons, 1), got (3, 2) and",
    ),
    "from_arrays: None": Refused(
        lambda t: Layer.from_arrays(None, None, "relu"),
        "W and b must have shapes (neurons, inputs) and (neurons, 1), got () and ()",
    ),
    "from_arrays: activation": Refused(
        lambda t: Layer.from_arrays(np.ones((3, 2)), np.ones((3, 1)), "step"),
        "activation must be one of ['elu', 'gelu'",
    ),
    "from_arrays: no neurons": Refused(
        lambda t: Layer.from_arrays(np.ones((0, 2)), np.ones((0, 1)), "relu"),
        "W must have at least one neuron and one input, got shape (0, 2)",
    ),
    "from_arrays: no inputs": Refused(
        lambda t: Layer.from_arrays(np.ones((2, 0)), np.ones((2, 1)), "relu"),
        "W must have at least one neuron and one input, got shape (2, 0)",
    ),
    "from_arrays: W a list": Refused(
        lambda t: Layer.from_arrays([[1.0, 2.0]], [[1.0]], "relu"),
        "W must be an array of floating-point numbers, which the layer keeps without a "
        "copy, got list",
    ),
    "from_arrays: b a list": Refused(
        lambda t: Layer.from_arrays(np.ones((1, 2)), [[1.0]], "relu"),
        "b must be an array of floating-point numbers",
    ),
    "from_arrays: W of integers": Refused(
        lambda t: Layer.from_arrays(np.ones((1, 2), int), np.ones((1, 1)), "relu"),
        "W must be an array of floating-point numbers, which the layer keeps without a "
        "copy, got int64",
    ),
}
NETWORKS = {
    "no layers": Refused(
        lambda t: Network([]), "layers must be a list of Layer objects, got []"
    ),
    "a number among the layers": Refused(
        lambda t: Network([t.layer, 3]), "layers must be a list of Layer objects, got ["
    ),
    "a number for layers": Refused(
        lambda t: Network(3), "layers must be a list of Layer objects, got 3"
    ),
    "a layer for layers": Refused(
        lambda t: Network(t.layer),
        "layers must be a list of Layer objects, got Layer(2, 3, 'tanh')",
    ),
    "layers of unequal sizes": Refused(
        lambda t: Network([t.layer, Layer(2, 3, "relu")]),
        "layers[0] has 3 neurons, but layers[1] has 2 inputs: they must be equal",
    ),
    "a layer twice": Refused(
        lambda t: Network([Layer(3, 3, "relu")] * 2),
        "layers must not hold the same Layer object twice",
    ),
    **{
        f"{name}: loss={value!r}": Refused(
            call,
            f"loss must be one of {sorted(LOSSES)}, got {value!r}",
        )
        for value in ("hinge", None, ["log_loss"])
        for name, call in {
            "Network": lambda t, value=value: Network([t.layer], value),
            "glorot": lambda t, value=value: Network.glorot([2, 3], loss=value),
        }.items()
    },
    **{
        f"{name}: dtype={value!r}": Refused(
            call, f"dtype must be float32 or float64, got {value!r}"
        )
        for value in ("float16", int, "double?", ">f8")
        for name, call in {
            "Network": lambda t, value=value: Network([t.layer], dtype=value),
            "glorot": lambda t, value=value: Network.glorot([2, 3], dtype=value),
            "Network.astype": lambda t, value=value: t.network.astype(value),
            "Stack.astype": lambda t, value=value: t.stack.astype(value),
        }.items()
    },
    **{
        f"sizes={value}": Refused(
            lambda t, value=value: Network.glorot(value),
            f"sizes must be two or more positive integers, got {value}",
        )
        for value in ([2], [2, 0, 1], [2, 2.5], [2, "a"], [2, True], 3)
    },
    "too large": Refused(
        lambda t: Network.glorot([2, 10**12, 1]),
        "sizes=[2, 1000000000000, 1] make more than 274,877,906,944 parameters",
    ),
    "even larger": Refused(
        lambda t: Network.glorot([10**30, 1]), "the most that a network may have"
    ),
    "glorot: activation": Refused(
        lambda t: Network.glorot([2, 3], "softmax"), "'tanh'], got 'softmax'"
    ),
    "glorot: an activation too many": Refused(
        lambda t: Network.glorot([2, 3, 1], ["relu", "relu"]),
        "activation must be one name, or one for each hidden layer (1)",
    ),
    # Inputs
    "forward: more features": Refused(
        lambda t: t.network.forward(t.Y), "A1 must have shape (2, samples), got (3"
    ),
    "predict: more features": Refused(
        lambda t: t.network.predict(t.Y),
        "A1 must have shape (2, samples), got (3, 4)",
    ),
    "predict: a list of more features": Refused(
        lambda t: t.network.predict([[1.0], [2.0], [3.0]]),
        "A1 must have shape (2, samples), got (3, 1)",
    ),
    "raw_outputs: one dimension": Refused(
        lambda t: t.network.raw_outputs(np.ones(24)),
        "A1 must have shape (2, samples), got (24",
    ),
    "predict: rows of unequal length": Refused(
        lambda t: t.network.predict([[1, 2], [3]]),
        "A1 must be an array of numbers: setting an array element with a sequence",
    ),
    "predict: text": Refused(
        lambda t: t.network.predict(t.A1.astype(str)),
        "A1 must be an array of numbers, got <U32",
    ),
    "predict: complex": Refused(
        lambda t: t.network.predict(t.A1 + 1j),
        "A1 must be an array of numbers, got complex128",
    ),
    "predict: an integer that no float holds": Refused(
        lambda t: t.network.predict(put(t.A1.astype(object), 10**400)),
        "A1 must be an array of numbers: int too large to convert to float",
    ),
    "cost: dates": Refused(
        lambda t: t.network.cost(t.A1.astype("M8[s]"), t.Y),
        "A1 must be an array of numbers, got datetime64[s]",
    ),
    # Targets
    "cost: fewer targets": Refused(
        lambda t: t.network.cost(t.A1, t.Y[:, :3]),
        "Y must have the shape of the outputs, (3, 4), got (3, 3)",
    ),
    "cost: a word": Refused(
        lambda t: t.network.cost(t.A1, "word"),
        "Y must be an array of numbers, got <U4",
    ),
    "cost: None": Refused(
        lambda t: t.network.cost(t.A1, None),
        "Y must be an array of numbers, one column",
    ),
    "cost: sparse targets": Refused(
        lambda t: t.network.cost(t.A1, sparse.csr_array(t.Y)),
        "Y must be an array of numbers, one column per sample, got csr_array",
    ),
    "cost: no samples": Refused(
        lambda t: t.network.cost(t.A1[:, :0], t.Y[:, :0]),
        "Y must have at least one sample, got none",
    ),
    "gradients: other targets": Refused(
        lambda t: t.network.cost_and_gradients(t.A1, t.A1),
        "Y must have the shape of the outputs, (3, 4), got (2, 4)",
    ),
    "gradients: a list": Refused(
        lambda t: t.network.cost_and_gradients(t.A1, t.Y.tolist()),
        "Y must be an array of numbers, one column per sample, got list",
    ),
    "gradients: None": Refused(
        lambda t: t.network.cost_and_gradients(t.A1, None),
        "Y must be an array of numbers, one column per sample, got NoneType",
    ),
    "gradients: text": Refused(
        lambda t: t.network.cost_and_gradients(t.A1, t.Y.astype(str)),
        "Y must be an array of numbers, one column per sample, got <U32",
    ),
    "gradients: no samples": Refused(
        lambda t: t.network.cost_and_gradients(t.A1[:, :0], t.Y[:, :0]),
        "Y must have at least one sample, got none",
    ),
    # Weights
    **{
        f"{name}: {id_} weights": Refused(
            lambda t, name=name, make=make: getattr(t.network, name)(
                t.A1, t.Y, weights=make(t.weights)
            ),
            message,
        )
        for name in ("cost", "cost_and_gradients")
        for id_, make, message in (
            (
                "three",
                lambda w: w[:3],
                "weights must be an array of shape (4,), got (3,)",
            ),
            (
                "five",
                lambda w: np.ones(5),
                "weights must be an array of shape (4,), got (5,)",
            ),
            (
                "a list of",
                lambda w: w.tolist(),
                "weights must be an array of shape (4,), got list",
            ),
            (
                "zeros as",
                lambda w: 0 * w,
                "weights must have a positive and finite sum, got 0.0",
            ),
            (
                "NaN as",
                lambda w: np.nan * w,
                "weights must have a positive and finite sum, got nan",
            ),
            (
                "text as",
                lambda w: np.array(["a"] * 4),
                "weights must be an array of numbers, got <U1",
            ),
            (
                "complex",
                lambda w: w * 1j,
                "weights must be an array of numbers, got complex128",
            ),
        )
    },
    # Masks
    "forward: a mask too many": Refused(
        lambda t: t.network.forward(t.A1, masks=[None] * 3),
        "masks must be no more than the 2 layers, got 3",
    ),
    "cost: two masks too many": Refused(
        lambda t: t.network.cost(t.A1, t.Y, masks=[None] * 4),
        "masks must be no more than the 2 layers, got 4",
    ),
    "raw_outputs: mask of one neuron": Refused(
        lambda t: t.network.raw_outputs(t.A1, masks=[np.ones((1, 4))]),
        "mask must be an array of shape (3, 4), got (1, 4)",
    ),
    "gradients: mask of other neurons": Refused(
        lambda t: t.network.cost_and_gradients(t.A1, t.Y, masks=[None, t.A1]),
        "mask must be an array of shape (3, 4), got (2, 4)",
    ),
    # Snapshots
    "restore: another size": Refused(
        lambda t: t.network.restore(np.ones(24)),
        "could not broadcast input array from shape (24",
        worded=False,
    ),
    "restore: None": Refused(
        lambda t: t.network.restore(None), "snapshot must have shape (21,), got None"
    ),
    "restore: a number": Refused(
        lambda t: t.network.restore(0.5), "snapshot must have shape (21,), got 0.5"
    ),
}
A_STACK_NEEDS = (
    "networks must be one or more Network objects, none of them a Stack or there "
    "twice, of equal"
)
STACKS = {
    **{
        f"networks={value!r}": Refused(
            lambda t, value=value: Stack(value), A_STACK_NEEDS
        )
        for value in (None, 3, [], "ab")
    },
    "a network for networks": Refused(lambda t: Stack(t.network), A_STACK_NEEDS),
    "a network twice": Refused(lambda t: Stack([t.network, t.network]), A_STACK_NEEDS),
    "networks of unequal sizes": Refused(
        lambda t: Stack([t.network, t.one_output]), A_STACK_NEEDS
    ),
    "a stack in a stack": Refused(lambda t: Stack([t.stack]), A_STACK_NEEDS),
    "glorot": Refused(
        lambda t: Stack.glorot([2, 3]),
        "a Stack is made of networks: Stack([Network",
        TypeError,
    ),
    "predict: more features": Refused(
        lambda t: t.stack.predict(t.Y), "A1 must have shape (2, samples), got (3, 4)"
    ),
    "predict: batches of three": Refused(
        lambda t: t.stack.predict(np.ones((3, 2, 4))),
        "A1 must have shape (2, samples), got (3, 2, 4)",
    ),
    "forward: batches of five": Refused(
        lambda t: t.stack.forward(np.ones((5, 2, 4))),
        "A1 must have shape (2, samples), got (5, 2, 4)",
    ),
    "cost: other targets": Refused(
        lambda t: t.stack.cost(t.A1, t.Y[:2]),
        "Y must have the shape of the outputs, (2, 3, 4), got (2, 4)",
    ),
    "feedforward: mask of one network": Refused(
        lambda t: t.stack.forward(t.A1, masks=[np.ones((3, 4))]),
        "mask must be an array of shape (2, 3, 4), got (3, 4)",
    ),
}
GRADIENT_CHECKS = {
    "an estimator": Refused(
        lambda t: t.check(ScratchMLPClassifier()),
        "network must be a Network, for example the network_ of a fitted estimator, "
        "got ScratchMLPClassifier",
    ),
    "a list of layers": Refused(
        lambda t: t.check([t.layer]),
        "network must be a Network, for example the network_ of a fitted estimator, "
        "got list",
    ),
    # Samples
    "more features": Refused(
        lambda t: t.check(X=np.ones((24, 4))),
        "X must have shape (n_samples, 2), got (24, 4)",
    ),
    "more features for a stack": Refused(
        lambda t: t.check(t.stack, np.ones((24, 4))),
        "X must have shape (n_samples, 2), got (24, 4)",
    ),
    "one dimension": Refused(
        lambda t: t.check(X=np.ones(24)), "X must have shape (n_samples, 2), got (24,)"
    ),
    "no samples": Refused(
        lambda t: t.check(X=t.X[:0], y=[]), "X must have at least one sample, got none"
    ),
    "complex X": Refused(
        lambda t: t.check(X=t.X + 1j), "X must be an array of numbers, got complex128"
    ),
    "X of unequal rows": Refused(
        lambda t: t.check(X=[[1.0], [1.0, 2.0]]),
        "X must be an array of numbers: setting an array element with a sequence",
    ),
    "infinity in sparse X": Refused(
        lambda t: t.check(X=sparse.csr_array(put(t.X, np.inf))),
        "X must be finite, got NaN or infinity",
    ),
    # Targets
    "other classes": Refused(
        lambda t: t.check(y=t.y + 1), "y must hold class numbers from 0 to 2"
    ),
    "other classes for a stack": Refused(
        lambda t: t.check(t.stack, y=t.y + 1), "y must hold class numbers from 0 to 2"
    ),
    "fewer classes": Refused(
        lambda t: t.check(y=t.y[:3]), "y must have shape (4,) or (4, 3), got (3, 3)"
    ),
    "y of two columns": Refused(
        lambda t: t.check(y=t.X), "y must have shape (4,) or (4, 3), got (4, 2)"
    ),
    "y of None": Refused(
        lambda t: check_gradients(t.network, t.X, None),
        "y must have shape (4,) or (4, 3), got ()",
    ),
    "more numbers": Refused(
        lambda t: t.check(t.one_output, y=np.ones(24)),
        "y must have shape (4,) or (4, 1), got (24, 1)",
    ),
    "NaN as numbers": Refused(
        lambda t: t.check(t.one_output, y=np.nan * t.weights),
        "y must be finite, got NaN or infinity",
    ),
    "text as numbers": Refused(
        lambda t: t.check(t.one_output, y=["a"] * 4),
        "y must be an array of numbers, got <U1",
    ),
    # Weights
    "more weights": Refused(
        lambda t: t.check(sample_weight=np.ones(24)),
        "sample_weight must have shape (4,), got (24,)",
    ),
    "weights of zero": Refused(
        lambda t: t.check(sample_weight=np.zeros(4)),
        "sample_weight must have a positive sum, got 0.0",
    ),
    "weights of NaN": Refused(
        lambda t: t.check(sample_weight=np.nan * t.weights),
        "sample_weight must be finite, got NaN or infinity",
    ),
    "weights of text": Refused(
        lambda t: t.check(sample_weight=["a"] * 4),
        "sample_weight must be an array of numbers, got <U1",
    ),
    # Options
    "nothing to compare": Refused(
        lambda t: t.check(n_directions=0, n_parameters=0),
        "n_directions and n_parameters must not both be 0: nothing would be compared",
    ),
    **{
        f"{name}={value!r:.9}": Refused(
            lambda t, name=name, value=value: t.check(**{name: value}),
            f"{name} must be {accepted}, got {value!r:.9}",
        )
        for names, accepted, values in (
            (
                ("step", "tolerance"),
                "a positive finite number",
                (0, np.nan, "tight", 10**400),
            ),
            (("alpha",), "a finite number, 0 or more", (-1, 10**400)),
            (
                ("n_directions", "n_parameters"),
                "an integer, 0 or more",
                (-1, 2.5),
            ),
        )
        for name in names
        for value in values
    },
    "mask transposed": Refused(
        lambda t: t.check(masks=[np.ones((4, 3))]),
        "mask must be an array of shape (3, 4), got (4, 3)",
    ),
    "a mask too many": Refused(
        lambda t: t.check(masks=[None] * 3),
        "masks must be no more than the 2 layers, got 3",
    ),
    "a number for masks": Refused(
        lambda t: t.check(masks=3),
        "masks must be a list of arrays, or None, for the first layers, got 3",
    ),
}
RANDOM_STATES = {
    **{
        f"{name}: {value!r}": Refused(
            call,
            f"random_state must be an integer, a RandomState or None, got {value!r}",
        )
        for value in ("a", 1.5, {})
        for name, call in {
            "Layer": lambda t, value=value: Layer(2, 3, "tanh", random_state=value),
            "glorot": lambda t, value=value: Network.glorot([2, 3], random_state=value),
            "initialized": lambda t, value=value: Network.initialized(
                [2, 3], random_state=value
            ),
            "check_gradients": lambda t, value=value: t.check(random_state=value),
        }.items()
    },
    "Layer: -1": Refused(
        lambda t: Layer(2, 3, "relu", random_state=-1), "Seed must be between 0 and"
    ),
    "glorot: -1": Refused(
        lambda t: Network.glorot([2, 3], random_state=-1),
        "random_state must be an integer, a RandomState or None, got -1",
    ),
    "check_gradients: -1": Refused(
        lambda t: t.check(random_state=-1),
        "random_state must be an integer, a RandomState or None, got -1",
    ),
    # NumPy's own state is not ours to move.
    "Layer: numpy.random": Refused(
        lambda t: Layer(2, 3, "tanh", random_state=np.random),
        "random_state must be an integer, a RandomState or None, got <module 'numpy.",
    ),
}
TABLES = {
    "Layer": LAYERS,
    "Network": NETWORKS,
    "Stack": STACKS,
    "check_gradients": GRADIENT_CHECKS,
    "random_state": RANDOM_STATES,
}


@each_case(*({f"{n}, {id_}": c for id_, c in t.items()} for n, t in TABLES.items()))
def test_bad_input_is_refused_and_changes_nothing(case):
    things = Networks()
    before = contents(things.data_and_parameters())
    assert_refused(case, things)
    assert contents(things.data_and_parameters()) == before


def test_no_call_is_in_the_tables_twice():
    assert_all_differ(*TABLES.values())


def test_the_tables_call_everything_that_takes_input():
    assert names_in(*TABLES.values()) >= {
        *("Layer", "Network", "Stack", "check_gradients"),
        *("from_arrays", "glorot", "initialized", "astype", "restore"),
        *("feedforward", "backprop", "gradients"),
        *("raw_outputs", "predict", "cost", "cost_and_gradients"),
    }
