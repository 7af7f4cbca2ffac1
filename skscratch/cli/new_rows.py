"""New rows for a model: which columns it takes, and what it does not know of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names
from skscratch.cli.reading.sources import Source
from skscratch.cli.reading.tables import Schema
from skscratch.tabular.roles import ColumnRole

if TYPE_CHECKING:
    import pandas as pd

# Steps that take text; others take numbers.
TEXT_ENCODERS = (
    *("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"),
    *("DateEncoder", "TargetMeans", "TextEncoder"),
)
DECIMALS = {".": "decimal points", ",": "decimal commas"}


class NewRows:
    """Converter of raw cells to what a model takes.

    Parameters
    ----------
    model : estimator
        A fitted model.
    schema : dict or None
        ``Schema.as_dict()`` of the training data, if it was saved with the model.
    source : Source
        The new rows.
    kept : collection of str, default=()
        Columns that are for the user only, if there are more than the model takes.

    Raises
    ------
    InputError
        If the model does not tell which columns it takes, and there are more or fewer.
    """

    def __init__(
        self,
        model: Any,
        schema: dict[str, Any] | None,
        source: Source,
        kept: Collection[str] = (),
    ) -> None:
        header = source.header
        self._notes: list[str] = []
        self._has_names = schema is not None or hasattr(model, "feature_names_in_")
        self._schema = (
            Schema.from_dict(schema)
            if schema
            else _schema_of(model, self._choose_columns(model, header, kept))
        )
        taken = self._schema.columns
        self._note_others(
            [name for name in header if name not in taken and name not in kept]
        )
        self._decimal = self._schema.find_decimal(source)
        if self._decimal != self._schema.decimal:
            self._notes.append(
                f"the numbers are read with {DECIMALS[self._decimal]}; those of the "
                f"training data had {DECIMALS[self._schema.decimal]}"
            )
        self._categories = list(_known_categories(model))
        self._positions = dict(enumerate(taken))
        # Of cells that count as missing, and of unknown categories, by column.
        self._words: dict[str, Counter[str]] = {}
        self._unseen: dict[str, Counter[str]] = {}
        self._n_empty = 0

    def _choose_columns(
        self, model: Any, header: Sequence[str], kept: Collection[str]
    ) -> list[str]:
        """Return the names of the columns that the model takes, in its order."""
        if self._has_names:
            return list(model.feature_names_in_)
        n_columns = model.n_features_in_
        others = [name for name in header if name not in kept]
        chosen = others if len(header) > n_columns else list(header)
        if len(chosen) != n_columns:
            raise InputError(
                f"the model takes {format_count(n_columns, 'column')}, whose names it "
                f"does not know, but there are {len(chosen)}: remove the others, or "
                "--keep them"
            )
        self._notes.append(
            "the model does not know names of columns: it takes "
            f"{format_names(chosen)} in this order"
        )
        return chosen

    def _note_others(self, others: list[str]) -> None:
        if self._schema.target in others:
            others.remove(self._schema.target)
            self._notes.append(
                f"ignored column {self._schema.target!r}, which is the target"
            )
        if others:
            count = format_count(len(others), "column")
            self._notes.append(
                f"ignored {count} that the model does not take: {format_names(others)}"
            )

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the model takes."""
        return list(self._schema.columns)

    def first_notes(self) -> list[str]:
        """Notes on the columns, before any row is read; one line each."""
        return self._notes

    def last_notes(self) -> list[str]:
        """Notes on the cells of all rows so far; one line each."""
        notes = []
        if self._n_empty:
            notes.append(
                f"{format_count(self._n_empty, 'row')} without a value in any column "
                "that the model takes: predicted all the same, so that no row is left "
                "out"
            )
        if self._words:
            notes.append(f"cells that count as missing: {_counts(self._words)}")
        if self._unseen:
            notes.append(
                f"values that were not in the training data: {_counts(self._unseen)}"
            )
        return notes

    def convert(self, cells: pd.DataFrame) -> Any:
        """Convert raw cells.

        Parameters
        ----------
        cells : DataFrame of shape (n_samples, n_columns)

        Returns
        -------
        DataFrame or ndarray of shape (n_samples, n_features)

        Raises
        ------
        InputError
            If columns are missing, or a cell is not a number where one is needed.
        """
        features = self._schema.features(cells, self._decimal)
        self._n_empty += int(features.isna().all(axis=1).sum())
        self._count_words(cells, features)
        rows = features if self._has_names else _as_array(features)
        self._count_unseen(rows)
        return rows

    def _count_words(self, cells: pd.DataFrame, features: pd.DataFrame) -> None:
        for name, kind in self._schema.columns.items():
            if cells[name].dtype != object or kind == "text":
                continue
            missing = cells[name][features[name].isna() & cells[name].notna()]
            words = Counter(filter(None, (str(cell).strip() for cell in missing)))
            if words:
                self._words.setdefault(name, Counter()).update(words)

    def _count_unseen(self, rows: Any) -> None:
        for columns, to_text, known in self._categories:
            inputs = rows.iloc[:, columns] if self._has_names else rows[:, columns]
            values = to_text.transform(inputs) if to_text is not None else inputs
            for index, column in enumerate(_columns(values)):
                # Missing values differ from themselves, or are None.
                unseen = Counter(
                    str(value)
                    for value in column
                    if value is not None
                    and value == value
                    and value not in known[index]
                )
                if unseen:
                    name = self._positions[columns[index]]
                    self._unseen.setdefault(name, Counter()).update(unseen)


