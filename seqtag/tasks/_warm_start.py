"""Going on from a saved model: its tables are extended, its weights copied to where they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seqtag.bundle import Bundle
from seqtag.data.embeddings.table import Pretrained, starts_of
from seqtag.data.encoders import Feature
from seqtag.data.lookup import FIRST, Lookup, index_of
from seqtag.errors import ConfigError

AUXILIARY = "neighbour_words/"  # weights of the loss that only training has: either model may lack them
FREE = (
    "features",
    "n_labels",
    "n_classes",
    "n_intents",
    "allowed",
    "dropout",
    "label_smoothing",
    "intent_weight",
    "neighbour_words",
    "seed",
    "steps",
)
REMEDY = "Give the parameters that the saved model was made with."


@dataclass(frozen=True)
class WarmStart:
    """A model to begin with, or none.

    Parameters
    ----------
    old : tuple of Feature
        Its encoders.
    old_labels : tuple
        Its labels.
    weights : dict of str to ndarray
        Its weights by path.
    network : mapping
        How its network was built.
    parameter : str
        What asked for it, as messages call it.
    old_intents : tuple
        Its intents, of a joint tagger.
    """

    old: tuple[Feature, ...] = ()
    old_labels: tuple[Any, ...] = ()
    weights: dict[str, np.ndarray] | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    parameter: str = "init_from"
    old_intents: tuple[Any, ...] = ()

    @classmethod
    def of(cls, bundle: Bundle, task: str, parameter: str = "init_from") -> WarmStart:
        """Begin with a model of the same task.

        Raises
        ------
        ConfigError
            If it is of another one.
        """
        found = bundle.manifest["task"]
        if found != task:
            raise ConfigError(f"{parameter} needs a saved model of the task {task!r}; this one is of {found!r}.")
        features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
        manifest = bundle.manifest
        labels, intents = tuple(manifest["labels"]), tuple(manifest.get("intents", ()))
        return cls(features, labels, bundle.weights(), manifest["network"], parameter, intents)

    def labels(self, new: SequenceOf[Any]) -> tuple[Any, ...]:
        """Return the old labels, then those that are new."""
        return _union(self.old_labels, new)

    def intents(self, new: SequenceOf[str]) -> tuple[str, ...]:
        """Return the old intents, then those that are new."""
        return _union(self.old_intents, new)

    def extend(self, new: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """Return the new encoders with the old tables kept at their ids, and numbers scaled as they were.

        Raises
        ------
        ConfigError
            If the encoders are not the same.
        """
        if self.weights is None:
            return new
        before, after = ([_reading(feature) for feature in features] for features in (self.old, new))
        if before != after:
            raise ConfigError(f"{self.parameter} needs the same encoders; the saved model has {before}, got {after}.")
        return tuple(_extend(old, feature) for old, feature in zip(self.old, new, strict=True))

    def copy_weights(
        self, model: Any, features: tuple[Feature, ...], labels: SequenceOf[Any], intents: SequenceOf[str] = ()
    ) -> None:
        """Copy the old weights into a model built for the extended encoders and labels.

        Parameters
        ----------
        model : keras.Model
            Built.
        features : tuple of Feature
            What `extend` gave.
        labels, intents : sequence
            The labels, and the intents, by id, the old ones among them.

        Raises
        ------
        ConfigError
            If the network has another shape.
        """
        if self.weights is None:
            return
        needed = f"{self.parameter} needs the same network"
        for name, before, after in _differences(self.network, model.get_config()):
            raise ConfigError(f"{needed}; {name} is {before!r} in the saved model and {after!r} here. {REMEDY}")
        rows = {f"{f.spec.name}_vectors": _kept_rows(old, f) for old, f in zip(self.old, features, strict=True)}
        columns = _columns(labels, self.old_labels)
        owners = {"emissions": columns, "logits": columns, "head": columns}
        if self.old_intents:
            owners["logits"] = _columns(intents, self.old_intents)
        variables = {variable.path: variable for variable in model.weights}
        for path in sorted(variables.keys() ^ self.weights.keys()):
            if not path.startswith(AUXILIARY):
                raise ConfigError(f"{needed}; only one of the two has the weight {path}. {REMEDY}")
        for path, old in self.weights.items():
            if path not in variables or path == f"{AUXILIARY}frequencies":
                continue
            value = np.array(variables[path].numpy())
            place = _place(path, value.ndim, rows, owners)
            if value[place].shape != old.shape:
                raise ConfigError(
                    f"{needed}; {path} has the shape {old.shape} in the saved model and {value.shape} here. {REMEDY}"
                )
            value[place] = old
            variables[path].assign(value)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what was chosen otherwise, of what makes a network another one though its weights may have one shape."""
    before, after = ({**config, **config.get("stack", {})} for config in (old, new))
    for name in before:
        if name in after and name not in ("stack", *FREE) and before[name] != after[name]:
            yield name, before[name], after[name]


