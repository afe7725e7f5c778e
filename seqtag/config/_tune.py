"""The section ``tune``: how many trials, and what each tunable parameter may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from seqtag.config._fields import GROUPS, mapping_of, refuse_unknown, value_of
from seqtag.config._yaml import Document, KeyPath
from seqtag.data.encoders import parse_choice
from seqtag.errors import ConfigError, near_name
from seqtag.params import Field, Param

TRIALS, SEEDS = 30, 1
KEYS = ("trials", "seeds", "space")
RANGE_KEYS = ("low", "high", "step", "log")

COUNTS = {
    "trials": Field("trials", "tune", TRIALS, (int,), (), Param("tune", low=1), "Trials in all, earlier runs counted."),
    "seeds": Field("seeds", "tune", SEEDS, (int,), (), Param("tune", low=1), "Trainings a trial; their mean counts."),
}

FIXED = {
    "validation_fraction": "It decides what is scored, so that scores could not be compared.",
    "scheme": "It decides how is scored, so that scores could not be compared.",
    "multi_label": "It decides how is scored, so that scores could not be compared.",
    **dict.fromkeys(
        ("level", "continuous", "go_backwards", "min_count", "max_vocabulary"),
        "It decides what is predicted, so that scores could not be compared.",
    ),
}
"""Parameters that no trial may change, and why."""


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : int or float
        The bounds, both possible.
    step : int or float, optional
        Distance of neighbouring values; without it every number is possible, or every whole one.
    log : bool
        Whether orders of magnitude are equally likely, rather than numbers.
    integer : bool
        Whether values are whole numbers.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    integer: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML."""
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, **step, **({"log": True} if self.log else {})}


@dataclass(frozen=True)
class Choice:
    """A list of values."""

    values: tuple[Any, ...]

    def to_dict(self) -> list[Any]:
        """Return it as it stands in YAML."""
        return list(self.values)


Domain: TypeAlias = Range | Choice
"""What a parameter may be."""