def _schema_of(model: Any, names: list[str]) -> Schema:
    """Make a schema from what a model tells, without the names of target and units."""
    columns = _column_transformer(model)
    kinds = ["number"] * len(names)
    if hasattr(columns, "roles_"):
        kinds = [_kind_of(role) for role in columns.roles_]
    elif columns is not None:
        # Columns that no part takes can hold anything, as text can.
        kinds = ["text"] * len(names)
        for _, part, chosen in columns.transformers_:
            if part != "drop" and not _takes_text(part):
                for index in _indices(chosen, names):
                    kinds[index] = "number"
    task = "classification" if is_classifier(model) else "regression"
    return Schema("", task, dict(zip(names, kinds, strict=True)), ".")


def _kind_of(role: ColumnRole) -> str:
    if role.role != "number":
        return "text"
    return "boolean" if role.reason.startswith("booleans") else "number"


def _column_transformer(model: Any) -> Any:
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else []
    return next((step for step in steps if isinstance(step, ColumnTransformer)), None)


def _takes_text(part: Any) -> bool:
    steps = [step for _, step in part.steps] if isinstance(part, Pipeline) else [part]
    return any(type(step).__name__ in TEXT_ENCODERS for step in steps)


def _indices(chosen: Any, names: Sequence[str]) -> list[int]:
    """Return the indices of the columns of a part of a ``ColumnTransformer``."""
    if isinstance(chosen, slice):
        return list(range(len(names)))[chosen]
    chosen = list(chosen)
    if chosen and isinstance(chosen[0], str):
        return [names.index(name) for name in chosen]
    if chosen and isinstance(chosen[0], bool):
        return [i for i, is_chosen in enumerate(chosen) if is_chosen]
    return [int(i) for i in chosen]


def _known_categories(model: Any) -> Any:
    """Yield the indices of columns, the steps before their encoder, and categories."""
    columns = _column_transformer(model)
    if columns is None:
        return
    names = list(getattr(columns, "feature_names_in_", ()))
    for _, part, chosen in columns.transformers_:
        before = part[:-1] if isinstance(part, Pipeline) and len(part) > 1 else None
        encoder = part[-1] if isinstance(part, Pipeline) else part
        # A part without columns is not fitted.
        if isinstance(encoder, OneHotEncoder) and hasattr(encoder, "categories_"):
            known = [set(categories.tolist()) for categories in encoder.categories_]
            yield _indices(chosen, names), before, known


def _as_array(features: pd.DataFrame) -> Any:
    """Convert to an array: of numbers if all columns are, else of objects."""
    import numpy as np

    if all(dtype.kind in "iufb" for dtype in features.dtypes):
        return features.to_numpy(dtype=np.float64)
    return features.astype(object).to_numpy()


def _columns(values: Any) -> Any:
    array = values.to_numpy(dtype=object) if hasattr(values, "to_numpy") else values
    return array.T


def _counts(counts: dict[str, Counter[str]], limit: int = 5) -> str:
    """List counts by column, each with its most frequent value."""
    listed = [
        f"{values.total():,} in {name!r} (such as {values.most_common(1)[0][0]!r})"
        for name, values in list(counts.items())[:limit]
    ]
    if len(counts) > limit:
        listed.append(f"some in {format_count(len(counts) - limit, 'more column')}")
    return ", ".join(listed)
