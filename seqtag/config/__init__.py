"""A YAML file as a typed experiment: ``task, data, model, training, tune, output, seed``.

Nothing of an estimator is declared here. What ``model`` and ``training`` may hold, with types, ranges, choices and
sentences, is read from the estimator's constructor; the options of ``data`` from the signatures of the readers and of
the data sets' functions. So Python and YAML know the same names and refuse the same values in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtag.config import _yaml
from seqtag.config._data import Data, data_of, format_of
from seqtag.config._fields import GROUPS, TASKS, estimator_class, grouped_fields, mapping_of, refuse_unknown, value_of
from seqtag.config._tune import Choice, Domain, Range, Tune, tune_of
from seqtag.config._yaml import Document
from seqtag.data.encoders import parse_choice
from seqtag.errors import ConfigError, near_name
from seqtag.params import Field, Param

__all__ = [
    "TASKS",
    "Choice",
    "Config",
    "Data",
    "Domain",
    "Range",
    "Tune",
    "format_of",
    "json_schema",
    "load_config",
    "parse_config",
    "parse_data",
    "parse_options",
]

SECTIONS = ("task", "data", *GROUPS, "tune", "output", "seed")


@dataclass(frozen=True)
class Config:
    """An experiment, complete: what a file leaves out has its default.

    Parameters
    ----------
    task : str
        A name in `TASKS`.
    data : Data
        Where the corpora come from.
    model, training : mapping
        Parameters of the task's estimator, by their group.
    output : str
        Folder of the trained model, relative to the current directory.
    seed : int, optional
        The estimator's ``random_state``.
    tune : Tune, optional
        What `seqtag.tuning.tune` tries; training takes no notice of it.
    """

    task: str
    data: Data
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    output: str
    seed: int | None = None
    tune: Tune | None = None

    def estimator(self) -> Any:
        """Build the estimator, not fitted yet."""
        return estimator_class(self.task)(**self.model, **self.training, random_state=self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML, every default written out."""
        values = {name: getattr(self, name) for name in SECTIONS}
        values |= {"data": self.data.to_dict(), **{group: dict(values[group]) for group in GROUPS}}
        if self.tune is None:
            del values["tune"]
            return values
        return values | {"tune": self.tune.to_dict()}

    def to_yaml(self) -> str:
        """Return the YAML that `parse_config` reads back to the same configuration."""
        return _yaml.dump(self.to_dict())


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration.

    Parameters
    ----------
    path : path
        A YAML file.
    overrides : iterable of str
        Values to set instead, as ``model.units=128``; what stands behind ``=`` is read as YAML.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        Naming everything that is wrong, each with file and line. Whether the data are there is not looked at.
    """
    return parse_config(_read_text(Path(path)), str(path), overrides)


def parse_config(text: str, name: str = "config.yaml", overrides: Iterable[str] = ()) -> Config:
    """Read a configuration from a text; ``name`` is what messages call it. See `load_config`."""
    document = _yaml.parse(text, name)
    for assignment in overrides:
        document.override(assignment)
    config = _config_of(document)
    document.finish()
    return config


def parse_data(text: str, name: str = "config.yaml") -> Data:
    """Read the section ``data`` alone, without importing an estimator. See `load_config`."""
    document = _yaml.parse(text, name)
    data = data_of(document)
    document.finish()
    return data


def parse_options(assignments: Iterable[str]) -> dict[str, Any]:
    """Read options of a reader that are written as ``text=review``; what stands behind ``=`` is read as YAML.

    Raises
    ------
    ConfigError
        If one is not written so. Whether a reader has such options is not looked at.
    """
    document = _yaml.parse("", "options")
    for assignment in assignments:
        document.override(assignment)
    document.finish()
    return document.value


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for editors."""
    from seqtag.config._json_schema import schema_of_configuration

    return schema_of_configuration()


def _config_of(document: Document) -> Config:
    """Make the configuration; what is wrong is noted in the document."""
    task = _task(document)
    groups = grouped_fields(task) if task else {}
    elsewhere = {name: f"Write it as {group}.{name}." for group in GROUPS for name in groups.get(group, {})}
    refuse_unknown(document, (), document.value, SECTIONS, elsewhere | {"random_state": "Write it as seed."})
    data = data_of(document, task)
    model, training = (_parameters(document, task, group, groups.get(group), elsewhere) for group in GROUPS)
    output = value_of(document, ("output",), document.value, _output_field(document.name))
    seed = (
        value_of(document, ("seed",), document.value, replace(groups["run"]["random_state"], name="seed"))
        if task
        else None
    )
    return Config(task, data, model, training, output, seed, tune_of(document, groups))


def _task(document: Document) -> str:
    given = document.value.get("task")
    if isinstance(given, str) and given in TASKS:
        return given
    near = near_name(given, TASKS) if isinstance(given, str) else ""
    document.note(("task",), f"task must be one of {', '.join(TASKS)}; got {given!r}.{near}")
    return ""


def _parameters(
    document: Document, task: str, group: str, fields: Mapping[str, Field] | None, elsewhere: Mapping[str, str]
) -> dict[str, Any]:
    given = mapping_of(document, group)
    if given is None or fields is None:
        return {}
    if not given.keys() <= fields.keys():
        refuse_unknown(document, (group,), given, fields, {**_of_other_tasks(task), **elsewhere})
    values = {name: value_of(document, (group, name), given, field) for name, field in fields.items()}
    if isinstance(given.get("encoders"), list):
        _check_encoders(document, (group, "encoders"), given["encoders"])
    return values


def _of_other_tasks(task: str) -> dict[str, str]:
    """Return what to say of parameters that only another task has; it has to import the others' estimators."""
    owners: dict[str, list[str]] = {}
    for other in TASKS:
        if other != task:
            groups = grouped_fields(other)
            for name in (name for group in GROUPS for name in groups[group]):
                owners.setdefault(name, []).append(other)
    return {name: f"It belongs to task: {' or '.join(others)}." for name, others in owners.items()}


def _check_encoders(document: Document, path: tuple[str, str], choices: list[Any]) -> None:
    """Look into the one parameter whose items have names and options of their own."""
    for index, choice in enumerate(choices):
        try:
            parse_choice(choice)
        except ConfigError as error:
            document.note((*path, index), f"{'.'.join(path)}: {error}")


def _output_field(name: str) -> Field:
    return Field("output", "run", f"runs/{Path(name).stem}", (str,), (), Param("run"), "")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        advice = near_name(path.name, neighbours) or " Check the path."
        raise ConfigError(f"{path}: there is no such file.{advice}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the file cannot be read as text in UTF-8 ({error}).") from error
