"""The transformer that turns the columns of a table into a network's inputs.

What each column is taken for is decided in ``roles``. The parts that encode numbers,
categories, dates and text are in ``conversion`` and ``encoders``, ``categories``,
``dates`` and ``text``; the pipelines are in ``recipe``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from skscratch._sklearn import safe_indexing
from skscratch.estimators.attributes import shallow_copy
from skscratch.tabular.categories import TargetMeans, make_one_hot
from skscratch.tabular.conversion import NumberConverter
from skscratch.tabular.dates import DateEncoder
from skscratch.tabular.encoders import SmoothClipScaler
from skscratch.tabular.roles import ColumnRole, ColumnRoles, find_roles
from skscratch.tabular.tables import check_table
from skscratch.tabular.text import TextEncoder

__all__ = ["TableColumns", "make_preprocessor", "make_table_columns"]


class TableColumns(ColumnTransformer):
    """``ColumnTransformer`` that decides what each column of a table is.

    It checks the table, and says what is wrong with it.

    Parameters
    ----------
    transformers : list of tuple
        Name, transformer and columns of each part, as in ``ColumnTransformer``. The
        columns may be "auto" for parts of the names "numbers", "categories", "targets",
        "dates" and "text": then ``fit`` decides by the values of each column, as
        ``find_roles`` does.
    remainder : {'drop', 'passthrough'} or estimator, default='drop'
        What happens to other columns.
    sparse_threshold : float, default=0.3
        As in ``ColumnTransformer``.
    n_jobs : int, default=None
        As in ``ColumnTransformer``.
    transformer_weights : dict, default=None
        As in ``ColumnTransformer``.
    verbose : bool, default=False
        As in ``ColumnTransformer``.
    verbose_feature_names_out : bool, default=True
        As in ``ColumnTransformer``.
    numbers_in_text : bool, default=True
        Whether text of numbers is a number.

    Attributes
    ----------
    roles_ : list of ColumnRole
        What each column was taken for. Defined only if a part has "auto" columns.

    The other attributes are those of ``sklearn.compose.ColumnTransformer``.
    """

    def __init__(
        self,
        transformers: Any,
        *,
        remainder: Any = "drop",
        sparse_threshold: float = 0.3,
        n_jobs: int | None = None,
        transformer_weights: Any = None,
        verbose: bool = False,
        verbose_feature_names_out: bool = True,
        numbers_in_text: bool = True,
    ) -> None:
        super().__init__(
            transformers,
            remainder=remainder,
            sparse_threshold=sparse_threshold,
            n_jobs=n_jobs,
            transformer_weights=transformer_weights,
            verbose=verbose,
            verbose_feature_names_out=verbose_feature_names_out,
        )
        self.numbers_in_text = numbers_in_text

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        **params: Any,
    ) -> Any:
        """Check the table, find the columns' roles, and fit and apply all parts.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,), default=None
            Targets, which only the means of the target use.
        sample_weight : array-like of shape (n_samples,), default=None
            Nothing is learned from rows of weight 0. Other weights do not count.
        groups : array-like of shape (n_samples,), default=None
            Group of each row: means of the target for a row are then computed from rows
            of other groups.
        **params : dict
            As in ``ColumnTransformer``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If the table is invalid, or if no column is left because parts are set to
            "drop". All attributes stay as they were.
        """
        check_table(X)
        if not isinstance(self.numbers_in_text, (bool, np.bool_)):
            raise ValueError(
                f"numbers_in_text must be True or False, got {self.numbers_in_text!r}."
            )
        counts = _rows_that_count(X, sample_weight)
        if counts is not None:
            return self._fit_to_some(X, y, counts, groups, params)
        # Columns are chosen on a copy: the parameters stay "auto", and a failed fit
        # changes nothing.
        fitted = shallow_copy(self)
        vars(fitted).pop("roles_", None)
        parts = [part for part in self.transformers if _is_auto(part)]
        if parts:
            roles = find_roles(X, numbers_in_text=self.numbers_in_text)
            fitted.transformers = _with_columns(self.transformers, roles)
        folds = _folds_of_groups(X, groups)
        fitted.transformers = _with_folds(fitted.transformers, folds)
        with np.errstate(invalid="ignore"):  # Infinities may cancel out.
            outputs = super(TableColumns, fitted).fit_transform(X, y, **params)
        if parts:
            if not outputs.shape[1]:
                raise ValueError(_nothing_left(roles, self.transformers))
            names = {name for name, *_ in parts}
            fitted.roles_ = _counted(fitted, roles, names)
        if folds is not None:
            _forget_folds(fitted, self.transformers)
        fitted.transformers = self.transformers
        self.__dict__ = vars(fitted)
        return outputs

    def _fit_to_some(
        self, X: Any, y: Any, counts: NDArray[np.bool_], groups: Any, params: Any
    ) -> Any:
        """Fit to the rows that count, and apply all parts to all rows."""
        kept = np.flatnonzero(counts)
        of_kept = [
            None if values is None else safe_indexing(values, kept)
            for values in (y, groups)
        ]
        learned = self.fit_transform(
            safe_indexing(X, kept), of_kept[0], groups=of_kept[1], **params
        )
        return _with_rows(self.transform(X), kept, learned)

    def transform(self, X: Any, **params: Any) -> Any:
        """Check the table, and apply all parts.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table. If ``fit`` has seen the names of its columns, a DataFrame needs
            only those that a part uses. An array needs all columns.
        **params : dict
            As in ``ColumnTransformer``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If the table is invalid, or if a column is missing.
        """
        check_table(X)
        # scikit-learn checks this only if all names are strings.
        if hasattr(type(X), "columns") and hasattr(self, "feature_names_in_"):
            missing = self._used_names() - set(X.columns)
            if missing:
                raise ValueError(
                    "a table must have all columns that were used in fit, but these "
                    f"are missing: {', '.join(map(repr, sorted(missing)))}."
                )
        with np.errstate(invalid="ignore"):
            return super().transform(X, **params)

    def _used_names(self) -> set[str]:
        """Names of the columns that parts use."""
        names: set[str] = set()
        fitted = self.named_transformers_
        # ColumnTransformer makes the same check, with another message.
        for part, indices in self._transformer_to_input_indices.items():
            if fitted.get(part, "drop") != "drop":
                names.update(self.feature_names_in_[indices])
        return names

    def describe(self) -> ColumnRoles:
        """Tell what each column was taken for, why, and what became of it.

        Returns
        -------
        ColumnRoles
            List of ``ColumnRole``, one for each column, with its name, role, reason,
            notes and inputs. It prints as a table.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the columns of all parts were given, so that there are no roles.
        """
        check_is_fitted(self)
        if not hasattr(self, "roles_"):
            raise ValueError("there are no roles: the columns of all parts were given.")
        return ColumnRoles(self.roles_)


def _is_auto(part: Sequence[Any]) -> bool:
    return isinstance(part[2], str) and part[2] == "auto"


def _rows_that_count(X: Any, sample_weight: Any) -> NDArray[np.bool_] | None:
    """Whether the weight of each row is not 0; None if all count.

    Weights that are invalid count, too: the network refuses them.
    """
    weights = None if sample_weight is None else np.asarray(sample_weight)
    if (
        weights is None
        or weights.shape != (len(X),)
        or weights.dtype.kind not in "buif"
    ):
        return None
    counts: NDArray[np.bool_] = weights != 0
    return None if counts.all() or not counts.any() else counts


def _folds_of_groups(X: Any, groups: Any) -> list[Any] | None:
    """Two folds that divide no group, or None without several groups.

    Groups that are invalid are left to the network to refuse.
    """
    if groups is None or np.shape(groups) != (len(X),) or len(set(groups)) < 2:
        return None
    return list(GroupKFold(2).split(np.zeros(len(X)), groups=groups))


def _with_folds(parts: Any, folds: list[Any] | None) -> Any:
    """Give folds to the parts that compute means of the target."""
    if folds is None:
        return parts
    return [
        (name, clone(part).set_params(cv=folds), columns)
        if isinstance(part, TargetMeans)
        else (name, part, columns)
        for name, part, columns in parts
    ]


def _forget_folds(fitted: ColumnTransformer, parts: Any) -> None:
    """Reset the parameter that ``_with_folds`` set on the fitted parts."""
    for name, part, _ in parts:
        if isinstance(part, TargetMeans):
            fitted.named_transformers_[name].set_params(cv=part.cv)


def _with_rows(outputs: Any, rows: NDArray[Any], values: Any) -> Any:
    """Replace some rows of an array or a DataFrame of numbers."""
    array = np.array(outputs)
    array[rows] = values
    if not hasattr(outputs, "columns"):
        return array
    if hasattr(outputs, "index"):  # pandas
        make, index, columns = type(outputs), outputs.index, outputs.columns
        return make(array, index=index, columns=columns)
    return type(outputs)(array, schema=outputs.columns)


def _with_columns(parts: Any, roles: list[ColumnRole]) -> list[Any]:
    """Replace "auto" by the columns that a part encodes."""

    def chosen(part: str) -> list[int]:
        # Positions, so that a model of a DataFrame can predict for an array.
        return [i for i, role in enumerate(roles) if part in (role.inputs or {})]

    return [
        (part[0], part[1], chosen(part[0])) if _is_auto(part) else part
        for part in parts
    ]


def _nothing_left(roles: list[ColumnRole], parts: Any) -> str:
    """Error message for a table of which no column becomes an input."""
    dropped = {name for name, transformer, _ in parts if transformer == "drop"}
    used = dict.fromkeys(part for role in roles for part in role.inputs or {})
    names = ", ".join(repr(part) for part in used if part in dropped)
    return (
        "no column of the table is left: all are dropped, or only used by parts that "
        f"are set to 'drop' ({names})."
    )


def _counted(
    columns: ColumnTransformer, roles: list[ColumnRole], parts: set[str]
) -> list[ColumnRole]:
    """Complete roles by the number of inputs of each column."""
    fitted = columns.named_transformers_
    roles = list(roles)
    inputs: list[dict[str, int | None]] = [{} for _ in roles]
    for part in parts & set(columns.output_indices_):
        chosen = [i for i, role in enumerate(roles) if part in (role.inputs or {})]
        indices = columns.output_indices_[part]
        n_outputs = indices.stop - indices.start
        if not chosen or fitted[part] == "drop":
            continue
        counts = _outputs_per_column(fitted[part], len(chosen), n_outputs)
        for index, count in zip(chosen, counts, strict=True):
            if count != 0:
                inputs[index][part] = count
        if isinstance(fitted[part], DateEncoder):
            _describe_dates(roles, chosen, fitted[part])
    return [
        # In the order of the parts.
        role._replace(inputs={p: n[p] for p in role.inputs or {} if p in n})
        for role, n in zip(roles, inputs, strict=True)
    ]


def _describe_dates(
    roles: list[ColumnRole], chosen: list[int], encoder: DateEncoder
) -> None:
    """Complete the roles of dates by what their encoder found."""
    for index, (key, found) in zip(chosen, encoder.descriptions_.items(), strict=True):
        notes = (encoder.notes_[key],) if key in encoder.notes_ else ()
        kept = [note for note in roles[index].notes if note not in "".join(notes)]
        roles[index] = roles[index]._replace(reason=found, notes=(*kept, *notes))


def _outputs_per_column(
    part: Any, n_columns: int, n_outputs: int
) -> Sequence[int | None]:
    """Number of outputs of each column, or None where it can't be told."""
    steps = list(part.named_steps.values()) if isinstance(part, Pipeline) else [part]
    last = steps[-1]
    counts = [1] * n_columns
    if hasattr(last, "n_outputs_per_feature_"):
        counts = list(last.n_outputs_per_feature_)
    elif isinstance(last, OneHotEncoder):
        rare = last.infrequent_categories_
        counts = [
            len(known) if few is None else len(known) - len(few) + 1
            for known, few in zip(last.categories_, rare, strict=True)
        ]
    for step in steps:
        if isinstance(step, SimpleImputer) and step.indicator_ is not None:
            for index in step.indicator_.features_:
                counts[index] += 1
    # Another transformer may have replaced one of ours.
    is_known = len(counts) == n_columns and sum(counts) == n_outputs
    return counts if is_known else [None] * n_columns


