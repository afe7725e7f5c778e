"""NumPy's files as arrays that are not held: mapped, or read from an archive block by block. Never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from seqtag.data.readers._text import fault, quote
from seqtag.errors import near_name

BLOCK = 1 << 20  # bytes that are read at a time
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError)
_NO_PICKLE = "An array of Python objects is never read; write numbers, or strings of a fixed width."


def mapped(path: Path) -> np.ndarray:
    """Map an array of a file ``.npy`` into memory.

    Raises
    ------
    DataError
        If it is broken, packed, or holds Python objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise fault(path, None, "an array of NumPy (.npy), not packed", f"{error}", _NO_PICKLE) from error


@dataclass(frozen=True)
class Member:
    """An array of an archive, whose rows are read while one goes through them.

    Parameters
    ----------
    path : Path
        The archive.
    name : str
        The array's name in it.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Its type.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        count = max(1, BLOCK // max(1, row))
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.name}.npy") as file:
                _header(file)
                for start in range(0, len(self), count):
                    n = min(count, len(self) - start)
                    raw = file.read(n * row)
                    if len(raw) < n * row:
                        raise EOFError("fewer bytes than its shape says")
                    yield from np.frombuffer(raw, self.dtype).reshape(n, *self.shape[1:])
        except _BROKEN as error:
            raise fault(self.path, None, f"an array {self.name!r} that is whole", f"{error}") from error


def members(path: Path, names: tuple[str, str]) -> tuple[Member, Member]:
    """Open arrays of an archive.

    Raises
    ------
    DataError
        If one is not there, holds Python objects or is laid out by columns.
    """
    known: list[str] = []
    found: list[Member] = []
    try:
        with zipfile.ZipFile(path) as archive:
            known = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in filter(known.__contains__, names):
                with archive.open(f"{name}.npy") as file:
                    found.append(Member(path, name, *_header(file)))
    except _BROKEN as error:
        raise fault(path, None, "an .npz archive of words and vectors", f"{error}", _NO_PICKLE) from error
    if len(found) < len(names):
        missing = next(name for name in names if name not in known)
        raise fault(path, None, f"an array {missing!r}", f"the arrays {quote(known)}", near_name(missing, known))
    return found[0], found[1]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and type of an array, and leave the file at its first number."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if dtype.hasobject or (by_columns and len(shape) > 1):
        raise ValueError("an array of Python objects" if dtype.hasobject else "an array that is laid out by columns")
    return shape, dtype
