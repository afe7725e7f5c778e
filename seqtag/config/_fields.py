"""What a configuration may hold, read from signatures: of estimators, readers and the data sets' functions."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from seqtag import datasets
from seqtag.config._yaml import Document, KeyPath
from seqtag.errors import near_name
from seqtag.params import Field, Param, parameter_docs, schema
from seqtag.registry import Registry

TASKS: Registry[str] = Registry("task")
"""The estimators by task, as ``module:class``; a module is imported when its task is asked for."""
TASKS.add("tagging", "seqtag.tasks.tagger:SequenceTagger")
TASKS.add("classification", "seqtag.tasks.classifier:SequenceClassifier")
TASKS.add("joint", "seqtag.tasks.joint:JointTagger")
TASKS.add("language_modelling", "seqtag.tasks.language_model:LanguageModel")

GROUPS = ("model", "training")
"""The groups of parameters that have a section of their own."""


def estimator_class(task: str) -> type:
    """Import the estimator of a task."""
    module, _, name = TASKS[task].partition(":")
    return getattr(importlib.import_module(module), name)


def grouped_fields(task: str) -> dict[str, dict[str, Field]]:
    """Return the parameters of a task's estimator by group and name."""
    groups: dict[str, dict[str, Field]] = {}
    for name, parameter in schema(estimator_class(task)).items():
        groups.setdefault(parameter.group, {})[name] = parameter
    return groups


def options_of(function: Callable[..., Any]) -> dict[str, Field]:
    """Return the keyword-only parameters of a function as fields."""
    hints = get_type_hints(function)
    docs = parameter_docs(function)  # type: ignore[arg-type]
    return {
        name: Field(name, "data", parameter.default, _kinds(hints[name]), (), Param("data"), docs.get(name, ""))
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def dataset_options(name: str) -> dict[str, Field]:
    """Return the options of a data set, those of its ``load_``, ``make_`` or ``fetch_`` function."""
    verbs = (getattr(datasets, f"{verb}_{name}", None) for verb in ("load", "make", "fetch"))
    return options_of(next(function for function in verbs if function is not None))


def value_of(document: Document, path: KeyPath, given: Mapping[str, Any], field: Field) -> Any:
    """Return a given value, or its default, as YAML holds it; what is wrong with it is noted."""
    if field.name not in given:
        return _plain(field.default)
    value = given[field.name]
    if why := field.problem(value):
        document.note(path, f"{'.'.join(map(str, path))} {why}")
    return value


def refuse_unknown(
    document: Document,
    path: KeyPath,
    given: Iterable[str],
    known: Iterable[str],
    advice: Mapping[str, str] | None = None,
) -> None:
    """Note each key that is not known, with the near name.

    Parameters
    ----------
    document : Document
        Where to note it.
    path : tuple
        What holds the keys.
    given, known : iterable of str
        Keys.
    advice : mapping of str to str, optional
        What to say of keys that are known elsewhere.
    """
    known = list(known)
    for key in given:
        if key not in known:
            hint = (advice or {}).get(key) or near_name(key, known).strip() or f"Known here are {', '.join(known)}."
            document.note((*path, key), f"{'.'.join([*map(str, path), key])} is unknown. {hint}")


def mapping_of(document: Document, section: str) -> dict[str, Any] | None:
    """Return a section's content; None, and a note, if it is no mapping."""
    given = document.value.get(section)
    if given is None or isinstance(given, dict):
        return given or {}
    document.note((section,), f"{section} must be a mapping of names to values; got {given!r:.60}.")
    return None


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the types of an annotation as YAML knows them: a tuple is a list there, a mapping a dict."""
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    plain = {tuple: list, Mapping: dict}
    kinds = [get_origin(member) or member for member in members]
    return tuple(dict.fromkeys(plain.get(kind, kind) for kind in kinds))


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
