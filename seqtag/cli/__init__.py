"""The command line: each command is a thin shell over a function of the library.

Results go to standard output, everything else to standard error. An error of seqtag ends a command with status 1,
one of usage or configuration with 2. What is heavy is imported inside the command that needs it.
"""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

import seqtag
from seqtag.cli import _predict
from seqtag.cli._start import log_to_stderr, set_threads, start_keras, tell
from seqtag.cli._streams import open_output
from seqtag.errors import ConfigError, DataError, SeqtagError


class Split(StrEnum):
    """A part of a model's own data."""

    train = "train"
    dev = "dev"
    test = "test"


class Smaller(StrEnum):
    """How a smaller model keeps its weights."""

    int8 = "int8"
    float16 = "float16"


class Mode(StrEnum):
    """How spans are counted."""

    conlleval = "conlleval"
    strict = "strict"


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


def main() -> None:
    """Run the command line."""
    app()


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
    """Sequence labeling: train taggers and classifiers, score them, label text and numbers."""
    log_to_stderr()
    if version:
        show(f"seqtag {seqtag.__version__}")
    elif context.invoked_subcommand is None:
        show(context.get_help())


@app.command(
    epilog=examples(
        "seqtag train configs/ewt_pos.yaml",
        "seqtag train configs/digits.yaml --set model.units=128 --output runs/large",
    )
)
def train(
    config: ConfigFile,
    set_: Sets = None,
    output: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the model, instead of the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Seed, instead of the file's.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the scores and nothing else.")] = False,
) -> None:
    """Train what a configuration says, score it and save it."""
    set_threads()
    from seqtag import experiment
    from seqtag.config import load_config

    settings = load_config(config, set_ or ())
    settings = replace(settings, output=output or settings.output, seed=settings.seed if seed is None else seed)
    experiment.check_output(settings.output)
    corpora = experiment.read_corpora(settings.data, settings.task)
    start_keras()
    result = experiment.run(settings, corpora=corpora, verbose=0 if quiet else 1, say=None if quiet else tell)
    show(experiment.score_table(result.evaluations))


@app.command(
    epilog=examples(
        "seqtag tune configs/demo.yaml --trials 20",
        "seqtag tune configs/digits.yaml --set tune.space.model.units=[32,64,128] --timeout 3600",
    )
)
def tune(
    config: ConfigFile,
    set_: Sets = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Trials in all, those of earlier runs counted, instead of the file's."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Begin no further trial after so many seconds.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the sweep, instead of the model's with -tune behind.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the table and nothing else.")] = False,
) -> None:
    """Search for better parameters by the score on dev; run it again to go on.

    What is tried stands in the section tune of the configuration, or is what suits its task. The folder gets all
    trials (trials.csv), a picture of what mattered, and best.yaml, which `train` reads.
    """
    set_threads()
    from seqtag import experiment, tuning
    from seqtag.config import load_config

    settings = load_config(config, set_ or ())
    tuning.load_optuna()
    corpora = tuning.read(settings)
    if not quiet:
        tell(experiment.summary(corpora, settings.task))
    experiment.warn_of_unseen(corpora, settings.task)
    start_keras()
    say = None if quiet else tell
    sweep = tuning.tune(settings, trials=trials, timeout=timeout, output=output, corpora=corpora, say=say)
    show(sweep.to_text())
    if sweep.interrupted:
        raise KeyboardInterrupt


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
            help="That file's format (conll, conllu, jsonl, csv, labelled_lines, npz), if not the model's own files'.",
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
        _predict.parse_thresholds(threshold or []), review, limit,
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
        float, typer.Option(metavar="POINTS", min=0, help="How many points (percent) of the score may be lost.")
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


@app.command(epilog=examples("seqtag check configs/conll2000.yaml --set data.dev=0.2"))
def check(config: ConfigFile, set_: Sets = None) -> None:
    """Check a configuration and its data, without training.

    Standard output gets the complete configuration, standard error the counts of what was read and how many of its
    words have a pretrained vector.
    """
    from seqtag import experiment
    from seqtag.config import load_config

    settings = load_config(config, set_ or ())
    experiment.check_output(settings.output)
    corpora = experiment.read_corpora(settings.data, settings.task)
    tell(experiment.summary(corpora, settings.task) + "\n")
    experiment.warn_of_unseen(corpora, settings.task)
    experiment.check_encoders(settings, corpora)
    for coverage in experiment.coverage_of(settings, corpora):
        tell(coverage.to_text() + "\n")
    show(settings.to_yaml().rstrip())


@app.command(epilog=examples("seqtag doctor", "KERAS_BACKEND=jax seqtag doctor", "seqtag doctor --json > machine.json"))
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was found as JSON.")] = False,
) -> None:
    """Tell what this machine has, what training will use, and why not more.

    Libraries, cores, threads, memory, GPUs. The exit status is 0 if one can train here, and 1 if not.
    """
    from seqtag.doctor import diagnose, look

    report = diagnose(look())
    show(json.dumps(report.to_dict(), indent=1) if as_json else report.to_text())
    if not report.can_train:
        raise typer.Exit(1)


@app.command(epilog=examples("seqtag schema > seqtag.schema.json"))
def schema() -> None:
    """Print the JSON Schema of configurations, for editors."""
    from seqtag.config import json_schema

    show(json.dumps(json_schema(), ensure_ascii=False, indent=1))


@app.command(epilog=examples("seqtag data", "seqtag data ud_english_ewt"))
def data(name: Annotated[str | None, typer.Argument(metavar="NAME", help="One data set.")] = None) -> None:
    """List the data sets, or show all about one."""
    from seqtag import datasets, render

    if name is not None:
        show(datasets.describe(name))
        return
    about = [datasets.DATASETS[known] for known in datasets.DATASETS]
    rows = [[one.name, one.title, one.task, one.language, one.licence] for one in about]
    show(render.table(rows, ["NAME", "TITLE", "TASK", "LANGUAGE", "LICENCE"]))
