"""The options of `seqtag predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtag.errors import ConfigError
from seqtag.thresholds import Threshold


class Output(StrEnum):
    """How predictions are written."""

    text = "text"
    jsonl = "jsonl"
    conll = "conll"
    csv = "csv"
    parquet = "parquet"


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE...|-",
        help="Text with a sentence a line, .jsonl, .conll, .conllu, .csv or .npz files, plain or .gz, or patterns; "
        "- is standard input.",
    ),
]
Sentences = Annotated[
    list[str] | None, typer.Option(metavar="SENTENCE", help="A sentence; may be given several times.")
]
OutputFormat = Annotated[
    Output | None, typer.Option(help="How to write what was found, if --output's suffix does not tell.")
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "--out", metavar="FILE", help="File to write to; it is there when it is complete."),
]
Probabilities = Annotated[
    bool | None,
    typer.Option(help="How probable each label is: in jsonl if asked for, in csv and parquet if not refused."),
]
InputFormat = Annotated[
    str | None, typer.Option(metavar="NAME", help="The files' format, if their suffixes do not tell.")
]
ReaderSets = Annotated[
    list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of their format: text=review.")
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What cuts a line into tokens (whitespace, words, characters), instead of the model's own.",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="[LABEL=]P",
        help="Leave out spans, and their tags, that are less probable: for all labels, or for one (may be repeated).",
    ),
]
Review = Annotated[
    bool,
    typer.Option("--review", help="Write the answers that are least likely to be right first, for who checks them."),
]
Limit = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="With --review: only the N least certain; no more are held.")
]
Known = Annotated[
    str | None,
    typer.Option(
        metavar="MARK",
        help="The files' labels are known beforehand, but where this mark stands: the others are found given them.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run of this command was interrupted.")]
Jobs = Annotated[int, typer.Option(metavar="N", help="Processes that compute; -1 is one a core.")]
Threads = Annotated[int | None, typer.Option(metavar="N", min=1, help="Batches computed side by side in one process.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def parse_thresholds(given: list[str]) -> Threshold | None:
    """Return what `--threshold` says: a number, or numbers by label; nothing if it was not given.

    Raises
    ------
    ConfigError
        If a value is no number from 0 to 1, or a number for all labels stands beside others.
    """
    pairs = [(label, value) for label, _, value in (one.rpartition("=") for one in given)]
    numbers = {}
    for label, value in pairs:
        try:
            numbers[label] = float(value)
        except ValueError:
            raise ConfigError(f"--threshold must be P or LABEL=P, P from 0 to 1; got {value!r}.") from None
        if not 0 <= numbers[label] <= 1:
            raise ConfigError(f"--threshold must be from 0 to 1; got {value}.")
    if "" not in numbers:
        return numbers or None
    if len(given) > 1:
        raise ConfigError("--threshold is one number for all labels, or LABEL=P for each; got both, or one twice.")
    return numbers[""]
