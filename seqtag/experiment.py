"""A configuration carried out: read, fit, evaluate beside a baseline, save with all that is needed to do it again."""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtag import datasets, metrics, render
from seqtag.bundle import Bundle, check_replaceable, dump_json
from seqtag.config import Config, Data, parse_data
from seqtag.data.corpus import Corpus
from seqtag.data.encoders import column_of, parse_choice
from seqtag.data.readers import detect_format, read
from seqtag.data.schemes import SCHEMES
from seqtag.errors import BundleError, ConfigError, DataError, SeqtagError
from seqtag.predictor import Predictor

logger = logging.getLogger("seqtag")

CONFIG_FILE = "config.yaml"
SCORES_FILE = "scores.json"
SHOWN = 10  # labels listed in a warning

Corpora = dict[str, Corpus]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on one corpus.

    Parameters
    ----------
    name : str
        The corpus: a split, or a file.
    report : Report
        The model's scores.
    baseline : Report, optional
        Those of the most frequent label of each word; None where the training data could not be read.
    """

    name: str
    report: metrics.Report
    baseline: metrics.Report | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        baseline = None if self.baseline is None else self.baseline.to_dict()
        return {"name": self.name, **self.report.to_dict(), "baseline": baseline}


@dataclass(frozen=True)
class Result:
    """What `run` made.

    Parameters
    ----------
    path : Path
        The model's folder.
    config : Config
        What was run, the seed drawn.
    estimator : SequenceEstimator
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
    corpora = corpora or read_corpora(config.data)
    say(summary(corpora))
    warn_of_unseen(corpora)
    if "dev" not in corpora:
        say("no dev data: a share of train (validation_fraction) is held out to choose the best epoch")
    estimator = config.estimator().set_params(verbose=verbose)
    estimator.fit(corpora["train"], validation_data=corpora.get("dev"))
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
    mode : {"conlleval", "strict"}
        How spans are counted, see `seqtag.metrics`.

    Raises
    ------
    SeqtagError
        If the model, its record of the data or the data cannot be read, or have no such part.
    """
    bundle = Bundle.read(path)
    source = _recorded_data(bundle, path)
    train: Corpus | None
    if data is None:
        name = split
        corpus, train = _own_split(source, split, path)
    else:
        name = str(data)
        corpus, train = _read_beside(source, name, format), _training_data(source)
    with Predictor.from_bundle(bundle) as predictor:
        return evaluate_corpus(predictor, corpus, train, name=name, mode=mode)


def evaluate_corpus(
    predictor: Predictor, corpus: Corpus, train: Corpus | None, *, name: str, mode: metrics.Mode = "conlleval"
) -> Evaluation:
    """Compare predictions, and the most frequent label of each word in ``train``, with a corpus's labels."""
    check_labelled(corpus)
    gold = corpus.labels
    report = metrics.report(gold, predictor.predict(corpus), predictor.scheme, mode)
    if train is None:
        return Evaluation(name, report, None)
    guesses = metrics.most_frequent_label_baseline(train.tokens, train.labels, corpus.tokens)
    return Evaluation(name, report, metrics.report(gold, guesses, predictor.scheme, mode))


def score_table(evaluations: tuple[Evaluation, ...]) -> str:
    """Return the main scores in percent, each beside the baseline's."""
    if not evaluations:
        return "no scores: the data has neither dev nor test."
    spans = SCHEMES[evaluations[0].report.scheme].has_spans
    names = (["span F1", "baseline"] if spans else []) + ["accuracy", "baseline"]
    rows = []
    for one in evaluations:
        pair = (one.report, one.baseline)
        scores = [100 * r.score if r else None for r in pair] if spans else []
        scores += [100 * r.accuracy if r else None for r in pair]
        rows.append([one.name, *scores, one.report.sequences, one.report.tokens])
    return render.table(rows, ["", *names, "sequences", "tokens"])


