"""Whole networks in TensorFlow operations that LiteRT has as builtins: ids in, emissions or probabilities out.

Every token has ids of its own here, at a fixed length; what the other forms compute once for each distinct token of a
batch would need arrays of a size that is not known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seqtag.data.lookup import PADDING, UNKNOWN
from seqtag.data.scaling import Scaler
from seqtag.export._litert_stack import Weights, check_cell, run_layer, run_stack, within
from seqtag.nn.stack import Stack
from seqtag.registry import Registry

BEYOND = 1e9
"""What is taken from a score beyond a length, so that no maximum and no softmax sees it."""


def run_network(config: Mapping[str, Any], weights: Weights, inputs: Mapping[str, Any]) -> Any:
    """Run a network over right-padded sequences.

    Parameters
    ----------
    config : mapping
        What `seqtag.nn.network.SequenceModel.get_config` returns: a bundle's ``manifest["network"]``.
    weights : mapping of str to ndarray
        By their paths, as a bundle's ``weights.npz`` has them.
    inputs : mapping of str to tensor
        Of each feature int32 or float32 (B, T, width), of characters (B, T, L); ``lengths`` int32 (B,).

    Returns
    -------
    tensor, shape (B, T, K) or (B, K), or a pair
        Emissions of a tagger, logits of a classifier; both of a joint tagger.

    Raises
    ------
    ConfigError
        If a part of the network has no form here.
    """
    lengths = inputs["lengths"]
    by_level = sorted(config["features"], key=lambda spec: spec["level"] != "type")  # as the network joins them
    vectors = [FEATURES[spec["kind"]](spec, weights, inputs[spec["name"]]) for spec in by_level]
    tokens = vectors[0] if len(vectors) == 1 else tf.concat(vectors, axis=-1)
    tokens = tokens * within(lengths, tokens.shape[1])[:, :, None]
    check_cell(config["stack"]["cell"])
    return OUTPUTS[config["network"]](config, weights, run_stack(config["stack"], weights, tokens, lengths), lengths)


def scaled(scaler: Scaler, numbers: Any) -> Any:
    """Centre and scale numbers (B, T, F), put 0 for NaN, and mark it where the scaler has a column for that."""
    mean = np.array(scaler.mean)
    whole = mean.astype(np.float32)  # in two parts a mean loses nothing, however far it lies from 0
    centred = (numbers - whole) - (mean - whole).astype(np.float32)
    known = tf.equal(numbers, numbers)
    columns = [tf.where(known, centred / np.array(scaler.scale, np.float32), 0.0)]
    if scaler.missing:
        columns.append(1.0 - tf.cast(tf.gather(known, list(scaler.missing), axis=2), tf.float32))
    return tf.concat(columns, axis=2)


FEATURES: Registry[Any] = Registry("feature kind")


@FEATURES.register("ids")
def embed(spec: Mapping[str, Any], weights: Weights, ids: Any) -> Any:
    """Look up the vectors of one or more ids a token, side by side: (B, T, width) -> (B, T, width x dim)."""
    if spec.get("starts"):
        ids = _first_known(ids, spec["starts"])
    rows = tf.gather(weights[f"{spec['name']}_vectors/embeddings"], ids)
    vectors = tf.reshape(rows, (*ids.shape[:2], ids.shape[2] * spec["dim"]))
    if not spec.get("projected"):
        return vectors
    flat = tf.reshape(vectors, (-1, spec["dim"] * ids.shape[2]))
    return tf.reshape(_scores(weights, f"{spec['name']}_projected", flat), (*ids.shape[:2], spec["projected"]))


def _first_known(ids: Any, starts: Sequence[int]) -> Any:
    """Of several ids a token, keep that of the first column that knows it, (B, T, 1); of none, the last one's."""
    found = ids[:, :, -1]
    for column in reversed(range(len(starts) - 1)):
        here = ids[:, :, column]
        found = tf.where(tf.equal(here, starts[column] + UNKNOWN), found, here)
    return found[:, :, None]


@FEATURES.register("chars")
def spell_out(spec: Mapping[str, Any], weights: Weights, ids: Any) -> Any:
    """Read the characters of each token: (B, T, L) -> (B, T, filters)."""
    rows = tf.reshape(ids, (-1, ids.shape[2]))
    read = _convolve if spec["model"] == "cnn" else _read_both_ways
    return tf.reshape(read(spec, weights, rows), (*ids.shape[:2], spec["filters"]))


@FEATURES.register("vectors")
def take(spec: Mapping[str, Any], weights: Weights, numbers: Any) -> Any:
    """Take numbers as they come."""
    return numbers


