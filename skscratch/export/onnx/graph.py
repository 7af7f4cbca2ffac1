"""A small builder of ONNX graphs, whose values compute like NumPy's arrays.

``Value`` has NumPy's operators and methods, and its rules for dtypes, so that a formula
for a graph reads like the one for arrays. What is computed is decided elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

__all__ = [
    "IR_VERSION",
    "MIN_OPSET",
    "ML_OPSET",
    "OPSET",
    "Graph",
    "Value",
    "load_onnx",
]

# Of the main domain and of "ai.onnx.ml", with the format's version that belongs to it;
# onnxruntime 1.18 reads them all. Only text needs more than MIN_OPSET.
OPSET, ML_OPSET, IR_VERSION = 20, 3, 9
MIN_OPSET = 18
# Domain of onnxruntime's own operators, which are in all of its builds.
RUNTIME = "com.microsoft"

TEXT = np.dtype(object)


def load_onnx() -> Any:
    """Import the package ``onnx``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "Export to ONNX needs the extra 'onnx': pip install 'skscratch[onnx]'."
        ) from error
    return onnx


class Graph:
    """Nodes, constants, inputs and outputs of an ONNX graph.

    Parameters
    ----------
    make_name : callable, default=None
        ``make_name(prefix)`` returns a name that is not in use yet; None numbers them.

    Attributes
    ----------
    nodes : list of NodeProto
    initializers : list of TensorProto
    inputs, outputs : list of ValueInfoProto
    """

    def __init__(self, make_name: Callable[[str], str] | None = None) -> None:
        counter = itertools.count()
        self.onnx = load_onnx()
        self.make_name = make_name or (lambda prefix: f"{prefix}_{next(counter)}")
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._constants: dict[Any, Value] = {}

    def input(self, name: str, dtype: DTypeLike, width: int) -> Value:
        """Add an input, (n_samples, width)."""
        dtype = np.dtype(dtype)
        self.inputs.append(self._info(name, dtype, ["N", width]))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, shape: Sequence[int]) -> None:
        """Add an output, of shape (n_samples, ...)."""
        self.rename(value, name)
        self.outputs.append(self._info(name, value.dtype, ["N", *shape]))

    def rename(self, value: Value, name: str) -> None:
        """Give a value one more name."""
        node = self.onnx.helper.make_node("Identity", [value.name], [name])
        self.nodes.append(node)

    def constant(self, array: Any) -> Value:
        """Return an array as a value; equal arrays are stored once."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        if array.dtype.kind in "US":
            array = array.astype(object)
        key = (array.dtype, array.shape, array.tobytes())
        if array.dtype == TEXT:
            key = (array.dtype, array.shape, tuple(array.ravel()))
        if key not in self._constants:
            name = self.make_name("constant")
            tensor = self.onnx.numpy_helper.from_array(array, name)
            self.initializers.append(tensor)
            self._constants[key] = Value(self, name, array.dtype)
        return self._constants[key]

    def add(
        self,
        operator: str,
        operands: Sequence[Value],
        dtype: DTypeLike,
        domain: str = "",
        **attributes: Any,
    ) -> Value:
        """Add an operation; return its result, which is of this dtype."""
        name = self.make_name(operator)
        node = self.onnx.helper.make_node(
            operator,
            [operand.name for operand in operands],
            [name],
            name=self.make_name("node"),
            domain=domain,
            **attributes,
        )
        self.nodes.append(node)
        return Value(self, name, np.dtype(dtype))

    def concatenate(self, values: Sequence[Value], axis: int = 1) -> Value:
        """Values one after the other, in the dtype that NumPy gives them."""
        if len(values) == 1:
            return values[0]
        dtype = np.result_type(*(value.dtype for value in values))
        return self.add("Concat", [v.astype(dtype) for v in values], dtype, axis=axis)

    def model(self, name: str) -> Any:
        """Return the graph as a checked ``ModelProto``."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.initializers
        )
        versions = {"": OPSET, "ai.onnx.ml": ML_OPSET}
        if any(node.domain == RUNTIME for node in self.nodes):
            versions[RUNTIME] = 1
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*item) for item in versions.items()],
            ir_version=IR_VERSION,
            producer_name="skscratch",
        )
        self.onnx.checker.check_model(model)
        return model

    def _info(self, name: str, dtype: np.dtype[Any], shape: Sequence[Any]) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return self.onnx.helper.make_tensor_value_info(name, kind, shape)


