"""The forms of files of word vectors, told apart by what they hold, and read in one pass.

A reader is a function of a path, of what says of each word whether its vector is wanted, and of an encoding. It yields
the words that are wanted with their vectors, in the order of the file, and makes numbers of no others, so that memory
and time are those of what is kept.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from seqtag.data.readers._text import BLANK, chunks_of, fault, lines_of, quote, suffix_of
from seqtag.errors import DataError
from seqtag.registry import Registry

Wanted: TypeAlias = Callable[[str], bool]
Rows: TypeAlias = Iterator[tuple[str, np.ndarray]]

LONGEST = 4096  # bytes of a word: where there is no space for so long, the file is not what it seems to be
HEADER = re.compile(rb"(\d+) (\d+)\s*\n")
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")

FORMATS: Registry[Callable[[Path, Wanted, str], Rows]] = Registry("form of word vectors")
"""The readers by form."""


def detect(path: Path) -> str:
    """Return the form of a file, by its first bytes and, where these do not tell, by its suffix.

    Raises
    ------
    DataError
        If it cannot be opened, is empty, or is a pickle or a model of fastText's own, saying what to save instead.
    """
    head = next(chunks_of(path), b"")
    if not head:
        raise fault(path, None, "words with their vectors", "an empty file")
    for begins, (form, advice) in _BEGINNINGS.items():
        if head.startswith(begins):
            if form in FORMATS:
                return form
            raise fault(path, None, "a file of word vectors", form, advice)
    header = HEADER.match(head)
    is_binary = header is not None and (suffix_of(path) == ".bin" or not _is_text(head, header))
    return "word2vec_binary" if is_binary else "text"


_BEGINNINGS = {
    b"PK": ("npz", ""),
    b"\x93NUMPY": ("npy", ""),
    b"\x80": ("a pickle, which is never opened", "In gensim call vectors.save_word2vec_format(path)."),
    b"\xba\x16\x4f\x2f": ("a model of fastText's own", "Give the file .vec, which lies beside the .bin."),
}


def _is_text(head: bytes, header: re.Match[bytes]) -> bool:
    """Tell text from float32 behind a header: of so many bytes, some numbers' would be control characters."""
    return not CONTROLS.search(head[header.end() :][: 4 * int(header[2]) + 100])


# === Text: GloVe; word2vec and fastText, which have a header ===


@FORMATS.register("text")
def read_text(path: Path, wanted: Wanted, encoding: str) -> Rows:
    """Read a word and its numbers a line, divided by single spaces (or tabs), as GloVe writes them.

    As word2vec and fastText do, a first line of two whole numbers may say how many words there are, and how wide.
    """
    lines = enumerate(lines_of(path, encoding), 1)
    n_words, width, seen, blank = None, None, 0, 0
    for number, line in lines:
        if number == 1 and (header := HEADER.fullmatch(line.encode() + b"\n")):
            n_words, width = int(header[1]), int(header[2])
            continue
        if not line.strip(BLANK):
            blank = blank or number
            continue
        if blank:
            raise fault(path, blank, "a word and its numbers", "a blank line")
        width = line.rstrip(BLANK).replace("\t", " ").count(" ") if width is None else width
        word, fields = _split(path, number, line, width)
        seen += 1
        if wanted(word):
            yield word, _numbers(path, number, word, fields)
    if n_words is not None and seen != n_words:
        raise fault(path, 1, f"as many words as the {seen:,} that follow", f"{n_words:,}", "Is the file whole?")


def _split(path: Path, number: int, line: str, width: int) -> tuple[str, list[str]]:
    """Return the word, which may have spaces in it, and its numbers as text."""
    word, *fields = line.rstrip(BLANK).replace("\t", " ").rsplit(" ", width)
    got = len(fields) + sum(map(_is_number, word.split(" ")[1:]))
    if got != width or not width or not word:
        raise fault(path, number, f"a word and {width or 'some'} numbers", f"{got} behind {quote(word[:40])}")
    return word, fields


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, number: int, word: str, fields: list[str]) -> np.ndarray:
    try:
        vector = np.array(list(map(float, fields)), np.float32)
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise fault(path, number, f"numbers behind {quote(word)}", quote(wrong)) from None
    return _finite(path, number, word, vector)


