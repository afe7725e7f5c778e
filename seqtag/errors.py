"""Every exception seqtag raises on purpose, and how their messages are worded.

::

    SeqtagError
    ├── ConfigError        a YAML file, an override or a name in a table (also ValueError)
    │   └── ParameterError a constructor parameter
    ├── DataError          a corpus, a file or an array the user gave (also ValueError)
    ├── BundleError        a saved model that is missing, broken or too new
    ├── NotFittedError     a method that needs ``fit`` first (also ValueError, AttributeError)
    ├── NotInstalledError  an optional library is absent (also ImportError)
    └── TrainingError      training could not go on (NaN loss, no usable data)

A message says what must hold, what was received and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeqtagError(Exception):
    """Base of all errors that seqtag raises on purpose."""


class ConfigError(SeqtagError, ValueError):
    """A configuration cannot be used as it stands."""


class ParameterError(ConfigError):
    """A constructor parameter has a wrong type or value."""


class DataError(SeqtagError, ValueError):
    """A corpus, a file or an array given by the user is not what it must be."""


class BundleError(SeqtagError):
    """A saved model is missing, broken or written by a later version."""


class NotFittedError(SeqtagError, ValueError, AttributeError):
    """A method was called that needs ``fit`` first."""


class NotInstalledError(SeqtagError, ImportError):
    """An optional library is needed and absent."""


class TrainingError(SeqtagError):
    """Training could not go on."""


def near_name(name: str, names: Iterable[str]) -> str:
    """Word a hint that names the closest known name, or nothing.

    Parameters
    ----------
    name : str
        What was received.
    names : iterable of str
        What is known.

    Returns
    -------
    str
        ``" Did you mean 'units'?"``, or an empty string if nothing is close.
    """
    close = difflib.get_close_matches(name, [str(known) for known in names], n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def at(path: object, line: int | None = None) -> str:
    """Word a place as ``file:line``, the form editors and terminals can jump to.

    Parameters
    ----------
    path : path
        The file.
    line : int, optional
        The line, counted from 1.
    """
    return f"{path}" if line is None else f"{path}:{line}"
