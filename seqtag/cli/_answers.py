"""What `seqtag predict` does with what it is given: a stream, files for the screen, files for a file."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtag.cli._inputs import arriving, is_stream, texts_of
from seqtag.cli._progress import shown_progress
from seqtag.cli._start import tell
from seqtag.cli._streams import open_answers, wants_color
from seqtag.data.sequence import Sequence
from seqtag.documents.answers import answers_of
from seqtag.documents.columns import reads_numbers
from seqtag.documents.files import Work, kept, label_files
from seqtag.documents.inputs import Documents, Place, find_documents, look_at_known
from seqtag.documents.journal import Position
from seqtag.documents.review import check_format, least_certain
from seqtag.documents.writers import settle, writer_of
from seqtag.errors import ConfigError, SeqtagError
from seqtag.predictor import Predictor
from seqtag.thresholds import Threshold


@dataclass(frozen=True)
class Task:
    """The arguments of the command."""

    run: Path
    files: tuple[str, ...]
    texts: tuple[str, ...]
    format: str | None
    output: Path | None
    probabilities: bool | None
    input_format: str | None
    options: Mapping[str, Any]
    tokenizer: str | None
    resume: bool
    jobs: int
    threads: int | None
    quiet: bool
    threshold: Threshold | None = None
    review: bool = False
    limit: int | None = None
    known: str | None = None


def answer_review(task: Task) -> None:
    """Answer for everything and write the least certain answers first; with a limit no more than that are held."""
    if task.resume:
        raise ConfigError("--review sorts all answers at the end, so there is nothing that --resume could go on with.")
    _check_inputs(replace(task, files=() if task.files == ("-",) else task.files))
    if task.known is not None and (task.texts or is_stream(task.files)):
        raise ConfigError("--known is for files, which have labels; got --text or a stream.")
    with contextlib.ExitStack() as stack:
        predictor = stack.enter_context(Predictor.load(task.run, threads=task.threads))
        placed = _placed(task, predictor, stack)
        color = task.output is None and wants_color(sys.stdout)
        places = len(task.files) > 1
        wanted = settle(predictor, task.output, task.format, task.probabilities, places=places, color=color)
        check_format(wanted.format)
        known: deque[Place] = deque()

        def sequences() -> Iterator[Sequence]:
            for place, sequence in placed:
                known.append(place)
                yield sequence

        answers = answers_of(
            predictor,
            sequences(),
            probabilities=wanted.probabilities,
            confidence=True,
            threshold=task.threshold,
            n_jobs=task.jobs,
            known=task.known,
        )
        found = least_certain(((known.popleft(), answer) for answer in answers), task.limit)
        writer = writer_of(predictor, wanted)
        with open_answers(task.output, writer.finish) as write:
            write(writer.head() + writer.piece(found))


def _placed(task: Task, predictor: Predictor, stack: contextlib.ExitStack) -> Iterator[tuple[Place, Sequence]]:
    """Return the sequences of sentences, a stream or files, each with where it stands."""
    if task.texts:
        texts = texts_of(predictor, task.texts, task.tokenizer)
        return ((Place("", i), sequence) for i, sequence in enumerate(texts, 1))
    if is_stream(task.files):
        blocks = stack.enter_context(arriving(predictor, task.files[0], task.tokenizer))
        lines = itertools.chain.from_iterable(blocks)
        return ((Place(task.files[0], i), sequence) for i, sequence in enumerate(lines, 1))
    documents = find_documents(
        task.files,
        numeric=reads_numbers(predictor),
        format=task.input_format,
        options=task.options,
        tokenizer=task.tokenizer or predictor.tokenizer,
        look=look_at_known(predictor, task.known),
    )
    return _of_files(documents)


def _of_files(documents: Documents) -> Iterator[tuple[Place, Sequence]]:
    for file, group in itertools.groupby(documents.read(), key=lambda one: one[0]):
        for number, (_, sequence) in enumerate(group, 1):
            yield Place(documents.paths[file], number), sequence


def answer_stream(task: Task) -> None:
    """Answer for sentences, or for a stream, each block of it before the next one is there."""
    given = {
        "--resume": task.resume,
        "--jobs": task.jobs != 1,
        "--input-format": task.input_format,
        "--set": task.options,
        "--known": task.known,
    }
    for name in (name for name, value in given.items() if value):
        got = "--text" if task.texts else "a stream such as -, which is read once and answered as it comes"
        raise ConfigError(f"{name} is for files; got {got}.")
    with contextlib.ExitStack() as stack:
        predictor = stack.enter_context(Predictor.load(task.run, threads=task.threads))
        color = task.output is None and wants_color(sys.stdout)
        wanted = settle(predictor, task.output, task.format, task.probabilities, color=color)
        writer = writer_of(predictor, wanted)
        blocks: Iterator[Iterable[Sequence]]
        if task.texts:
            blocks = iter([texts_of(predictor, task.texts, task.tokenizer)])
        else:
            blocks = stack.enter_context(arriving(predictor, task.files[0], task.tokenizer))
        write = stack.enter_context(open_answers(task.output, writer.finish))
        write(writer.head())
        number = 0
        for block in blocks:
            answers = list(answers_of(predictor, block, probabilities=wanted.probabilities, threshold=task.threshold))
            name = "" if task.texts else task.files[0]
            if answers:
                write(writer.piece((Place(name, number + i), answer) for i, answer in enumerate(answers, 1)))
            number += len(answers)


def answer_files_on_screen(task: Task) -> None:
    """Answer for files on standard output, one chunk after the other."""
    if task.resume:
        raise ConfigError("--resume goes on with a file of answers: name it with --output.")
    _check_inputs(task)
    with Predictor.load(task.run, threads=task.threads) as predictor:
        documents = find_documents(
            task.files,
            numeric=reads_numbers(predictor),
            format=task.input_format,
            options=task.options,
            tokenizer=task.tokenizer or predictor.tokenizer,
            look=look_at_known(predictor, task.known),
        )
        places, color = len(documents.paths) > 1, wants_color(sys.stdout)
        wanted = settle(predictor, None, task.format, task.probabilities, places=places, color=color)
        writer = writer_of(predictor, wanted)
        work = Work(predictor, documents, writer, wanted.probabilities, task.jobs, None, task.threshold, task.known)
        with open_answers(None, None) as write:
            write(writer.head())
            for piece, _ in work.pieces(Position(), 1):
                write(piece)


def answer_files(task: Task) -> None:
    """Answer for files in a file; what was done when this ends before its time is kept, and that is told."""
    _check_inputs(task)
    assert task.output is not None
    before = kept(task.output)
    if task.resume and before and not task.quiet:
        tell(f"going on after {before:,} sequences")
    try:
        with shown_progress(task.quiet) as progress:
            label_files(
                task.run,
                task.files,
                task.output,
                format=task.format,
                input_format=task.input_format,
                options=task.options,
                tokenizer=task.tokenizer,
                probabilities=task.probabilities,
                threshold=task.threshold,
                known=task.known,
                resume=task.resume,
                n_jobs=task.jobs,
                threads=task.threads,
                progress=progress,
            )
    except (KeyboardInterrupt, SeqtagError) as error:
        after = kept(task.output)
        if after and (after > before or isinstance(error, KeyboardInterrupt)):
            tell(f"{after:,} sequences are kept; the same command with --resume goes on with them.")
        raise


def _check_inputs(task: Task) -> None:
    if "-" in task.files:
        raise ConfigError("standard input (-) must be the only input; got files beside it.")
