"""The jobs without a file: XOR is the README's program, and both are drawn."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from skscratch import ScratchMLPClassifier
from skscratch.cli.demo import XOR_TARGETS, learn_xor
from skscratch.cli.output import xor_picture
from skscratch.cli.output.xor_picture import draw_demo, draw_xor

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def xor():
    return learn_xor()


@pytest.fixture(scope="module")
def network():
    random = np.random.RandomState(0)
    model = ScratchMLPClassifier((4,), max_iter=5, n_iter_no_change=1, tol=10)
    return model.fit(random.standard_normal((40, 3)), random.randint(2, size=40))


def test_xor_is_the_program_of_the_readme(xor):
    programs = re.findall("```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (program,) = (text for text in programs if "layer.feedforward" in text)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(program, names)
    np.testing.assert_allclose(xor.costs, names["costs"], rtol=1e-12)
    np.testing.assert_allclose(xor.outputs, names["A"], rtol=1e-12)


def test_the_figures_of_the_caption_are_those_of_the_program(xor):
    caption = re.search(r"cost falls from (\S+) to (\S+) in", README.read_text("utf-8"))
    assert (f"{xor.costs[0]:.2f}", f"{xor.costs[-1]:.2f}") == caption.groups()
    assert (xor.outputs.round() == XOR_TARGETS).all()


def test_cost_and_boundary_are_drawn(xor):
    figure = Figure()
    draw_xor(figure, xor.layers, xor.costs)
    cost_ax, plane_ax, _ = figure.axes
    curve = cost_ax.lines[0]
    np.testing.assert_array_equal(curve.get_ydata(), xor.costs)
    # The boundary separates the samples of the two classes.
    (image,) = plane_ax.images
    outputs = image.get_array()
    n = len(outputs)
    low, high = n // 4, 3 * n // 4
    corners = outputs[[low, low, high, high], [low, high, low, high]]
    np.testing.assert_allclose(corners, xor.outputs[0], atol=0.02)
    assert [contour.levels.tolist() for contour in plane_ax.collections] == [[0.5]]
    n_neurons = 3
    assert len(plane_ax.lines) == n_neurons + 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "a hidden neuron is 0",
        "y = 0",
        "y = 1",
    ]


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_both_jobs_are_in_one_picture(tmp_path, monkeypatch, xor, network, ending):
    figures = []
    write = xor_picture.write_figure
    monkeypatch.setattr(
        xor_picture,
        "write_figure",
        lambda figure, path: (figures.append(figure), write(figure, path)),
    )
    path = tmp_path / f"demo{ending}"
    draw_demo(xor.layers, xor.costs, network, path)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]
    curves = [ax.lines[0].get_ydata() for ax in figures[0].axes if ax.lines]
    assert len(curves[0]) == 1500
    np.testing.assert_array_equal(curves[-1], network.loss_curve_)
