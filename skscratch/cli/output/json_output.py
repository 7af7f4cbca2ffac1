"""The results as one JSON object, for ``--json``."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import sklearn

from skscratch.cli.reading.tables import Table
from skscratch.cli.results import DECIDING, METRICS, TIMES, ModelScores, find_lead
from skscratch.cli.training import Outcome
from skscratch.version import __version__


def results_of(
    table: Table, outcome: Outcome, source: str, target: str, files: Mapping[str, str]
) -> dict[str, Any]:
    """Results as values that JSON can hold.

    Parameters
    ----------
    table : Table
    outcome : Outcome
    source : str
        Path of the file that was read, or "-".
    target : str
        Name of the target.
    files : dict
        Paths of the files written, by the option that asked for them.

    Returns
    -------
    dict
    """
    leads = [find_lead(outcome.models, metric) for metric in DECIDING[table.task]]
    return {
        "data": {
            "source": source,
            "rows": len(table.y),
            "columns": table.X.shape[1],
            "task": table.task,
            "target": target,
            "notes": outcome.notes,
        },
        "columns": [
            {
                "name": str(role.name),
                "role": role.role,
                "contents": "; ".join((role.reason, *role.notes)),
            }
            for role in outcome.roles
        ],
        "models": [_model(model, table.task) for model in outcome.models],
        "winner": {lead.metric.key: lead.best.name for lead in leads},
        "kept": outcome.kept.name,
        "files": dict(files),
        "versions": versions(),
    }


def _model(model: ModelScores, task: str) -> dict[str, Any]:
    keys = [*(metric.key for metric in METRICS[task]), *TIMES]
    keys = [key for key in keys if model.has(key)]
    return {
        "name": model.name,
        "is_ours": model.is_ours,
        "mean": {key: _number(model.mean(key)) for key in keys},
        "std": {key: _number(model.std(key)) for key in keys},
        "folds": [
            {key: _number(fold.scores[key]) for key in keys} for fold in model.folds
        ],
    }


def _number(value: float) -> float | None:
    """JSON has neither nan nor infinity."""
    return float(value) if math.isfinite(value) else None


def versions() -> dict[str, str]:
    """Versions of the packages that the results depend on."""
    return {
        "skscratch": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def format_json(results: Mapping[str, Any]) -> str:
    """Write the results as text in full precision."""
    return json.dumps(results, allow_nan=False, indent=2)
