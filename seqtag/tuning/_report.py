"""What a sweep says and writes: a line a trial, the table of the best, files that are always whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqtag import plots, render
from seqtag.config import Choice, Config, Domain
from seqtag.errors import ConfigError, NotInstalledError
from seqtag.tuning._study import LEAST, Trial
from seqtag.tuning.space import Space, with_values

BEST_FILE, TRIALS_FILE, PICTURE_FILE = "best.yaml", "trials.csv", "tune.png"
MODEL_FOLDER = "best"
SHOWN = 10  # trials in the table
_RANKS = {"complete": 0, "pruned": 1, "failed": 2}


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """Return the complete trial with the greatest score, of equal ones the first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)


def best_config(config: Config, best: Trial, folder: Path) -> Config:
    """Return the configuration of the best trial, whose model gets a folder of its own."""
    return replace(with_values(config, best.values), output=str(folder / MODEL_FOLDER), tune=None)


# --- lines ------------------------------------------------------------------------------------------------------


def opening(space: Space, is_default: bool, done: int, total: int, folder: Path) -> str:
    """Word what is about to be done."""
    about = "tune.space is not given; this is tried, and can be changed there:" if is_default else "what is tried:"
    lines = [about, *(f"  {name}: {_domain(one)}" for name, one in space.domains.items())]
    for name in space.outside:
        lines.append(f"{name}: {space.own[name]!r} is outside of its space; only the first trial has it")
    before = f", {done} of them done before" if done else ""
    return "\n".join([*lines, f"{total} trials in {folder}{before}"])


def line(trial: Trial, total: int, trials: SequenceOf[Trial], metric: str) -> str:
    """Word one trial that has just ended."""
    head = f"trial {trial.number:>{len(str(total))}}/{total}"
    values = ", ".join(f"{short(name, trial.values)} {written(value)}" for name, value in trial.values.items())
    took = f"{trial.epochs} epoch{'s'[: trial.epochs != 1]}, {trial.seconds:.0f} s"
    if trial.state == "failed":
        return f"{head}  failed  ({values}): {trial.error}"
    best = best_of(trials)
    mark = " *" if best is not None and best.number == trial.number else "  "
    pruned = "  pruned" if trial.state == "pruned" else ""
    return f"{head}  dev {scale_of(metric) * (trial.score or 0):6.2f}{mark}  {took}{pruned}  {values}"


def no_trial(trials: SequenceOf[Trial]) -> str:
    """Word that nothing came of a sweep."""
    return f"none of {len(trials)} trials could be trained. The first said: {trials[0].error}"


def to_text(trials: SequenceOf[Trial], metric: str, importances: Mapping[str, float], folder: Path) -> str:
    """Return the table of the best trials, what mattered, and how to train the best."""
    ranked = sorted(trials, key=lambda trial: (_RANKS[trial.state], -(trial.score or 0.0), trial.number))
    names = list(trials[0].values)
    header = ["trial", metric, *(short(name, names) for name in names), "epochs", "seconds", "state"]
    rows = [_row(trial, names, metric) for trial in ranked[:SHOWN]]
    counts = {state: sum(trial.state == state for trial in trials) for state in _RANKS}
    counted = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    mattered = ", ".join(f"{short(name, names)} {100 * share:.0f} %" for name, share in importances.items())
    best = best_of(trials)
    assert best is not None
    reached = f"dev {metric} {_score(best, metric)}"
    return "\n".join(
        [
            render.table(rows, header),
            f"{len(trials)} trials ({counted}); first had the configuration's own values: {_score(trials[0], metric)}",
            f"what mattered: {mattered or f'too early to tell, with fewer than {LEAST} scores or all the same'}",
            f"best: trial {best.number}, {reached}. Train it: seqtag train {folder / BEST_FILE}",
        ]
    )


def scale_of(metric: str) -> int:
    """Return what a score is multiplied by where people read it: a share is shown in percent, a log-likelihood not."""
    return 1 if metric.startswith("log-likelihood") else 100


def short(name: str, names: Iterable[str]) -> str:
    """Return a parameter's name without its group, where no other has the same."""
    last = name.partition(".")[2]
    return last if sum(other.partition(".")[2] == last for other in names) == 1 else name


def written(value: Any) -> str:
    """Write a value as YAML has it, in few characters."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _domain(domain: Domain) -> str:
    """Write a domain as YAML has it, on one line."""
    if isinstance(domain, Choice):
        return f"[{', '.join(map(written, domain.values))}]"
    return f"{{{', '.join(f'{key}: {written(value)}' for key, value in domain.to_dict().items())}}}"


def _scale(domain: Domain) -> plots.Scale:
    if isinstance(domain, Choice):
        return "names"
    return "log" if domain.log else "linear"


def _row(trial: Trial, names: Iterable[str], metric: str) -> list[Any]:
    score = None if trial.score is None else scale_of(metric) * trial.score
    values = [written(trial.values[name]) for name in names]
    return [trial.number, score, *values, trial.epochs, round(trial.seconds), trial.state]


def _score(trial: Trial, metric: str) -> str:
    return trial.state if trial.score is None else f"{scale_of(metric) * trial.score:.2f}"


# --- files ------------------------------------------------------------------------------------------------------


def write(folder: Path, trials: SequenceOf[Trial], metric: str, config: Config) -> None:
    """Write ``trials.csv`` and, once a trial is complete, ``best.yaml``; each takes its name when it is whole."""
    if not trials:
        return
    _put(folder / TRIALS_FILE, _csv(trials))
    best = best_of(trials)
    if best is None:
        return
    path = folder / BEST_FILE
    reached = f"dev {metric} {_score(best, metric)}"
    head = f"# The best of {len(trials)} trials: {reached} (trial {best.number} of {folder}).\n"
    _put(path, f"{head}# Run: seqtag train {path}\n\n{best_config(config, best, folder).to_yaml()}")


def draw(
    folder: Path,
    trials: SequenceOf[Trial],
    metric: str,
    importances: Mapping[str, float],
    space: Space,
    say: Callable[[str], None],
) -> None:
    """Draw ``tune.png``, or say what that needs."""
    called = {name: short(name, space.domains) for name in space.domains}
    points = [
        plots.SweepPoint(trial.score, trial.state == "pruned", {called[n]: v for n, v in trial.values.items()})
        for trial in trials
    ]
    shares = {called[name]: share for name, share in importances.items()}
    scales = {called[name]: _scale(domain) for name, domain in space.domains.items()}
    try:
        figure = plots.plot_sweep(points, metric, shares, scales, percent=scale_of(metric) == 100)
        plots.save_figure(figure, folder / PICTURE_FILE)
    except NotInstalledError as error:
        say(f"no picture of the sweep: {error}")


def _csv(trials: SequenceOf[Trial]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(trials[0].values)
    writer.writerow(["trial", "state", "score", *names, "epochs", "seconds", "error"])
    for trial in trials:
        values = [written(trial.values[name]) for name in names]
        score = "" if trial.score is None else repr(trial.score)
        writer.writerow([trial.number, trial.state, score, *values, trial.epochs, f"{trial.seconds:.1f}", trial.error])
    return text.getvalue()


def _put(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
