"""Representation of the recipes' pipelines in notebooks and in model cards."""

import re

import pytest
from estimator_strategies import QUICK, table
from sklearn.utils import estimator_html_repr

from skscratch import make_tabular_classifier, make_tabular_regressor

each_recipe = pytest.mark.parametrize(
    "make", [make_tabular_classifier, make_tabular_regressor]
)
each_table = pytest.mark.parametrize("names", [["real"], ["text"], ["real", "text"]])
each_output = pytest.mark.parametrize("output", ["default", "pandas", "polars"])


def fitted_model(make, names, output="default"):
    if output != "default":
        pytest.importorskip(output)
    frame, y = table()
    return make(**QUICK).set_output(transform=output).fit(frame[names], y)


@each_recipe
@each_table
@each_output
def test_a_fitted_pipeline_is_shown_as_html(make, names, output):
    model = fitted_model(make, names, output)
    for shown in (model, model["columns"]):
        page = estimator_html_repr(shown)
        assert all(name in page for name in model["columns"].get_feature_names_out())
        assert {"OneHotEncoder", "SmoothClipScaler"} <= {*re.findall(r"\w+", page)}


@each_recipe
def test_an_unfitted_pipeline_is_shown_as_html(make):
    assert "OneHotEncoder" in estimator_html_repr(make(**QUICK))


@each_recipe
@each_table
def test_a_model_card_is_rendered(make, names):
    card = pytest.importorskip("skops.card")
    assert "OneHotEncoder" in card.Card(fitted_model(make, names)).render()
    assert "OneHotEncoder" in card.Card(make(**QUICK)).render()


@each_recipe
@each_table
@each_output
def test_outputs_are_named(make, names, output):
    frame, _ = table()
    columns = fitted_model(make, names, output)["columns"]
    outputs = columns.get_feature_names_out().tolist()
    for name, prefix in (("real", "numbers__"), ("text", "categories__")):
        assert any(out.startswith(prefix) for out in outputs) == (name in names)
    inputs = columns.transform(frame[names])
    assert list(getattr(inputs, "columns", outputs)) == outputs
    assert inputs.shape == (30, len(outputs))
