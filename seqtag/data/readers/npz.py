"""Numbers in NumPy's ``.npz`` archives: sequences of one length as one array, of several lengths end to end."""

from __future__ import annotations

import io
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from seqtag.data.arrays import frozen_table
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._text import FilePath, fault, quote, read_bytes_of
from seqtag.errors import near_name

FREE = 2**28  # an array that unpacks to no more bytes than this may be packed as tightly as its packing can
RATIO = 200  # a larger one at most so many times: real numbers are not, and a file made to fill the memory is

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RuntimeError,  # encrypted, or packed in a way that Python does not know
)


def read_npz(
    path: FilePath, *, X: str = "X", y: str | None = "y", frames: str = "frames", lengths: str = "lengths"
) -> Corpus:
    """Read sequences of numbers from an archive that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.

    It holds either ``X``, N sequences of T frames with F features, shape (N, T, F), or (N, T) for one feature; or
    ``frames``, those of all sequences end to end, shape (sum of lengths, F), and ``lengths``, shape (N,). NaN is a
    missing value. Nothing is ever unpickled, and other arrays of the archive are not looked at.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    X, frames, lengths : str
        The names of the arrays.
    y : str, optional
        The name of the labels, strings or integers: one a sequence, shape (N,), or one a frame, shape (N, T) beside
        ``X`` and (sum of lengths,) beside ``frames``. An archive without an array "y" is read without labels; any other
        name must be there. None reads no labels.

    Returns
    -------
    Corpus
        Sequences with frames, and labels or a label.

    Raises
    ------
    DataError
        If the file cannot be read or unpacks to many times its size, an array is missing, is not of numbers or has
        another shape, a number is infinite, or the number of labels does not tell whether they are of sequences or
        frames.
    """
    archive = _Archive.open(path)
    if (X in archive.entries) == (frames in archive.entries):
        wanted = f"an array {X!r}, or {frames!r} and {lengths!r}, and not both"
        raise fault(path, None, wanted, f"the arrays {quote(list(archive.entries))}", near_name(X, archive.entries))
    name = X if X in archive.entries else frames
    table, sizes = _equal(archive, X) if name == X else _end_to_end(archive, frames, lengths)
    label, labels = _labels(archive, y, sizes, name == X)
    sequences = []
    for i, (start, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
        place = f"{path}: {name}[{i}]" if name == X else f"{path}: {name}[{start}:{end}]"
        sequences.append(
            Sequence(
                frames=frozen_table(table[start:end], place),
                labels=None if labels is None else tuple(labels[start:end]),
                label=None if label is None else label[i],
            )
        )
    return Corpus(tuple(sequences), str(path))


@dataclass(frozen=True)
class _Archive:
    """The arrays of a file by name, each unpacked when it is asked for."""

    path: FilePath
    file: zipfile.ZipFile
    entries: dict[str, zipfile.ZipInfo]

    @classmethod
    def open(cls, path: FilePath) -> _Archive:
        raw = read_bytes_of(path)
        try:
            file = zipfile.ZipFile(io.BytesIO(raw))
        except _BROKEN as error:
            one = raw.startswith(b"\x93NUMPY")
            advice = "Write the array with numpy.savez(path, X=array)." if one else ""
            got = "a single array (.npy)" if one else f"one that begins with {raw[:4]!r} ({error})"
            raise fault(path, None, "an .npz archive", got, advice) from error
        entries = {entry.filename.removesuffix(".npy"): entry for entry in file.infolist()}
        if len(entries) < len(file.infolist()):
            raise fault(path, None, "a name for each array", f"one twice among {quote(file.namelist())}")
        return cls(path, file, entries)

    def array(self, name: str) -> np.ndarray:
        """Return an array that must be there."""
        if name not in self.entries:
            got = f"the arrays {quote(list(self.entries))}"
            raise fault(self.path, None, f"an array {name!r}", got, near_name(name, self.entries))
        entry = self.entries[name]
        if entry.file_size > max(FREE, RATIO * entry.compress_size):
            got = f"one of {entry.compress_size:,} bytes that unpack to {entry.file_size:,}"
            advice = "Write it with numpy.savez, which does not pack, if this is right."
            raise fault(self.path, None, f"an array {name!r} packed at most {RATIO} times", got, advice)
        try:
            with self.file.open(entry) as file, np.errstate(invalid="ignore"):  # a shape beyond int64 is refused
                array = np.lib.format.read_array(file, allow_pickle=False)
                if file.read(1):  # reading to the end also checks the sum
                    raise ValueError("more bytes than its shape says")
        except _BROKEN as error:
            advice = "An array of Python objects is never read; write numbers, or strings of a fixed width."
            raise fault(self.path, None, f"an array under {name!r}", f"{error}", advice) from error
        return array

    def numbers(self, name: str, kinds: str = "fiub") -> np.ndarray:
        """Return an array of real numbers, or of one kind of them."""
        array = self.array(name)
        if array.dtype.kind not in kinds:
            what = "real numbers" if len(kinds) > 2 else "integers"
            raise fault(self.path, None, f"{what} in the array {name!r}", f"the type {array.dtype}")
        return array


def _equal(archive: _Archive, name: str) -> tuple[np.ndarray, list[int]]:
    """Return the frames of all sequences end to end, and the length of each."""
    table = archive.numbers(name)
    if table.ndim not in (2, 3) or 0 in table.shape[2:]:
        expected = f"an array {name!r} of shape (N, T, F) with at least one feature, or (N, T)"
        raise fault(archive.path, None, expected, f"the shape {table.shape}")
    n, length = table.shape[:2]
    return table.reshape(n * length, *(table.shape[2:] or (1,))), [length] * n


def _end_to_end(archive: _Archive, frames: str, lengths: str) -> tuple[np.ndarray, list[int]]:
    table = archive.numbers(frames)
    sizes = archive.numbers(lengths, "iu")
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or not table.shape[1]:
        expected = f"an array {frames!r} of shape (frames, F) with at least one feature"
        raise fault(archive.path, None, expected, f"the shape {table.shape}")
    if sizes.ndim != 1 or (sizes < 0).any() or sum(sizes.tolist()) != len(table):
        expected = f"an array {lengths!r} of shape (N,) that adds up to the {len(table)} frames"
        raise fault(archive.path, None, expected, f"the shape {sizes.shape} with the sum {sum(sizes.ravel().tolist())}")
    return table, sizes.tolist()


def _labels(
    archive: _Archive, name: str | None, sizes: list[int], equal: bool
) -> tuple[list[str] | None, list[str] | None]:
    """Return the label of each sequence or of each frame, or neither."""
    if name is None or (name == "y" and name not in archive.entries):
        return None, None
    array = archive.array(name)
    of_sequences, of_frames = (len(sizes),), (sum(sizes),)
    if equal:
        of_frames = (len(sizes), sizes[0]) if sizes else (0, *array.shape[1:2])
    if array.shape not in (of_sequences, of_frames):
        expected = f"labels {name!r} of shape {of_sequences}, one a sequence, or {of_frames}, one a frame"
        raise fault(archive.path, None, expected, f"the shape {array.shape}")
    labels = list(_words(archive, name, array))
    one_each = set(sizes) <= {1}
    if of_sequences == of_frames and not one_each:
        expected = f"labels {name!r} whose number tells sequences from frames"
        raise fault(archive.path, None, expected, f"{len(sizes)} of either", "Leave the empty sequences out.")
    return (
        labels if array.shape == of_sequences else None,
        labels if array.shape == of_frames else None,
    )


def _words(archive: _Archive, name: str, array: np.ndarray) -> Iterator[str]:
    if array.dtype.kind not in "iubU":
        raise fault(archive.path, None, f"strings or integers in the array {name!r}", f"the type {array.dtype}")
    for value in array.ravel().tolist():
        label = str(value)
        if not label or label.strip() != label:
            expected = f"labels without white space around them in the array {name!r}"
            raise fault(archive.path, None, expected, quote(label))
        yield label
