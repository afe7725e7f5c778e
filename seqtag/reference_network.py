"""Whole networks as equations in NumPy: from a batch's arrays to emissions or logits, one sequence after the other.

`seqtag.reference` has the recurrent stack; here is what stands before it (embeddings, characters, numbers) and behind
it (poolings, scores). So a saved model can be looked into without Keras, and Keras and ONNX can be tested against it.
Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.data.lookup import PADDING, UNKNOWN
from seqtag.reference import LayerRun, run_cell, run_stack
from seqtag.registry import Registry

Weights = Mapping[str, np.ndarray]
Pooled = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class NetworkRun:
    """What a network computed from a sequence.

    Parameters
    ----------
    layers : tuple of LayerRun
        The recurrent layers, from the first on.
    output : ndarray, shape (T, K) or (K,)
        Emissions of a tagger, logits of a classifier; of a joint tagger (T, K + C), both.
    attention : ndarray, shape (T,), optional
        The weight of each state in the pooled vector, where the pooling is attention.
    """

    layers: tuple[LayerRun, ...]
    output: np.ndarray
    attention: np.ndarray | None = None


def run_network(config: Mapping[str, Any], weights: Weights, inputs: Mapping[str, np.ndarray]) -> list[NetworkRun]:
    """Run a network over each sequence of a batch.

    Parameters
    ----------
    config : mapping
        What `seqtag.nn.network.SequenceModel.get_config` returns: a bundle's ``manifest["network"]``.
    weights : mapping of str to ndarray
        By their paths, as a bundle's ``weights.npz`` has them.
    inputs : mapping of str to ndarray
        Those of a `seqtag.data.batching.Batch`; and ``initial`` (B, layers, directions, states of the cell, H) where
        the network is given its initial states.

    Returns
    -------
    list of NetworkRun
        One a sequence, B in all.

    Raises
    ------
    ConfigError
        If a part of the network has no equations here.
    DataError
        If initial states are missing, or there for a network that takes none.
    """
    vectors = token_vectors(config["features"], weights, inputs)
    initial = inputs.get("initial")
    runs = []
    for b, length in enumerate(inputs["lengths"]):
        given = None if initial is None else initial[b]
        layers = tuple(run_stack(config["stack"], weights, vectors[b, :length], given))
        output, attention = OUTPUTS[config["network"]](config, weights, layers[-1].output)
        runs.append(NetworkRun(layers, output, attention))
    return runs


def token_vectors(
    features: SequenceOf[Mapping[str, Any]], weights: Weights, inputs: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return what the first recurrent layer reads.

    Parameters
    ----------
    features : sequence of mapping
        The fields of each `seqtag.data.features.FeatureSpec`.
    weights, inputs : mapping of str to ndarray
        As for `run_network`.

    Returns
    -------
    ndarray, shape (B, T, D)
        What depends on the token alone comes first; what stands beyond a length means nothing.
    """
    vectors = [(spec["level"], FEATURES[spec["kind"]](spec, weights, inputs[spec["name"]])) for spec in features]
    by_type = [rows for level, rows in vectors if level == "type"]
    placed = [np.concatenate(by_type, axis=-1)[inputs["index"]]] if by_type else []
    return np.concatenate([*placed, *(rows for level, rows in vectors if level == "token")], axis=-1)


FEATURES: Registry[Callable[[Mapping[str, Any], Weights, np.ndarray], np.ndarray]] = Registry("feature kind")


@FEATURES.register("ids")
def embed(spec: Mapping[str, Any], weights: Weights, ids: np.ndarray) -> np.ndarray:
    """Look up the vectors of one or more ids a token, side by side: (..., width) -> (..., width x dim)."""
    table = weights[f"{spec['name']}_vectors/embeddings"]
    if spec.get("starts"):  # of the first column that knows the token; of none, of the last
        known = ids != np.array(spec["starts"]) + UNKNOWN
        first = np.where(known.any(-1), known.argmax(-1), ids.shape[-1] - 1)
        ids = np.take_along_axis(ids, first[..., None], axis=-1)
    vectors = table[ids].reshape(*ids.shape[:-1], ids.shape[-1] * spec["dim"]).astype(np.float64)
    if not spec.get("projected"):
        return vectors
    own = _below(weights, f"{spec['name']}_projected")
    return vectors @ own["kernel"] + own["bias"]


