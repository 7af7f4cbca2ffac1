"""From what a user passes to the paths of files, and the format of each."""

import glob
import os
from pathlib import Path

__all__ = ["COMPRESSIONS", "FORMATS", "find_files", "format_of"]

# Formats by the ending of a file's name; a compressed CSV file has a second ending.
FORMATS = {
    "parquet": ("parquet", "pq"),
    "ipc": ("arrow", "arrows", "feather", "ipc"),
    "csv": ("csv",),
}
COMPRESSIONS = ("gz", "bz2", "zst", "lz4")


def format_of(path):
    """Format that a file's name tells.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        Key of ``FORMATS``; None if the name does not tell.
    """
    endings = [ending[1:].lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSIONS:
        return "csv" if endings[-2:-1] == ["csv"] else None
    for name, known in FORMATS.items():
        if endings and endings[-1] in known:
            return name
    return None


def find_files(paths, file_format=None):
    """Find the files that paths, folders and patterns stand for.

    Parameters
    ----------
    paths : tuple of str
        A folder stands for the files below it whose names tell a format; names that
        begin with a dot or an underscore are left out, as other programs keep notes
        there. Patterns are those of ``glob``, where ``**`` is any depth of folders.
    file_format : str, default=None
        Format of all files; None means what their names tell.

    Returns
    -------
    list of (Path, str)
        Files and their formats: the paths in the order given, those of a folder or a
        pattern sorted by name.

    Raises
    ------
    ValueError
        If there is no file, one is there twice, or the name of one does not tell its
        format.
    """
    found = []
    for path in paths:
        found += _files_of(path, file_format)
    seen = set()
    for path, known in found:
        if known is None:
            endings = ", ".join(f".{e}" for known in FORMATS.values() for e in known)
            raise ValueError(
                f"the name of {path} does not tell its format: it should end with one "
                f"of {endings}, or pass format, one of {sorted(FORMATS)}."
            )
        real = os.path.realpath(path)
        if real in seen:
            raise ValueError(f"{path} is given twice: its rows would count twice.")
        seen.add(real)
    return found


def _files_of(given, file_format):
    path = Path(given)
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.is_file()
            and not any(p.startswith((".", "_")) for p in file.relative_to(path).parts)
        )
        known = [(file, file_format or format_of(file)) for file in files]
        known = [(file, kind) for file, kind in known if kind is not None]
        if not known:
            raise ValueError(
                f"the folder {given} has no Parquet, Arrow or CSV files: pass another "
                "one, or format if their names don't tell it."
            )
        return known
    if path.exists():
        return [(path, file_format or format_of(path))]
    if glob.has_magic(str(given)):
        files = sorted(map(Path, glob.glob(str(given), recursive=True)))
        files = [file for file in files if file.is_file()]
        if not files:
            raise ValueError(f"no file matches the pattern {given}.")
        return [(file, file_format or format_of(file)) for file in files]
    raise ValueError(f"there is no file or folder {given}.")