def _convolve(spec: Mapping[str, Any], weights: Weights, ids: Any) -> Any:
    """Convolve embeddings as a sum of three table rows; padding's middle row keeps it from the maximum."""
    path = f"{spec['name']}_vectors"
    tables = np.einsum("cd,tdf->tcf", weights[f"{path}/embeddings"], weights[f"{path}/kernel"])
    tables[:, PADDING] = 0.0
    present = tf.cast(tf.not_equal(ids, PADDING), tf.float32)[:, :, None]
    padded = tf.pad(ids, ((0, 0), (1, 1)))
    width = ids.shape[1]
    total = sum(tf.gather(tables[tap], padded[:, tap : tap + width]) for tap in range(3))
    return tf.reduce_max(total + (present - 1.0) * BEYOND, axis=1) + weights[f"{path}/bias"]


def _read_both_ways(spec: Mapping[str, Any], weights: Weights, ids: Any) -> Any:
    """Return both last states of a recurrent layer over the characters."""
    check_cell(spec["model"])
    path = f"{spec['name']}_vectors"
    lengths = tf.reduce_sum(tf.cast(tf.not_equal(ids, PADDING), tf.int32), axis=1)
    vectors = tf.gather(weights[f"{path}/embed/embeddings"], ids)
    return _ends("halves", run_layer(weights, f"{path}/read", spec["model"], "both", vectors, lengths), lengths)


OUTPUTS: Registry[Any] = Registry("network")
"""What stands on the stack: from its states (B, T, D) to the network's output."""


@OUTPUTS.register("tagger")
def emissions(config: Mapping[str, Any], weights: Weights, states: Any, lengths: Any) -> Any:
    """Score each label at each place: (B, T, K), zero beyond a length."""
    rows, time, width = states.shape
    scores = _scores(weights, "emissions", tf.reshape(states, (rows * time, width)))
    return tf.reshape(scores, (rows, time, config["n_labels"])) * within(lengths, time)[:, :, None]


@OUTPUTS.register("classifier")
def logits(config: Mapping[str, Any], weights: Weights, states: Any, lengths: Any) -> Any:
    """Pool the states and score each class: (B, K)."""
    ends = Stack(**config["stack"]).ends
    return _scores(weights, "logits", POOLED[config["pooling"]](ends, weights, states, lengths))


@OUTPUTS.register("joint")
def both(config: Mapping[str, Any], weights: Weights, states: Any, lengths: Any) -> Any:
    """Score each label at each place, (B, T, K), and each intent, (B, C)."""
    return emissions(config, weights, states, lengths), logits(config, weights, states, lengths)


POOLED: Registry[Any] = Registry("pooling")
"""From the states (B, T, D) of sequences to one vector each."""


@POOLED.register("last")
def last(ends: str, weights: Weights, states: Any, lengths: Any) -> Any:
    """Take the states in which each direction stopped."""
    return _ends(ends, states, lengths)


@POOLED.register("mean")
def mean(ends: str, weights: Weights, states: Any, lengths: Any) -> Any:
    """Take the mean of the states within the length."""
    mask = within(lengths, states.shape[1])
    return _weighted(mask / tf.reduce_sum(mask, axis=1, keepdims=True), states)


@POOLED.register("max")
def greatest(ends: str, weights: Weights, states: Any, lengths: Any) -> Any:
    """Take the greatest value of each unit within the length."""
    return tf.reduce_max(states + _beyond(lengths, states.shape[1])[:, :, None], axis=1)


@POOLED.register("attention")
def attend(ends: str, weights: Weights, states: Any, lengths: Any) -> Any:
    """Weigh the states by a softmax of v . tanh(W s_t + b)."""
    rows, time, width = states.shape
    flat = tf.reshape(states, (rows * time, width))
    hidden = tf.tanh(tf.matmul(flat, weights["pooling/kernel"]) + weights["pooling/bias"])
    scores = tf.reshape(tf.matmul(hidden, weights["pooling/query"]), (rows, time))
    return _weighted(tf.nn.softmax(scores + _beyond(lengths, time)), states)


def _ends(ends: str, states: Any, lengths: Any) -> Any:
    """Return the states at the last and the first place, as `seqtag.nn.pooling_layers.LastPooling` does."""
    here = tf.cast(tf.equal(tf.range(states.shape[1]), lengths[:, None] - 1), tf.float32)
    at_last, at_first = _weighted(here, states), states[:, 0]
    half = states.shape[2] // 2
    parts = {
        "last": [at_last],
        "first": [at_first],
        "halves": [at_last[:, :half], at_first[:, half:]],
        "both": [at_last, at_first],
    }[ends]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)


def _beyond(lengths: Any, width: int) -> Any:
    """Return 0 within a length and far below any score beyond, shape (B, width)."""
    return (within(lengths, width) - 1.0) * BEYOND


def _weighted(weight: Any, states: Any) -> Any:
    """Return the sum of states (B, T, D) times weights (B, T)."""
    return tf.reduce_sum(states * weight[:, :, None], axis=1)


def _scores(weights: Weights, layer: str, states: Any) -> Any:
    return tf.matmul(states, weights[f"{layer}/kernel"]) + weights[f"{layer}/bias"]