def make_preprocessor(
    encoder: Any,
    *,
    min_frequency: int,
    numeric: list[str] | str = "auto",
    categorical: list[str] | str = "auto",
    dtype: str = "float64",
) -> TableColumns:
    """Build the transformer that encodes numbers and categories.

    In numeric columns, missing values become the median; a column that has some in
    ``fit`` gets a further input that marks them. Then the numbers are encoded.

    Categorical columns are one-hot encoded, a missing value being a category of its
    own. Each of the 99 most frequent categories has an input, provided that it is
    frequent enough. All others, and those that ``fit`` has not seen, share one input,
    which exists if ``fit`` saw any such category.

    Parameters
    ----------
    encoder : transformer
        Encodes the numeric columns.
    min_frequency : int
        Number of samples that a category needs to have an input of its own.
    numeric : list of str or 'auto', default='auto'
        Names of the numeric columns; 'auto' lets ``fit`` decide.
    categorical : list of str or 'auto', default='auto'
        Names of the categorical columns, likewise.
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the inputs that encode categories.

    Returns
    -------
    TableColumns
        Not yet fitted.
    """
    imputer = SimpleImputer(
        strategy="median", add_indicator=True, keep_empty_features=True
    )
    numbers = Pipeline(
        [("number", NumberConverter()), ("impute", imputer), ("encode", encoder)]
    )
    one_hot = make_one_hot(min_frequency=min_frequency, dtype=dtype)
    return TableColumns(
        [("numbers", numbers, numeric), ("categories", one_hot, categorical)]
    )


