"""YAML read safely into a `Document` that knows where each value was written.

Scalars are read as YAML 1.2 reads them (only ``true`` and ``false`` are booleans, ``4e-3`` is a number, ``no`` and
``1:30`` are strings), keys are strings as they stand. No tag runs code: what is not a plain value is a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from seqtag.errors import ConfigError, at

KeyPath: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": r"(?:~|null|Null|NULL|)",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)",
    "int": r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)",
    "float": r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
}
_READ: dict[str, Callable[[str], Any]] = {
    f"{_TAG}str": str,
    f"{_TAG}null": lambda text: None,
    f"{_TAG}bool": lambda text: text.lower() == "true",
    f"{_TAG}int": lambda text: int(text, 0 if text[:2] in ("0x", "0o") else 10),
    f"{_TAG}float": lambda text: float(re.sub(r"\.(inf|nan)", r"\1", text.lower())),
}


class _Loader(yaml.SafeLoader):
    """Composes nodes, and knows scalars by the patterns above instead of by those of YAML 1.1."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (PyYAML's own name and form)


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would read as something else, and writes lists on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        return self.represent_sequence(f"{_TAG}seq", data, flow_style=True)


for _name, _pattern in _PATTERNS.items():
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(_TAG + _name, re.compile(rf"{_pattern}\Z"), None)
for _kind in (list, tuple):
    _Dumper.add_representer(_kind, _Dumper.represent_list)


@dataclass
class Document:
    """A mapping read from YAML, with the place of each value.

    Parameters
    ----------
    name : str
        The file's path, or what messages call the text.
    value : dict
        Plain values only.
    places : dict of tuple to str
        ``file:line`` by the path of keys and indices.
    problems : list of (str, str)
        What is wrong with it, by place: keys written twice, unknown tags, and what is noted later.
    """

    name: str
    value: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def place(self, path: KeyPath) -> str:
        """Return where a value was written, or the nearest value above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, self.name)

    def note(self, path: KeyPath, problem: str) -> None:
        """Note what is wrong with a value."""
        self.problems.append((self.place(path), problem))

    def finish(self) -> None:
        """Raise what was noted, in the order of the text, as one `ConfigError`."""
        lines = [": ".join(noted) for noted in sorted(self.problems, key=lambda noted: _line_of(noted[0]))]
        if len(lines) == 1:
            raise ConfigError(lines[0])
        if lines:
            raise ConfigError("\n  ".join([f"{self.name} has {len(lines)} problems:", *lines]))

    def override(self, assignment: str) -> None:
        """Set one value as ``a.b=c`` says, with c read as YAML.

        Raises
        ------
        ConfigError
            If it is not written so, or a part of the path holds something that has no keys.
        """
        dotted, found, text = assignment.partition("=")
        path = tuple(dotted.strip().split("."))
        place = f"--set {assignment}"
        if not found or not all(path):
            raise ConfigError(f"{place}: must be written key=value, for example model.units=128.")
        inner = self.value
        for depth, key in enumerate(path[:-1], 1):
            if inner.get(key) is None:
                inner[key] = {}
            inner = inner[key]
            if not isinstance(inner, dict):
                raise ConfigError(f"{place}: {'.'.join(path[:depth])} holds {inner!r}, which has no keys.")
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]
        inner[path[-1]] = _Reading(text, place, by_line=False).value(self, path)
        self.places[path] = place


def _line_of(place: str) -> float:
    """Return the line of a place; what was set otherwise comes behind all lines."""
    line = place.rpartition(":")[2]
    return int(line) if line.isdecimal() else float("inf")


def parse(text: str, name: str) -> Document:
    """Read a YAML text that holds one mapping.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        The file's path, or what messages call the text.

    Raises
    ------
    ConfigError
        If it is no YAML, or no mapping, with the line.
    """
    document = Document(name)
    value = _Reading(text, name).value(document, ())
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{name}: a configuration must be a mapping of keys to values; got {value!r:.60}.")
    document.value = value or {}
    return document


def dump(value: Mapping[str, Any]) -> str:
    """Write plain values as YAML that `parse` reads back to the same."""
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)


class _Reading:
    """One text on its way to values: its nodes, and how its places are worded."""

    def __init__(self, text: str, name: str, by_line: bool = True) -> None:
        self._name = name
        self._by_line = by_line
        self._seen: set[Hashable] = set()
        self._root = self._compose(text)

    def value(self, document: Document, path: KeyPath) -> Any:
        """Return the text's value, its places and problems noted in the document."""
        return None if self._root is None else self._build(self._root, document, path)

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._unreadable(error.problem or error.context, mark.line + 1 if mark else None) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise self._unreadable(
                f"the character U+{ord(text[error.position]):04X} must not stand here", line
            ) from None
        except RecursionError:
            raise self._unreadable("it is nested too deeply", None) from None

    def _unreadable(self, why: str | None, line: int | None) -> ConfigError:
        advice = " Indent with spaces." if why and r"'\t'" in why else ""
        return ConfigError(f"{self._at(line)}: this is no YAML: {why}.{advice}")

    def _at(self, line: int | None) -> str:
        return at(self._name, line if self._by_line else None)

    def _build(self, node: yaml.Node, document: Document, path: KeyPath) -> Any:
        place = self._at(node.start_mark.line + 1)
        document.places.setdefault(path, place)
        if node in self._seen:  # an alias: refused, since it can point to what holds it, or multiply without end
            document.problems.append((place, "& and * are not understood here; write the value out."))
            return None
        self._seen.add(node)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, document, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._build(item, document, (*path, i)) for i, item in enumerate(node.value)]
        try:
            return _READ[node.tag](node.value)
        except (KeyError, ValueError, AttributeError):
            tag = node.tag.replace(_TAG, "!!")
            document.problems.append((place, f"a value must be plain, or what its tag says; got the tag {tag}."))
            return None

    def _mapping(self, node: yaml.MappingNode, document: Document, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            place = self._at(key.start_mark.line + 1)
            inner = (*path, key.value)
            if not isinstance(key, yaml.ScalarNode):
                document.problems.append((place, "a key must be a word or a string."))
            elif key.value in found:
                dotted, first = ".".join(map(str, inner)), document.place(inner)
                document.problems.append((place, f"{dotted} stands twice; {first} has it already."))
            else:
                document.places[inner] = place
                found[key.value] = self._build(value, document, inner)
        return found
