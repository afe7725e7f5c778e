"""The constructor signature as the one declaration of a parameter.

A parameter is written once, in ``__init__``, as ``units: Annotated[int, Param("model", low=1)] = 200``.
scikit-learn reads the name and the default, `check_params` the type and the range at ``fit``, the
configuration its group, and the JSON Schema its sentence from the class's docstring.
"""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from seqtag.errors import ParameterError, near_name


@dataclass(frozen=True)
class Param:
    """What a signature cannot say of a parameter.

    Parameters
    ----------
    group : {"model", "training", "run", "encoder", "export"}
        Where it stands in a configuration. ``run`` holds what is not written there by its own name
        (``random_state`` is the top-level ``seed``; ``verbose`` belongs to the command line), ``encoder`` the
        options of one encoder, ``export`` those of one format in which a model leaves.
    low, high : float, optional
        Smallest and greatest number allowed.
    below : float, optional
        A number it must stay under.
    choices : callable, optional
        Gives the allowed names when asked, so that a table can still grow.
    """

    group: str
    low: float | None = None
    high: float | None = None
    below: float | None = None
    choices: Callable[[], tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Field:
    """One parameter of a constructor, as read from its signature and docstring."""

    name: str
    group: str
    default: Any
    types: tuple[type, ...]
    literals: tuple[Any, ...]
    param: Param
    doc: str

    @property
    def choices(self) -> tuple[Any, ...]:
        """All literal values allowed: those of the annotation and those of the table."""
        named = self.param.choices() if self.param.choices else ()
        return (*named, *self.literals)

    def expectation(self) -> str:
        """Word what the value must be: "an int of at least 1 or 'auto'"."""
        options = [_TYPE_WORDS.get(kind, kind.__name__) for kind in self.types if not self._is_named(kind)]
        if options and (bounds := self._bounds()):
            options[0] += bounds
        options += [repr(choice) for choice in self.choices]
        return " or ".join(options)

    def problem(self, value: Any) -> str | None:
        """Say why a value is refused, or None if it is right."""
        expected = f"must be {self.expectation()}; got {value!r}."
        if any(_same(value, choice) for choice in self.choices):
            return None
        free = tuple(kind for kind in self.types if not self._is_named(kind))
        if not _is_instance(value, free):
            hint = near_name(value, [str(c) for c in self.choices]) if isinstance(value, str) else ""
            return expected + hint
        if isinstance(value, Real) and not isinstance(value, bool) and not self._in_range(value):
            return expected
        return None

    def _is_named(self, kind: type) -> bool:
        return kind is str and self.param.choices is not None

    def _in_range(self, value: Any) -> bool:
        p = self.param
        return not (
            value != value  # NaN; math.isnan would overflow on a very large int
            or value in (math.inf, -math.inf)
            or (p.low is not None and value < p.low)
            or (p.high is not None and value > p.high)
            or (p.below is not None and value >= p.below)
        )

    def _bounds(self) -> str:
        p = self.param
        words = [
            f"of at least {p.low:g}" if p.low is not None else "",
            f"at most {p.high:g}" if p.high is not None else "",
            f"less than {p.below:g}" if p.below is not None else "",
        ]
        return "".join(f" {word}" if i == 0 else f" and {word}" for i, word in enumerate(filter(None, words)))


_TYPE_WORDS = {
    int: "an int",
    float: "a number",
    bool: "true or false",
    str: "a string",
    list: "a list",
    dict: "a mapping",
    type(None): "None",
}


def schema(cls: type) -> dict[str, Field]:
    """Read the parameters of a class from its constructor.

    Parameters
    ----------
    cls : type
        A class whose ``__init__`` annotates each parameter with `Param`.

    Returns
    -------
    dict of str to Field
        In the order of the signature.
    """
    return fields(cls.__init__, parameter_docs(cls))  # type: ignore[misc]


def fields(
    function: Callable[..., Any], docs: Mapping[str, str] = MappingProxyType({}), skip: int = 1
) -> dict[str, Field]:
    """Read the parameters of a function, all but the first, from its signature.

    Parameters
    ----------
    function : callable
        Annotates each parameter but the first (``self``, or the data) with `Param`.
    docs : mapping of str to str
        What each parameter is, by name.
    skip : int
        How many parameters at the beginning are not declared so.

    Returns
    -------
    dict of str to Field
        In the order of the signature.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.items())[skip:]
    return {name: _field(name, hints[name], p.default, docs.get(name, "")) for name, p in parameters}


def check_params(estimator: Any) -> None:
    """Check every parameter of an estimator against its own signature.

    Raises
    ------
    ParameterError
        Naming the first parameter that is wrong, what it must be and what it is.
    """
    cls = type(estimator)
    for name, field in schema(cls).items():
        if why := field.problem(getattr(estimator, name)):
            raise ParameterError(f"{cls.__name__}: {name} {why}")


def parameter_docs(cls: type) -> dict[str, str]:
    """Return the sentences of the numpydoc "Parameters" section, one string a parameter."""
    text = inspect.cleandoc(cls.__doc__ or "")
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.S | re.M)
    docs: dict[str, str] = {}
    if section is None:
        return docs
    for names, body in re.findall(r"^(\w[^\n]*?) : [^\n]*\n((?:    [^\n]*\n?|\n)*)", section[1], re.M):
        for name in names.split(", "):
            docs[name] = " ".join(body.split())
    return docs


def _field(name: str, hint: Any, default: Any, doc: str) -> Field:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"parameter {name!r} is not declared with Annotated[..., Param(...)]")
    base, param = get_args(hint)[:2]
    members = get_args(base) if get_origin(base) in (Union, types.UnionType) else (base,)
    literals: list[Any] = []
    kinds: list[type] = []
    for member in members:
        if get_origin(member) is Literal:
            literals += get_args(member)
        else:
            kinds.append(get_origin(member) or member)
    return Field(name, param.group, default, tuple(kinds), tuple(literals), param, doc)


def _is_instance(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds or Any in kinds
    for kind in kinds:
        if kind is Any:
            return True
        if kind is int and hasattr(type(value), "__index__"):
            return True  # numpy integers count as int, as scikit-learn's searches make them
        if kind is float and isinstance(value, (int, float)):
            return True
        if kind is float and hasattr(type(value), "__float__") and hasattr(value, "dtype"):
            return True
        if kind is list and isinstance(value, (list, tuple)):
            return True
        if kind is dict and isinstance(value, Mapping):
            return True
        if kind in (str, bool, type(None)) and isinstance(value, kind):
            return True
        if kind not in (int, float, list, dict, str, bool, type(None)) and isinstance(value, kind):
            return True
    return False


def _same(value: Any, choice: Any) -> bool:
    return type(value) is type(choice) and value == choice
