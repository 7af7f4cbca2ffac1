"""Columns of Arrow become rows of NumPy, and numbers are checked."""

import numpy as np

from skscratch.files.formats import import_pyarrow

__all__ = [
    "check_column",
    "check_same_type",
    "kind_of",
    "kind_of_classes",
    "labels_of",
    "numbers_of",
    "numpy_dtype",
]


def kind_of(arrow_type):
    """Kind of a type: columns of one name have the same in all files.

    Parameters
    ----------
    arrow_type : pyarrow.DataType

    Returns
    -------
    {"number", "text", "other", "unknown"}
        Booleans are numbers. Unknown is the kind of a column without values.
    """
    types = import_pyarrow().types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if (
        types.is_integer(arrow_type)
        or types.is_floating(arrow_type)
        or types.is_boolean(arrow_type)
        or types.is_decimal(arrow_type)
    ):
        return "number"
    if types.is_null(arrow_type):
        return "unknown"
    is_text = (
        types.is_string(arrow_type)
        or types.is_large_string(arrow_type)
        or str(arrow_type) == "string_view"
    )
    return "text" if is_text else "other"


def numpy_dtype(arrow_type):
    """Dtype of NumPy that holds the numbers of a column.

    Parameters
    ----------
    arrow_type : pyarrow.DataType

    Returns
    -------
    dtype
    """
    types = import_pyarrow().types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if types.is_decimal(arrow_type) or types.is_null(arrow_type):
        return np.dtype(np.float64)
    return np.dtype(arrow_type.to_pandas_dtype())


def check_column(schema, name, path, kind=None):
    """Refuse a file without a column, or with one of another type.

    Parameters
    ----------
    schema : pyarrow.Schema
    name : str
    path : Path
    kind : str, default=None
        What ``kind_of`` its type must be, unless it is unknown; None means any.

    Raises
    ------
    ValueError
    """
    count = schema.names.count(name)
    if count != 1:
        problem = f"{count} columns named" if count else "no column"
        listed = ", ".join(map(repr, schema.names[:10]))
        more = ", …" if len(schema.names) > 10 else ""
        raise ValueError(
            f"{path} has {problem} {name!r}; its columns are {listed}{more}."
        )
    found = schema.field(name).type
    if kind is not None and kind_of(found) not in (kind, "unknown"):
        needed = "numbers are" if kind == "number" else f"{kind} is"
        raise ValueError(
            f"column {name!r} of {path} holds {found}, but {needed} needed."
        )


def kind_of_classes(files, name):
    """Kind of the classes in a column, in the first file that tells it.

    Parameters
    ----------
    files : list of TableFile
    name : str

    Returns
    -------
    {"number", "text", "unknown"}

    Raises
    ------
    ValueError
        If a file lacks the column, or its values can't be classes.
    """
    kind = "unknown"
    for file in files:
        check_column(file.schema, name, file.path)
        found = file.schema.field(name).type
        if kind == "unknown":
            kind = kind_of(found)
        if kind == "other":
            raise ValueError(
                f"column {name!r} of {file.path} holds {found}, but classes must be "
                "text, integers or booleans."
            )
    return kind


def check_same_type(files, name):
    """Refuse a column whose types in several files have none in common.

    Parameters
    ----------
    files : list of TableFile
        Which have this column.
    name : str

    Raises
    ------
    ValueError
    """
    arrow = import_pyarrow()
    common = arrow.schema([files[0].schema.field(name)])
    for file in files:
        own = arrow.schema([file.schema.field(name)])
        try:
            common = arrow.unify_schemas([common, own], promote_options="permissive")
        except arrow.ArrowException:
            raise ValueError(
                f"column {name!r} of {file.path} holds {own.field(name).type}, but "
                f"{common.field(name).type} in the files before: write it with the "
                "same type to all files, or leave it out of columns."
            ) from None


def _without_null_labels(column):
    """Column whose missing values are not an item of its dictionary."""
    types = import_pyarrow().types
    if types.is_dictionary(column.type) and column.dictionary.null_count:
        return column.dictionary_decode()
    return column


def _array(column, name, place):
    """Column as an array of NumPy; missing values are refused.

    ``place(row, name)`` says where a row is.
    """
    arrow = import_pyarrow()
    column = _without_null_labels(column)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{place(row, name)}: missing values are not accepted.")
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if arrow.types.is_decimal(column.type):
        column = column.cast(arrow.float64())
    return column.to_numpy(zero_copy_only=False)


def numbers_of(batch, names, dtype, place):
    """Numbers of several columns, checked.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    names : list of str
    dtype : dtype
    place : callable
        ``place(row, name)`` says where a number is.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        A new array.

    Raises
    ------
    ValueError
        If one is missing, NaN, infinite or too large for the dtype.
    """
    rows = np.empty((batch.num_rows, len(names)), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for number, name in enumerate(names):
            rows[:, number] = _array(batch.column(name), name, place)
        # The sum of finite numbers may overflow: then each is looked at.
        if np.isfinite(rows.sum()):
            return rows
    finite = np.isfinite(rows)
    if finite.all():
        return rows
    row, number = np.argwhere(~finite)[0]
    name = names[number]
    value = _array(batch.column(name), name, place)[row]
    what = "NaN" if np.isnan(value) else f"{value}"
    if np.isfinite(value):
        what += f", which is too large for {np.dtype(dtype)}"
    raise ValueError(
        f"{place(row, name)}: the number is {what}; all must be finite. Use "
        "skscratch.make_tabular_classifier or make_tabular_regressor for missing "
        "values, or leave those rows out."
    )


def labels_of(batch, name, place):
    """Labels of a column that occur, and which of them each row has.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    name : str
    place : callable
        As in ``numbers_of``.

    Returns
    -------
    labels : ndarray of shape (n_labels,)
    codes : ndarray of int of shape (n_rows,)
    """
    column = _without_null_labels(batch.column(name))
    if column.null_count:
        _array(column, name, place)
    if not import_pyarrow().types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False)
    labels = column.dictionary.to_numpy(zero_copy_only=False)
    # A dictionary may have labels that no row has.
    used, codes = np.unique(codes, return_inverse=True)
    labels = labels[used]
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row = int(np.argmax(~np.isfinite(labels[codes])))
        raise ValueError(f"{place(row, name)}: the class is NaN or infinite.")
    return labels, codes
