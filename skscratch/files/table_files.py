"""``TableFiles``: files of a table, to be passed to ``fit`` and ``predict``."""

import os
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skscratch.estimators.sources import DataSource
from skscratch.estimators.splitting import ValidationArguments
from skscratch.estimators.validation import (
    cast,
    encode_fit_data,
    validate_validation,
)
from skscratch.files.columns import (
    check_column,
    check_same_type,
    kind_of,
    kind_of_classes,
    numpy_dtype,
)
from skscratch.files.csv import CompressedCsv, CsvFile
from skscratch.files.data import Encoder, FileData, class_weights
from skscratch.files.formats import IpcFile, IpcStream, ParquetFile, reading
from skscratch.files.paths import COMPRESSIONS, FORMATS, find_files
from skscratch.files.rows import Block, Labels, Layout
from skscratch.files.samples import FileSamples
from skscratch.files.survey import Survey, concatenated, joined
from skscratch.files.tables import (
    TABLE_ROWS,
    EncodedFile,
    FileTableSample,
    to_dataframe,
)
from skscratch.nn.checks import is_size
from skscratch.nn.loss import Loss
from skscratch.nn.losses import resolve_loss
from skscratch.training.data import FitData, Split

__all__ = ["TableFiles"]

# Memory of the samples in a window, unless its number of rows is given.
WINDOW_BYTES = 96 * 2**20
# First bytes of an Arrow IPC file, which a stream lacks.
IPC_MAGIC = b"ARROW1"
# Rows of zeros that show the number of targets.
PROBE_ROWS = 8
# Bytes at the beginning and the end of a file that identify it.
SHOWN_BYTES = 2**16


