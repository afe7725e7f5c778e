"""Files as numbered lines of text: read, unpacked, decoded and split, with every failure worded."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import TypeAlias

from seqtag.errors import ConfigError, DataError, at, near_name

FilePath: TypeAlias = str | os.PathLike[str]

BLANK = " \t\v\f"
"""What may stand on a blank line. U+00A0 and the like may not: in some corpora they are tokens."""


def read_lines_of(path: FilePath, encoding: str) -> list[str]:
    r"""Return the lines of a text file, without their ends.

    A line ends at ``\n``, ``\r\n`` or ``\r`` and nowhere else: a form feed, U+0085 or U+2028 is text. A
    file that begins as gzip does is unpacked, and a byte-order mark dropped.

    Raises
    ------
    DataError
        If the file cannot be opened, unpacked or decoded.
    ConfigError
        If there is no such encoding.
    """
    return split_lines(_decode(read_bytes_of(path), Path(path), encoding).removeprefix("\ufeff"))


def read_bytes_of(path: FilePath) -> bytes:
    """Return what a file holds, unpacked if it begins as gzip does.

    Raises
    ------
    DataError
        If the file cannot be opened or unpacked.
    """
    path = Path(path)
    return _unpack(_read(path), path)


def suffix_of(path: FilePath) -> str:
    """Return the suffix that tells a file's format, in lower case, whether or not it is packed."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix


def split_lines(text: str) -> list[str]:
    """Split at line ends only, where ``str.splitlines`` also splits inside a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def fault(path: FilePath, line: int | None, expected: str, got: str, advice: str = "") -> DataError:
    """Word what is wrong with a line: where, what was expected, what stands there, what to do."""
    return DataError(f"{at(path, line)}: expected {expected}; got {got}.{advice and ' ' + advice.strip()}")


def quote(value: object, width: int = 80) -> str:
    """Quote what stands in a file, cut if it is long."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"{path}: expected a file; got a folder. Name one file in it.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        advice = near_name(path.name, neighbours) or " Check the path."
        raise DataError(f"{path}: there is no such file.{advice}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the file cannot be read ({error}). Check the path and who may read it.") from error


def _unpack(raw: bytes, path: Path) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        if path.suffix.lower() == ".gz":
            got = f"one that begins with {raw[:4]!r}"
            raise fault(path, None, "a gzip archive", got, "Take .gz off the name if it is unpacked.")
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip archive is cut off or broken ({error}). Copy or download it again."
        ) from error


def _decode(raw: bytes, path: Path, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, "replace")
        line = len(split_lines(before + "|"))
        byte = f"the byte 0x{error.object[error.start]:02X} ({error.reason})"
        usual = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1"
        advice = f"Name the encoding the file was written in, for example encoding={usual!r}."
        raise fault(path, line, f"text in {encoding}", byte, advice) from None
    except (LookupError, ValueError) as error:
        raise ConfigError(f"encoding must be one that Python knows, such as 'utf-8'; got {encoding!r}.") from error
