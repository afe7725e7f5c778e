"""From files to a file of answers, in one go or in several."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import seqtag
from seqtag.bundle import MANIFEST
from seqtag.data.sequence import Sequence
from seqtag.documents.answers import answers_of
from seqtag.documents.columns import reads_numbers
from seqtag.documents.inputs import Documents, Place, find_documents, look_at_known
from seqtag.documents.journal import Journal, Position, kept, opened
from seqtag.documents.writers import Answered, Wanted, Writer, settle, writer_of
from seqtag.errors import ConfigError, DataError
from seqtag.predictor import Predictor
from seqtag.thresholds import Threshold

__all__ = ["PIECE", "Progress", "Reached", "Work", "kept", "label_files"]

PIECE = 1 << 16
"""Tokens (and sequences) of a piece; that much is lost when a process is killed."""


@dataclass(frozen=True)
class Reached:
    """How far the work is.

    Parameters
    ----------
    sequences, tokens : int
        What is answered, earlier runs included.
    share : float
        Of the bytes of the inputs, how much was read.
    """

    sequences: int
    tokens: int
    share: float


Progress: TypeAlias = Callable[[Reached], object]


def label_files(
    run: str | Path,
    files: str | Iterable[str],
    output: str | Path,
    *,
    format: str | None = None,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    tokenizer: str | None = None,
    probabilities: bool | None = None,
    threshold: Threshold | None = None,
    known: str | None = None,
    resume: bool = False,
    n_jobs: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Reached:
    """Answer for every sequence of some files and write the answers to one.

    Memory stays flat however large the files are. The output is there when it is complete. Until then the answers grow
    in a folder beside it, from which ``resume`` goes on after whatever ended the process; the output is the same
    then, byte for byte, as if nothing had.

    Parameters
    ----------
    run : path
        The folder of a trained model.
    files : str or iterable of str
        Files, or patterns such as ``corpus/**/*.txt.gz``.
    output : path
        The file to write.
    format : {"text", "jsonl", "conll", "csv", "parquet"}, optional
        How to write it; by default its suffix decides, and ``.gz`` after it packs it.
    input_format : str, optional
        The files' format, a name in `seqtag.data.readers.READERS`. By default their suffixes decide; what these do not
        tell is text with a sentence a line.
    options : mapping, optional
        Options of that format's reader.
    tokenizer : str, optional
        What cuts text into tokens, instead of the model's own.
    probabilities : bool, optional
        Whether labels have their probabilities beside them; by default in tables.
    threshold : float or mapping of str to float, optional
        Leave out a tagger's spans that are less probable, their tags too.
    known : str, optional
        The labels in the files are known beforehand, except where this mark stands in their place.
    resume : bool
        Whether to go on where an earlier run stopped, if there is one. Without it such a run is an error.
    n_jobs : int
        In how many processes to compute; -1 is one a core.
    threads : int, optional
        How many batches to compute side by side, in one process.
    progress : callable, optional
        Called again and again with what is `Reached`.

    Returns
    -------
    Reached
        What was answered.

    Raises
    ------
    ConfigError
        If something is wrong in what was asked for, or an earlier run did something else.
    DataError
        If a file cannot be read, naming file and line; what was answered before is kept, and can be gone on with.
    BundleError, NotInstalledError
        If the model cannot be opened, or a library is missing.
    """
    output = Path(output)
    with Predictor.load(run, threads=threads) as predictor:
        documents = find_documents(
            [files] if isinstance(files, str) else files,
            numeric=reads_numbers(predictor),
            format=input_format,
            options=options,
            tokenizer=tokenizer or predictor.tokenizer,
            look=look_at_known(predictor, known),
        )
        _check_output(output, documents)
        wanted = settle(predictor, output, format, probabilities, places=len(documents.paths) > 1)
        writer = writer_of(predictor, wanted)
        plan = _plan(Path(run), documents, wanted, threshold) | ({} if known is None else {"known": known})
        with opened(output, plan, _states(documents), resume) as journal:
            if not journal.placed:
                work = Work(predictor, documents, writer, wanted.probabilities, n_jobs, progress, threshold, known)
                _fill(journal, work)
            done = journal.position
    return Reached(done.sequences, done.tokens, 1.0)


def _fill(journal: Journal, work: Work) -> None:
    start = journal.position
    head = b"" if start.sequences or start.complete else work.writer.head()
    for piece, position in work.pieces(start, PIECE):
        journal.add(head + piece, position)
        head = b""
    if head:
        journal.add(head, journal.position)
    journal.finish(work.writer.finish)


@dataclass(frozen=True)
class Work:
    """Documents, and what answers for them.

    Parameters
    ----------
    predictor : Predictor
        The model.
    documents : Documents
        The files.
    writer : Writer
        What writes the answers.
    probabilities : bool
        Whether it writes how probable labels are.
    n_jobs : int
        In how many processes to compute.
    progress : callable, optional
        Called after each chunk with what is `Reached`.
    threshold : float or mapping of str to float, optional
        Leave out spans that are less probable.
    known : str, optional
        What stands in the files' labels where none is known; without it they are not looked at.
    """

    predictor: Predictor
    documents: Documents
    writer: Writer
    probabilities: bool
    n_jobs: int = 1
    progress: Progress | None = None
    threshold: Threshold | None = None
    known: str | None = None

    def pieces(self, start: Position, least: int) -> Iterator[tuple[bytes, Position]]:
        """Yield answers piece by piece, each with the position after it.

        A piece ends where a chunk of the predictor ends: what is computed together is the same then wherever one
        begins, and so is every probability to its last bit.

        Parameters
        ----------
        start : Position
            Where to begin.
        least : int
            Tokens and sequences from which on a piece is complete.
        """
        reader = _Reader(self.documents, start)
        ends: list[int] = [0]

        def ended(sequences: int, tokens: int) -> None:
            ends[0] = sequences
            if self.progress is not None:
                done = Reached(start.sequences + sequences, start.tokens + tokens, reader.share)
                self.progress(done)

        answered: list[Answered] = []
        position, size = start, 0
        options: dict[str, Any] = {"probabilities": self.probabilities, "n_jobs": self.n_jobs, "progress": ended}
        options |= {"threshold": self.threshold, "known": self.known}
        for answer in answers_of(self.predictor, reader.sequences(), **options):
            place, position = reader.answered(position)
            answered.append((place, answer))
            size += len(answer.sequence) + 1
            if size >= least and position.sequences - start.sequences == ends[0]:
                yield self.writer.piece(answered), reader.signed(position)
                answered, size = [], 0
        if answered:
            yield self.writer.piece(answered), reader.signed(position)


class _Reader:
    """Reads ahead of what is answered, and knows of each answer which sequence it is of."""

    def __init__(self, documents: Documents, start: Position) -> None:
        self._documents = documents
        self._start = start
        self._ahead: deque[tuple[int, Sequence]] = deque()
        self._digest = hashlib.blake2b(digest_size=16)
        self._sizes = [os.path.getsize(path) for path in documents.paths]
        self._taken = 0

    @property
    def share(self) -> float:
        """How much of the inputs was read."""
        return min(1.0, self._taken / max(1, sum(self._sizes)))

    def sequences(self) -> Iterator[Sequence]:
        """Yield what is to be answered; what is answered of the first file is read again, and must be the same.

        Raises
        ------
        DataError
            If it is not.
        """
        start = self._start
        rest = self._documents.read(start.file, self._tell)
        for file, sequence in islice(rest, start.read):
            if file == start.file:
                self._sign(sequence)
        if start.read and self._digest.hexdigest() != start.digest:
            raise DataError(
                f"{self._documents.paths[start.file]}: the first {start.read:,} sequences were answered by an earlier "
                "run and must not change; they have. Only what comes after them can be repaired before going on."
            )
        for file, sequence in rest:
            self._ahead.append((file, sequence))
            yield sequence

    def answered(self, position: Position) -> tuple[Place, Position]:
        """Return where the next answered sequence stands, and the position after it."""
        file, sequence = self._ahead.popleft()
        if file != position.file:
            self._digest = hashlib.blake2b(digest_size=16)
            position = replace(position, file=file, read=0)
        self._sign(sequence)
        place = Place(self._documents.paths[file], position.read + 1)
        return place, Position(file, position.read + 1, "", position.sequences + 1, position.tokens + len(sequence))

    def signed(self, position: Position) -> Position:
        """Return a position with the digest of what was read of its file."""
        return replace(position, digest=self._digest.hexdigest())

    def _tell(self, file: int, taken: int) -> None:
        self._taken = sum(self._sizes[:file]) + taken

    def _sign(self, sequence: Sequence) -> None:
        frames = b"" if sequence.frames is None else sequence.frames.tobytes()
        said = repr((sequence.tokens, sequence.text, sequence.id, dict(sequence.columns), len(frames)))
        if self._documents.look is not None:
            said += repr(sequence.labels)
        self._digest.update(said.encode("utf-8", "surrogatepass") + frames)


def _check_output(output: Path, documents: Documents) -> None:
    """Refuse what cannot be written before anything is computed."""
    if output.is_dir() or not output.parent.is_dir():
        what = "is a folder" if output.is_dir() else f"lies in {output.parent}, and there is no such folder"
        raise DataError(f"{output} must be a file in a folder that exists; it {what}.")
    for path in documents.paths:
        if output.exists() and os.path.samefile(path, output):
            raise ConfigError(f"{output} is an input, too; name another output.")


def _plan(run: Path, documents: Documents, wanted: Wanted, threshold: Threshold | None) -> dict[str, Any]:
    """Return what must be the same for an earlier run to be gone on with."""
    return {
        "seqtag": seqtag.__version__,
        "model": hashlib.sha256((run / MANIFEST).read_bytes()).hexdigest(),  # it has the hash of every file
        "format": wanted.format,
        "gzip": wanted.packed,
        "probabilities": wanted.probabilities,
        "threshold": dict(threshold) if isinstance(threshold, Mapping) else threshold,
        "input format": documents.format,
        "options": json.loads(json.dumps(dict(documents.options))),
        "tokenizer": documents.tokenizer,
    }


def _states(documents: Documents) -> dict[str, list[int]]:
    """Return size and time of change of each file."""
    found = {path: os.stat(path) for path in documents.paths}
    return {path: [state.st_size, state.st_mtime_ns] for path, state in found.items()}