class TableFiles(DataSource):
    """Files of a table that may be larger than memory.

    Pass them to ``fit`` as ``X``, and the name of the target's column as ``y``. Each
    epoch reads the files once, a window of rows at a time. ``predict`` and the other
    methods of a fitted estimator take them, too. Its own methods are
    called by estimators, not by you.

    Parameters
    ----------
    paths : str, Path or sequence of them
        Files, folders and patterns such as ``"sales/2024-*.parquet"``. A folder stands
        for the files in it and in its subfolders. Formats are Parquet, Arrow IPC and
        CSV.
    columns : sequence of str, default=None
        Names of the features. None means all columns but targets and weights; for
        prediction, the features that the estimator was fitted on.
    window : int, default=None
        Number of rows that are held in memory and shuffled. None means as many as take
        96 MiB. If all rows fit, they are read once, and the fit equals that of arrays.
    format : {"parquet", "ipc", "csv"}, default=None
        Format of all files. None means that the name of each file determines it.
    delimiter : str, default=","
        Character between the columns of CSV files.

    Raises
    ------
    TypeError, ValueError
        If a parameter is invalid.

    Examples
    --------
    >>> from skscratch.files import TableFiles
    >>> TableFiles("sales/", columns=["size", "age"])
    TableFiles('sales/', columns=['size', 'age'])
    """

    paths: tuple[str, ...]
    columns: tuple[str, ...] | None
    window: int | None
    format: str | None
    delimiter: str

    def __init__(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        columns: Sequence[str] | None = None,
        window: int | None = None,
        format: str | None = None,
        delimiter: str = ",",
    ) -> None:
        given = {
            "paths": _checked_paths(paths),
            "columns": None if columns is None else _checked_names(columns, "columns"),
            "window": window,
            "format": format,
            "delimiter": delimiter,
        }
        if window is not None and not is_size(window):
            raise ValueError(f"window must be a positive integer, got {window!r}.")
        if format is not None and format not in FORMATS:
            raise ValueError(
                f"format must be one of {sorted(FORMATS)} or None, got {format!r}."
            )
        is_character = isinstance(delimiter, str) and len(delimiter) == 1
        if not is_character or not delimiter.isascii() or delimiter in '"\r\n':
            raise ValueError(
                "delimiter must be a single ASCII character, not a quote or the end of "
                f"a line, got {delimiter!r}."
            )
        vars(self).update(given)

    def __setattr__(self, name, value):
        raise AttributeError(f"TableFiles can't be changed: make a new one for {name}.")

    def __eq__(self, other):
        return isinstance(other, TableFiles) and vars(self) == vars(other)

    def __hash__(self):
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        paths = repr(self.paths[0] if len(self.paths) == 1 else list(self.paths))
        columns = None if self.columns is None else list(self.columns)
        options = {"columns": columns, "window": self.window, "format": self.format}
        options["delimiter"] = None if self.delimiter == "," else self.delimiter
        given = [f"{name}={value!r}" for name, value in options.items() if value]
        return f"TableFiles({', '.join([paths, *given])})"

    def _options(self) -> dict[str, Any]:
        """All parameters but the paths."""
        names = ("columns", "window", "format", "delimiter")
        return {name: getattr(self, name) for name in names}

    def open(self):
        """Find the files and read their schemas.

        Returns
        -------
        list of TableFile

        Raises
        ------
        ValueError
            If there are no files, or one can't be read.
        """
        found = find_files(self.paths, self.format)
        return [_open_file(path, kind, self.delimiter) for path, kind in found]

    def fit_data(
        self, estimator, given, validation, *, dtype, reset, make_targets, class_weight
    ):
        """Survey the files for a fit; see ``DataSource``."""
        if estimator.validation_split is not None:
            raise ValueError(
                "validation_split needs all data in memory, as arrays: it can't be "
                "used for files. Pass X_val and y_val, or leave it None."
            )
        files = self.open()
        layout = self._layout(
            files, estimator, given, ("y", "sample_weight"), dtype, reset
        )
        survey, targets = self._survey(files, layout, make_targets, reset)
        if reset:
            estimator.n_features_in_ = len(layout.features)
            estimator.feature_names_in_ = np.array(layout.features, dtype=object)
        if survey.rows is not None:
            rows = survey.all_rows()
            data, targets = encode_fit_data(
                FitData(rows.X, rows.y, None, rows.weights),
                make_targets,
                class_weight,
                reset,
            )
        else:
            if targets is None:
                targets = make_targets(_seen_targets(survey))
            by_class = None
            if class_weight is not None:
                by_class = class_weights(class_weight, targets, survey)
            encoder = Encoder(targets, layout.dtype, by_class)
            if survey.loss_sample is not None:
                y, *weights = survey.loss_sample.arrays()
                Y = cast(targets.encode(y), layout.dtype, "y")
                targets = targets.with_fitted_loss(Y, weights[0] if weights else None)
                encoder.targets = targets
            identity = self._identity(files, layout, survey)
            n_window = self._window_rows(layout)
            data = FileData(layout, survey, encoder, n_window, identity)
        split = validate_validation(estimator, validation, data.X, targets)
        return data, None, split, targets

    def validation_split(self, estimator, given, dtype, targets):
        """Survey files to validate on; see ``DataSource``."""
        files = self.open()
        names = ("y_val", "sample_weight_val")
        layout = self._layout(files, estimator, given, names, dtype, reset=False)
        encoded: list[Any] = []

        def encode(rows):
            y = rows.y
            if isinstance(y, Labels):
                Y = targets.encode_validation(y.values)[y.codes]
            else:
                Y = cast(targets.encode_validation(y), dtype, "y_val")
            encoded.append((Y, rows.weights))

        survey = Survey(layout, self._window_rows(layout), check=encode)
        for file in files:
            survey.add_file(file)
        _check_count(survey)
        Y, weights = joined(encoded)
        if survey.rows is not None:
            rows = survey.all_rows()
            return Split(FitData(rows.X, rows.y, Y, weights))
        if estimator.scoring not in (None, "loss"):
            raise ValueError(
                f"scoring={estimator.scoring!r} needs all validation data in memory, "
                f"but X_val has {survey.n_rows} rows and a window of "
                f"{self._window_rows(layout)}: leave it None, use 'loss', or pass "
                "X_val with a larger window."
            )
        identity = self._identity(files, layout, survey)["X"]
        samples = FileSamples(layout, survey.blocks, identity, is_in_training=True)
        return Split(FitData(samples, None, Y, weights))

    def prediction_samples(self, estimator, dtype):
        """Samples to predict; see ``DataSource``."""
        files = self.open()
        layout = self._layout(files, estimator, (None, None), (), dtype, reset=False)
        blocks, n_rows = [], 0
        for file in files:
            first_row = 0
            for key in file.blocks():
                count = file.count_rows(key, layout.features[0])
                blocks.append(Block(file, key, first_row, n_rows, count))
                first_row += count
                n_rows += count
        if not n_rows:
            raise ValueError(f"{self!r} has no rows, but at least 1 is needed.")
        samples = FileSamples(layout, blocks)
        return samples[:] if n_rows <= self._window_rows(layout) else samples

    def table_sample(self, estimator, given, names, n_rows, random_state):
        """Sample rows of mixed columns; see ``DataSource``."""
        files = self.open()
        layout = self._table_layout(files, estimator, given, names)
        return FileTableSample(self, files, layout, n_rows, random_state)

    def _table_layout(self, files, estimator, given, names):
        """Layout of features of any type."""
        targets, weight = _target_names(given[0], given[1], names)
        layout = _layout_of(
            files, [], targets, weight, is_classifier(estimator), np.float64
        )
        features = list(self.columns or _all_but(files[0].schema, [*targets, weight]))
        for name in features:
            if name in (*targets, weight):
                raise ValueError(
                    f"column {name!r} can't be a feature too: leave it out of columns."
                )
            for file in files:
                check_column(file.schema, name, file.path)
            check_same_type(files, name)
        if not features:
            raise ValueError(f"{self!r} has no columns that could be features.")
        return layout._replace(features=features, dtype=np.dtype(np.float64))

    def with_files(self, files):
        """Source of encoded files, with the options of this one.

        Parameters
        ----------
        files : list of EncodedFile

        Returns
        -------
        TableFiles
        """
        return _EncodedFiles(self, files)

    def tables(self, estimator):
        """Read all rows as DataFrames; see ``DataSource``."""
        fitted, n_rows = getattr(estimator, "feature_names_in_", None), 0
        for file in self.open():
            wanted = self.columns if fitted is None else fitted
            wanted = file.schema.names if wanted is None else wanted
            names = [name for name in wanted if name in file.schema.names]
            for name in names:
                check_column(file.schema, name, file.path)
            for key in file.blocks():
                for batch in file.read(key, names, TABLE_ROWS):
                    if batch.num_rows:
                        n_rows += batch.num_rows
                        yield to_dataframe(batch.select(names))
        if not n_rows:
            raise ValueError(f"{self!r} has no rows, but at least 1 is needed.")

    def scored_data(self, estimator, y, sample_weight):
        """Data to score predictions on; see ``DataSource``."""
        files = self.open()
        targets, weight = _target_names(y, sample_weight, ("y", "sample_weight"))
        layout = _layout_of(
            files, [], targets, weight, is_classifier(estimator), np.float64
        )
        pieces = []
        for file in files:
            first_row = 0
            for key in file.blocks():
                block = list(layout.read_block(file, key, first_row))
                first_row += sum(map(len, block))
                pieces += block
        if not any(map(len, pieces)):
            raise ValueError(f"{self!r} has no rows, but at least 1 is needed.")
        _, y, sample_weight = concatenated(pieces)
        X = self
        if self.columns is None and not hasattr(estimator, "feature_names_in_"):
            columns = _all_but(files[0].schema, [*targets, weight])
            X = TableFiles(self.paths, **self._options() | {"columns": columns})
        return X, y, sample_weight

    def _layout(self, files, estimator, given, names, dtype, reset):
        """Choose the columns that are read, and check that all files have them."""
        targets: list[str] = []
        weight = None
        if names:
            y, sample_weight = given
            targets, weight = _target_names(y, sample_weight, names)
        fitted = None if reset else vars(estimator).get("feature_names_in_")
        features = list(self.columns or ())
        if fitted is not None:
            features = _in_order(features, list(fitted))
        elif not features:
            features = _all_but(files[0].schema, [*targets, weight])
        for name in (*targets, weight):
            if name in features:
                raise ValueError(
                    f"column {name!r} can't be a feature too: leave it out of columns."
                )
        if not features:
            raise ValueError(f"{self!r} has no columns that could be features.")
        if not reset and len(features) != estimator.n_features_in_:
            raise ValueError(
                f"X has {len(features)} features, but {type(estimator).__name__} is "
                f"expecting {estimator.n_features_in_} features as input."
            )
        return _layout_of(
            files, features, targets, weight, is_classifier(estimator), dtype
        )

    def _survey(self, files, layout, make_targets, reset):
        """Read all files once; also return the targets, where types tell them."""
        targets, check, keeps_targets = None, None, False
        if layout.target_dtype is not None:
            check = _check_indicators
            if not layout.is_classifier:
                n_targets = len(layout.targets)
                shape = (PROBE_ROWS, n_targets)[: 1 + (n_targets > 1)]
                targets = make_targets(np.zeros(shape))
                loss = resolve_loss(targets.loss)
                keeps_targets = reset and type(loss).fitted is not Loss.fitted

                def check(rows):
                    cast(targets.encode(rows.y), layout.dtype, "y")

        n_window = self._window_rows(layout)
        survey = Survey(layout, n_window, check=check, keeps_targets=keeps_targets)
        for file in files:
            survey.add_file(file)
        _check_count(survey)
        if layout.weight is not None:
            cast(np.array([survey.weight_sum]), layout.dtype, "sample_weight")
        return survey, targets

    def _window_rows(self, layout):
        """Number of rows that are in memory."""
        n_bytes = len(layout.features) * np.dtype(layout.dtype).itemsize
        return self.window or max(1, WINDOW_BYTES // n_bytes)

    def _identity(self, files, layout, survey):
        """Description of the data, by the names of ``fit``."""
        folder = os.path.commonpath([file.path.resolve().parent for file in files])
        shown = [
            (
                file.path.resolve().relative_to(folder).as_posix(),
                file.n_bytes,
                _checksum(file.path),
            )
            for file in files
        ]
        sample = survey.sampled_rows()
        options = (layout.features, self._window_rows(layout), survey.n_rows)
        return {
            "X": (shown, options, sample.X),
            "y": (layout.targets, sorted(survey.counts.items()), sample.y),
            "sample_weight": (layout.weight, survey.weight_sum, sample.weights),
        }


class _EncodedFiles(TableFiles):
    """Files whose features are encoded while they are read.

    Parameters
    ----------
    source : TableFiles
    files : list of EncodedFile
    """

    def __init__(self, source: TableFiles, files: list[EncodedFile]) -> None:
        options = source._options() | {"columns": files[0].names}
        super().__init__(source.paths, **options)
        vars(self)["_files"] = tuple(files)

    def open(self):
        """Return the files, which are open."""
        return list(vars(self)["_files"])

    def fit_data(self, estimator, given, validation, **options):
        """Survey the files for a fit. The features have no names."""
        data, kept, _, targets = super().fit_data(
            estimator, given, ValidationArguments(), **options
        )
        vars(estimator).pop("feature_names_in_", None)
        split = validate_validation(estimator, validation, data.X, targets)
        return data, kept, split, targets


def _open_file(path, file_format, delimiter):
    """Object for a file, by its format and the first bytes of it."""
    if file_format == "parquet":
        return ParquetFile(path)
    if file_format == "csv":
        is_plain = path.suffix[1:].lower() not in COMPRESSIONS
        return (CsvFile if is_plain else CompressedCsv)(path, delimiter)
    with reading(path), path.open("rb") as file:
        is_indexed = file.read(len(IPC_MAGIC)) == IPC_MAGIC
    return IpcFile(path) if is_indexed else IpcStream(path)


def _layout_of(files, features, targets, weight, is_classifier, dtype):
    """Layout of columns, which all files must have, of the same kinds."""
    schema = files[0].schema
    for name in features:
        check_column(schema, name, files[0].path)
        if kind_of(schema.field(name).type) not in ("number", "unknown"):
            raise ValueError(
                f"column {name!r} of {files[0].path} holds "
                f"{schema.field(name).type}, but features must be numbers or booleans: "
                "choose other columns by TableFiles(..., columns=[...]), or use "
                "skscratch.make_tabular_classifier or make_tabular_regressor."
            )
    numeric = [*features, *([] if weight is None else [weight])]
    has_labels = is_classifier and len(targets) == 1
    if not has_labels:
        numeric += targets
    kinds = dict.fromkeys(numeric, "number")
    if has_labels:
        kinds[targets[0]] = kind_of_classes(files, targets[0])
    for file in files:
        file.numbers = frozenset(numeric)
        for name, kind in kinds.items():
            check_column(file.schema, name, file.path, kind)

    def common_dtype(names):
        types = [file.schema.field(name).type for file in files for name in names]
        return np.result_type(*map(numpy_dtype, types))

    accepted = dtype if isinstance(dtype, tuple) else (np.dtype(dtype),)
    own = common_dtype(features) if features else accepted[0]
    target_dtype = None
    if targets and not has_labels:
        target_dtype = common_dtype(targets)
        if target_dtype.kind != "f":
            target_dtype = np.dtype(np.float64)
    return Layout(
        features,
        targets,
        weight,
        own if own in accepted else np.dtype(accepted[0]),
        target_dtype,
        is_classifier,
    )


def _checked_paths(paths):
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    elif not isinstance(paths, Iterable) or isinstance(paths, (bytes, dict)):
        paths = [None]
    paths = list(paths)
    if not all(isinstance(path, (str, os.PathLike)) for path in paths):
        raise TypeError(
            "paths must be a path of a file or folder, a pattern, or a list of them."
        )
    if not paths or not all(map(str, paths)):
        raise ValueError(f"paths must be at least one path, got {paths!r}.")
    return tuple(os.fspath(path) for path in paths)


def _checked_names(names, parameter):
    is_sequence = isinstance(names, Iterable) and not isinstance(names, (str, bytes))
    listed = list(names) if is_sequence else [None]
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(f"{parameter} must be a list of names, got {names!r}.")
    if not listed:
        raise ValueError(f"{parameter} must be at least one name, got {names!r}.")
    twice = [name for name in listed if listed.count(name) > 1]
    if twice:
        raise ValueError(f"{parameter} has {twice[0]!r} more than once.")
    return tuple(str(name) for name in listed)


def _target_names(y: Any, weight: Any, parameters: Any) -> tuple[list[str], Any]:
    """Names of the targets' columns, and that of the weights."""
    if not isinstance(y, (str, list, tuple)):
        raise TypeError(
            f"{parameters[0]} must be the name of the target's column, or a list of "
            f"names, where X is TableFiles, got {type(y).__name__}."
        )
    if weight is not None and not isinstance(weight, str):
        raise TypeError(
            f"{parameters[1]} must be the name of a column where X is TableFiles, got "
            f"{type(weight).__name__}."
        )
    targets = [y] if isinstance(y, str) else list(_checked_names(y, parameters[0]))
    if weight in targets:
        raise ValueError(f"{weight!r} can't be both the target and the weight.")
    return targets, weight


def _all_but(schema, left_out):
    return [name for name in schema.names if name not in left_out]


def _in_order(columns, fitted):
    """Names of the features in the order of the fit."""
    if columns and set(columns) != set(fitted):
        missing = sorted(set(fitted) - set(columns))
        new = sorted(set(columns) - set(fitted))
        raise ValueError(
            "columns must be those that the estimator was fitted on: "
            f"{missing[:5]} are missing, and {new[:5]} are unknown."
        )
    return fitted


def _check_indicators(rows):
    if not np.isin(rows.y, (0, 1)).all():
        raise ValueError(
            "targets of several columns must be zeros and ones, one column per label."
        )


def _check_count(survey):
    if not survey.n_rows:
        weight = survey.layout.weight
        what = "rows" if weight is None else f"rows of positive weight in {weight!r}"
        raise ValueError(f"the files have no {what}, but at least 1 is needed.")


def _seen_targets(survey):
    """Targets that show their type and all classes."""
    if survey.layout.target_dtype is None:
        return np.repeat(survey.labels(), 3)
    return survey.sampled_rows().y


def _checksum(path):
    """Checksum of a file's beginning and end."""
    with reading(path), path.open("rb") as file:
        checksum = zlib.crc32(file.read(SHOWN_BYTES))
        file.seek(max(0, os.fstat(file.fileno()).st_size - SHOWN_BYTES))
        return zlib.crc32(file.read(SHOWN_BYTES), checksum)
