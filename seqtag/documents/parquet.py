"""Tables of answers in Parquet, by pyarrow: pieces are written as Arrow streams, the file is made of them at the end.

A Parquet file is whole only when its last bytes are written. Arrow's streams can stand one behind the other, so that
what an interrupted run has done can be gone on with.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqtag.documents.answers import Answer
from seqtag.documents.columns import Column, rows_of
from seqtag.documents.inputs import Place
from seqtag.errors import NotInstalledError


class ParquetWriter:
    """Writes typed columns, a row group a piece, packed with zstd.

    Parameters
    ----------
    columns : tuple of Column
        What `seqtag.documents.columns.columns_of` gave.

    Raises
    ------
    NotInstalledError
        If there is no pyarrow.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        try:
            import pyarrow
        except ImportError as error:
            raise NotInstalledError("Parquet needs pyarrow; run: pip install 'seqtag[parquet]'") from error
        types = {
            "string": pyarrow.string(),
            "strings": pyarrow.list_(pyarrow.string()),
            "integer": pyarrow.int64(),
            "chance": pyarrow.float32(),
        }
        self._columns = columns
        self._schema = pyarrow.schema([pyarrow.field(c.name, types[c.kind], nullable=False) for c in columns])

    def head(self) -> bytes:
        """Return nothing: each stream says what it holds."""
        return b""

    def piece(self, answered: Iterable[tuple[Place, Answer]]) -> bytes:
        """Return answers as an Arrow stream."""
        import pyarrow

        cells = list(zip(*rows_of(self._columns, answered), strict=True)) or [()] * len(self._columns)
        arrays = [pyarrow.array(column, field.type) for column, field in zip(cells, self._schema, strict=True)]
        out = io.BytesIO()
        with pyarrow.ipc.new_stream(out, self._schema) as stream:
            stream.write_batch(pyarrow.record_batch(arrays, schema=self._schema))
        return out.getvalue()

    def finish(self, pieces: Path, path: Path) -> None:
        """Make the file of the pieces, holding one at a time."""
        import pyarrow
        from pyarrow import parquet

        size = pieces.stat().st_size
        with parquet.ParquetWriter(path, self._schema, compression="zstd") as file, pieces.open("rb") as source:
            while source.tell() < size:
                table: Any = pyarrow.ipc.open_stream(source).read_all()
                file.write_table(table)
