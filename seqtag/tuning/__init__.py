"""Sweeps: one configuration trained many times with other parameters, the best chosen by the development score."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtag.config import Config, Tune
from seqtag.datasets import corpus_digest
from seqtag.errors import ConfigError, DataError, SeqtagError, TrainingError
from seqtag.experiment import Corpora, check_encoders, read_corpora
from seqtag.tuning import _report
from seqtag.tuning._study import Study, Trial, load_optuna, open_study
from seqtag.tuning._training import Trainer
from seqtag.tuning.space import Space, space_of, with_values

__all__ = ["Space", "Sweep", "Trial", "default_output", "load_optuna", "read", "space_of", "tune"]

DIGEST = 16  # characters of the data's sha256, by which other data are told apart


@dataclass(frozen=True)
class Sweep:
    """What `tune` found.

    Parameters
    ----------
    path : Path
        Its folder.
    trials : tuple of Trial
        All that have ended, in their order, those of earlier runs among them.
    metric : str
        What the scores are called.
    importances : dict of str to float
        Share of the scores' variance that each parameter explains, the greatest first; empty if there were too few
        trials to tell.
    config : Config
        The configuration of the best trial, which ``best.yaml`` holds.
    interrupted : bool
        Whether it was ended by Ctrl-C.
    """

    path: Path
    trials: tuple[Trial, ...]
    metric: str
    importances: dict[str, float]
    config: Config
    interrupted: bool = False

    @property
    def best(self) -> Trial:
        """The complete trial with the greatest score, of equal ones the first."""
        found = _report.best_of(self.trials)
        assert found is not None
        return found

    def to_text(self) -> str:
        """Return the best trials as a table, what mattered, and how to train the best, as lines of text."""
        return _report.to_text(self.trials, self.metric, self.importances, self.path)


def tune(
    config: Config,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    output: str | Path | None = None,
    corpora: Corpora | None = None,
    say: Callable[[str], None] | None = None,
) -> Sweep:
    """Search for better parameters of a configuration.

    The first trial has the configuration's own values, the others are drawn by the tree-structured Parzen estimator
    (Bergstra, Bardenet, Bengio and Kégl, 2011). Trials that fall behind are given up. Each is kept as it ends; run
    again, a sweep goes on where it was.

    Parameters
    ----------
    config : Config
        From `seqtag.config.load_config`; its section ``tune`` says what to try, or else `space_of` does.
    trials : int, optional
        Trials in all, those of earlier runs counted, instead of the configuration's.
    timeout : float, optional
        Seconds after which no further trial is begun.
    output : path, optional
        Folder of the sweep, by default `default_output`.
    corpora : dict of str to Corpus, optional
        The configuration's data, if `read` has read them already.
    say : callable, optional
        Is told line by line what is done.

    Returns
    -------
    Sweep
        Its folder holds ``study.db``, ``trials.csv``, ``best.yaml`` and, if there is matplotlib, ``tune.png``.

    Raises
    ------
    ConfigError
        If the first trial's configuration cannot be used, or the folder holds a sweep of something else.
    DataError
        If the data cannot be read or learned from.
    TrainingError
        If no trial could be trained.
    NotInstalledError
        If there is no Optuna.
    """
    load_optuna()
    say = say or (lambda line: None)
    settings = config.tune or Tune()
    corpora = corpora or read(config)
    _check_scored(config, corpora)
    space = space_of(config, numeric=next(iter(corpora["train"])).frames is not None)
    folder = Path(output or default_output(config))
    with open_study(folder, space, config.seed, _facts(config, space, settings.seeds, corpora)) as study:
        total = trials or settings.trials
        say(_report.opening(space, not settings.space, len(study.trials), total, folder))
        config = replace(config, seed=study.seed, tune=None)
        interrupted = _Sweeping(config, study, Trainer(corpora, settings.seeds), folder, say).run(total, timeout)
        importances = study.importances()
        ended, metric = study.trials, study.metric
    best = _report.best_of(ended)
    if best is None:
        if interrupted:
            raise KeyboardInterrupt
        raise TrainingError(_report.no_trial(ended))
    _report.draw(folder, ended, metric, importances, space, say)
    return Sweep(folder, ended, metric, importances, _report.best_config(config, best, folder), interrupted)


def read(config: Config) -> Corpora:
    """Read what a sweep needs of a configuration's data: what is for the final scores is left alone.

    Parameters
    ----------
    config : Config
        A file under ``data.test`` is not even opened.

    Returns
    -------
    dict of str to Corpus
        ``train`` and, if there is one, ``dev``.
    """
    files = {split: path for split, path in config.data.files.items() if split != "test"}
    corpora = read_corpora(replace(config.data, files=files), config.task)
    corpora = {split: corpus for split, corpus in corpora.items() if split != "test"}
    _check_scored(config, corpora)
    check_encoders(config, corpora)
    return corpora


def default_output(config: Config) -> Path:
    """Return the folder of a configuration's sweep: its own, and ``-tune`` behind it."""
    return Path(f"{config.output.rstrip('/')}-tune")


def _check_scored(config: Config, corpora: Corpora) -> None:
    if "dev" not in corpora and not config.training["validation_fraction"]:
        raise ConfigError(
            "tuning needs development data, and there are none: name some under data.dev, or let "
            "training.validation_fraction be more than 0."
        )


def _facts(config: Config, space: Space, seeds: int, corpora: Corpora) -> dict[str, Any]:
    """Return all that scores depend on, as JSON can hold it."""
    data = {name: value for name, value in config.data.to_dict().items() if name != "test"}
    domains = {name: domain.to_dict() for name, domain in space.domains.items()}
    return {
        "task": config.task,
        "data": {**data, "content": corpus_digest(corpora)[:DIGEST]},
        "model": dict(config.model),
        "training": dict(config.training),
        "tune": {"seeds": seeds, "space": domains},
    }


class _Sweeping:
    """A sweep at work: trial after trial, each written down as it ends."""

    def __init__(self, config: Config, study: Study, train: Trainer, folder: Path, say: Callable[[str], None]) -> None:
        self._config = config
        self._study = study
        self._train = train
        self._folder = folder
        self._say = say

    def run(self, total: int, timeout: float | None) -> bool:
        """Train until so many trials have ended, or the time is up; tell whether Ctrl-C was pressed."""
        began = time.monotonic()
        self._write()
        while len(self._study.trials) < total:
            try:
                trial = self._next()
            except KeyboardInterrupt:
                return True
            self._write()
            self._say(_report.line(trial, total, self._study.trials, self._study.metric))
            if trial.number < total and timeout is not None and time.monotonic() - began >= timeout:
                self._say(f"the time is up after {trial.number} of {total} trials; run it again to go on")
                break
        return False

    def _next(self) -> Trial:
        """Train one trial; one that cannot be trained is recorded as such, unless it is the very first."""
        began = time.monotonic()
        running = self._study.begin()
        try:
            outcome = self._train(with_values(self._config, running.values), running.watch)
        except (ConfigError, DataError) as error:
            if running.number == 1:
                running.drop()
                raise
            return running.fail(str(error), time.monotonic() - began)
        except SeqtagError as error:
            return running.fail(str(error), time.monotonic() - began)
        except BaseException:
            running.drop()
            raise
        self._study.name_metric(outcome.metric)
        if running.pruned:
            return running.prune(time.monotonic() - began)
        return running.complete(outcome.score, outcome.epochs, time.monotonic() - began)

    def _write(self) -> None:
        _report.write(self._folder, self._study.trials, self._study.metric, self._config)
