"""From tokens, columns and numbers to a network's arrays, as a TensorFlow graph: what `CorpusEncoder` does in NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.data.features import Feature
from seqtag.data.lookup import FIRST
from seqtag.data.scaling import Scaler
from seqtag.export import _tf_text as text

TOKENS, FRAMES, LENGTHS, INITIAL = "tokens", "frames", "lengths", "initial"


@dataclass(frozen=True)
class Input:
    """One input of an exported graph.

    Parameters
    ----------
    name : str
        What it is called there.
    dtype : str
        Its type.
    shape : tuple of int or None
        None is an axis of any size.
    says : str
        What is to be given.
    source : str
        The column or the vectors that it stands for.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    says: str
    source: str = ""


def inputs_of(features: Iterable[Feature], initial: tuple[int, ...] | None = None) -> tuple[Input, ...]:
    """Return the inputs that a graph needs: what is read first, then columns and vectors by their names.

    Parameters
    ----------
    features : iterable of Feature
        The fitted encoders.
    initial : tuple of int, optional
        Shape of one sequence's initial states, where the network is given them.
    """
    features = tuple(features)
    frames = next((f for f in features if f.scaler is not None and f.vectors is None), None)
    if frames is None or frames.scaler is None:
        found = [Input(TOKENS, "string", (None, None), "tokens in UTF-8 and NFC; the empty string is padding")]
    else:
        width = frames.scaler.features
        found = [
            Input(FRAMES, "float32", (None, None, width), "numbers as they are, not scaled; NaN is a missing value"),
            Input(LENGTHS, "int32", (None,), "how many frames each sequence has"),
        ]
    if initial is not None:
        found.append(Input(INITIAL, "float32", (None, *initial), "the initial states of each sequence"))
    taken = {one.name for one in found}
    for feature in features:
        if feature.column is not None:
            name = _free(feature.column, taken)
            found.append(
                Input(name, "string", (None, None), f"the column {feature.column!r}, one entry a token", feature.column)
            )
        elif feature.gazetteer is not None:
            source = feature.spec.name
            says = (
                f"marks of {', '.join(feature.gazetteer.types)}: 1 begins a phrase, 2 in it, 3 ends it, 4 alone, else 0"
            )
            found.append(Input(_free(source, taken), "int32", (None, None, feature.spec.width), says, source))
        elif feature.vectors is not None and feature.scaler is not None:
            name = _free(feature.vectors, taken)
            shape = (None, None, feature.scaler.features)
            found.append(
                Input(name, "float32", shape, f"the vectors {feature.vectors!r}, a row a token", feature.vectors)
            )
    return tuple(found)


def _free(source: str, taken: set[str]) -> str:
    """Make a name that TensorFlow admits and no other input has."""
    plain = re.sub(r"[^0-9A-Za-z_]", "_", source)
    plain = plain if plain[:1].isalpha() else f"input_{plain}"
    name, n = plain, 2
    while name in taken:
        name, n = f"{plain}_{n}", n + 1
    taken.add(name)
    return name


class GraphEncoder:
    """Fitted encoders as a graph.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    inputs : tuple of Input
        `inputs_of` them.

    Attributes
    ----------
    tables : list of StaticHashTable
        What the graph holds and has to be saved with it.
    """

    def __init__(self, features: tuple[Feature, ...], inputs: tuple[Input, ...]) -> None:
        self._features = features
        self._names = {one.source: one.name for one in inputs}
        self._hashed = {feature.spec.name: list(_hash_tables(feature)) for feature in features}
        self.tables = [table for tables in self._hashed.values() for table in tables]

    def __call__(self, given: Mapping[str, Any], lengths: Any) -> dict[str, Any]:
        """Return the arrays of a batch.

        Parameters
        ----------
        given : mapping of str to tensor
            The inputs by their names, B sequences of T places, none of both 0.
        lengths : tensor of int32, shape (B,)
            At least 1 each.
        """
        import tensorflow as tf

        batch = {"lengths": lengths}
        if INITIAL in given:
            batch[INITIAL] = given[INITIAL]
        by_type = [feature for feature in self._features if feature.spec.level == "type"]
        if by_type:
            # What stands first is padding, so that it is row 0 wherever it stands, as in a batch of Python's.
            flat = tf.concat([[""], tf.reshape(given[TOKENS], [-1])], 0)
            distinct, index = tf.unique(flat)
            batch["index"] = tf.reshape(index[1:], tf.shape(given[TOKENS]))
            folded = text.Folded(distinct)
            batch |= {feature.spec.name: self._ids(feature, folded) for feature in by_type}
        for feature in self._features:
            if feature.spec.level == "token":
                batch[feature.spec.name] = self._places(feature, given, lengths)
        return batch

    def _ids(self, feature: Feature, folded: text.Folded) -> Any:
        """Return the ids of N tokens, shape (N, width) or (N, L)."""
        import tensorflow as tf

        if feature.spelling is not None:
            return text.spell(feature.spelling, folded)
        tables = self._hashed[feature.spec.name]
        pairs = zip(feature.lookups, tables, strict=True)
        return tf.stack([text.look_up(lookup, table, folded) for lookup, table in pairs], 1)

    def _places(self, feature: Feature, given: Mapping[str, Any], lengths: Any) -> Any:
        """Return what is computed of each place, shape (B, T, width)."""
        import tensorflow as tf

        if feature.scaler is not None:
            table = given[FRAMES if feature.vectors is None else self._names[feature.vectors]]
            mask = tf.sequence_mask(lengths, tf.shape(table)[1])[..., None]
            return scaled(feature.scaler, tf.where(mask, table, 0.0))
        if feature.gazetteer is not None:
            offsets = feature.mark_ids(np.zeros((1, feature.spec.width), np.int32))
            return given[self._names[feature.spec.name]] + offsets
        if feature.column is not None:
            values = given[self._names[feature.column]]
        else:
            values = text.ngrams(given[TOKENS], lengths, feature.ngram)
        ids = self._ids(feature, text.Folded(tf.reshape(values, [-1])))
        return tf.reshape(ids, tf.concat([tf.shape(values), [feature.spec.width]], 0))


def _hash_tables(feature: Feature) -> Iterator[Any]:
    """Make a table for each lookup; each has its own range of the ids, in order."""
    offset = 0
    for lookup in feature.lookups:
        yield text.hash_table(lookup.table, offset)
        offset += len(lookup.table) + FIRST


def scaled(scaler: Scaler, table: Any) -> Any:
    """Interpret a `Scaler` in a graph: float32 (..., F) to float32 (..., width)."""
    import tensorflow as tf

    known = ~tf.math.is_nan(table)
    wide = (tf.cast(table, tf.float64) - tf.constant(scaler.mean, tf.float64)) / tf.constant(scaler.scale, tf.float64)
    out = tf.cast(tf.where(known, wide, np.float64(0)), tf.float32)
    missing = tf.gather(~known, tf.constant(scaler.missing, tf.int32), axis=-1)
    return tf.concat([out, tf.cast(missing, tf.float32)], -1)
