"""Trials kept in a folder's SQLite file by Optuna: drawn, told, found again, compared with what is asked now."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seqtag.errors import ConfigError, NotInstalledError
from seqtag.tuning.space import Space

if TYPE_CHECKING:
    import optuna

State = Literal["complete", "pruned", "failed"]

STUDY_FILE, LOCK_FILE = "study.db", ".lock"
NAME, RECORD = "seqtag", "trial"  # of the study, and of what it notes of a trial
RANDOM_TRIALS = 10  # drawn at random before TPE has seen enough to draw from
PRUNE_AFTER, PRUNE_SHARE, PRUNE_AGAINST = 5, 0.3, 3  # complete trials, share of the planned epochs, trials that far
STEPS = 10_000  # parts that a training is divided in, so that trials of 10 and of 20 epochs can be compared
LEAST = 8  # trials below which importances would be noise
SHOWN = 5  # differences listed in a refusal


@dataclass(frozen=True)
class Trial:
    """One trial that has come to its end.

    Parameters
    ----------
    number : int
        Counted from 1.
    state : {"complete", "pruned", "failed"}
        Whether it was trained to its end, given up since others had been better by then, or could not be trained.
    score : float or None
        Development score, the best until then of a pruned trial; None of a failed one.
    values : mapping of str to object
        What was tried, by ``model.name`` or ``training.name``.
    epochs : int
        Epochs trained.
    seconds : float
        Time it took.
    error : str
        Why it failed.
    """

    number: int
    state: State
    score: float | None
    values: Mapping[str, Any]
    epochs: int
    seconds: float
    error: str = ""


class Study:
    """Trials and their record.

    A trial that was begun and never told, since its process ended, does not count: the next one has its number, and
    the same seed draws the same values, so that a sweep goes on as if it had never been interrupted.

    Parameters
    ----------
    study : optuna.Study
        As it was found, no trial running.
    space : Space
        What is tried.
    seed : int
        Seeds what is drawn.
    """

    def __init__(self, study: optuna.Study, space: Space, seed: int) -> None:
        self._study = study
        self._space = space
        self.seed = seed

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials that have ended."""
        return tuple(_trial(frozen) for frozen in _ended(self._study))

    @property
    def metric(self) -> str:
        """What the scores are called."""
        return self._study.user_attrs.get("metric", "score")

    def name_metric(self, name: str) -> None:
        """Record what the scores are called."""
        if self.metric != name:
            self._study.set_user_attr("metric", name)

    def begin(self) -> Running:
        """Draw the values of the next trial; the first has the configuration's own."""
        import optuna

        number = len(_ended(self._study)) + 1
        drawn_by = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=drawn_by, n_startup_trials=RANDOM_TRIALS)
        if number > 1:
            trial = self._study.ask(self._space.distributions())
            return Running(self._study, trial, number, self._space.values(trial.params))
        own = self._space.own_params()
        self._study.enqueue_trial(own)
        trial = self._study.ask(self._space.distributions(own))
        return Running(self._study, trial, number, dict(self._space.own))

    def importances(self) -> dict[str, float]:
        """Return how much of the scores' variance each parameter explains, the most important first.

        It is fANOVA's measure (Hutter, Hoos and Leyton-Brown, 2014), over complete and pruned trials: without the
        pruned ones, what matters most would seem not to matter, since its bad values never get to the end. Empty if
        there are too few trials, or all have the same score.
        """
        import optuna

        distributions = self._space.distributions()
        copy = optuna.create_study(direction="maximize")
        for frozen in _ended(self._study):
            score = _trial(frozen).score
            if score is not None and frozen.params.keys() == distributions.keys():
                copy.add_trial(
                    optuna.trial.create_trial(params=frozen.params, distributions=distributions, value=score)
                )
        scores = {trial.value for trial in copy.get_trials(deepcopy=False)}
        if len(copy.trials) < LEAST or len(scores) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.seed % 2**32)
        found = optuna.importance.get_param_importances(copy, evaluator=evaluator)
        return {name: float(value) for name, value in found.items()}


class Running:
    """A trial while it is trained: what it tries, and what becomes of it.

    Parameters
    ----------
    study, trial : optuna.Study, optuna.Trial
        Where it is kept.
    number : int
        Counted from 1.
    values : mapping of str to object
        What it tries.
    """

    def __init__(self, study: optuna.Study, trial: optuna.Trial, number: int, values: Mapping[str, Any]) -> None:
        self._study = study
        self._trial = trial
        self.number = number
        self.values = values
        self.pruned = False
        self._epochs, self._best = 0, -np.inf
        self._step = -1

    def watch(self, epoch: int, epochs: int, score: float) -> bool:
        """Record an epoch's score; tell whether to give the trial up, unless it has come to its end anyway."""
        self._epochs, self._best = epoch + 1, max(self._best, score)
        step = STEPS * (epoch + 1) // epochs
        if step > self._step:  # of more epochs than steps, some share one
            self._trial.report(score, step)
        self._step = step
        self.pruned = epoch + 1 < epochs and self._trial.should_prune()
        return self.pruned

    def complete(self, score: float, epochs: int, seconds: float) -> Trial:
        """Record the final score."""
        return self._end("complete", score, epochs, seconds)

    def prune(self, seconds: float) -> Trial:
        """Record that it was given up."""
        return self._end("pruned", self._best, self._epochs, seconds)

    def fail(self, error: str, seconds: float) -> Trial:
        """Record that it could not be trained, and why."""
        return self._end("failed", None, self._epochs, seconds, error)

    def drop(self) -> None:
        """Let it count as never begun."""
        _drop(self._study, self._trial.number)

    def _end(self, state: State, score: float | None, epochs: int, seconds: float, error: str = "") -> Trial:
        trial = Trial(self.number, state, score, dict(self.values), epochs, seconds, error)
        self._trial.set_user_attr(RECORD, vars(trial))
        _tell(self._study, self._trial.number, trial)
        return trial