def _finite(path: Path, line: int | None, word: str, vector: np.ndarray) -> np.ndarray:
    if not np.isfinite(vector).all():
        raise fault(path, line, f"finite numbers for the word {quote(word)}", f"{vector[~np.isfinite(vector)][0]}")
    return vector


# === word2vec's binary form ===


@FORMATS.register("word2vec_binary")
def read_word2vec_binary(path: Path, wanted: Wanted, encoding: str) -> Rows:
    """Read a header, and then each word, a space and its numbers as little-endian float32."""
    file = _Bytes(path)
    header = HEADER.fullmatch(file.until(b"\n", "the header 'words width'") + b"\n")
    if header is None:
        raise fault(path, 1, "two whole numbers, of words and of numbers a word", "another line")
    n_words, width = int(header[1]), int(header[2])
    if not width:
        raise fault(path, 1, "a width of at least 1", "0")
    for i in range(n_words):
        place = f"word {i + 1:,} of {n_words:,}"
        # Some files cut words between the bytes of a character: such a word is no token's.
        word = file.until(b" ", place).lstrip(b"\n").decode(encoding, "replace")
        raw = file.take(4 * width, place)
        if wanted(word):
            yield word, _finite(path, None, word, np.frombuffer(raw, "<f4"))


class _Bytes:
    """A file's bytes, unpacked, taken piece by piece."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks = chunks_of(path)
        self._held = b""
        self._at = 0

    def until(self, mark: bytes, what: str) -> bytes:
        """Return what stands before the next mark, and go on behind it."""
        while (end := self._held.find(mark, self._at)) < 0:
            if len(self._held) - self._at > LONGEST:
                raise fault(self._path, None, f"{what}, at most {LONGEST:,} bytes long", "no end of it")
            self._more(what)
        found = self._held[self._at : end]
        self._at = end + len(mark)
        return found

    def take(self, size: int, what: str) -> bytes:
        """Return the next bytes."""
        while len(self._held) - self._at < size:
            self._more(what)
        self._at += size
        return self._held[self._at - size : self._at]

    def _more(self, what: str) -> None:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise fault(self._path, None, f"{what}, whole", "the end of the file", "Copy or download it again.")
        self._held, self._at = self._held[self._at :] + chunk, 0


# === Arrays of NumPy ===


@FORMATS.register("npz")
def read_npz(path: Path, wanted: Wanted, encoding: str) -> Rows:
    """Read an archive of the arrays ``words``, strings (N,), and ``vectors``, (N, D), block by block."""
    from seqtag.data.embeddings import _arrays

    return _matched(path, _arrays.members(path, ("words", "vectors")), wanted)


@FORMATS.register("npy")
def read_npy(path: Path, wanted: Wanted, encoding: str) -> Rows:
    """Read an array (N, D), mapped into memory, with a word a line in NAME.words.txt (or NAME.words.npy) beside it."""
    from seqtag.data.embeddings import _arrays

    vectors = _arrays.mapped(path)
    beside = [path.with_suffix(f".words{suffix}") for suffix in (".txt", ".npy")]
    found = next((file for file in beside if file.is_file()), None)
    if found is None:
        raise DataError(
            f"{path}: the words must lie beside it, one a line, in {beside[0].name}; there is no such file."
        )
    words = np.array(list(lines_of(found, encoding))) if found == beside[0] else _arrays.mapped(found)
    return _matched(path, (words, vectors), wanted)


def _matched(path: Path, arrays: tuple[Any, Any], wanted: Wanted) -> Rows:
    """Go through words and vectors side by side; each is an array, or gives one block after the other."""
    words, vectors = arrays
    if len(words.shape) != 1 or words.dtype.kind != "U":
        advice = "Write numpy.array(words), whose strings have a fixed width."
        raise fault(path, None, "words of the shape (N,)", f"{words.dtype} of the shape {words.shape}", advice)
    if len(vectors.shape) != 2 or vectors.dtype.kind != "f" or (len(vectors.shape) == 2 and not vectors.shape[1]):
        raise fault(path, None, "vectors of the shape (N, D)", f"{vectors.dtype} of the shape {vectors.shape}")
    if len(words) != len(vectors):
        raise fault(path, None, "as many words as vectors", f"{len(words):,} words and {len(vectors):,} vectors")
    each = zip(itertools.chain(words), itertools.chain(vectors), strict=True)
    return ((str(w), _finite(path, None, str(w), np.array(v, np.float32))) for w, v in each if wanted(str(w)))
