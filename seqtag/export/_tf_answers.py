"""From emissions or logits to answers, as a TensorFlow graph: what `seqtag.decoders` does in NumPy, in float64, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from seqtag.data import schemes
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder

_FLOOR = 1e-300  # of what is summed before its logarithm; a path below it has no share in any probability

Answers = dict[str, Any]


# === Tags ===


def tag_answers(decoder: TagDecoder) -> Callable[[Any, Any], Answers]:
    """Return what makes answers of a tagger's emissions.

    Returns
    -------
    callable
        Takes emissions (B, T, K) and lengths (B,), of which 0 is one, and returns ``tags`` (B, T) of string and
        ``tag_probability`` (B, T), ``probabilities`` (B, T, K); where the labels mark spans, ``span_sequence``,
        ``span_start``, ``span_end``, ``span_label`` and ``span_score`` (spans,), too.
    """
    import tensorflow as tf

    temperature = decoder.temperature
    decoder = decoder.calibrated()
    is_chain = bool(decoder.transitions.any() or decoder.start.any() or decoder.end.any())
    has_spans = schemes.SCHEMES[decoder.scheme].has_spans

    def answer(emissions: Any, lengths: Any) -> Answers:
        mask = tf.sequence_mask(lengths, tf.shape(emissions)[1])
        if temperature != 1.0:
            emissions = tf.cast(emissions, tf.float64) / temperature
        chain = Chain(emissions, lengths, decoder) if is_chain else Independent(emissions)
        path = tf.where(mask, chain.path(), 0)
        probabilities = tf.where(mask[..., None], chain.marginals(), 0.0)
        names = tf.constant(decoder.labels)
        answers = {
            "tags": tf.where(mask, tf.gather(names, path), ""),
            "tag_probability": _at_labels(probabilities, path),
            "probabilities": probabilities,
        }
        if has_spans:
            answers |= spans(decoder, path, mask, chain)
        return {name: _narrow(value) for name, value in answers.items()}

    return answer


def _narrow(value: Any) -> Any:
    import tensorflow as tf

    return tf.cast(value, tf.float32) if value.dtype == tf.float64 else value


def _at_labels(values: Any, path: Any) -> Any:
    """Return of values (B, T, K) those of the labels (B, T)."""
    import tensorflow as tf

    return tf.gather(values, path, axis=2, batch_dims=2)


class Independent:
    """Each label by itself: no label's score depends on its neighbours.

    Parameters
    ----------
    emissions : tensor of float32, shape (B, T, K)
    """

    def __init__(self, emissions: Any) -> None:
        self._emissions = emissions

    def path(self) -> Any:
        """Return the best labels (B, T)."""
        import tensorflow as tf

        return tf.argmax(self._emissions, axis=2, output_type=tf.int32)

    def marginals(self) -> Any:
        """Return p(label at t), shape (B, T, K)."""
        import tensorflow as tf

        return tf.nn.softmax(tf.cast(self._emissions, tf.float64))

    def log_share(self, path: Any, starts: Any, ends: Any) -> Any:
        """Return log p(these tags from start to end) of N stretches, whose places (N, 2) are row and token."""
        import tensorflow as tf

        chosen = _at_labels(tf.nn.log_softmax(tf.cast(self._emissions, tf.float64)), path)
        until = tf.cumsum(chosen, axis=1)
        return tf.gather_nd(until, ends) - tf.gather_nd(until - chosen, starts)


class Chain:
    """A linear chain: Viterbi (1967) and forward-backward (Rabiner, 1989).

    Parameters
    ----------
    emissions : tensor of float32, shape (B, T, K)
        T is at least 1.
    lengths : tensor of int32, shape (B,)
    decoder : TagDecoder
        Its transitions, start and end.
    """

    def __init__(self, emissions: Any, lengths: Any, decoder: TagDecoder) -> None:
        import tensorflow as tf

        wide = (np.asarray(scores, np.float64) for scores in (decoder.transitions, decoder.start, decoder.end))
        self._transitions, self._start, self._end = map(tf.constant, wide)
        self._emissions = tf.cast(emissions, tf.float64)
        self._lengths = lengths
        self._steps, self._last = tf.shape(emissions)[1], tf.maximum(lengths - 1, 0)
        self._forward_backward()

    def path(self) -> Any:
        """Return the best labels (B, T); of paths that are equally good the one with the smallest last labels."""
        import tensorflow as tf

        steps = tf.transpose(self._emissions, [1, 0, 2])
        k = steps.shape[-1]

        def forward(t, best, bests, befores):
            paths = best[:, :, None] + self._transitions
            best = tf.reduce_max(paths, 1) + steps[t]
            return t + 1, best, bests.write(t, best), befores.write(t, tf.argmax(paths, 1, tf.int32))

        first = steps[0] + self._start
        bests = tf.TensorArray(tf.float64, self._steps, element_shape=[None, k]).write(0, first)
        befores = tf.TensorArray(tf.int32, self._steps, element_shape=[None, k]).write(
            0, tf.zeros_like(first, tf.int32)
        )
        _, _, bests, befores = tf.while_loop(lambda t, *_: t < self._steps, forward, (1, first, bests, befores))
        final = self._at_last(tf.transpose(bests.stack(), [1, 0, 2])) + self._end
        return self._walk_back(befores.stack(), tf.argmax(final, 1, tf.int32))

    def _walk_back(self, befores: Any, label: Any) -> Any:
        """Go from the last labels (B,) back by the best predecessors (T, B, K)."""
        import tensorflow as tf

        def backward(t, label, path):
            before = tf.gather(befores[t + 1], label, axis=1, batch_dims=1)
            label = tf.where(t < self._last, before, label)
            return t - 1, label, path.write(t, label)

        path = tf.TensorArray(tf.int32, self._steps, element_shape=[None]).write(self._steps - 1, label)
        *_, path = tf.while_loop(lambda t, *_: t >= 0, backward, (self._steps - 2, label, path))
        return tf.transpose(path.stack())

    def _forward_backward(self) -> None:
        """Compute both directions' messages in one loop: the backward one reads the sequences turned round."""
        import tensorflow as tf

        both = tf.transpose(tf.stack([self._emissions, self._turned(self._emissions)]), [2, 0, 1, 3])  # (T, 2, B, K)
        powers = tf.exp(tf.stack([self._transitions, tf.transpose(self._transitions)]))
        opening = tf.stack([self._start, self._end])[:, None] + tf.zeros_like(both[0])

        def step(t, message, reached):
            top = tf.reduce_max(message, -1, keepdims=True)
            sums = tf.matmul(tf.exp(message - top), powers)
            before = tf.math.log(tf.maximum(sums, _FLOOR)) + top
            return t + 1, before + both[t], reached.write(t, before)

        shape = [2, None, both.shape[-1]]
        reached = tf.TensorArray(tf.float64, self._steps, element_shape=shape).write(0, opening)
        loop = (1, opening + both[0], reached)
        *_, reached = tf.while_loop(lambda t, *_: t < self._steps, step, loop)
        before = tf.transpose(reached.stack(), [1, 2, 0, 3])  # (2, B, T, K)
        self._alpha = before[0] + self._emissions  # emission at t counted
        self._beta = self._turned(before[1])  # emission at t not counted
        self._log_z = tf.reduce_logsumexp(self._at_last(self._alpha) + self._end, -1)  # (B,)

    def marginals(self) -> Any:
        """Return p(label at t | sequence), shape (B, T, K)."""
        import tensorflow as tf

        return tf.exp(self._alpha + self._beta - self._log_z[:, None, None])

    def log_share(self, path: Any, starts: Any, ends: Any) -> Any:
        """Return log p(these tags from start to end | sequence) of N stretches, given by row and token (N, 2)."""
        import tensorflow as tf

        moves = tf.gather_nd(self._transitions, tf.stack([path[:, :-1], path[:, 1:]], -1))  # (B, T - 1)
        until = tf.cumsum(tf.pad(moves, [[0, 0], [1, 0]]) + _at_labels(self._emissions, path), axis=1)
        inside = tf.gather_nd(until, ends) - tf.gather_nd(until, starts)
        before = tf.gather_nd(_at_labels(self._alpha, path), starts)
        after = tf.gather_nd(_at_labels(self._beta, path), ends)
        return before + inside + after - tf.gather(self._log_z, starts[:, 0])

    def _turned(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.reverse_sequence(values, self._lengths, seq_axis=1, batch_axis=0)

    def _at_last(self, values: Any) -> Any:
        """Return of values (B, T, K) those of each sequence's last token (B, K)."""
        import tensorflow as tf

        return tf.gather(values, self._last, axis=1, batch_dims=1)


# === Spans ===


def reading(labels: tuple[str, ...], scheme: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Write what `seqtag.data.schemes.spans` reads as tables.

    Returns
    -------
    marks : ndarray of bool, shape (K,)
        Whether a label belongs to a span.
    joins : ndarray of bool, shape (K, K)
        Whether the second of two neighbours goes on with the span of the first.
    types : list of str
        Of the span that a label belongs to; empty where it belongs to none.
    """
    alone = [schemes.spans([label], scheme) for label in labels]
    whole = [[len(schemes.spans([a, b], scheme)) == 1 for b in labels] for a in labels]
    marks = np.array([bool(found) for found in alone])
    return marks, np.array(whole) & marks[:, None] & marks, [found[0].label if found else "" for found in alone]


def spans(decoder: TagDecoder, path: Any, mask: Any, chain: Chain | Independent) -> Answers:
    """Return the spans that labels (B, T) mark, one after the other in the order of the rows."""
    import tensorflow as tf

    marks, joins, types = reading(decoder.labels, decoder.scheme)
    inside = tf.gather(tf.constant(marks), path) & mask
    joined = tf.gather_nd(tf.constant(joins), tf.stack([path[:, :-1], path[:, 1:]], -1)) & mask[:, 1:]
    starts = tf.cast(tf.where(inside & ~tf.pad(joined, [[0, 0], [1, 0]])), tf.int32)
    ends = tf.cast(tf.where(inside & ~tf.pad(joined, [[0, 0], [0, 1]])), tf.int32)
    return {
        "span_sequence": starts[:, 0],
        "span_start": starts[:, 1],
        "span_end": ends[:, 1] + 1,
        "span_label": tf.gather(tf.constant(types), tf.gather_nd(path, ends)),
        "span_score": tf.exp(chain.log_share(path, starts, ends)),
    }


# === Classes ===


def class_answers(decoder: ClassDecoder) -> Callable[[Any, Any], Answers]:
    """Return what makes answers of a classifier's logits.

    Returns
    -------
    callable
        Takes logits (B, K) and lengths (B,) and returns ``probabilities`` (B, K) with ``class`` (B,) and
        ``probability`` (B,), or, where there may be several, with ``classes`` (B, most of a row), padded with the empty
        string, and ``chosen`` (B, K).
    """
    import tensorflow as tf

    names = _class_names(decoder)
    limit = np.log(decoder.threshold / (1 - decoder.threshold)) * decoder.temperature

    def answer(logits: Any, lengths: Any) -> Answers:
        nothing = tf.constant(decoder.nothing(), tf.float64)
        scores = tf.where(lengths[:, None] > 0, tf.cast(logits, tf.float64), nothing)
        labels = tf.constant(names)
        scaled = scores / decoder.temperature
        if decoder.multi_label:
            chosen = scores > limit
            rows = tf.RaggedTensor.from_value_rowids(
                tf.gather(labels, tf.where(chosen)[:, 1]), tf.where(chosen)[:, 0], tf.shape(scores, tf.int64)[0]
            )
            return {
                "classes": rows.to_tensor(""),
                "chosen": chosen,
                "probabilities": _narrow(tf.sigmoid(scaled)),
            }
        best = tf.argmax(scores, axis=1, output_type=tf.int32)
        probabilities = tf.nn.softmax(scaled)
        return {
            "class": tf.gather(labels, best),
            "probability": _narrow(tf.gather(probabilities, best, batch_dims=1)),
            "probabilities": _narrow(probabilities),
        }

    return answer


def _class_names(decoder: ClassDecoder) -> np.ndarray:
    """Return the classes as a graph can hold them: numbers where all are, one a sequence; or else strings."""
    kinds = {type(label) for label in decoder.labels}
    if not decoder.multi_label and len(kinds) == 1 and kinds <= {bool, int, float}:
        return np.array(decoder.labels)
    return np.array([str(label).encode() for label in decoder.labels], object)


def joint_answers(decoder: JointDecoder) -> Callable[[Any, Any], Answers]:
    """Return what makes answers of a joint tagger's scores.

    Returns
    -------
    callable
        Takes scores (B, T, K + C), T at least 1, and lengths (B,), and returns what `tag_answers` makes with ``intent``
        (B,), ``intent_probability`` (B,) and ``intent_probabilities`` (B, C).
    """
    of_slots, of_intents, k = tag_answers(decoder.slots), class_answers(decoder.intents), len(decoder.labels)

    def answer(scores: Any, lengths: Any) -> Answers:
        found = of_intents(scores[:, 0, k:], lengths)
        intents = {
            "intent": found["class"],
            "intent_probability": found["probability"],
            "intent_probabilities": found["probabilities"],
        }
        return of_slots(scores[..., :k], lengths) | intents

    return answer


ANSWERS: Mapping[type, Callable[[Any], Callable[[Any, Any], Answers]]] = {
    TagDecoder: tag_answers,
    ClassDecoder: class_answers,
    JointDecoder: joint_answers,
}
"""What makes the answers of each decoder."""
