"""A linear-chain conditional random field (Lafferty, McCallum and Pereira, 2001) on ``keras.ops``."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from seqtag.nn.recurrent import reverse, sequence_mask
from seqtag.nn.shapes import compiles_by_shape

FORBIDDEN = -1e4
# About the smallest normal float32: what underflowed stays finite, and so does the loss. A label that is reached only
# from labels more than 85 below the best one is thus reached as from 85 below.
_FLOOR = 1e-37


@keras.saving.register_keras_serializable("seqtag")
class CRF(keras.layers.Layer):
    """Score label sequences by emissions, transitions, and start and end scores.

    Called on emissions (B, T, K) it returns them unchanged, so that it stands in a functional model; training asks
    for `log_likelihood`, prediction for `viterbi` or `marginals`. Lengths are explicit and at least 1.

    Parameters
    ----------
    allowed_start, allowed_transitions, allowed_end : nested list of bool, optional
        Which labels may begin (K,), follow one another (K, K; from row to column) and end (K,). What is
        forbidden scores -10,000 in decoding and in the loss alike.
    """

    def __init__(
        self, allowed_start: Any = None, allowed_transitions: Any = None, allowed_end: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.allowed = {"start": allowed_start, "transitions": allowed_transitions, "end": allowed_end}
        self.supports_jit = compiles_by_shape()

    def build(self, emissions_shape: tuple[int | None, ...]) -> None:
        """Make the scores for K labels."""
        k = emissions_shape[-1]
        self.transitions = self.add_weight(shape=(k, k), initializer="zeros", name="transitions")
        self.start = self.add_weight(shape=(k,), initializer="zeros", name="start")
        self.end = self.add_weight(shape=(k,), initializer="zeros", name="end")

    def call(self, emissions: Any) -> Any:
        """Return the emissions as they are."""
        return emissions

    def compute_output_shape(self, emissions_shape: Any) -> Any:
        """Return the shape of the emissions."""
        return emissions_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {f"allowed_{name}": table for name, table in self.allowed.items()}

    def scores(self) -> tuple[Any, Any, Any]:
        """Return transitions (K, K), start (K,) and end (K,) with what is forbidden at -10,000."""
        pairs = ((self.transitions, "transitions"), (self.start, "start"), (self.end, "end"))
        return tuple(_forbid(weight, self.allowed[name]) for weight, name in pairs)

    def log_likelihood(self, emissions: Any, labels: Any, lengths: Any) -> Any:
        """Return log p(labels | emissions) of each sequence.

        Parameters
        ----------
        emissions : tensor, shape (B, T, K)
            Right-padded.
        labels : tensor of int, shape (B, T)
            Label ids.
        lengths : tensor of int, shape (B,)
            Length of each sequence, at least 1.

        Returns
        -------
        tensor, shape (B,)

        Notes
        -----
        The gradient of log Z is the expected count of each emission and transition. It is taken from one
        forward-backward pass and handed over through a surrogate that is linear in the scores, which is faster
        than differentiating the loop, and exact to first order.
        """
        transitions, start, end = self.scores()
        chain = ForwardBackward(emissions, lengths, transitions, start, end)
        mask = sequence_mask(lengths, ops.shape(emissions)[1], emissions.dtype)
        one_hot = ops.one_hot(labels, ops.shape(emissions)[-1], dtype=emissions.dtype) * mask[..., None]
        pairs = ops.einsum("bti,btj->bij", one_hot[:, :-1], one_hot[:, 1:])
        last = _at_last(one_hot, lengths)
        observed = _linear(emissions, transitions, start, end, one_hot, pairs, one_hot[:, 0], last)
        expected = _linear(emissions, transitions, start, end, *chain.expectations())
        log_z = ops.stop_gradient(chain.log_z - expected) + expected
        return observed - log_z

    def marginals(self, emissions: Any, lengths: Any) -> Any:
        """Return p(label at t | emissions), shape (B, T, K), zero beyond each length."""
        return ForwardBackward(emissions, lengths, *self.scores()).expectations()[0]

    def viterbi(self, emissions: Any, lengths: Any) -> tuple[Any, Any]:
        """Return the best label sequence (B, T), zero beyond each length, and its score (B,)."""
        transitions, start, end = self.scores()
        mask = sequence_mask(lengths, ops.shape(emissions)[1])
        begin = emissions[:, 0] + start
        # One tensor to scan over, liveness as its last column: Keras's scan takes no two of unknown length.
        live = ops.cast(mask, emissions.dtype)[..., None]
        steps = ops.transpose(ops.concatenate([emissions, live], axis=-1), (1, 0, 2))
        steps = _one_more(steps[1:], steps[:1])  # the step added is not live

        def forward(best, step):
            reached = ops.max(best[:, :, None] + transitions, axis=1) + step[:, :-1]
            best = ops.where(step[:, -1:] > 0, reached, best)
            return best, best

        final, bests = ops.scan(forward, begin, steps)
        final = final + end
        incoming = ops.transpose(transitions)

        def backward(label, step):
            before = ops.argmax(step[:, :-1] + ops.take(incoming, label, axis=0), axis=-1)
            return ops.where(step[:, -1] > 0, ops.cast(before, "int32"), label), label

        last = ops.cast(ops.argmax(final, axis=-1), "int32")
        earlier = ops.concatenate([begin[None], bests[:-1]])
        first, path = ops.scan(backward, last, ops.concatenate([earlier, steps[..., -1:]], axis=-1), reverse=True)
        labels = ops.transpose(ops.concatenate([first[None], path[:-1]], axis=0), (1, 0))
        return labels * ops.cast(mask, "int32"), ops.max(final, axis=-1)


class ForwardBackward:
    """Forward and backward messages of a batch of chains, and what follows from them.

    Both directions obey the same recurrence, the backward one on the reversed sequence with transposed
    transitions, so they run as one batch of 2 x B chains (Rabiner, 1989).

    Parameters
    ----------
    emissions : tensor, shape (B, T, K)
    lengths : tensor of int, shape (B,)
    transitions : tensor, shape (K, K)
    start, end : tensor, shape (K,)
    """

    def __init__(self, emissions: Any, lengths: Any, transitions: Any, start: Any, end: Any) -> None:
        emissions, transitions, start, end = map(ops.stop_gradient, (emissions, transitions, start, end))
        self.lengths = lengths
        self.mask = sequence_mask(lengths, ops.shape(emissions)[1], emissions.dtype)[..., None]
        self.transitions = transitions
        both = ops.stack([emissions, reverse(emissions, lengths)])  # (2, B, T, K)
        first = ops.stack([start, end])[:, None]  # (2, 1, K)
        powers = ops.exp(ops.stack([transitions, ops.transpose(transitions)]))  # (2, K, K)

        def step(message, emission):
            top = ops.max(message, axis=-1, keepdims=True)
            reached = ops.log(ops.maximum(ops.matmul(ops.exp(message - top), powers), _FLOOR)) + top
            return reached + emission, reached

        steps = ops.transpose(both, (2, 0, 1, 3))  # (T, 2, B, K)
        begin = steps[0] + first
        _, reached = ops.scan(step, begin, _one_more(steps[1:], steps[:1]))
        opening = ops.broadcast_to(first, ops.shape(begin))
        before = ops.transpose(ops.concatenate([opening[None], reached[:-1]]), (1, 2, 0, 3))  # (2, B, T, K)
        after = before + both
        self.alpha = after[0]  # emission at t counted
        self.beta = reverse(before[1], lengths)  # emission at t not counted
        self.beta_with_emission = reverse(after[1], lengths)
        self.log_z = ops.logsumexp(_at_last(self.alpha, lengths) + end, axis=-1)

    def expectations(self) -> tuple[Any, Any, Any, Any]:
        """Return expected counts: labels (B, T, K), label pairs (B, K, K), first and last label (B, K)."""
        labels = _softmax(self.alpha + self.beta) * self.mask
        from_, to = _softmax(self.alpha[:, :-1]), _softmax(self.beta_with_emission[:, 1:])
        powers = ops.exp(self.transitions)
        totals = ops.sum(ops.matmul(from_, powers) * to, axis=-1, keepdims=True)
        share = to * self.mask[:, 1:] / ops.maximum(totals, _FLOOR)
        pairs = ops.einsum("bti,btj->bij", from_, share) * powers
        return labels, pairs, labels[:, 0], _at_last(labels, self.lengths)


def _linear(emissions, transitions, start, end, labels, pairs, first, last) -> Any:
    """Score of (expected) counts under the scores, shape (B,)."""
    return (
        ops.sum(emissions * labels, axis=(1, 2))
        + ops.sum(transitions * pairs, axis=(1, 2))
        + ops.sum(start * first, axis=1)
        + ops.sum(end * last, axis=1)
    )


def _softmax(scores: Any) -> Any:
    """Normalise scores over the labels; Keras warns of a softmax over one."""
    return ops.softmax(scores, axis=-1) if scores.shape[-1] > 1 else ops.ones_like(scores)


def _at_last(values: Any, lengths: Any) -> Any:
    """Return what stands at each sequence's last place, (B, T, K) -> (B, K)."""
    places = ops.cast(lengths, "int32")[:, None, None] - 1
    return ops.take_along_axis(values, places, axis=1)[:, 0]


def _one_more(steps: Any, like: Any) -> Any:
    """Append a step of zeros whose result is dropped: TensorFlow cannot scan over none, as for single tokens."""
    return ops.concatenate([steps, ops.zeros_like(like)])


def _forbid(weight: Any, allowed: Any) -> Any:
    scores = ops.convert_to_tensor(weight)
    return scores if allowed is None else ops.where(ops.convert_to_tensor(allowed, "bool"), scores, FORBIDDEN)
