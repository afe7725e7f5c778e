"""The JSON Schema (draft 2020-12) of a configuration: what an editor needs to complete, explain and check it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from seqtag.config._data import SPLITS
from seqtag.config._fields import GROUPS, TASKS, dataset_options, grouped_fields, options_of
from seqtag.config._tune import COUNTS, FIXED
from seqtag.data.encoders import ENCODERS
from seqtag.data.readers import READERS
from seqtag.datasets import DATASETS
from seqtag.params import Field, Param, fields

Schema = dict[str, Any]

_TYPES = {
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_BOUNDS = {"low": "minimum", "high": "maximum", "below": "exclusiveMaximum"}
_TEXT = {"type": "string", "minLength": 1}
_SHARE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_ABOUT = {
    "task": "What is learned.",
    "data": "What is learned from: a data set by its name, or files.",
    "model": "Parameters of the estimator: what it is.",
    "training": "Parameters of the estimator: how it is trained.",
    "tune": "What seqtag tune tries; training takes no notice of it.",
    "output": "Folder of the trained model, relative to the current directory. By default runs/ and the file's name.",
    "seed": "Seeds everything; null draws a seed, which the model's folder then records.",
    "train": "File to learn from, relative to the current directory.",
    "dev": "File that decides which epoch is the best, or the share of train whose end is held out for it.",
    "test": "File for the final scores.",
    "format": "Format of the files; the suffix of train tells it otherwise.",
    "stream": "Whether train is read from disk in each pass rather than held; it may be a pattern such as *.conll.",
    "dataset": "A data set by its name, see seqtag data.",
}


def schema_of_configuration() -> Schema:
    """Return the schema; what depends on the task is told apart by ``if`` and ``then``."""
    sections = {
        "task": {"enum": list(TASKS)},
        "data": {"type": "object", "anyOf": [*map(_of_dataset, DATASETS), *map(_of_files, READERS)]},
        "model": {"type": ["object", "null"]},
        "training": {"type": ["object", "null"]},
        "tune": {"type": ["object", "null"]},
        "output": _TEXT,
        "seed": {"type": ["integer", "null"], "minimum": 0},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqtag configuration",
        **_object(_explained(sections), ["task", "data"]),
        "allOf": [_of_task(task) for task in TASKS],
    }


def _of_task(task: str) -> Schema:
    groups = grouped_fields(task)
    parameters = {group: _object(_of_fields(groups[group])) | {"type": ["object", "null"]} for group in GROUPS}
    parameters |= {"tune": _of_tune(groups)}
    return {"if": {"properties": {"task": {"const": task}}}, "then": {"properties": parameters}}


def _of_tune(groups: Mapping[str, Mapping[str, Field]]) -> Schema:
    """Return the schema of a search: each tunable parameter by its full name, or inside its group."""
    domains = {
        group: {name: _of_domain(field) for name, field in groups[group].items() if name not in FIXED}
        for group in GROUPS
    }
    full = {f"{group}.{name}": domain for group in GROUPS for name, domain in domains[group].items()}
    space = _object(full | {group: _object(domains[group]) for group in GROUPS}) | {"type": ["object", "null"]}
    return _object(_of_fields(COUNTS) | {"space": space}) | {"type": ["object", "null"]}


def _of_domain(field: Field) -> Schema:
    """Return the schema of what a parameter may be: a list of values and, of a number, a range."""
    value = {key: rule for key, rule in _of_field(field).items() if key not in ("default", "description")}
    kinds: list[Schema] = [{"type": "array", "minItems": 2, "uniqueItems": True, "items": value}]
    if kind := next((kind for kind in (float, int) if kind in field.types), None):
        bound = _of_type(kind, field.param)
        step = {"type": _TYPES[kind], "exclusiveMinimum": 0}
        kinds.append(_object({"low": bound, "high": bound, "step": step, "log": {"type": "boolean"}}, ["low", "high"]))
    return ({"description": field.doc} if field.doc else {}) | {"anyOf": kinds}


def _of_dataset(name: str) -> Schema:
    properties = {
        "dataset": {"const": name},
        "dev": _SHARE | {"description": "Share of train whose end is held out as dev."},
    }
    options = _of_fields(dataset_options(name))
    return {"title": DATASETS[name].title, **_object(_explained(properties) | options, ["dataset"])}


def _of_files(format: str) -> Schema:
    properties = dict.fromkeys(SPLITS, _TEXT) | {"dev": {"anyOf": [_TEXT, _SHARE]}, "format": {"const": format}}
    properties["stream"] = {"type": "boolean", "default": False}
    options = _of_fields(options_of(READERS[format]))
    return {"title": f"files in {format}", **_object(_explained(properties) | options, ["train"])}


def _of_fields(known: Mapping[str, Field]) -> Schema:
    return {name: _of_field(field) for name, field in known.items()}


def _of_field(field: Field) -> Schema:
    """Return the schema of one parameter: any of its types and names, its sentence and its default."""
    accepted = [_of_type(kind, field.param) for kind in field.types if not (kind is str and field.param.choices)]
    if field.choices:
        accepted.append({"enum": list(field.choices)})
    if field.name == "encoders":
        accepted[0]["items"] = {"anyOf": [{"enum": _bare_encoders()}, *map(_of_encoder, ENCODERS)]}
    schema = accepted[0] if len(accepted) == 1 else {"anyOf": accepted}
    if field.doc:
        schema = {"description": field.doc, **schema}
    if field.default is not inspect.Parameter.empty:
        schema["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    return schema


def _of_type(kind: type, param: Param) -> Schema:
    bounds = {word: getattr(param, name) for name, word in _BOUNDS.items()} if kind in (int, float) else {}
    return {"type": _TYPES[kind], **{word: bound for word, bound in bounds.items() if bound is not None}}


def _of_encoder(name: str) -> Schema:
    """Return the schema of an encoder as a mapping: its name with its main argument, and its options."""
    known = fields(ENCODERS[name])
    main = _main_argument(name)
    argument = {"type": "null"} if main is None else _of_field(known.pop(main.name))
    if main is not None and main.default is not main.empty:
        argument = {"anyOf": [argument, {"type": "null"}]}
    return {"title": name, **_object({name: argument} | _of_fields(known), [name])}


def _bare_encoders() -> list[str]:
    """Return the encoders that can be named without a main argument."""
    mains = {name: _main_argument(name) for name in ENCODERS}
    return [name for name, main in mains.items() if main is None or main.default is not main.empty]


def _main_argument(name: str) -> inspect.Parameter | None:
    parameters = list(inspect.signature(ENCODERS[name]).parameters.values())[1:]
    return next((p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD), None)


def _explained(properties: Schema) -> Schema:
    return {name: {"description": _ABOUT[name], **schema} for name, schema in properties.items()}


def _object(properties: Schema, required: Iterable[str] = ()) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})
