"""The models that are compared, and the preparations of scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skscratch.cli.peers import (
    MAX_TREE_CATEGORIES,
    describe_preparations,
    make_network_columns,
    make_peers,
    make_recipe,
    make_tree_columns,
)
from skscratch.tabular.roles import find_roles

N_ROWS = 60


def make_table():
    """A table with numbers, categories, dates and text; some cells are missing."""
    random = np.random.RandomState(0)
    days = pd.date_range("2024-01-01", periods=N_ROWS, freq="7h")
    return pd.DataFrame(
        {
            "size": np.where(
                np.arange(N_ROWS) % 9, random.normal(5, 3, N_ROWS), np.nan
            ),
            "color": random.choice(["red", "blue", None], N_ROWS),
            "day": days.strftime("%d.%m.%Y %H:%M"),
            "text": [f"word {i} {random.randint(10**6)}" for i in range(N_ROWS)],
            "flag": random.rand(N_ROWS) < 0.5,
            "shape": random.choice(["round", "square"], N_ROWS),
            "same": 1,
        }
    )


def test_trees_get_numbers_as_they_are_and_categories_as_codes():
    X = make_table()
    columns, n_categories = make_tree_columns(find_roles(X), 0)
    prepared = columns.fit_transform(X)
    assert n_categories == 2
    color, shape, size, flag = prepared[:, :4].T
    np.testing.assert_array_equal(np.isnan(color), X["color"].isna())
    np.testing.assert_array_equal(color == 1, X["color"] == "red")
    np.testing.assert_array_equal(shape == 1, X["shape"] == "square")
    np.testing.assert_array_equal(size, X["size"])
    np.testing.assert_array_equal(flag, X["flag"])
    assert prepared.shape[1] > 4 + 2  # Dates and text.
    unknown = columns.transform(X.assign(color="green"))
    assert np.isnan(unknown[:, 0]).all()


def test_trees_get_the_most_frequent_categories():
    n_categories = MAX_TREE_CATEGORIES + 50
    names = [f"city {i:03}" for i in range(n_categories) for _ in range(2 + (i < 9))]
    X = pd.DataFrame({"city": names, "size": np.arange(len(names)) % 7})
    y = X["city"].str[-1].astype(int) % 2
    _, trees = make_peers("classification", find_roles(X), 0)
    fitted = trees.pipeline.fit(X, y)
    codes = fitted["columns"].transform(X)[:, 0]
    assert len(np.unique(codes)) == MAX_TREE_CATEGORIES
    # Those that occur three times are frequent.
    assert all((codes == codes[3 * i]).sum() == 3 for i in range(9))
    assert np.flatnonzero(fitted["trees"].is_categorical_).tolist() == [0]


def test_a_plain_network_gets_standardized_numbers_and_one_hot_categories():
    X = make_table()
    columns = make_network_columns(0).fit(X)
    prepared = columns.transform(X)
    assert np.isfinite(prepared).all()
    names = list(columns.get_feature_names_out())
    size = prepared[:, names.index("numbers__size")]
    np.testing.assert_allclose([size.mean(), size.std()], [0, 1], atol=1e-9)
    red = prepared[:, names.index("categories__color_red")]
    np.testing.assert_array_equal(red, X["color"] == "red")
    parts = {name.partition("__")[0] for name in names}
    assert parts == {"numbers", "categories", "dates", "text"}
    assert not any("same" in name for name in names)


@pytest.mark.parametrize(
    ("task", "mlp", "trees"),
    [
        ("classification", MLPClassifier, HistGradientBoostingClassifier),
        ("regression", MLPRegressor, HistGradientBoostingRegressor),
    ],
)
def test_peers_have_default_parameters(task, mlp, trees):
    X = make_table()
    first, second = make_peers(task, find_roles(X), 7)
    assert [c.name for c in (first, second)] == [mlp.__name__, trees.__name__]
    assert not first.is_ours
    assert not second.is_ours
    network = first.pipeline[-1]
    if task == "regression":
        assert isinstance(network, TransformedTargetRegressor)
        network = network.regressor
    assert network.get_params() == mlp(random_state=7).get_params()
    own = second.pipeline[-1].get_params() | {"categorical_features": "from_dtype"}
    assert own == trees(random_state=7).get_params()
    text = describe_preparations(task)
    for word in (mlp.__name__, trees.__name__, "default parameters", "one-hot"):
        assert word in text
    assert ("standardized targets" in text) == (task == "regression")


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_models_learn_a_table_of_all_kinds_of_columns(task):
    X = make_table()
    y = X["size"].fillna(5).to_numpy() + 3 * (X["color"] == "red").to_numpy()
    y = y if task == "regression" else np.where(y > 6, "large", "small")
    for candidate in make_peers(task, find_roles(X), 0):
        if "MLP" in candidate.name:
            candidate.pipeline.set_params(
                **{
                    "network__regressor__max_iter"
                    if task == "regression"
                    else "network__max_iter": 20
                }
            )
            with pytest.warns(match="Maximum iterations"):
                model = candidate.pipeline.fit(X, y)
        else:
            model = candidate.pipeline.fit(X, y)
        assert model.score(X, y) > 0.3
        with pytest.warns(match="none of its values can be read"):
            predicted = model.predict(X.assign(color="green", day="no date"))
        assert predicted.shape == y.shape


def test_the_recipe_has_the_options_of_the_command_line():
    recipe = make_recipe("regression", "low", 9.0, 3)
    assert recipe.is_ours
    hedge = recipe.pipeline["network"]
    assert (hedge.effort, hedge.time_limit) == ("low", 9.0)
    assert hedge.estimator.random_state == 3
    assert hedge.estimator.intervals
    hedge = make_recipe("classification", "high", None, 3).pipeline["network"]
    assert (hedge.effort, hedge.time_limit) == ("high", None)