@dataclass(frozen=True)
class Tune:
    """How to search for better parameters.

    Parameters
    ----------
    trials : int
        Trials in all.
    seeds : int
        Trainings a trial, each with another seed.
    space : mapping of str to Range or Choice
        What is tried, by ``model.name`` or ``training.name``; empty where it is left to the task.
    """

    trials: int = TRIALS
    seeds: int = SEEDS
    space: Mapping[str, Domain] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML."""
        space = {name: domain.to_dict() for name, domain in self.space.items()}
        return {"trials": self.trials, "seeds": self.seeds, **({"space": space} if space else {})}


def tune_of(document: Document, groups: Mapping[str, Mapping[str, Field]]) -> Tune | None:
    """Check the section ``tune``; what is wrong is noted in the document.

    Parameters
    ----------
    document : Document
        The configuration.
    groups : mapping of str to mapping of str to Field
        The parameters of the task's estimator, by group and name; empty if the task is not known.

    Returns
    -------
    Tune or None
        None where there is no such section.
    """
    if "tune" not in document.value:
        return None
    given = mapping_of(document, "tune")
    if given is None:
        return Tune()
    refuse_unknown(document, ("tune",), given, KEYS)
    counts = {name: value_of(document, ("tune", name), given, field) for name, field in COUNTS.items()}
    return Tune(**counts, space=_space(document, given.get("space"), groups) if groups else {})


def _space(document: Document, given: Any, groups: Mapping[str, Mapping[str, Field]]) -> dict[str, Domain]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        document.note(("tune", "space"), f"tune.space must be a mapping of parameters to values; got {given!r:.60}.")
        return {}
    known = {f"{group}.{name}": field for group in GROUPS for name, field in groups[group].items()}
    found: dict[str, Domain | None] = {}
    for name, path, value in _named(given):
        if why := _untunable(name, known):
            document.note(path, f"tune.space: {name} {why}")
        else:
            found[name] = _domain(document, path, known[name], value)
    return {name: domain for name, domain in found.items() if domain is not None}


def _named(given: Mapping[str, Any]) -> Iterator[tuple[str, KeyPath, Any]]:
    """Yield name, place and value; a name may be ``model.units``, or ``units`` inside ``model``, as --set writes it."""
    for key, value in given.items():
        if key in GROUPS and isinstance(value, dict):
            for name, inner in value.items():
                yield f"{key}.{name}", ("tune", "space", key, name), inner
        else:
            yield key, ("tune", "space", key), value


def _untunable(name: str, known: Mapping[str, Field]) -> str | None:
    """Say why there is nothing to tune by a name, or None."""
    if name not in known:
        written = next((full for full in known if full.partition(".")[2] == name.rpartition(".")[2]), None)
        hint = f" Write it as {written}." if written else near_name(name, known) or " Write it as model.units."
        return f"is no parameter of the task.{hint}"
    fixed = FIXED.get(known[name].name)
    return f"cannot be tuned. {fixed}" if fixed else None


def _domain(document: Document, path: KeyPath, field: Field, given: Any) -> Domain | None:
    """Return what a parameter may be; None, and a note, if it is not written as that."""
    name = f"{field.group}.{field.name}"
    numeric = int in field.types or float in field.types
    if isinstance(given, list):
        return _choice(document, path, name, field, given)
    if isinstance(given, dict) and numeric:
        return _range(document, path, name, field, given)
    or_range = ", or a range as {low: 1, high: 3}" if numeric else ""
    document.note(path, f"tune.space: {name} must be a list of values{or_range}; got {given!r:.60}.")
    return None


def _choice(document: Document, path: KeyPath, name: str, field: Field, given: list[Any]) -> Domain | None:
    before = len(document.problems)
    if len(given) < 2:
        document.note(path, f"tune.space: {name} must list at least two values; got {given!r:.60}.")
    for index, value in enumerate(given):
        if why := field.problem(value):
            document.note((*path, index), f"tune.space: {name} {why}")
        elif any(type(value) is type(other) and value == other for other in given[:index]):
            document.note((*path, index), f"tune.space: {name} lists {value!r:.60} twice.")
        elif field.name == "encoders" and isinstance(value, list):
            _check_encoders(document, (*path, index), name, value)
    return Choice(tuple(given)) if len(document.problems) == before else None


def _check_encoders(document: Document, path: KeyPath, name: str, choices: list[Any]) -> None:
    for choice in choices:
        try:
            parse_choice(choice)
        except ConfigError as error:
            document.note(path, f"tune.space: {name}: {error}")


def _range(document: Document, path: KeyPath, name: str, field: Field, given: Mapping[str, Any]) -> Domain | None:
    before = len(document.problems)

    def note(key: str, problem: str) -> None:
        document.note((*path, key), f"tune.space: {name} {problem}")

    for key in given:
        if key not in RANGE_KEYS:
            note(key, f"is a range of {', '.join(RANGE_KEYS)}; got {key!r}.{near_name(key, RANGE_KEYS)}")
    for key in ("low", "high"):
        if not _is_number(given.get(key)):
            note(key, f"must have a number as {key}; got {given.get(key)!r}.")
        elif why := field.problem(given[key]):
            note(key, why)
    if not isinstance(given.get("log", False), bool):
        note("log", f"must have true or false as log; got {given['log']!r}.")
    if len(document.problems) > before:
        return None
    integer = float not in field.types
    if problem := _range_problem(given, integer):
        note(*problem)
        return None
    return Range(given["low"], given["high"], given.get("step"), given.get("log", False), integer)


def _range_problem(given: Mapping[str, Any], integer: bool) -> tuple[str, str] | None:
    """Return the key that does not fit the others, and why."""
    low, high, step, log = given["low"], given["high"], given.get("step"), given.get("log", False)
    if low >= high:
        return "high", f"must have a low that is less than its high; got {low!r} and {high!r}."
    if log and low <= 0:
        return "low", f"must have a low of more than 0 where log is true; got {low!r}."
    if step is None:
        return None
    if log:
        return "step", "must have no step where log is true."
    if not _is_number(step) or step <= 0 or (integer and not isinstance(step, int)):
        return "step", f"must have {'an int' if integer else 'a number'} of more than 0 as step; got {step!r}."
    if (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        return "high", f"must reach its high in whole steps; got {low!r} to {high!r} by {step!r}."
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
