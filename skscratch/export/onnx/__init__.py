"""ONNX graphs of fitted models, from the columns of a table to predictions.

``graph`` builds any graph, and ``functions`` has what ONNX lacks. Each part of a model
has a module of its own: ``columns`` and ``encoders`` prepare a table, ``network`` and
``hedge`` predict. ``estimators`` puts predictions together, for ``model``, which has
``to_onnx``, and for ``registration``, which makes the estimators known to skl2onnx.

In these modules, ``import onnx`` is the package of that name.
"""

__all__: list[str] = []
