"""Models in files: saving, and how to load."""

from __future__ import annotations

import textwrap
from pathlib import Path
from pprint import pformat

from sklearn.pipeline import Pipeline

from skscratch.cli.errors import InputError


def save(model: Pipeline, path: Path, imports: str, data: str) -> str:
    """Save a pipeline with skops; return instructions to load it."""
    import skops.io

    try:
        skops.io.dump(model, path)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    types = textwrap.indent(pformat(skops.io.get_untrusted_types(file=path)), "  ")
    return f"""
Saved: {path}
To load it, review the types that it contains before you trust them:

  >>> import skops.io
  >>> types = skops.io.get_untrusted_types(file={str(path)!r})
  >>> types
{types}
  >>> model = skops.io.load({str(path)!r}, trusted=types)
  >>> {imports}
  >>> model.predict({data})"""
