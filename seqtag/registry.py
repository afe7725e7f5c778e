"""Tables of named parts: what can be chosen by name, in Python and in YAML alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from seqtag.errors import ConfigError, near_name

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered table from a name to a part of one kind.

    Parameters
    ----------
    kind : str
        What the entries are, as an error should call them ("cell", "reader").

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> shapes.add("round", 1)
    1
    >>> shapes["round"], shapes.names()
    (1, ('round',))
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise ConfigError(
                f"{self.kind} must be one of {', '.join(self._entries)}; got {name!r}."
                + near_name(str(name), self._entries)
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def names(self) -> tuple[str, ...]:
        """Return the names in the order in which they were added."""
        return tuple(self._entries)

    def add(self, name: str, entry: T) -> T:
        """Add one entry and return it.

        Raises
        ------
        ConfigError
            If the name is taken: an entry never replaces another in silence.
        """
        if name in self._entries:
            raise ConfigError(f"{self.kind} {name!r} is registered already; choose another name.")
        self._entries[name] = entry
        return entry

    def register(self, name: str):
        """Return a decorator that adds what it decorates under a name."""
        return lambda entry: self.add(name, entry)
