"""One trial: train what a configuration says, once a seed, and give the memory back."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from seqtag.config import Config
from seqtag.errors import DataError, TrainingError
from seqtag.experiment import Corpora, as_read

Watch = Callable[[int, int, float], bool]
"""Gets an epoch, how many are planned, and its score; True ends training."""


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Parameters
    ----------
    score : float
        Development score of the epochs that were kept, the mean over the seeds.
    epochs : int
        Epochs trained, over all seeds.
    metric : str
        What the score is called.
    """

    score: float
    epochs: int
    metric: str


class Trainer:
    """Trains configurations that differ in parameters only, on corpora that are read and tokenised once.

    Parameters
    ----------
    corpora : dict of str to Corpus
        ``train`` and perhaps ``dev``.
    seeds : int
        Trainings a trial, with ``config.seed`` and the numbers after it.
    """

    def __init__(self, corpora: Corpora, seeds: int) -> None:
        self._corpora = corpora
        self._seeds = seeds
        self._read: dict[Any, Corpora] = {}

    def __call__(self, config: Config, watch: Watch) -> Outcome:
        """Train; ``watch`` is asked in the first training only, and if it ends that, there is no other."""
        corpora = self._read_by(config.model)
        stopped = False

        def ask(epoch: int, epochs: int, score: float) -> bool:
            nonlocal stopped
            stopped = watch(epoch, epochs, score)
            return stopped

        outcomes = [_train(config, corpora, ask)]
        for further in range(1, self._seeds):
            if not stopped:
                assert config.seed is not None
                outcomes.append(_train(replace(config, seed=config.seed + further), corpora, lambda *_: False))
        score, epochs = fmean(one.score for one in outcomes), sum(one.epochs for one in outcomes)
        return Outcome(score, epochs, outcomes[0].metric)

    def _read_by(self, params: Mapping[str, Any]) -> Corpora:
        key = params.get("tokenizer")  # what else decides how a corpus is read is the same in all trials
        if key not in self._read:
            self._read[key] = {part: as_read(one, params) for part, one in self._corpora.items()}
        return self._read[key]


def _train(config: Config, corpora: Corpora, watch: Watch) -> Outcome:
    from seqtag.training.release import ran_out_of_memory, released
    from seqtag.training.stopping import StopWhen

    try:
        with released(), _without_retracing_warnings():
            return _outcome(config.estimator(), corpora, StopWhen(watch))
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        raise TrainingError("there was not enough memory; lower units, layers or batch_tokens.") from error


def _outcome(estimator: Any, corpora: Corpora, watcher: Any) -> Outcome:
    estimator.fit(corpora["train"], validation_data=corpora.get("dev"), callbacks=[watcher])
    facts = estimator.bundle_.json("metrics.json")
    history = facts["history"]
    if not history["score"]:
        raise DataError(
            f"tuning needs development data; {corpora['train'].name} is too small for a part to be held out. "
            "Name a file under data.dev."
        )
    return Outcome(history["score"][history["best_epoch"]], len(history["loss"]), facts["metric"])


@contextlib.contextmanager
def _without_retracing_warnings() -> Iterator[None]:
    """Keep off the log that a function is traced again: each trial has a network of its own, which must be."""
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_no_retracing)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "tf.function retracing" not in record.getMessage()
