"""Lines in as they arrive, results out as they are ready."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from seqtag.errors import DataError, at

BLOCK = 1 << 16  # bytes asked for at once


@contextlib.contextmanager
def open_input(path: str) -> Iterator[Any]:
    """Open a file, packed with gzip or not, or standard input if it is called ``-``.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    if path == "-":
        yield sys.stdin.buffer
        return
    import gzip

    try:
        stream = gzip.open(path) if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror}). Check the path.") from error
    with stream:
        yield stream


def arriving_lines(stream: Any, name: str) -> Iterator[list[str]]:
    r"""Yield the lines of a binary stream as they arrive: those of each block that there is to read.

    So a file is tagged in large blocks, and who types, or follows a log, sees each line answered. A line ends at
    ``\n``, ``\r\n`` or ``\r`` and nowhere else.

    Raises
    ------
    DataError
        If the stream cannot be read, or is no text in UTF-8.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True)
    rest, number = "", 1
    block = b"start"
    while block:
        try:
            block = stream.read1(BLOCK)
            *lines, rest = (rest + decoder.decode(block, final=not block)).split("\n")
        except UnicodeDecodeError as error:
            place = at(name, number + error.object.count(b"\n", 0, error.start))
            got = f"the byte 0x{error.object[error.start]:02X} ({error.reason})"
            raise DataError(f"{place}: expected text in UTF-8; got {got}. Convert it first.") from None
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} cannot be read to its end ({error}). Copy it again.") from error
        number += len(lines)
        yield lines if block or not rest else [*lines, rest]


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open standard output, or a file that takes its name when all is written.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        yield sys.stdout
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def open_answers(path: Path | None, finish: Callable[[Path, Path], None] | None) -> Iterator[Callable[[bytes], object]]:
    """Open standard output, or a file that takes its name when all is written, for pieces of answers.

    Parameters
    ----------
    path : Path, optional
        The file; without it standard output, which shows each piece at once.
    finish : callable, optional
        What makes the file of the pieces, called with their path and that of the file.

    Yields
    ------
    callable
        Takes a piece.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    if path is None:
        with open_output(None) as out:
            yield lambda piece: (out.write(piece.decode("utf-8")), out.flush())
        return
    part, made = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("part", "made"))
    try:
        with part.open("wb") as file:
            yield file.write
        if finish is not None:
            finish(part, made)
            made.replace(part)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
        made.unlink(missing_ok=True)


def wants_color(stream: TextIO) -> bool:
    """Say whether a stream is a terminal that shows colours, and nobody forbade them (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
