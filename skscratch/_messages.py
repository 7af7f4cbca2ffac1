"""Warnings that point to the user's own line."""

import sys
import warnings

__all__ = ["warn_user"]

# Frames of these packages are skipped: a warning shows the line that called them.
INTERNAL = ("skscratch", "sklearn", "joblib", "contextlib", "scipy")


def warn_user(message, category=UserWarning):
    """Warn at the first line outside of libraries, from which ``fit`` was called.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in INTERNAL:
            break
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