class Value:
    """A tensor of a graph, which computes like an array.

    Operands may be arrays and numbers. As in NumPy, two dtypes become the one that
    holds both, and Python's numbers take that of the value.

    Parameters
    ----------
    graph : Graph
    name : str
    dtype : dtype
        ``object`` for text.
    """

    # Operators of arrays leave it to those of values.
    __array_ufunc__ = None

    def __init__(self, graph: Graph, name: str, dtype: np.dtype[Any]) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def astype(self, dtype: DTypeLike) -> Value:
        """Convert to another dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        to = self.graph.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return self.graph.add("Cast", [self], dtype, to=to)

    def _operands(self, other: Any) -> tuple[Value, Value]:
        if isinstance(other, bool | int | float | str):
            other = np.array(other, self.dtype)
        if not isinstance(other, Value):
            other = self.graph.constant(other)
        if TEXT in (self.dtype, other.dtype):
            return self, other
        dtype = np.result_type(self.dtype, other.dtype)
        return self.astype(dtype), other.astype(dtype)

    def _binary(self, operator: str, other: Any, dtype: Any = None) -> Value:
        first, second = self._operands(other)
        return self.graph.add(operator, [first, second], dtype or first.dtype)

    def _reversed(self, operator: str, other: Any) -> Value:
        first, second = self._operands(other)
        return self.graph.add(operator, [second, first], first.dtype)

    def __add__(self, other: Any) -> Value:
        return self._binary("Add", other)

    def __radd__(self, other: Any) -> Value:
        return self._reversed("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._binary("Sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._reversed("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._binary("Mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._reversed("Mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._binary("Div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._reversed("Div", other)

    def __matmul__(self, other: Any) -> Value:
        return self._binary("MatMul", other)

    def __pow__(self, other: Any) -> Value:
        return self._binary("Pow", other)

    def __neg__(self) -> Value:
        return self._unary("Neg")

    def __abs__(self) -> Value:
        return self._unary("Abs")

    def __gt__(self, other: Any) -> Value:
        return self._binary("Greater", other, bool)

    def __ge__(self, other: Any) -> Value:
        return self._binary("GreaterOrEqual", other, bool)

    def __lt__(self, other: Any) -> Value:
        return self._binary("Less", other, bool)

    def __le__(self, other: Any) -> Value:
        return self._binary("LessOrEqual", other, bool)

    def __or__(self, other: Any) -> Value:
        return self._binary("Or", other, bool)

    def equals(self, other: Any) -> Value:
        """Whether each element equals another; ``==`` compares the objects."""
        return self._binary("Equal", other, bool)

    def _unary(self, operator: str, dtype: Any = None) -> Value:
        return self.graph.add(operator, [self], dtype or self.dtype)

    def exp(self) -> Value:
        """Exponential."""
        return self._unary("Exp")

    def log(self) -> Value:
        """Natural logarithm."""
        return self._unary("Log")

    def sqrt(self) -> Value:
        """Square root."""
        return self._unary("Sqrt")

    def cos(self) -> Value:
        """Cosine."""
        return self._unary("Cos")

    def sign(self) -> Value:
        """Sign: -1, 0 or 1."""
        return self._unary("Sign")

    def rint(self) -> Value:
        """Nearest integer; of two that are equally near, the even one."""
        return self._unary("Round")

    def isnan(self) -> Value:
        """Whether each element is nan."""
        return self._unary("IsNaN", bool)

    def tanh(self) -> Value:
        """Hyperbolic tangent."""
        return self._unary("Tanh")

    def relu(self) -> Value:
        """The element where it is positive, else 0."""
        return self._unary("Relu")

    def erf(self) -> Value:
        """Error function; onnxruntime has it in float32 only."""
        return self._unary("Erf")

    def softmax(self) -> Value:
        """Softmax over the last axis."""
        return self.graph.add("Softmax", [self], self.dtype, axis=-1)

    def maximum(self, other: Any) -> Value:
        """Larger of two elements."""
        return self._binary("Max", other)

    def minimum(self, other: Any) -> Value:
        """Smaller of two elements."""
        return self._binary("Min", other)

    def clip(self, low: Any, high: Any) -> Value:
        """Elements limited to a range."""
        return self.maximum(low).minimum(high)

    def where(self, chosen: Any, other: Any) -> Value:
        """Elements of ``chosen`` where this is true, and elsewhere of ``other``."""
        if not isinstance(chosen, Value):
            other, chosen = other._operands(chosen)
        first, second = chosen._operands(other)
        return self.graph.add("Where", [self, first, second], first.dtype)

    def take(self, indices: Any, axis: int = 1) -> Value:
        """Elements at some positions of an axis."""
        operands = [self, self.graph.constant(np.asarray(indices, np.int64))]
        return self.graph.add("Gather", operands, self.dtype, axis=axis)

    def at(self, indices: Value) -> Value:
        """Elements of this one-dimensional table at each of the indices."""
        return self.graph.add("Gather", [self, indices], self.dtype, axis=0)

    def slice(self, start: int, stop: int, axis: int = 1) -> Value:
        """Elements from one position to another, which is not included."""
        limits = [np.array([i], np.int64) for i in (start, stop, axis)]
        operands = [self, *map(self.graph.constant, limits)]
        return self.graph.add("Slice", operands, self.dtype)

    def shifted(self, by: int) -> Value:
        """Numbers moved by 1 or -1 along the second axis; 0 comes in."""
        zero = self.take([0]) * 0
        if by == 1:
            return self.graph.concatenate([zero, self.slice(0, -1)])
        return self.graph.concatenate([self.slice(1, np.iinfo(np.int64).max), zero])

    def take_along(self, indices: Value) -> Value:
        """Elements of each row at its indices."""
        return self.graph.add("GatherElements", [self, indices], self.dtype, axis=1)

    def put_along(self, indices: Value, values: Value) -> Value:
        """A copy with other elements in each row at its indices."""
        operands = [self, indices, values]
        return self.graph.add("ScatterElements", operands, self.dtype, axis=1)

    def reshape(self, *shape: int) -> Value:
        """Same elements in another shape; 0 keeps the length of an axis."""
        operands = [self, self.graph.constant(np.array(shape, np.int64))]
        return self.graph.add("Reshape", operands, self.dtype)

    def mean(self, axis: int) -> Value:
        """Mean over an axis, which is dropped."""
        return self._reduced("ReduceMean", axis, 0)

    def sum(self, axis: int) -> Value:
        """Sum over an axis, which is kept with length 1."""
        return self._reduced("ReduceSum", axis, 1)

    def max(self, axis: int) -> Value:
        """Largest element along an axis, which is kept with length 1."""
        return self._reduced("ReduceMax", axis, 1)

    def logsumexp(self, axis: int) -> Value:
        """Logarithm of the sum of exponentials, without overflow; keeps the axis."""
        largest = self.max(axis)
        return (self - largest).exp().sum(axis).log() + largest

    def _reduced(self, operator: str, axis: int, keepdims: int) -> Value:
        axes = self.graph.constant(np.array([axis], np.int64))
        return self.graph.add(operator, [self, axes], self.dtype, keepdims=keepdims)

    def cumsum(self, axis: int) -> Value:
        """Cumulative sum along an axis."""
        operands = [self, self.graph.constant(np.array(axis, np.int64))]
        return self.graph.add("CumSum", operands, self.dtype)

    def argmax(self) -> Value:
        """Position of the largest element along the last axis, which is dropped."""
        return self.graph.add("ArgMax", [self], np.int64, axis=-1, keepdims=0)

    def matches(self, pattern: str) -> Value:
        """Whether each text matches a regular expression as a whole."""
        return self.graph.add("RegexFullMatch", [self], bool, pattern=pattern)

    def flags(self, pattern: str) -> Value:
        """1 for each text that matches a regular expression as a whole, else 0."""
        return self.matches(pattern).astype(np.int64)

    def join(self, other: Value) -> Value:
        """Text followed by other text."""
        return self.graph.add("StringConcat", [self, other], TEXT)

    def characters(self) -> Value:
        """Characters of texts, (n_samples, n_characters); then text of two."""
        return self.graph.add(
            "Tokenizer",
            [self],
            TEXT,
            domain=RUNTIME,
            mark=0,
            mincharnum=1,
            pad_value="##",
            separators=[""],
        )

    def ngram_counts(self, ngrams: Sequence[Sequence[int]]) -> Value:
        """How often each n-gram of integers occurs in each row, in float32."""
        order = sorted(range(len(ngrams)), key=lambda i: len(ngrams[i]))
        lengths = [len(ngrams[i]) for i in order]
        sizes = np.bincount(lengths) * np.arange(lengths[-1] + 1)
        return self.graph.add(
            "TfIdfVectorizer",
            [self],
            np.float32,
            mode="TF",
            min_gram_length=lengths[0],
            max_gram_length=lengths[-1],
            max_skip_count=0,
            ngram_counts=np.cumsum(sizes[:-1]).tolist(),
            ngram_indexes=order,
            pool_int64s=list(itertools.chain.from_iterable(ngrams[i] for i in order)),
        )

    def lookup(self, numbers: dict[str, int], default: int) -> Value:
        """Number of each text, or the default if it is not among the keys."""
        return self.graph.add(
            "LabelEncoder",
            [self],
            np.int64,
            domain="ai.onnx.ml",
            keys_strings=list(numbers),
            values_int64s=list(numbers.values()),
            default_int64=default,
        )
