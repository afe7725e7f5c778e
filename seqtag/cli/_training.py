"""The commands around training: from data and a configuration to a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seqtag.cli._app import ConfigFile, Sets, app, examples, show
from seqtag.cli._start import set_threads, start_keras, tell


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
