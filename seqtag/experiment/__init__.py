"""A configuration carried out: read, fit, evaluate beside a baseline, save with all that is needed to do it again."""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtag import metrics
from seqtag.bundle import Bundle, check_replaceable, dump_json
from seqtag.config import Config, Data, format_of, parse_data
from seqtag.data.corpus import Corpus
from seqtag.data.readers import read
from seqtag.data.streaming import CorpusStream
from seqtag.errors import BundleError, ConfigError, SeqtagError
from seqtag.experiment._curves import check_curve_file, save_curve, threshold_table, thresholds
from seqtag.experiment._reading import (
    SHOWN,
    Corpora,
    as_read,
    check_encoders,
    check_labelled,
    coverage_of,
    read_corpora,
    retokenize,
    summary,
    warn_of_unknown,
    warn_of_unseen,
)
from seqtag.experiment._scores import Evaluation, evaluate_corpus, score_table
from seqtag.experiment._smaller import Comparison, compare
from seqtag.experiment._tasks import RULES, Baseline
from seqtag.export.quantize import Weights, quantized
from seqtag.loading import opened

__all__ = [
    "CONFIG_FILE",
    "RULES",
    "SCORES_FILE",
    "SHOWN",
    "Baseline",
    "Comparison",
    "Evaluation",
    "Result",
    "as_read",
    "check_curve_file",
    "check_encoders",
    "check_labelled",
    "check_output",
    "coverage_of",
    "evaluate",
    "evaluate_corpus",
    "quantize",
    "read_corpora",
    "retokenize",
    "run",
    "save_curve",
    "score_table",
    "summary",
    "threshold_table",
    "thresholds",
    "warn_of_unknown",
    "warn_of_unseen",
]

logger = logging.getLogger("seqtag")

CONFIG_FILE = "config.yaml"
SCORES_FILE = "scores.json"


@dataclass(frozen=True)
class Result:
    """What `run` made.

    Parameters
    ----------
    path : Path
        The model's folder.
    config : Config
        What was run, the seed drawn.
    estimator : SequenceEstimator or LanguageModel
        Fitted.
    evaluations : tuple of Evaluation
        ``dev`` and ``test``, as far as there are such data.
    """

    path: Path
    config: Config
    estimator: Any
    evaluations: tuple[Evaluation, ...]