def read_corpora(data: Data) -> Corpora:
    """Read the data of a configuration.

    Returns
    -------
    dict of str to Corpus
        ``train`` and, as far as there are such data, ``dev`` and ``test``; all with one label a token.

    Raises
    ------
    DataError, ConfigError
        If something cannot be found or read, has no labels, or nothing to learn from.
    """
    if data.dataset is not None:
        corpora = datasets.load(data.dataset, data.options)
    else:
        corpora = {split: read(path, data.format, data.options) for split, path in data.files.items()}
    if data.dev_share is not None:
        corpora = _with_dev(corpora, data.dev_share)
    corpora = {split: corpora[split] for split in ("train", "dev", "test") if split in corpora}
    for corpus in corpora.values():
        check_labelled(corpus)
    return corpora


def check_labelled(corpus: Corpus) -> None:
    """Refuse a corpus that is empty or lacks labels, before anything is spent on it."""
    if not corpus.n_tokens:
        raise DataError(f"{corpus.name} must hold at least one token; it has {len(corpus)} sequences, all empty.")
    for sequence in corpus:
        if sequence.labels is None:
            where = f" on line {sequence.lines[0]}" if sequence.lines else ""
            raise DataError(
                f"{corpus.name}: every token must have a label; the sequence{where} that begins "
                f"{' '.join(sequence.tokens[:6])!r} has none."
            )


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


def summary(corpora: Mapping[str, Corpus]) -> str:
    """Word what was read: sequences, tokens, words and labels of each part."""
    rows = []
    for split, corpus in corpora.items():
        facts = corpus.describe()
        rows.append([split, len(corpus), facts["tokens"], facts["distinct_tokens"], len(facts["labels"]), corpus.name])
    return render.table(rows, ["", "sequences", "tokens", "words", "labels", "from"])


def warn_of_unseen(corpora: Mapping[str, Corpus]) -> None:
    """Log the labels of ``dev`` and ``test`` that training never sees, which no prediction can have."""
    known = {label for labels in corpora["train"].labels for label in labels}
    for split, corpus in corpora.items():
        counts = Counter(label for labels in corpus.labels for label in labels if label not in known)
        if counts:
            listed = ", ".join(f"{label} ({count:,})" for label, count in counts.most_common(SHOWN))
            more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
            logger.warning("%s has labels that train has not, they cannot be predicted: %s%s", split, listed, more)


def check_columns(config: Config, corpora: Mapping[str, Corpus]) -> None:
    """Refuse a configuration whose encoders name columns that the data has not."""
    for choice in config.model["encoders"]:
        name, arguments, _ = parse_choice(choice)
        if name == "column":
            for corpus in corpora.values():
                column_of(corpus[0], *arguments)


def _with_dev(corpora: Corpora, share: float) -> Corpora:
    if "dev" in corpora:
        raise ConfigError(f"data.dev must not be set where the data has a dev part of its own; got {share!r}.")
    train, dev = corpora["train"].split(share)
    return corpora | {"train": train, "dev": replace(dev, name=f"the last {share:g} of {dev.name}")}


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


def _own_split(source: Data, split: str, path: str | Path) -> tuple[Corpus, Corpus]:
    """Return a part of the model's own data, and what it was trained on."""
    if source == Data():
        raise ConfigError(f"{path} does not record its data, since it was not made by seqtag train; name a file.")
    corpora = read_corpora(source)
    if split not in corpora:
        raise ConfigError(f"split must be one of {', '.join(corpora)}, the parts of the data of {path}; got {split!r}.")
    return corpora[split], corpora["train"]


def _read_beside(source: Data, path: str, format: str | None) -> Corpus:
    """Read a file as the model's own files were read, if it has their format."""
    format = format or source.format or detect_format(path)
    corpus = read(path, format, source.options if format == source.format else None)
    check_labelled(corpus)
    return corpus


def _training_data(source: Data) -> Corpus | None:
    """Return what a model was trained on, or None if it is not recorded or not there any more."""
    if source == Data():
        return None
    try:
        return read_corpora(source)["train"]
    except SeqtagError as error:
        logger.warning("no baseline, since the training data cannot be read: %s", error)
        return None