def make_table_columns(
    *,
    dtype: str = "float64",
    numbers_in_text: bool = True,
    target_type: str = "auto",
    random_state: Any = None,
) -> TableColumns:
    """Build the transformer that encodes the columns of a table as they come.

    What each column is taken for is decided by ``find_roles``, and described by
    ``TableColumns.describe``. The parts are those of ``make_preprocessor`` with numbers
    that are scaled robustly but not clipped, and three more: columns with more than 99
    frequent categories are also encoded by ``TargetMeans``, dates by ``DateEncoder``,
    and columns of text by ``TextEncoder``. So are categories of text if more than a
    quarter of the rows would share the input for infrequent ones.

    No part uses sample weights.

    Parameters
    ----------
    dtype : {'float32', 'float64'}, default='float64'
        dtype of the inputs.
    numbers_in_text : bool, default=True
        Whether text of numbers is a number.
    target_type : {'auto', 'classes', 'numbers'}, default='auto'
        As in ``TargetMeans``.
    random_state : int, RandomState instance or None, default=None
        Of ``TargetMeans`` and ``TextEncoder``.

    Returns
    -------
    TableColumns
        Not yet fitted.
    """
    columns = make_preprocessor(
        SmoothClipScaler(limit=np.inf, dtype=dtype), min_frequency=2, dtype=dtype
    )
    means = TargetMeans(target_type=target_type, dtype=dtype, random_state=random_state)
    text = TextEncoder(dtype=dtype, random_state=random_state)
    dates = DateEncoder(dtype=dtype)
    added = [
        ("targets", means, "auto"),
        ("dates", dates, "auto"),
        ("text", text, "auto"),
    ]
    return columns.set_params(
        transformers=[*columns.transformers, *added], numbers_in_text=numbers_in_text
    )
