"""ONNX graphs of a table's columns: their inputs, and each part of the preparation.

Every column is an input of the graph, (n_samples, 1): a number, or text. Dates are
beyond ONNX: they come encoded.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skscratch.export.onnx.encoders import check_encoder, encode
from skscratch.export.onnx.graph import Graph, Value
from skscratch.export.onnx.text import check_text, encode_text
from skscratch.tabular.categories import TargetMeans
from skscratch.tabular.conversion import NumberConverter, to_categories
from skscratch.tabular.dates import DateEncoder
from skscratch.tabular.tables import table_columns
from skscratch.tabular.text import TextEncoder

__all__ = ["check_columns", "encode_columns"]

# What a missing category or text may be, as text: an empty one, or what onnxruntime
# makes of Python's and pandas' missing values.
MISSING_TEXT = ("", "nan", "None", "NaN", "<NA>", "NaT")
# Numbers as text, for ONNX's regular expressions and for its conversion.
NUMBER = r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*"

# Encoders whose outputs may be inputs of the graph.
PREPARED = (DateEncoder, TextEncoder)


def check_columns(columns: Any, prepared: Collection[str]) -> None:
    """Refuse columns that can't be written as a graph.

    Parameters
    ----------
    columns : TableColumns
        Fitted.
    prepared : collection of str
        Names of the parts whose outputs are given.

    Raises
    ------
    ValueError
        If a part, or a transformer in it, is not one of the library's, ``prepared``
        names another part, or a part of dates is not among them.
    """
    parts = _parts(columns)
    known = [name for name, part, _ in parts if type(part) in PREPARED]
    unknown = sorted(set(prepared) - set(known))
    if unknown:
        raise ValueError(
            f"prepared must name parts of dates or text, here {known}, got "
            f"{unknown[0]!r}."
        )
    parts = [part for part in parts if part[0] not in prepared]
    dates = [part for part in parts if type(part[1]) is DateEncoder]
    if dates:
        held = [
            f"column {_name(columns, i)!r} holds dates"
            for *_, positions in dates
            for i in positions
        ]
        names = [name for name, *_ in dates]
        inputs = [
            f"{'prepared_' + name!r}, which is what "
            f"model['columns'].named_transformers_[{name!r}].transform returns"
            for name in names
        ]
        raise ValueError(
            f"{', '.join(held)}, which ONNX can't encode. Pass prepared={names!r}, and "
            f"give the ONNX model the encoded columns as the input {', '.join(inputs)}."
        )
    for name, part, _ in parts:
        if type(part) is TextEncoder:
            check_text(part)
        else:
            _check_part(name, part)


def _check_part(name: str, part: Any) -> None:
    steps = [step for _, step in part.steps] if type(part) is Pipeline else [part]
    kinds = [type(step) for step in steps]
    if kinds[:2] == [NumberConverter, SimpleImputer]:
        for step in steps[2:]:
            check_encoder(step)
        return
    is_one_hot = kinds == [FunctionTransformer, OneHotEncoder]
    if is_one_hot and steps[0].func is to_categories and steps[1].drop is None:
        return
    if kinds != [TargetMeans]:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(
            f"the part {name!r} of the columns, {names}, can't be exported to ONNX, "
            "only the library's own parts can."
        )


def _parts(columns: Any) -> list[tuple[str, Any, list[int]]]:
    """Name, transformer and positions of the columns of each part that is used."""
    parts = []
    for name, part, chosen in columns.transformers_:
        positions = _positions(columns, chosen)
        if part != "drop" and len(positions):
            parts.append((name, part, positions))
    return parts


def _positions(columns: Any, chosen: Any) -> list[int]:
    if isinstance(chosen, slice):
        return list(range(columns.n_features_in_))[chosen]
    chosen = np.atleast_1d(np.asarray(chosen)).tolist()
    if chosen and isinstance(chosen[0], bool):
        return [i for i, is_chosen in enumerate(chosen) if is_chosen]
    names = list(getattr(columns, "feature_names_in_", []))
    return [names.index(c) if isinstance(c, str) else int(c) for c in chosen]


def _name(columns: Any, position: int) -> str:
    names = getattr(columns, "feature_names_in_", None)
    return f"x{position}" if names is None else str(names[position])


def encode_columns(
    graph: Graph, columns: Any, X_sample: Any, prepared: Collection[str]
) -> Value:
    """Add the inputs of a table's columns, and encode them.

    Parameters
    ----------
    graph : Graph
    columns : TableColumns
        Fitted, and accepted by ``check_columns``.
    X_sample : {array-like, DataFrame} or None
        Rows of the table, whose dtypes become those of the numeric inputs. None, and
        dtypes other than NumPy's numbers and booleans, mean float64.
    prepared : collection of str
        As in ``check_columns``.

    Returns
    -------
    Value of shape (n_samples, n_outputs)
    """
    source = _Source(graph, columns, X_sample)
    encoded = []
    for name, part, positions in _parts(columns):
        if name in prepared:
            width = sum(part.n_outputs_per_feature_)
            block = graph.input(f"prepared_{name}", part.dtype, width)
        elif isinstance(part, TextEncoder):
            texts = [source.text(i) for i in positions]
            block = encode_text(part, texts, MISSING_TEXT)
        elif isinstance(part, TargetMeans):
            if part.encoder_ is None:
                continue
            block = _target_means(part, [source.text(i) for i in positions])
        elif type(part[0]) is NumberConverter:
            block = _numbers(part, source, positions)
        else:
            block = _one_hot(part[-1], [source.text(i) for i in positions])
        weight = (columns.transformer_weights or {}).get(name, 1)
        encoded.append(block if weight == 1 else block * float(weight))
    graph.inputs.sort(key=lambda info: source.order.get(info.name, len(source.order)))
    return graph.concatenate(encoded)


class _Source:
    """Inputs of a graph, made when a part asks for a column."""

    def __init__(self, graph: Graph, columns: Any, X_sample: Any) -> None:
        self.graph = graph
        self.names = [_name(columns, i) for i in range(columns.n_features_in_)]
        self.order = {name: i for i, name in enumerate(self.names)}
        self._values: dict[int, Value] = {}
        self._dtypes: dict[str, Any] = {}
        if X_sample is not None:
            for name, column in table_columns(X_sample):
                key = name if isinstance(name, str) else f"x{name}"
                self._dtypes[key] = getattr(column, "dtype", None)

    def text(self, position: int) -> Value:
        return self._column(position, np.dtype(object))

    def number(self, position: int) -> Value:
        dtype = self._dtypes.get(self.names[position])
        is_plain = isinstance(dtype, np.dtype) and dtype.kind in "biuf"
        of_input: Any = dtype if is_plain else np.dtype(np.float64)
        return self._column(position, of_input).astype(np.float64)

    def _column(self, position: int, dtype: np.dtype[Any]) -> Value:
        if position not in self._values:
            name = self.names[position]
            self._values[position] = self.graph.input(name, dtype, 1)
        return self._values[position]


def _numbers(part: Any, source: _Source, positions: list[int]) -> Value:
    """Numbers, medians in place of missing ones, and indicators of these; encoded."""
    converter, imputer = part[0], part[1]
    X = source.graph.concatenate(
        [
            _read(source.text(i)) if is_text else source.number(i)
            for i, is_text in zip(positions, converter.is_text_, strict=True)
        ]
    )
    is_missing = X.isnan()
    blocks = [is_missing.where(imputer.statistics_.astype(np.float64), X)]
    if imputer.indicator_ is not None and len(imputer.indicator_.features_):
        flags = is_missing.take(imputer.indicator_.features_)
        blocks.append(flags.astype(np.float64))
    X = source.graph.concatenate(blocks)
    for step in list(part)[2:]:
        X = encode(step, X)
    return X


def _read(text: Value) -> Value:
    """Numbers of text; what is none is missing."""
    return text.matches(NUMBER).where(text, "nan").astype(np.float64)


def _one_hot(encoder: Any, columns: list[Value]) -> Value:
    """Indicators of the frequent categories of each column, and of all others."""
    blocks = []
    for text, categories, infrequent in zip(
        columns, encoder.categories_, encoder.infrequent_categories_, strict=True
    ):
        rare = [] if infrequent is None else list(infrequent)
        frequent = [c for c in categories if c not in rare]
        # Unknown categories count as infrequent; without these, as none of all.
        default = len(frequent) if rare else -1
        found = text.lookup(_numbered(frequent, categories), default)
        n_outputs = len(frequent) + bool(rare)
        blocks.append(found.equals(np.arange(n_outputs)).astype(encoder.dtype))
    return columns[0].graph.concatenate(blocks)


def _numbered(chosen: list[Any], categories: Any) -> dict[str, int]:
    """Number of each category, as text; a missing one may have several forms."""
    numbers: dict[str, int] = {}
    for number, category in enumerate(chosen):
        if category is None:
            forms = [m for m in MISSING_TEXT if m not in set(categories)]
            numbers |= dict.fromkeys(forms, number)
        else:
            numbers[category] = number
    # The runtime refuses a table without keys.
    return numbers or {"": -1}


def _target_means(part: Any, columns: list[Value]) -> Value:
    """Mean of the target for each category, of all rows for the unknown ones."""
    encoder, blocks, start = part.encoder_, [], 0
    n_columns = part.n_outputs_per_feature_[0]
    for feature, text in enumerate(columns):
        categories = list(encoder.categories_[feature])
        # Of several classes, each has its means.
        means = np.column_stack(encoder.encodings_[start : start + n_columns])
        of_all = np.broadcast_to(encoder.target_mean_, n_columns)
        own = slice(start, start + n_columns)
        table = (np.vstack([means, of_all]) - part.mean_[own]) / part.scale_[own]
        found = text.lookup(_numbered(categories, categories), len(categories))
        table = text.graph.constant(table.astype(part.dtype))
        blocks.append(table.at(found).reshape(0, n_columns))
        start += n_columns
    return columns[0].graph.concatenate(blocks)
