"""What `seqtag predict` does with what it is given: a stream, files for the screen, files for a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtag.cli._inputs import arriving, texts_of
from seqtag.cli._progress import shown_progress
from seqtag.cli._start import tell
from seqtag.cli._streams import open_answers, wants_color
from seqtag.data.sequence import Sequence
from seqtag.documents.answers import answers_of
from seqtag.documents.columns import reads_numbers
from seqtag.documents.files import Work, kept, label_files
from seqtag.documents.inputs import Place, find_documents
from seqtag.documents.journal import Position
from seqtag.documents.writers import settle, writer_of
from seqtag.errors import ConfigError, SeqtagError
from seqtag.predictor import Predictor


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


def answer_stream(task: Task) -> None:
    """Answer for sentences, or for a stream, each block of it before the next one is there."""
    given = {
        "--resume": task.resume,
        "--jobs": task.jobs != 1,
        "--input-format": task.input_format,
        "--set": task.options,
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
            answers = list(answers_of(predictor, block, probabilities=wanted.probabilities))
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
        )
        places, color = len(documents.paths) > 1, wants_color(sys.stdout)
        wanted = settle(predictor, None, task.format, task.probabilities, places=places, color=color)
        writer = writer_of(predictor, wanted)
        work = Work(predictor, documents, writer, wanted.probabilities, task.jobs)
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
