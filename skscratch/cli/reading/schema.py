"""The columns that a model takes: how new rows are read like those of training."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skscratch.cli.errors import InputError
from skscratch.cli.output.terminal import format_count, format_names
from skscratch.cli.reading.cells import (
    MISSING_WORDS,
    ColumnProfile,
    UnreadableCell,
    as_texts,
    to_booleans,
    to_integers,
    to_numbers,
    to_words,
)
from skscratch.cli.reading.formats import NO_FORMAT, NumberFormat
from skscratch.cli.reading.separators import separator_hint
from skscratch.cli.reading.sources import Source

if TYPE_CHECKING:
    import pandas as pd

# Text by its words that mean missing.
TEXTS = {"text": MISSING_WORDS, "string": frozenset({""})}
# Rows that are looked at together to find the decimal separator.
CHUNK_ROWS = 1 << 13
EXPECTED = {"number": "a number", "integer": "a number", "boolean": "true or false"}


@dataclass(frozen=True)
class Schema:
    """Target and features of a table, and how new rows are read like its rows.

    Attributes
    ----------
    target : str
        Name of the target.
    task : str
        "classification" or "regression".
    columns : dict of str
        The features in the order of training, and what they hold: "number", "integer",
        "boolean", "text", "string" (text in which "NA" is not missing), "category", or
        the name of another dtype, such as "datetime64[us]". The dtype does not depend
        on the rows, except that "integer" is a float where some are missing or have
        fractions, and "boolean" an object where some are missing.
    decimal : str
        The decimal separator of text, "." or ",".
    formats : dict, default={}
        Unit and separator of thousands of the numbers that have some.
    reading : dict, default={}
        Name of the function of pandas that reads such a file, and its options.
    """

    target: str
    task: str
    columns: dict[str, str]
    decimal: str = "."
    formats: dict[str, NumberFormat] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)

    def find_decimal(self, source: Source) -> str:
        """Find the decimal separator of a file of new rows.

        As in training, it is the one that most numbers have; a comma only if the fields
        have another separator, or if the training data had decimal commas. The file is
        read up to the first rows that tell.

        Parameters
        ----------
        source : Source
            The file.

        Returns
        -------
        str
            That of the training data if the file has no fractions.
        """
        is_text = source.separator not in (None, ",")
        if self.decimal == "." and not is_text:
            return "."
        names = [name for name in source.header if self._may_tell_decimal(name)]
        if not names:
            return self.decimal
        for cells in source.chunks(CHUNK_ROWS):
            profile = ColumnProfile(".,")
            for name in names:
                if cells[name].dtype.kind not in "iufmM":
                    profile.add(as_texts(cells[name]))
            if profile.n_commas != profile.n_points:
                return "," if profile.n_commas > profile.n_points else "."
        return self.decimal

    def _may_tell_decimal(self, name: str) -> bool:
        # In other columns, commas and points may stand between thousands.
        is_number = self.columns.get(name) in ("number", "integer")
        return is_number and not self.formats.get(name, NO_FORMAT).thousands

    def features(self, cells: pd.DataFrame, decimal: str | None = None) -> pd.DataFrame:
        """Convert raw cells to the features that the model takes, in its order.

        Parameters
        ----------
        cells : DataFrame of shape (n_samples, n_columns)
            Cells of a ``Source``. Its index counts the rows. Other columns are ignored.
        decimal : str, default=None
            The decimal separator of the source; None for that of the training data.

        Returns
        -------
        DataFrame of shape (n_samples, n_features)

        Raises
        ------
        InputError
            If columns are missing, or a cell is not what its column holds.
        """
        import pandas as pd

        self._check_columns(list(cells))
        converted = {
            name: self._convert(cells[name], name, kind, decimal or self.decimal)
            for name, kind in self.columns.items()
        }
        return pd.DataFrame(converted, index=cells.index)

    def _check_columns(self, names: list[str]) -> None:
        missing = [name for name in self.columns if name not in names]
        if not missing:
            return
        if hint := separator_hint(names):
            raise InputError(f"columns of the training data are missing: {hint}")
        others = [name for name in names if name not in self.columns]
        hints = []
        for name in missing:
            near = difflib.get_close_matches(name.lower(), map(str.lower, others), n=1)
            found = [other for other in others if other.lower() in near]
            hints += [f"{found[0]!r} for {name!r}"] if found else []
        hint = f"; did you mean {', '.join(hints)}?" if hints else ""
        raise InputError(
            f"{format_count(len(missing), 'column')} of the training data "
            f"{'is' if len(missing) == 1 else 'are'} missing: "
            f"{format_names(missing, len(missing))}{hint}"
        )

    def _convert(self, column: pd.Series, name: str, kind: str, decimal: str) -> Any:
        import pandas as pd

        try:
            if kind == "category":
                return pd.Categorical(column.replace("", None))
            if kind in EXPECTED and column.dtype.kind in "iuf":
                return _typed_numbers(column, kind)
            if kind in (*EXPECTED, *TEXTS):
                return self._convert_texts(as_texts(column), name, kind, decimal)
            return column.replace("", None).astype(kind)
        except UnreadableCell as error:
            self._refuse(column, name, EXPECTED[kind], error.index)
        except (ValueError, TypeError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"column {name!r} must hold {kind}: {reason}") from error

    def _convert_texts(
        self, texts: list[str], name: str, kind: str, decimal: str
    ) -> Any:
        import pandas as pd

        if kind in TEXTS:
            return pd.array(to_words(texts, TEXTS[kind]), dtype=text_dtype())
        if kind == "boolean":
            return to_booleans(texts)
        integers = to_integers(texts) if kind == "integer" else None
        if integers is not None:
            return integers
        format = self.formats.get(name, NO_FORMAT)
        if format.thousands == decimal:
            # The file is written by the customs of another country.
            format = format._replace(thousands=self.decimal)
        return to_numbers(texts, decimal, format=format)

    def _refuse(self, column: pd.Series, name: str, expected: str, i: int) -> None:
        cell = str(column.iloc[i])
        raise InputError(
            f"column {name!r} must hold {expected} in each row, or be empty; got "
            f"{cell!r} in row {column.index[i] + 1:,} (the header not counted)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary that JSON can hold."""
        return {
            "target": self.target,
            "task": self.task,
            "columns": dict(self.columns),
            "decimal": self.decimal,
            "formats": {name: list(format) for name, format in self.formats.items()},
            "reading": dict(self.reading),
        }

    @classmethod
    def from_dict(cls, dictionary: Mapping[str, Any]) -> Self:
        """Make a schema from what ``as_dict`` returned.

        Raises
        ------
        InputError
            If the dictionary is not one.
        """
        try:
            formats = {
                name: NumberFormat(*format)
                for name, format in dictionary.get("formats", {}).items()
            }
            return cls(**{**dictionary, "formats": formats})
        except (TypeError, AttributeError) as error:
            raise InputError(f"invalid description of columns: {error}") from error

    def reading_call(self, path: str = "new.csv") -> str:
        """Return the call of pandas that reads such a file, as Python source.

        The model predicts the same for its result as for ``features``.

        Parameters
        ----------
        path : str, default='new.csv'
            The file.

        Returns
        -------
        str
        """
        options = dict(self.reading)
        function = options.pop("function", "read_csv")
        types = options.pop("dtype", [])
        if self.decimal != ".":
            options["decimal"] = self.decimal
        arguments = [
            repr(path),
            *(f"{key}={value!r}" for key, value in options.items()),
        ]
        names = [name for name in types if self.columns.get(name) == "text"]
        if names:
            listed = ", ".join(f"{name!r}: str" for name in names)
            arguments.append(f"dtype={{{listed}}}")
        converters = ", ".join(
            f"{name!r}: {self._converter(format)}"
            for name, format in self.formats.items()
            if name in self.columns
        )
        if converters:
            arguments.append(f"converters={{{converters}}}")
        return f"pandas.{function}({', '.join(arguments)})"

    def _converter(self, format: NumberFormat) -> str:
        """Source of a function that reads a number of a format."""
        changes = [(part, "") for part in (format.unit, format.thousands) if part]
        if self.decimal != ".":
            changes.append((self.decimal, "."))
        text = "text" + "".join(f".replace({a!r}, {b!r})" for a, b in changes)
        return f"lambda text: pandas.to_numeric({text}, errors='coerce')"


def text_dtype() -> Any:
    """Return the dtype that this version of pandas gives to text."""
    import pandas as pd

    return pd.Series(["a"]).dtype


def _typed_numbers(column: pd.Series, kind: str) -> Any:
    """Keep integers, and convert other numbers to floats."""
    if kind == "integer" and column.dtype.kind in "iu" and not column.hasnans:
        return column.to_numpy(dtype=np.int64)
    if kind == "boolean" and not column.isin([0, 1]).all():
        raise UnreadableCell(int(np.argmin(column.isin([0, 1]))))
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
