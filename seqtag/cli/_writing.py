"""The commands of language models: writing on, and sorting texts by how probable they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from seqtag.cli._app import Run, app, examples
from seqtag.cli._streams import arriving_lines, open_input, open_output
from seqtag.errors import ConfigError, DataError


@app.command(
    epilog=examples(
        'seqtag generate runs/python_text --prompt "def " --temperature 0.7 --seed 1',
        "seqtag generate runs/shakespeare --prompt $'ROMEO:\\n' --max-symbols 500",
        'seqtag generate runs/ptb --prompt "the company" --beams 5 --max-symbols 10',
        "cat begun.txt | seqtag generate runs/shakespeare --prompt - --samples 3 --json",
    )
)
def generate(
    run: Run,
    prompt: Annotated[
        str, typer.Option(metavar="TEXT|-", help="What the text begins with; - reads it from standard input.")
    ] = "",
    max_symbols: Annotated[
        int, typer.Option(metavar="N", min=1, help="Words, characters or bytes to write at most.")
    ] = 200,
    temperature: Annotated[
        float, typer.Option(metavar="T", min=0, help="Below 1 the text is more predictable; 0 draws nothing.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Draw among the K most probable symbols.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Draw among the fewest symbols that are together so probable, above 0 to 1."),
    ] = None,
    beams: Annotated[
        int, typer.Option(metavar="N", min=1, help="Above 1: draw nothing, search the most probable text.")
    ] = 1,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="End before this text; may be given several times.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Repeats what is drawn.")] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Allow the mark of unknown symbols, <unk>.")] = False,
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many texts to write, with seeds that follow each other.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a text, when it is complete.")] = False,
) -> None:
    r"""Write on after a prompt with a language model, shown as it is written.

    The prompt stands before what is written; several samples have a line of --- between them. A shell writes a line
    break in a prompt or a stop as $'\n'. Of a prompt that is read the end of the last line is left out.
    """
    from seqtag.language import LanguagePredictor, Sampling

    if samples > 1 and (beams > 1 or temperature == 0):
        raise ConfigError("--samples above 1 must draw, or all are the same; leave --beams and --temperature 0 out.")
    begun = _read_prompt() if prompt == "-" else prompt
    seeds = [None if seed is None else seed + i for i in range(samples)]
    ways = [Sampling(max_symbols, temperature, top_k, top_p, beams, tuple(stop or ()), unknown, one) for one in seeds]
    with LanguagePredictor.load(run) as predictor, open_output(None) as out:
        for number, sampling in enumerate(ways):
            pieces = predictor.stream(begun, sampling)
            if as_json:
                out.write(_json({"prompt": begun, "text": "".join(pieces), "seed": sampling.seed}))
                continue
            out.write("---\n" if number else "")
            out.write(begun)
            for piece in pieces:
                out.write(piece)
                out.flush()
            out.write("\n")


@app.command(
    epilog=examples(
        "seqtag rank runs/ptb candidates.txt",
        'seqtag rank runs/ptb --context "the stock" --text market --text fell --json',
        "seqtag rank runs/logs today.log --mean --least --limit 20",
        "seqtag rank runs/reviews reviews.csv --set text=review",
    )
)
def rank(
    run: Run,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE|-", help="Text with a candidate a line, .jsonl or .csv; - is standard input."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A candidate instead; may be given several times.")
    ] = None,
    context: Annotated[str, typer.Option(metavar="TEXT", help="What stands before each candidate.")] = "",
    mean: Annotated[
        bool, typer.Option("--mean", help="Sort by the mean of a symbol, so that long texts may come first.")
    ] = False,
    least: Annotated[bool, typer.Option("--least", help="The least probable first.")] = False,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N.")] = None,
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file's format, if its suffix does not tell.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of that format: text=review.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a text.")] = False,
) -> None:
    """Sort texts by how probable a language model finds them, the most probable first.

    Each line has the natural logarithm of the probability of the text and its end (with --mean: of a symbol, the mean),
    a tab and the text. Blank lines are passed over.
    """
    from seqtag.language import LanguagePredictor

    if (file is None) == (not text):
        raise typer.BadParameter("give a file, - for standard input, or --text once or more often.")
    if (format or set_) and file in (None, "-"):
        raise typer.BadParameter("--format and --set say how to read a file; name one.")
    with LanguagePredictor.load(run) as predictor:
        candidates = list(text or _candidates(str(file), format, set_ or []))
        if not candidates:
            raise DataError(f"{'standard input' if file == '-' else file} must hold at least one text; it has none.")
        found = predictor.rank(candidates, context, normalize=mean)
    if least:
        found.reverse()
    with open_output(None) as out:
        for one in found[:limit]:
            fields = {"text": one.text, "log_probability": one.log_probability, "mean": one.mean}
            out.write(_json(fields) if as_json else f"{one.mean if mean else one.log_probability:.4f}\t{one.text}\n")


def _read_prompt() -> str:
    """Return what standard input holds, without the end of its last line."""
    lines = [line for block in arriving_lines(sys.stdin.buffer, "standard input") for line in block]
    return "\n".join(lines)


def _candidates(file: str, format: str | None, assignments: list[str]) -> Iterator[str]:
    if file == "-":
        with open_input(file) as opened:
            lines = [line for block in arriving_lines(opened, "standard input") for line in block]
        yield from (line for line in lines if line.strip())
        return
    from seqtag.config import format_of, parse_options
    from seqtag.data.readers import read
    from seqtag.language import TASK

    for sequence in read(file, format or format_of(Path(file), TASK), parse_options(assignments)):
        text = " ".join(sequence.tokens) if sequence.text is None else sequence.text
        if text.strip():
            yield text


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
