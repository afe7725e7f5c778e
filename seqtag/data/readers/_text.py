"""Files as numbered lines of text: read, unpacked, decoded and split, with every failure worded."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

from seqtag.errors import ConfigError, DataError, at, near_name

FilePath: TypeAlias = str | os.PathLike[str]

BLANK = " \t\v\f"
"""What may stand on a blank line. U+00A0 and the like may not: in some corpora they are tokens."""


CHUNK = 1 << 18
"""Bytes that are read at a time."""
_MAGIC = b"\x1f\x8b"  # how a gzip archive begins
_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


@dataclass(frozen=True)
class Watched:
    """A path whose reader tells how far it is in the file.

    Parameters
    ----------
    path : str
        The file.
    tell : callable
        Called with the number of the file's bytes, packed or not, that were taken from it so far.
    """

    path: str
    tell: Callable[[int], None] = field(compare=False, repr=False)

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path


def read_lines_of(path: FilePath, encoding: str) -> list[str]:
    """Return the lines of a text file, see `lines_of`."""
    return list(lines_of(path, encoding))


def lines_of(path: FilePath, encoding: str) -> Iterator[str]:
    r"""Yield the lines of a text file, without their ends, and hold no more than a piece of it.

    A line ends at ``\n``, ``\r\n`` or ``\r`` and nowhere else: a form feed, U+0085 or U+2028 is text. A
    file that begins as gzip does is unpacked, and a byte-order mark dropped.

    Raises
    ------
    DataError
        If the file cannot be opened, unpacked or decoded.
    ConfigError
        If there is no such encoding.
    """
    begun, rest = False, ""
    for text in _texts(path, encoding):
        if not begun and text:
            begun, text = True, text.removeprefix("\ufeff")
        lines = (rest + text).split("\n")  # not splitlines(), which splits inside a line, too
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest


def read_bytes_of(path: FilePath) -> bytes:
    """Return what a file holds, unpacked if it begins as gzip does.

    Raises
    ------
    DataError
        If the file cannot be opened or unpacked.
    """
    return b"".join(chunks_of(path))


def suffix_of(path: FilePath) -> str:
    """Return the suffix that tells a file's format, in lower case, whether or not it is packed."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix


def fault(path: FilePath, line: int | None, expected: str, got: str, advice: str = "") -> DataError:
    """Word what is wrong with a line: where, what was expected, what stands there, what to do."""
    return DataError(f"{at(path, line)}: expected {expected}; got {got}.{advice and ' ' + advice.strip()}")


def quote(value: object, width: int = 80) -> str:
    """Quote what stands in a file, cut if it is long."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def check_file(path: Path) -> None:
    """Refuse what is not there or cannot be opened, as `lines_of` would."""
    _opened(path).close()


def _texts(path: FilePath, encoding: str) -> Iterator[str]:
    """Yield a file's text piece by piece, each line's end written as one newline."""
    decoder, done, first = None, 0, b""
    for chunk in itertools.chain(chunks_of(path), [b""]):
        first = first or chunk[:4]
        decoder = decoder or _decoder(encoding, first)
        done += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise _undecoded(Path(path), encoding, error, done, first) from None
        except ValueError as error:
            raise _unknown(encoding) from error
        yield text


def _decoder(encoding: str, first: bytes, errors: str = "strict") -> io.IncrementalNewlineDecoder:
    """Return what decodes piece by piece, as ``bytes.decode`` does at once."""
    try:
        first.decode(encoding, "replace")  # refuses what is a codec and no encoding
        name = codecs.lookup(encoding).name
        if name in _MARKS and not first.startswith(_MARKS[name]):
            name = f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"
        return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)(errors), translate=True)
    except (LookupError, ValueError) as error:
        raise _unknown(encoding) from error


def _unknown(encoding: str) -> ConfigError:
    return ConfigError(f"encoding must be one that Python knows, such as 'utf-8'; got {encoding!r}.")


def _undecoded(path: Path, encoding: str, error: UnicodeDecodeError, done: int, first: bytes) -> DataError:
    """Word which byte is no text, and on which line, for which the file is read again up to there."""
    left = done - len(error.object) + error.start
    decoder, newlines = _decoder(encoding, first, "replace"), 0
    for chunk in chunks_of(path):
        newlines += decoder.decode(chunk[:left]).count("\n")
        left -= len(chunk)
        if left <= 0:
            break
    newlines += decoder.decode(b"", final=True).count("\n")
    byte = f"the byte 0x{error.object[error.start]:02X} ({error.reason})"
    usual = "utf-16" if first.startswith(_MARKS["utf-16"]) else "latin-1"
    advice = f"Name the encoding the file was written in, for example encoding={usual!r}."
    return fault(path, newlines + 1, f"text in {encoding}", byte, advice)


def chunks_of(source: FilePath) -> Iterator[bytes]:
    """Yield what a file holds, unpacked if it begins as gzip does, piece by piece."""
    path = Path(source)
    with _opened(path) as file:
        packed: Any = getattr(file, "fileobj", file)
        try:
            while chunk := file.read(CHUNK):
                if isinstance(source, Watched):
                    source.tell(packed.tell())
                yield chunk
        except (EOFError, zlib.error, OSError) as error:
            if not isinstance(file, gzip.GzipFile):
                raise _unreadable(path, error) from error
            raise DataError(
                f"{path}: the gzip archive is cut off or broken ({error}). Copy or download it again."
            ) from error


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.is_dir():
        raise DataError(f"{path}: expected a file; got a folder. Name one file in it.")
    try:
        with path.open("rb") as file:
            begins = file.read(4)
        if begins.startswith(_MAGIC):
            return gzip.open(path)
        if path.suffix.lower() != ".gz":
            return path.open("rb")
    except FileNotFoundError:
        neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        advice = near_name(path.name, neighbours) or " Check the path."
        raise DataError(f"{path}: there is no such file.{advice}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    got = f"one that begins with {begins!r}"
    raise fault(path, None, "a gzip archive", got, "Take .gz off the name if it is unpacked.")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the file cannot be read ({error}). Check the path and who may read it.")
