"""CSV files, read by blocks of rows.

A block is a range of bytes that begins and ends with a line. A compressed file is one
block. Types are those of the first lines; columns of numbers are read as floats.
"""

import re

from skscratch.files.formats import TableFile, import_pyarrow, reading

__all__ = ["CompressedCsv", "CsvFile"]

# Bytes of a block, and of the first lines.
BLOCK_BYTES = 2**22


def _is_outside_quotes(data, end):
    """Whether a place in some lines is not within quotes."""
    return data.count(b'"', 0, end) % 2 == 0


def _last_end(data):
    """End of the last complete line, or 0."""
    end = data.rfind(b"\n") + 1
    while end and not _is_outside_quotes(data, end):
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _first_end(data):
    """End of the first line that is not empty, or 0."""
    end = data.find(b"\n") + 1
    while end and not (data[:end].strip() and _is_outside_quotes(data, end)):
        end = data.find(b"\n", end) + 1
    return end


def _in_utf8(schema, path):
    """Return a schema if all is UTF-8: other text is binary for pyarrow."""
    types = import_pyarrow().types
    try:
        is_text = not any(
            types.is_binary(schema.field(i).type) for i in range(len(schema.names))
        )
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        raise ValueError(f"{path} is not UTF-8: convert it, or read it yourself.")
    return schema


class _AnyCsv(TableFile):
    """A CSV file with a header.

    Parameters
    ----------
    path : Path
    delimiter : str, default=","
        Character between the columns.
    """

    def __init__(self, path, delimiter=","):
        self.delimiter = delimiter
        super().__init__(path)

    def _parsing(self, newlines_in_values):
        from pyarrow import csv

        return csv.ParseOptions(
            delimiter=self.delimiter, newlines_in_values=newlines_in_values
        )

    def _read_used(self, block, columns, n_rows, n_unused):
        """Yield record batches; an error names the column and not only its number."""
        try:
            yield from super()._read_used(block, columns, n_rows, n_unused)
        except import_pyarrow().ArrowInvalid as error:
            found = re.match(r"In CSV column #(\d+):.*invalid value (.*)", str(error))
            if found is None:
                raise
            name, value = self.schema.names[int(found[1])], found[2]
            kind = self._types([name])[name]
            raise ValueError(
                f"{self.path}, column {name!r}: {value} is not of type {kind}, which "
                "the first lines of the file tell: correct the value, leave the column "
                "out by columns=[...], or convert the file to Parquet."
            ) from error

    def _types(self, columns):
        """Types to read columns as."""
        arrow = import_pyarrow()
        types = {}
        for name in columns:
            known = self.schema.field(name).type
            is_float = name in self.numbers and not arrow.types.is_boolean(known)
            types[name] = arrow.float64() if is_float else known
        return types

    def _conversion(self, columns):
        from pyarrow import csv

        return csv.ConvertOptions(
            include_columns=columns, column_types=self._types(columns)
        )


class CsvFile(_AnyCsv):
    """A CSV file that is not compressed; its blocks are ranges of bytes."""

    def _read_schema(self):
        from pyarrow import csv

        arrow = import_pyarrow()
        with self.path.open("rb") as file:
            data = file.read(BLOCK_BYTES)
        self._header_end = _first_end(data) or len(data)
        if b"\n" not in data and b"\r" in data:
            raise ValueError(
                f"{self.path} has lines that end with a carriage return alone: "
                "convert them to lines that end with a newline."
            )
        # A header alone may lack the newline.
        lines = data[: _last_end(data)] or data + b"\n"
        options = self._parsing(b'"' in data)
        table = csv.read_csv(arrow.BufferReader(lines), parse_options=options)
        return _in_utf8(table.schema, self.path)

    def blocks(self):
        """Yield the offset and the size of each block."""
        with reading(self.path), self.path.open("rb") as file:
            offset = self._header_end
            file.seek(offset)
            data = b""
            while True:
                new = file.read(BLOCK_BYTES)
                data += new
                size = _last_end(data) if new else len(data)
                if size:
                    yield offset, size
                    offset, data = offset + size, data[size:]
                if not new:
                    return

    def _read(self, block, columns, n_rows):
        from pyarrow import csv

        arrow = import_pyarrow()
        offset, size = block
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) < size:
            raise OSError(f"it ends before byte {offset + size}")
        if not data.strip():
            return
        table = csv.read_csv(
            arrow.BufferReader(data),
            read_options=csv.ReadOptions(column_names=self.schema.names),
            parse_options=self._parsing(b'"' in data),
            convert_options=self._conversion(columns),
        )
        yield from table.to_batches(max_chunksize=n_rows)

    def bytes_of_reader(self, columns):
        """Estimate the memory of a block, as text and as numbers."""
        return 3 * BLOCK_BYTES


class CompressedCsv(_AnyCsv):
    """A compressed CSV file, which is one block."""

    def _open(self, conversion=None):
        from pyarrow import csv

        return csv.open_csv(
            str(self.path),
            parse_options=self._parsing(True),
            convert_options=conversion,
        )

    def _read_schema(self):
        with self._open() as reader:
            return _in_utf8(reader.schema, self.path)

    def blocks(self):
        """Yield the only block."""
        yield None

    def _read(self, block, columns, n_rows):
        with self._open(self._conversion(columns)) as reader:
            yield from reader

    def bytes_of_reader(self, columns):
        """Estimate the memory of some lines, as text and as numbers."""
        return 3 * BLOCK_BYTES
