"""The commands on a trained model: scores, answers, and other forms of it."""

from __future__ import annotations

import itertools
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from seqtag.cli import _predict
from seqtag.cli._app import Run, Split, app, examples, show
from seqtag.cli._streams import open_output
from seqtag.errors import DataError


class Smaller(StrEnum):
    """How a smaller model keeps its weights."""

    int8 = "int8"
    float16 = "float16"


class Mode(StrEnum):
    """How spans are counted."""

    conlleval = "conlleval"
    strict = "strict"


@app.command(
    epilog=examples(
        "seqtag evaluate runs/ewt_pos --split test",
        "seqtag evaluate runs/ner --data more.conll --mode strict --json",
        "seqtag evaluate runs/trec --data questions.csv --set text=question --set label=kind",
    )
)
def evaluate(
    run: Run,
    split: Annotated[Split, typer.Option(help="The part of the model's own data.")] = Split.test,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="Another labelled file instead.")] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="That file's format (conll, conllu, jsonl, csv, labelled_lines, npz, parallel), if not that of the "
            "model's own files. A language model reads lines, too.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of that format: text=review.")
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="How a tagger's spans are counted whose tags break the scheme.")
    ] = Mode.conlleval,
    curve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write precision and recall of a tagger's spans over a threshold: .csv, or .png, .svg, .pdf.",
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="P", min=0, max=1, help="Show for each label the lowest threshold with that precision on the data."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Score a trained model beside a baseline.

    The baseline labels each word as the training data labels it most often; frames of numbers, and whole sequences,
    all get the label that is most frequent there. Classifiers also show how far their probabilities can be believed.
    Of a language model it is the perplexity, beside that of the frequencies of single symbols.
    """
    from seqtag import experiment
    from seqtag.config import parse_options

    if data is None and (format or set_):
        raise typer.BadParameter("--format and --set say how to read a file; name it with --data.")
    options = parse_options(set_ or ())
    if curve is not None:
        experiment.check_curve_file(curve)
    scores = experiment.evaluate(run, split.value, data, format=format, options=options, mode=mode.value)
    if curve is not None:
        experiment.save_curve(scores, curve)
    chosen = {} if precision is None else experiment.thresholds(scores, precision)
    if as_json:
        found = scores.to_dict() | ({"thresholds": chosen} if precision is not None else {})
        show(json.dumps(found, ensure_ascii=False, indent=1))
        return
    if precision is not None:
        show(experiment.threshold_table(scores, chosen) + "\n")
    show(f"{scores.to_text()}\n{experiment.score_table((scores,))}")


@app.command(
    epilog=examples(
        'seqtag predict runs/ewt_pos --text "Ada moved to Paris in May ."',
        "seqtag predict runs/digits images.npz",
        "cat notes.txt | seqtag predict runs/ner - --format jsonl > tags.jsonl",
        "seqtag predict runs/ner 'corpus/*.txt.gz' --output tags.parquet --jobs 4",
        "seqtag predict runs/ner 'corpus/*.txt.gz' --output tags.parquet --jobs 4 --resume",
        "seqtag predict runs/trec asked.csv --set text=question --output kinds.csv",
        "seqtag predict runs/ner notes.txt --threshold PER=0.9 --threshold LOC=0.8",
        "seqtag predict runs/ner notes.txt --review --limit 100",
        "seqtag predict runs/ner half_done.conll --known _ --output done.conll",
    )
)
def predict(
    run: Run,
    files: _predict.Inputs = None,
    text: _predict.Sentences = None,
    format: _predict.OutputFormat = None,
    output: _predict.OutputFile = None,
    probabilities: _predict.Probabilities = None,
    input_format: _predict.InputFormat = None,
    set_: _predict.ReaderSets = None,
    tokenizer: _predict.Tokenizer = None,
    threshold: _predict.Thresholds = None,
    review: _predict.Review = False,
    limit: _predict.Limit = None,
    known: _predict.Known = None,
    resume: _predict.Resume = False,
    jobs: _predict.Jobs = 1,
    threads: _predict.Threads = None,
    quiet: _predict.Quiet = False,
) -> None:
    """Label sentences, the sequences of files, or standard input.

    A tagger marks what it finds. A classifier writes label, probability and text, a tab between them. Sequences of
    numbers come from .npz files, or each on a line as {"frames": [[0.1, 0.2], ...]}, where null is a missing value; a
    tagger writes the label of each frame. More about files: docs/files.md.
    """
    from seqtag.cli._answers import Task, answer_files, answer_files_on_screen, answer_review, answer_stream
    from seqtag.cli._inputs import is_stream

    if bool(files) == bool(text):
        raise typer.BadParameter("give files, - for standard input, or --text once or more often.")
    if limit is not None and not review:
        raise typer.BadParameter("--limit says how many answers --review writes; give both.")
    options: dict[str, Any] = {}
    if set_:
        from seqtag.config import parse_options

        options = parse_options(set_)
    task = Task(
        run, tuple(files or ()), tuple(text or ()), None if format is None else format.value, output, probabilities,
        input_format, options, tokenizer, resume, jobs, threads, quiet,
        _predict.parse_thresholds(threshold or []), review, limit, known,
    )  # fmt: skip
    if review:
        answer_review(task)
    elif text or is_stream(task.files):
        answer_stream(task)
    elif output is None:
        answer_files_on_screen(task)
    else:
        answer_files(task)


@app.command(
    epilog=examples(
        'seqtag trace runs/ner --text "Ada moved to Paris" --output trace.png',
        "seqtag trace runs/signals signals.npz --number 3 --output trace.npz",
    )
)
def trace(
    run: Run,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE|-", help="What `predict` reads; one sequence of it is traced."),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="SENTENCE", help="A sentence instead.")] = None,
    number: Annotated[int, typer.Option(metavar="N", min=1, help="Which sequence of the file, from 1 on.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture (.png, .svg, .pdf), .npz or .json; without it JSON is printed."),
    ] = None,
    influence: Annotated[
        bool, typer.Option(help="Take each input away in turn, which takes its time where a sequence is long.")
    ] = True,
) -> None:
    """Show what a network kept in mind while it read one sequence.

    The hidden states and gates of every layer, attention, probabilities, and how much each input changes the answer.
    """
    from seqtag.cli._inputs import sequences_of
    from seqtag.predictor import Predictor
    from seqtag.trace import check_suffix

    if (file is None) == (text is None):
        raise typer.BadParameter("give a file, - for standard input, or --text.")
    if output is not None:
        check_suffix(output)
    with (
        Predictor.load(run) as predictor,
        sequences_of(predictor, file, text) as sequences,
    ):
        chosen = list(itertools.islice(sequences, number - 1, number))
        if not chosen:
            name = "standard input" if file == "-" else file or "--text"
            raise DataError(f"{name} must hold a sequence number {number}; it has fewer.")
        (found,) = predictor.trace(chosen, influence=influence)
    if output is not None:
        found.save(output)
        return
    with open_output(None) as out:
        out.write(found.to_json())


@app.command(
    name="export",
    epilog=examples(
        "seqtag export runs/ner --format onnx --output exported/ner",
        "seqtag export runs/ner --format bundle --set weights=int8 --output runs/ner-small",
        "seqtag export runs/ner --format saved_model --set version=2 --output models/ner",
    ),
)
def export_(
    run: Run,
    format: Annotated[
        str, typer.Option(metavar="NAME", help="onnx, saved_model, litert, keras or bundle (smaller weights).")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of that format: weights=int8.")
    ] = None,
) -> None:
    """Write a trained model in a form that runs elsewhere, or in less space.

    What each form holds, and its options: docs/export.md.
    """
    from seqtag.config import parse_options
    from seqtag.export.formats import export

    place = export(run, format, output, parse_options(set_ or ()))
    show(str(place))


@app.command(
    epilog=examples(
        "seqtag quantize runs/ewt_pos --output runs/ewt_pos-small",
        "seqtag quantize runs/ner --output runs/ner-small --data more.conll --max-loss 0.5",
    )
)
def quantize(
    run: Run,
    output: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the smaller model.")],
    weights: Annotated[Smaller, typer.Option(help="How to keep the weights.")] = Smaller.int8,
    split: Annotated[Split, typer.Option(help="The part of the model's own data to score both on.")] = Split.dev,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="Another labelled file instead.")] = None,
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="That file's format, if not the model's own files'.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of that format: text=review.")
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="How many points (percent) of the score may be lost; by how many percent a perplexity may grow.",
        ),
    ] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Write a smaller, faster model that only answers, if it scores as well.

    Both are scored on the same data and timed side by side; the smaller one is kept if it loses little.
    """
    from seqtag import experiment
    from seqtag.config import parse_options

    if data is None and (format or set_):
        raise typer.BadParameter("--format and --set say how to read a file; name it with --data.")
    found = experiment.quantize(
        run,
        output,
        weights=weights.value,
        split=split.value,
        data=data,
        format=format,
        options=parse_options(set_ or ()),
        max_loss=max_loss / 100,
    )
    show(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) if as_json else found.to_text())