@contextlib.contextmanager
def open_study(folder: Path, space: Space, seed: int | None, facts: Mapping[str, Any]) -> Iterator[Study]:
    """Open the study of a folder, or begin one.

    Parameters
    ----------
    folder : Path
        Is made if it is not there.
    space : Space
        What is tried.
    seed : int, optional
        Seeds everything; None takes that of an earlier run, or draws one.
    facts : mapping of str to object
        What scores depend on, as JSON can hold it: must be the same as in earlier runs.

    Raises
    ------
    ConfigError
        If the folder holds something else or a study of something else, or another process works in it.
    NotInstalledError
        If there is no Optuna.
    """
    optuna = load_optuna()
    _make_folder(folder)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with _locked(folder), _storage(folder / STUDY_FILE) as storage:
            yield _found_or_new(storage, folder, space, seed, json.loads(json.dumps(facts)))
    finally:
        optuna.logging.set_verbosity(verbosity)


def load_optuna() -> Any:
    """Import Optuna.

    Raises
    ------
    NotInstalledError
        If there is none.
    """
    try:
        import optuna
    except ImportError as error:
        raise NotInstalledError("tuning needs optuna; run: pip install optuna") from error
    return optuna


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = not (folder / STUDY_FILE).exists() and any(entry.name != LOCK_FILE for entry in folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}. Choose another --output.") from error
    if strange:
        raise ConfigError(f"{folder} holds something that is no sweep of seqtag tune; choose another --output.")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out; the operating system opens the lock when this one ends, however it does."""
    with contextlib.closing(sqlite3.connect(folder / LOCK_FILE, timeout=0)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"{folder} cannot be locked ({error}): is another seqtag tune at work there? Wait for its end, or "
                "choose another --output."
            ) from error
        yield


@contextlib.contextmanager
def _storage(path: Path) -> Iterator[Any]:
    import sqlalchemy
    from optuna.storages import RDBStorage

    url = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
    try:
        storage = RDBStorage(url.replace("{", "{{").replace("}", "}}"))  # Optuna takes it for a template
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"{path} cannot be read as a study ({why}); choose another --output.") from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _found_or_new(storage: Any, folder: Path, space: Space, seed: int | None, facts: dict[str, Any]) -> Study:
    """Go on with the study that is there, if a trial of it has ended, or begin one."""
    import optuna

    if NAME in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=NAME, storage=storage, pruner=_pruner())
        for frozen in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            _recover(study, frozen)
        if _ended(study):
            _check_same(study.user_attrs["facts"], facts, folder)
            known = study.user_attrs["seed"]
            if seed is not None and seed != known:
                _check_same({"seed": known}, {"seed": seed}, folder)
            return Study(study, space, known)
        optuna.delete_study(study_name=NAME, storage=storage)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) >> 1 if seed is None else seed
    study = optuna.create_study(study_name=NAME, storage=storage, direction="maximize", pruner=_pruner())
    study.set_user_attr("facts", facts)
    study.set_user_attr("seed", seed)
    return Study(study, space, seed)


def _pruner() -> optuna.pruners.BasePruner:
    """Return what gives trials up: those whose best epoch so far is below the median of the others' at that point.

    Halving (Hyperband) would keep a third at each rung; but under a rate that falls over the planned epochs, scores
    before its end tell too little for that.
    """
    import optuna

    return optuna.pruners.MedianPruner(
        n_startup_trials=PRUNE_AFTER, n_warmup_steps=int(PRUNE_SHARE * STEPS), n_min_trials=PRUNE_AGAINST
    )


def _check_same(known: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    before, after = _flat(known), _flat(now)
    differing = [name for name in before | after if before.get(name) != after.get(name)]
    if not differing:
        return
    shown = [f"{name} was {before.get(name)!r:.60}, now {after.get(name)!r:.60}" for name in differing[:SHOWN]]
    more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    raise ConfigError(
        f"{folder} holds trials whose scores cannot be compared with new ones: {'; '.join(shown)}{more}. Set it back, "
        "or choose another --output."
    )


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return Optuna's trials that have ended, without those that were dropped."""
    return [frozen for frozen in study.get_trials(deepcopy=False) if RECORD in frozen.user_attrs]


def _recover(study: optuna.Study, frozen: optuna.trial.FrozenTrial) -> None:
    """Tell Optuna what became of a trial whose process is gone."""
    if RECORD in frozen.user_attrs:
        _tell(study, frozen.number, _trial(frozen))
    else:
        _drop(study, frozen.number)


def _tell(study: optuna.Study, number: int, trial: Trial) -> None:
    from optuna.trial import TrialState

    if trial.state == "complete":
        study.tell(number, trial.score)
    else:
        study.tell(number, state={"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[trial.state])


def _drop(study: optuna.Study, number: int) -> None:
    from optuna.trial import TrialState

    study.tell(number, state=TrialState.FAIL)


def _trial(frozen: optuna.trial.FrozenTrial) -> Trial:
    return Trial(**frozen.user_attrs[RECORD])