def _columns(labels: SequenceOf[Any], old: SequenceOf[Any]) -> np.ndarray:
    return np.array([labels.index(label) for label in old], int)


def _place(path: str, ndim: int, rows: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> Any:
    """Say where in a new weight the old one stands: at the rows of old ids, at the old labels, or everywhere."""
    owner, _, last = path.partition("/")
    if owner in rows and last.endswith("embeddings"):
        return rows[owner]
    if owner not in labels:
        return ...
    return np.ix_(*[labels[owner]] * ndim) if owner == "head" else (..., labels[owner])


def _reading(feature: Feature) -> str:
    """Word what an encoder does to a token or to numbers, what it has learned left aside."""
    if feature.scaler is not None:
        return f"{feature.spec.name} ({feature.scaler.features} numbers)"
    steps = [f"{'+'.join(lookup.fold)} {lookup.part} {lookup.length or ''}".rstrip() for lookup in feature.lookups]
    if feature.gazetteer is not None:
        steps = [f"{'+'.join(feature.gazetteer.fold)} phrases", *feature.gazetteer.types]
    if feature.spelling is not None:
        steps = [f"{'+'.join(feature.spelling.fold)} spelling {feature.spelling.length}"]
    return f"{feature.spec.name} ({', '.join(steps)})"


def _extend(old: Feature, new: Feature) -> Feature:
    """Append what only the new tables hold; numbers stay scaled as the weights know them."""
    if old.scaler is not None:
        return old
    if old.spelling is not None and new.spelling is not None:
        table = _union(old.spelling.table, new.spelling.table)
        spelling = replace(old.spelling, table=table)
        return replace(new, spelling=spelling, spec=replace(new.spec, size=spelling.size))
    lookups = tuple(
        Lookup(before.fold, before.part, before.length, _union(before.table, after.table))
        for before, after in zip(old.lookups, new.lookups, strict=True)
    )
    if new.pretrained is not None:
        spec = replace(new.spec, size=sum(lookup.size for lookup in lookups), starts=starts_of(lookups))
        extended = replace(new, lookups=lookups, spec=spec)
        return replace(extended, pretrained=_moved(new.pretrained, new, extended))
    counts = _counts(lookups[0], new) if new.counts else ()
    seen_once = [i for i, count in enumerate(counts) if count == 1 and i >= old.lookups[0].size]
    rare_from = min(seen_once, default=lookups[0].size)
    size = sum(lookup.size for lookup in lookups)
    return replace(new, lookups=lookups, counts=counts, spec=replace(new.spec, size=size, rare_from=rare_from))


def _moved(pretrained: Pretrained, new: Feature, extended: Feature) -> Pretrained:
    """Return the vectors at the ids of the extended tables; what only the old ones hold is copied from the weights."""
    rows = np.zeros((extended.spec.size, pretrained.rows.shape[1]), np.float32)
    pairs = zip(new.lookups, new.spec.starts, extended.lookups, extended.spec.starts, strict=True)
    for before, start, after, moved in pairs:
        ids = index_of(after.table)
        places = [moved + ids[entry] for entry in before.table]
        rows[places] = pretrained.rows[start + FIRST : start + before.size]
    return replace(pretrained, rows=rows)


def _union(old: tuple[Any, ...], new: SequenceOf[Any]) -> tuple[Any, ...]:
    known = set(old)
    return (*old, *(entry for entry in new if entry not in known))


def _counts(lookup: Lookup, new: Feature) -> tuple[int, ...]:
    found = dict(zip(new.lookups[0].table, new.counts[FIRST:], strict=True))
    return (*new.counts[:FIRST], *(found.get(entry, 0) for entry in lookup.table))


def _kept_rows(old: Feature, new: Feature) -> np.ndarray:
    """Row of the new table for each row of the old one; numbers have none."""
    if old.scaler is not None:
        return np.arange(0)
    if old.spelling is not None:
        return np.arange(old.spelling.size)
    rows, offset = [], 0
    for before, after in zip(old.lookups, new.lookups, strict=True):
        rows.append(np.arange(before.size) + offset)
        offset += after.size
    return np.concatenate(rows)
