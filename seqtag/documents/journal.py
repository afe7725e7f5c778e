"""Answers that are written piece by piece, so that whatever ends the process, no line is lost or stands there twice.

Beside the output there is, until it is complete, a folder ``.NAME.parts`` with three files:

===========  =========================================================================================
plan.json    what is being done: the model, the form of the answers, the inputs with size and time
answers      the pieces, one behind the other
done.json    how far it is: bytes of ``answers`` that count, and where in the inputs the next one begins
===========  =========================================================================================

A piece is written to the disk first and counted afterwards, by replacing ``done.json`` as a whole. What stands behind
the counted bytes was interrupted, and is cut off when the work is taken up again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from seqtag.errors import ConfigError, DataError

PLAN, ANSWERS, DONE, OUTPUT = "plan.json", "answers", "done.json", "output"


@dataclass(frozen=True)
class Position:
    """How far the inputs are answered.

    Parameters
    ----------
    file, read : int
        The file, counted from 0, and how many of its sequences are answered.
    digest : str
        Of these sequences, by which they are known again.
    sequences, tokens : int
        What is answered in all.
    complete : bool
        Whether that is everything.
    """

    file: int = 0
    read: int = 0
    digest: str = ""
    sequences: int = 0
    tokens: int = 0
    complete: bool = False


class Journal:
    """Pieces of answers on their way to a file; `opened` makes one.

    Parameters
    ----------
    output : Path
        The file that is there when all is complete.
    position : Position
        Where to go on.
    answers : binary file
        Open for writing behind what counts.
    placed : bool
        Whether the output is there already: an earlier run ended while it tidied up.
    """

    def __init__(self, output: Path, position: Position, answers: IO[bytes], placed: bool) -> None:
        self.position = position
        self.placed = placed
        self._output = output
        self._folder = parts_of(output)
        self._answers = answers

    def add(self, piece: bytes, position: Position) -> None:
        """Keep a piece of answers, for good, with the position after it."""
        self._answers.write(piece)
        _flush(self._answers)
        self._count(position)

    def finish(self, write: Any) -> None:
        """Make the output of the pieces and put it in place.

        Parameters
        ----------
        write : callable or None
            Called with the path of the pieces and the path to write; None if the pieces are the output as they are.
        """
        self._count(replace(self.position, complete=True))
        self._answers.close()
        made = self._folder / ANSWERS
        if write is not None:
            made = self._folder / OUTPUT
            write(self._folder / ANSWERS, made)
            with made.open("rb+") as file:
                _flush(file)
        made.replace(self._output)
        _clear(self._folder)

    def _count(self, position: Position) -> None:
        _replace(self._folder / DONE, {**asdict(position), "bytes": self._answers.tell()})
        self.position = position


def parts_of(output: Path) -> Path:
    """Return the folder in which an output is made."""
    return output.with_name(f".{output.name}.parts")


def kept(output: Path) -> int:
    """Return how many sequences an interrupted run has answered for an output; 0 if there is none."""
    done = _load(parts_of(output) / DONE)
    return 0 if done is None else int(done["sequences"])


@contextlib.contextmanager
def opened(output: Path, plan: Mapping[str, Any], files: Mapping[str, Any], resume: bool) -> Iterator[Journal]:
    """Open the journal of an output, begun anew or where an interrupted one stopped.

    Nothing is left of a journal that ends without a piece; one that has some is kept until it is finished.

    Parameters
    ----------
    output : Path
        The file to be made.
    plan : mapping
        What must be the same if the work is taken up again, as JSON: names and values for messages.
    files : mapping of str to list
        The inputs in their order, with what tells whether one was changed.
    resume : bool
        Whether to go on where an earlier run stopped, if there is one.

    Raises
    ------
    ConfigError
        If there is an earlier run and ``resume`` is off, or it did something else.
    DataError
        If a file that is answered was changed since, or the folder cannot be written.
    """
    folder = parts_of(output)
    try:
        folder.mkdir(exist_ok=True)
        with _locked(folder, output), _cleared(folder):
            position, size, placed = _position(folder, output, plan, files, resume)
            _replace(folder / PLAN, {**plan, "files": files})
            with open(folder / ANSWERS, "rb+" if size else "wb") as answers:
                answers.truncate(size)
                answers.seek(size)
                yield Journal(output, position, answers, placed)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror or error}.") from error


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Leave nothing of a journal in which nothing counts."""
    try:
        yield
    finally:
        if not (folder / DONE).exists():
            _clear(folder)


def _position(
    folder: Path, output: Path, plan: Mapping[str, Any], files: Mapping[str, Any], resume: bool
) -> tuple[Position, int, bool]:
    """Return where to go on, how many bytes of answers count, and whether the output is in place already."""
    done, earlier = _load(folder / DONE), _load(folder / PLAN)
    if done is None or earlier is None:
        return Position(), 0, False
    size = done.pop("bytes")
    position = Position(**done)
    if not (folder / ANSWERS).exists():  # the output was put in place, and then the process ended
        (folder / DONE).unlink()
        placed = resume and output.exists() and earlier == {**plan, "files": files}
        return (position if placed else Position()), 0, placed
    anew = f"To begin anew, delete the folder {folder}."
    if not resume:
        raise ConfigError(
            f"an earlier run for {output} stopped after {position.sequences:,} sequences. Go on with it by --resume. "
            f"{anew}"
        )
    if (folder / ANSWERS).stat().st_size < size:
        raise DataError(f"{folder / ANSWERS} is shorter than what was written to it. {anew}")
    _check_same(earlier, plan, output, anew)
    _check_files(earlier["files"], files, position, anew)
    return position, size, False


def _check_same(earlier: Mapping[str, Any], plan: Mapping[str, Any], output: Path, anew: str) -> None:
    for name, value in plan.items():
        if earlier.get(name) != value:
            raise ConfigError(
                f"the earlier run for {output} must be gone on with as it was begun: {name} was "
                f"{json.dumps(earlier.get(name), ensure_ascii=False)}, and is {json.dumps(value, ensure_ascii=False)} "
                f"now. {anew}"
            )


def _check_files(earlier: Mapping[str, Any], files: Mapping[str, Any], position: Position, anew: str) -> None:
    """Refuse other inputs, and those that are answered and were changed; those to come may have been repaired."""
    before, now = list(earlier), list(files)
    if before != now:
        odd = next((pair for pair in zip(before, now, strict=False) if pair[0] != pair[1]), None)
        got = f"{odd[1]} in place of {odd[0]}" if odd else f"{len(now)} files in place of {len(before)}"
        raise ConfigError(f"the earlier run must be gone on with the same inputs; got {got}. {anew}")
    for name in now[: position.file]:
        if earlier[name] != files[name]:
            raise DataError(f"{name} must not change before all is done; it has, since it was answered. {anew}")


@contextlib.contextmanager
def _locked(folder: Path, output: Path) -> Iterator[None]:
    """Keep a second process out; the system lets go of the lock however this one ends."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to replace what another process holds open
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another process is writing {output}. Wait for it, or name another output.") from None
        yield
    finally:
        os.close(descriptor)


def _load(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{path} cannot be read ({error}). Delete its folder to begin anew.") from error


def _replace(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON so that the file is the old one or the new one at any moment."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        _flush(file)
    fresh.replace(path)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _clear(folder: Path) -> None:
    """Remove the folder and what this module puts there; anything else keeps it."""
    for name in (DONE, PLAN, ANSWERS, OUTPUT, "done.new", "plan.new"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
