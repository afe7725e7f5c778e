"""Going on from a saved model: its tables are extended, its weights copied to where they belong."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqtag.bundle import Bundle
from seqtag.data.encoders import Feature
from seqtag.data.lookup import FIRST, Lookup
from seqtag.errors import ConfigError


@dataclass(frozen=True)
class WarmStart:
    """A model to begin with, or none.

    Parameters
    ----------
    old : tuple of Feature
        Its encoders.
    old_labels : tuple of str
        Its labels.
    weights : dict of str to ndarray
        Its weights by path.
    """

    old: tuple[Feature, ...] = ()
    old_labels: tuple[str, ...] = ()
    weights: dict[str, np.ndarray] | None = None

    @classmethod
    def of(cls, path: str | None) -> WarmStart:
        """Read the model of a folder; None begins anew."""
        if path is None:
            return cls()
        bundle = Bundle.read(path)
        features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
        return cls(features, tuple(bundle.manifest["labels"]), bundle.arrays("weights.npz"))

    def labels(self, new: SequenceOf[str]) -> tuple[str, ...]:
        """Return the old labels, then those that are new."""
        return (*self.old_labels, *(label for label in new if label not in self.old_labels))

    def extend(self, new: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """Return the new encoders with the old tables kept at their ids.

        Raises
        ------
        ConfigError
            If the encoders are not the same.
        """
        if self.weights is None:
            return new
        names = [[feature.spec.name for feature in features] for features in (self.old, new)]
        if names[0] != names[1]:
            raise ConfigError(f"init_from needs the same encoders; the saved model has {names[0]}, got {names[1]}.")
        return tuple(_extend(old, feature) for old, feature in zip(self.old, new, strict=True))

    def copy_weights(self, model: Any, features: tuple[Feature, ...], labels: SequenceOf[str]) -> None:
        """Copy the old weights into a model built for the extended encoders and labels.

        Raises
        ------
        ConfigError
            If the network has another shape.
        """
        if self.weights is None:
            return
        rows = {f"{f.spec.name}_vectors": _kept_rows(old, f) for old, f in zip(self.old, features, strict=True)}
        kept = len(self.old_labels)
        for variable in model.weights:
            old = self.weights.get(variable.path)
            value = np.array(variable)
            owner, _, last = variable.path.partition("/")
            if old is None or (owner == "neighbour_words" and last == "frequencies"):
                continue
            if last.endswith("embeddings") and owner in rows:
                value[rows[owner]] = old
            elif owner in ("emissions", "head"):
                value[tuple(slice(0, kept) if axis == len(labels) else slice(None) for axis in value.shape)] = old
            elif old.shape == value.shape:
                value = old
            else:
                raise ConfigError(
                    f"init_from needs the same network; {variable.path} has the shape {old.shape} in the saved model "
                    f"and {value.shape} here. Give the parameters that the saved model was made with."
                )
            variable.assign(value)


def _extend(old: Feature, new: Feature) -> Feature:
    """Append what only the new tables hold."""
    if old.spelling is not None and new.spelling is not None:
        table = _union(old.spelling.table, new.spelling.table)
        spelling = replace(old.spelling, table=table)
        return replace(new, spelling=spelling, spec=replace(new.spec, size=spelling.size))
    lookups = tuple(
        Lookup(before.fold, before.part, before.length, _union(before.table, after.table))
        for before, after in zip(old.lookups, new.lookups, strict=True)
    )
    counts = _counts(lookups[0], new) if new.counts else ()
    seen_once = [i for i, count in enumerate(counts) if count == 1 and i >= old.lookups[0].size]
    rare_from = min(seen_once, default=lookups[0].size)
    size = sum(lookup.size for lookup in lookups)
    return replace(new, lookups=lookups, counts=counts, spec=replace(new.spec, size=size, rare_from=rare_from))


def _union(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    known = set(old)
    return (*old, *(entry for entry in new if entry not in known))


def _counts(lookup: Lookup, new: Feature) -> tuple[int, ...]:
    found = dict(zip(new.lookups[0].table, new.counts[FIRST:], strict=True))
    return (*new.counts[:FIRST], *(found.get(entry, 0) for entry in lookup.table))


def _kept_rows(old: Feature, new: Feature) -> np.ndarray:
    """Row of the new table for each row of the old one."""
    if old.spelling is not None:
        return np.arange(old.spelling.size)
    rows, offset = [], 0
    for before, after in zip(old.lookups, new.lookups, strict=True):
        rows.append(np.arange(before.size) + offset)
        offset += after.size
    return np.concatenate(rows)
