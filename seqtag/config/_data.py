"""The section ``data``: a data set by name, or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqtag.config._fields import dataset_options, mapping_of, options_of, refuse_unknown, value_of
from seqtag.config._yaml import Document, KeyPath
from seqtag.data.readers import READERS, detect_format, suffix_of
from seqtag.datasets import DATASETS
from seqtag.errors import ConfigError
from seqtag.params import Field

SPLITS = ("train", "dev", "test")
FILE_KEYS = ("train", "test", "format", "stream")


@dataclass(frozen=True)
class Data:
    """Where the corpora come from.

    Parameters
    ----------
    dataset : str, optional
        A data set of `seqtag.datasets.DATASETS`; without one, ``files`` are read.
    files : mapping of str to str
        File by split; a relative path is relative to the current directory.
    format : str, optional
        The files' format, one of `seqtag.data.readers.READERS`.
    dev_share : float, optional
        Share of ``train`` whose end becomes ``dev``.
    options : mapping
        Options of the data set, or of the format's reader.
    stream : bool
        Whether ``train`` is read from disk in each pass rather than held; it may then be a pattern for many files.
    """

    dataset: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    dev_share: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML."""
        named = {"dataset": self.dataset, **self.files, "dev": self.dev_share or self.files.get("dev")}
        given = {
            name: value
            for name, value in (named | {"format": self.format, "stream": self.stream or None}).items()
            if value is not None
        }
        return given | dict(self.options)


PLAIN_TEXT = ("language_modelling",)
"""The tasks that learn from text as it stands: a file is such text unless its suffix tells a format with more."""


def format_of(path: str | Path, task: str = "") -> str:
    """Tell the format of a file from its suffix and from what it is for.

    Parameters
    ----------
    path : path
        The file.
    task : str
        A name in `TASKS`. For a language model ``.txt``, and a suffix that tells nothing, are lines of text.

    Raises
    ------
    ConfigError
        If the suffix is none that is known.
    """
    if task in PLAIN_TEXT:
        if suffix_of(path) == ".txt":
            return "lines"
        try:
            return detect_format(path)
        except ConfigError:
            return "lines"
    return detect_format(path)


def data_of(document: Document, task: str = "") -> Data:
    """Check the section ``data`` of a task; what is wrong is noted in the document."""
    if document.value.get("data") is None:
        document.note(("data",), "data must name a data set (dataset: NAME) or files (train: FILE); got nothing.")
        return Data()
    given = mapping_of(document, "data")
    if given is None:
        return Data()
    return _dataset(document, given) if "dataset" in given else _files(document, given, task)


def _dataset(document: Document, given: dict[str, Any]) -> Data:
    name = given["dataset"]
    if _tried(document, ("data", "dataset"), "data.dataset: ", DATASETS.__getitem__, name) is None:
        return Data()
    options = dataset_options(name)
    advice = dict.fromkeys(FILE_KEYS, "It belongs to files, and this data is a data set.")
    refuse_unknown(document, ("data",), given, ["dataset", "dev", *options], advice)
    share = given.get("dev")
    if share is not None and not _is_share(share):
        document.note(("data", "dev"), f"data.dev must be a share of train, between 0 and 1; got {share!r}.")
    return Data(name, dev_share=share, options=_options(document, given, options))


def _files(document: Document, given: dict[str, Any], task: str) -> Data:
    files = {split: given[split] for split in SPLITS if given.get(split) is not None}
    share = files.pop("dev") if isinstance(files.get("dev"), (int, float)) else None
    if share is not None and not _is_share(share):
        document.note(("data", "dev"), f"data.dev must be a file, or a share of train between 0 and 1; got {share!r}.")
    for split, path in files.items():
        if not isinstance(path, str) or not path:
            document.note(("data", split), f"data.{split} must be the path of a file; got {path!r}.")
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        document.note(("data", "stream"), f"data.stream must be true or false; got {stream!r}.")
    elif stream and share is not None:
        document.note(
            ("data", "dev"),
            "data.dev must be a file where data.stream is true, since the end of a stream is not known; "
            f"got {share!r}. Without dev, training.validation_fraction of train is held out.",
        )
    format = _format(document, given, task)
    options: dict[str, Field] = {}
    for name in READERS if format is None else [format]:
        options |= options_of(READERS[name])
    refuse_unknown(document, ("data",), given, [*SPLITS, "format", "stream", *options])
    return Data(None, files, format, share, _options(document, given, options), stream is True)


def _format(document: Document, given: dict[str, Any], task: str) -> str | None:
    """Return the format that is named, or that the training file's suffix tells."""
    path, named = given.get("train"), given.get("format")
    if path is None:
        document.note(("data",), "data must name a file under train, or a data set under dataset.")
    if named is not None:
        reader = _tried(document, ("data", "format"), "data.", READERS.__getitem__, named)
        return None if reader is None else named
    if not isinstance(path, str) or not path:
        return None
    return _tried(document, ("data", "train"), "data.format: ", lambda file: format_of(file, task), path)


def _options(document: Document, given: dict[str, Any], fields: dict[str, Field]) -> dict[str, Any]:
    return {name: value_of(document, ("data", name), given, field) for name, field in fields.items()}


def _tried(document: Document, path: KeyPath, prefix: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Return what a function gives, or note the error that it raises and return None."""
    try:
        return function(value)
    except ConfigError as error:
        document.note(path, f"{prefix}{error}")
        return None


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1