def run(
    config: Config,
    *,
    corpora: Corpora | None = None,
    verbose: int = 1,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Train what a configuration says, evaluate it and save it.

    Parameters
    ----------
    config : Config
        From `seqtag.config.load_config`.
    corpora : dict of str to Corpus, optional
        The configuration's data, if `read_corpora` has read them already.
    verbose : int
        The estimator's ``verbose``.
    say : callable, optional
        Is told line by line what was read and done. Warnings go to the log ``seqtag``.

    Returns
    -------
    Result
        Its folder also holds the configuration (``config.yaml``) and the scores (``scores.json``).

    Raises
    ------
    SeqtagError
        If the data cannot be read or learned from, or the folder cannot be written; what can be known before
        training is said before training.
    """
    say = say or (lambda line: None)
    check_output(config.output)
    config = config if config.seed is not None else replace(config, seed=secrets.randbelow(2**31))
    corpora = corpora or read_corpora(config.data, config.task)
    corpora = {split: as_read(corpus, config.model) for split, corpus in corpora.items()}
    say(summary(corpora, config.task))
    warn_of_unseen(corpora, config.task)
    check_encoders(config, corpora)
    if "dev" not in corpora:
        say("no dev data: a share of train (validation_fraction) is held out to choose the best epoch")
    estimator = config.estimator().set_params(verbose=verbose)
    estimator.fit(corpora["train"], validation_data=corpora.get("dev"))
    for coverage in getattr(estimator, "coverage_", ()):  # a language model has none
        say(coverage.to_text())
    evaluations = tuple(
        evaluate_corpus(estimator.predictor_, corpora[split], corpora["train"], name=split)
        for split in ("dev", "test")
        if split in corpora
    )
    estimator.bundle_ = _with_record(estimator.bundle_, config, evaluations)
    path = estimator.save(config.output)
    say(f"saved {path}")
    return Result(path, config, estimator, evaluations)


def evaluate(
    path: str | Path,
    split: str = "test",
    data: str | Path | None = None,
    *,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    mode: metrics.Mode = "conlleval",
) -> Evaluation:
    """Evaluate a model that `run` saved.

    Parameters
    ----------
    path : path
        The model's folder.
    split : str
        The part of its own data: ``train``, ``dev`` or ``test``.
    data : path, optional
        Another labelled file instead.
    format : str, optional
        The file's format; by default that of the model's own files, or what its suffix tells.
    options : mapping, optional
        Options of the format, by name; where it is that of the model's own files, theirs are the default.
    mode : {"conlleval", "strict"}
        How spans are counted, see `seqtag.metrics`.

    Raises
    ------
    SeqtagError
        If the model, its record of the data or the data cannot be read, or have no such part.
    """
    bundle = Bundle.read(path)
    name, corpus, train = _labelled(bundle, path, split, data, format, options or {})
    with opened(bundle) as predictor:
        if RULES[predictor.task].tables:
            known = {*map(str, predictor.labels), *predictor.intents}
            warn_of_unknown(corpus, name, "the model does not know", known, predictor.task)
        return evaluate_corpus(predictor, corpus, train, name=name, mode=mode)


def quantize(
    path: str | Path,
    output: str | Path,
    *,
    weights: Weights = "int8",
    split: str = "dev",
    data: str | Path | None = None,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_loss: float = 0.001,
) -> Comparison:
    """Write a smaller model that only answers, if it scores as well as the one it is made from.

    Parameters
    ----------
    path : path
        The model's folder.
    output : path
        The folder of the smaller one; an older model there is replaced.
    weights : {"int8", "float16", "float32"}
        How to keep its weights.
    split, data, format, options
        What to score both on, as for `evaluate`.
    max_loss : float
        How much of the main score, which is from 0 to 1, may be lost; of a language model, by what share its
        perplexity may grow.

    Returns
    -------
    Comparison
        Size, speed and score of both.

    Raises
    ------
    ConfigError
        If the score falls by more than ``max_loss``; then nothing is written. Or if the model has no graph.
    SeqtagError
        As `evaluate`, and if the folder cannot be written.
    """
    check_output(output)
    bundle = Bundle.read(path)
    smaller = quantized(bundle, weights)
    name, corpus, _ = _labelled(bundle, path, split, data, format, options or {})
    comparison = compare(bundle, smaller, corpus, name)
    if comparison.loss > max_loss:
        may = f"lose at most {100 * max_loss:g} points", "loses"
        if comparison.of_language:
            may = f"raise the perplexity by at most {100 * max_loss:g} %", "raises it by"
        raise ConfigError(
            f"a smaller model may {may[0]} on {name}; with {weights} weights it {may[1]} "
            f"{100 * comparison.loss:.2f}. Nothing was written: allow more, or keep float16 weights.\n"
            + comparison.to_text()
        )
    smaller.write(output)
    return comparison


def _labelled(
    bundle: Bundle,
    path: str | Path,
    split: str,
    data: str | Path | None,
    format: str | None,
    options: Mapping[str, Any],
) -> tuple[str, Corpus, Corpus | CorpusStream | None]:
    """Return the name of labelled data to score a model on, the data as the model reads it, and the training data."""
    source = _recorded_data(bundle, path)
    task = bundle.manifest["task"]
    train: Corpus | CorpusStream | None
    if data is None:
        name = split
        corpus, train = _own_split(source, task, split, path)
    else:
        name = str(data)
        format = format or _format_beside(source, name, task)
        corpus, train = _read_beside(source, name, format, options), _training_data(source, task)
    check_labelled(corpus, task)
    return name, as_read(corpus, _reading_params(bundle)), train


def _reading_params(bundle: Bundle) -> dict[str, Any]:
    """Return what decides how a model reads a corpus."""
    manifest = bundle.manifest
    return manifest.get("params", {}) | {name: manifest[name] for name in ("tokenizer",) if name in manifest}


def check_output(path: str | Path) -> None:
    """Refuse a folder that a model cannot be written to, before training rather than after it."""
    path = Path(path)
    check_replaceable(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".seqtag.", dir=folder):
            pass
    except OSError as error:
        raise BundleError(
            f"{path} cannot be written: {folder}: {error.strerror}. Choose another output folder."
        ) from error


def _with_record(bundle: Bundle, config: Config, evaluations: tuple[Evaluation, ...]) -> Bundle:
    """Put the configuration and the scores beside what was learned."""
    scores = {evaluation.name: evaluation.to_dict() for evaluation in evaluations}
    record = {CONFIG_FILE: config.to_yaml().encode(), SCORES_FILE: dump_json(scores)}
    return replace(bundle, files=bundle.files | record)


def _recorded_data(bundle: Bundle, path: str | Path) -> Data:
    """Return where the model's data came from; nothing for a model that was not made by `run`."""
    if CONFIG_FILE not in bundle.files:
        return Data()
    return parse_data(bundle.files[CONFIG_FILE].decode(), str(Path(path, CONFIG_FILE)))


def _own_split(source: Data, task: str, split: str, path: str | Path) -> tuple[Corpus, Corpus | CorpusStream]:
    """Return a part of the model's own data, and what it was trained on."""
    if source == Data():
        raise ConfigError(f"{path} does not record its data, since it was not made by seqtag train; name a file.")
    corpora = read_corpora(source, task)
    if split not in corpora:
        raise ConfigError(f"split must be one of {', '.join(corpora)}, the parts of the data of {path}; got {split!r}.")
    corpus = corpora[split]
    return corpus.read() if isinstance(corpus, CorpusStream) else corpus, corpora["train"]


def _read_beside(source: Data, path: str, format: str, options: Mapping[str, Any]) -> Corpus:
    """Read a file; where its format is that of the model's own files, with their options."""
    own = source.options if format == source.format else {}
    return read(path, format, {**own, **options})


def _format_beside(source: Data, path: str, task: str) -> str:
    """Return the format of the model's own files, for a file with their suffix or one that tells nothing."""
    if source.format is None:
        return format_of(path, task)
    if Path(path).suffixes == Path(source.files["train"]).suffixes:
        return source.format
    try:
        return format_of(path, task)
    except ConfigError:
        return source.format


def _training_data(source: Data, task: str) -> Corpus | CorpusStream | None:
    """Return what a model was trained on, or None if it is not recorded or not there any more."""
    if source == Data():
        return None
    try:
        return read_corpora(source, task)["train"]
    except SeqtagError as error:
        logger.warning("no baseline, since the training data cannot be read: %s", error)
        return None