@FEATURES.register("chars")
def spell_out(spec: Mapping[str, Any], weights: Weights, ids: np.ndarray) -> np.ndarray:
    """Read the characters of each token, (U, L) -> (U, filters): with a convolution, or with a cell both ways."""
    own = _below(weights, f"{spec['name']}_vectors")
    words = [row[row != PADDING] for row in ids]
    if spec["model"] == "cnn":
        read = [_convolve(own, chars) for chars in words]
    else:
        read = [_read_both_ways(spec["model"], own, chars) for chars in words]
    return np.reshape(read, (len(words), spec["filters"]))


@FEATURES.register("vectors")
def take(spec: Mapping[str, Any], weights: Weights, numbers: np.ndarray) -> np.ndarray:
    """Take numbers as they come."""
    return numbers.astype(np.float64)


def _convolve(weights: Weights, chars: np.ndarray) -> np.ndarray:
    """Return the greatest response of each filter of width 3 over a word (Ma and Hovy, 2016), shape (filters,)."""
    vectors = np.pad(weights["embeddings"][chars].astype(np.float64), ((1, 1), (0, 0)))  # zeros at both ends
    windows = np.stack([vectors[:-2], vectors[1:-1], vectors[2:]])  # (3, L, dim)
    return np.einsum("tld,tdf->lf", windows, weights["kernel"]).max(axis=0) + weights["bias"]


def _read_both_ways(cell: str, weights: Weights, chars: np.ndarray) -> np.ndarray:
    """Return the last state of each direction over a word (Lample et al., 2016), shape (filters,)."""
    vectors = weights["embed/embeddings"][chars]
    last = []
    for way, ordered in (("forward", vectors), ("backward", vectors[::-1])):
        own = _below(weights, f"read/{way}/{cell}_cell")
        last.append(run_cell(cell, ordered, own["kernel"], own["recurrent_kernel"], own["bias"]).states[-1])
    return np.concatenate(last)


OUTPUTS: Registry[Callable[[Mapping[str, Any], Weights, np.ndarray], Pooled]] = Registry("network")
"""What stands on the stack: from its states (T, D) to the network's output, and to the attention if there is any."""


@OUTPUTS.register("tagger")
def emissions(config: Mapping[str, Any], weights: Weights, states: np.ndarray) -> Pooled:
    """Score each label at each place: (T, K)."""
    return _scores(weights, "emissions", states), None


@OUTPUTS.register("classifier")
def logits(config: Mapping[str, Any], weights: Weights, states: np.ndarray) -> Pooled:
    """Pool the states and score each class: (K,)."""
    pooled, attention = POOLINGS[config["pooling"]](config["stack"], weights, states)
    return _scores(weights, "logits", pooled), attention


@OUTPUTS.register("joint")
def both(config: Mapping[str, Any], weights: Weights, states: np.ndarray) -> Pooled:
    """Score each label at each place, and beside them each intent: (T, K + C)."""
    of_tokens, _ = emissions(config, weights, states)
    of_all, attention = logits(config, weights, states)
    return np.concatenate([of_tokens, np.broadcast_to(of_all, (len(states), len(of_all)))], axis=1), attention


POOLINGS: Registry[Callable[[Mapping[str, Any], Weights, np.ndarray], Pooled]] = Registry("pooling")
"""From the states (T, D) of a sequence to one vector, and to the attention if there is any."""
POOLINGS.add("mean", lambda stack, weights, states: (states.mean(axis=0), None))
POOLINGS.add("max", lambda stack, weights, states: (states.max(axis=0), None))


@POOLINGS.register("last")
def last(stack: Mapping[str, Any], weights: Weights, states: np.ndarray) -> Pooled:
    """Take the states in which each direction stopped: the forward one at the end, the backward one at the start."""
    if stack["direction"] != "both":
        return states[-1 if stack["direction"] == "forward" else 0], None
    half = stack["units"] if stack["merge"] == "concat" else states.shape[1]  # merged directions cannot be parted
    return np.concatenate([states[-1, :half], states[0, -half:]]), None


@POOLINGS.register("attention")
def attend(stack: Mapping[str, Any], weights: Weights, states: np.ndarray) -> Pooled:
    """Weigh each state by a softmax of v . tanh(W s_t + b) (Yang et al., 2016)."""
    own = _below(weights, "pooling")
    scores = (np.tanh(states @ own["kernel"] + own["bias"]) @ own["query"])[:, 0]
    powers = np.exp(scores - scores.max())
    attention = powers / powers.sum()
    return attention @ states, attention


def _scores(weights: Weights, layer: str, states: np.ndarray) -> np.ndarray:
    return states @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"]


def _below(weights: Weights, path: str) -> dict[str, np.ndarray]:
    """Return the weights of one layer, by the rest of their paths."""
    return {name.removeprefix(f"{path}/"): array for name, array in weights.items() if name.startswith(f"{path}/")}
