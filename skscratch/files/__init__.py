"""Training data in files that may be larger than memory: Parquet, Arrow IPC and CSV."""

from skscratch.files.table_files import TableFiles

__all__ = ["TableFiles"]
