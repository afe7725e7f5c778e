"""The application that the commands belong to, and what several of them share."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

import seqtag
from seqtag.cli._start import log_to_stderr, tell
from seqtag.errors import ConfigError, SeqtagError


class Split(StrEnum):
    """A part of a model's own data."""

    train = "train"
    dev = "dev"
    test = "test"


class Commands(typer.core.TyperGroup):
    """Turns an error into a line on standard error and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a reader that has gone away ends the command quietly
        except SeqtagError as error:
            tell(f"error: {error}")
            raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from error
        except KeyboardInterrupt:
            tell("interrupted")
            raise typer.Exit(130) from None
        return result


def examples(*lines: str) -> str:
    """Write the end of a command's help; the backspace keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; the folder configs/ has some.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a trained model.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A value to use instead of the file's: model.units=128."),
]


def show(text: str) -> None:
    """Print a result."""
    print(text)  # noqa: T201


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "seqtag train configs/demo.yaml",
        "seqtag evaluate runs/demo --split test",
        'seqtag predict runs/demo --text "return self . size"',
    ),
)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Sequence labeling: train taggers, classifiers and language models, score them, label text and numbers, write."""
    log_to_stderr()
    if version:
        show(f"seqtag {seqtag.__version__}")
    elif context.invoked_subcommand is None:
        show(context.get_help())
