"""From what a network gives to answers: a tagger's labels, a classifier's classes, or both of them. NumPy only.

A `Predictor` needs of a decoder: ``labels``, ``best`` and ``probabilities`` (one answer a sequence), ``nothing`` (what
stands for the network's output where a sequence is empty), ``value`` and ``annotate`` (an answer for users).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from seqtag import decoding
from seqtag.data import schemes
from seqtag.data.corpus import Sequence
from seqtag.registry import Registry
from seqtag.scored import Alternative, JointRow, ScoredPath


class Decoder(Protocol):
    """What every decoder does; B sequences at a time."""

    @property
    def labels(self) -> tuple[Any, ...]:
        """The K labels by id."""

    @property
    def scheme(self) -> str | None:
        """The tagging scheme; None where an answer has no spans."""

    def nothing(self) -> np.ndarray:
        """Return the output, for a batch of one, that stands for the network's where a sequence is empty."""

    def best(self, outputs: np.ndarray, lengths: np.ndarray) -> list[Any]:
        """Return the ids of the best answer of each sequence."""

    def probabilities(self, outputs: np.ndarray, lengths: np.ndarray) -> list[Any]:
        """Return the probabilities of each sequence's labels, K in the last axis."""

    def nbest(self, outputs: np.ndarray, lengths: np.ndarray, n: int) -> list[list[Alternative]]:
        """Return the n most probable answers of each sequence, the best first."""

    def value(self, row: Any) -> Any:
        """Return an answer of `best` as users see it."""

    def annotate(self, sequence: Sequence, row: Any) -> Sequence:
        """Return a sequence with an answer of `best` written into it."""

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return the spans that an annotated sequence writes."""


_SCORES = ("transitions", "start", "end")


@dataclass(frozen=True)
class TagDecoder:
    """From emissions (B, T, K) to one label a token.

    Parameters
    ----------
    labels : tuple of str
        The K labels by id.
    scheme : str
        Name of `seqtag.data.schemes.SCHEMES`, which says what spans the labels write.
    transitions, start, end : ndarray, shape (K, K), (K,), (K,)
        Scores with what the scheme forbids at -10,000. A softmax head has no other scores than these.
    temperature : float
        What all scores, emissions too, are divided by wherever probabilities are asked for, so that they are
        calibrated (Guo et al., 2017). The order of the paths, and so every answer, stays the same.

    Raises
    ------
    ConfigError
        If there is no such scheme.
    ValueError
        If the scores do not fit the labels, or the temperature is not above 0.
    """

    labels: tuple[str, ...]
    scheme: str
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    temperature: float = 1.0

    def __post_init__(self) -> None:
        k = len(self.labels)
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"the temperature must be above 0; got {self.temperature}")
        found = {name: getattr(self, name).shape for name in _SCORES}
        if found != {"transitions": (k, k), "start": (k,), "end": (k,)}:
            raise ValueError(f"the scores of {k} labels have the shapes {found}")
        schemes.SCHEMES[self.scheme]

    @classmethod
    def from_bundle(cls, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TagDecoder:
        """Make the decoder that `arrays` and a manifest describe."""
        scores = {name: array for name, array in arrays.items() if name != "temperature"}
        temperature = float(arrays["temperature"].item()) if "temperature" in arrays else 1.0
        return cls(tuple(manifest["labels"]), manifest["scheme"], **scores, temperature=temperature)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a bundle keeps of it beside labels and scheme; no temperature where it is 1."""
        scores = {name: getattr(self, name) for name in _SCORES}
        return scores if self.temperature == 1.0 else {**scores, "temperature": np.array([self.temperature])}

    def calibrated(self) -> TagDecoder:
        """Return the decoder of the same answers and probabilities for emissions over the temperature."""
        start, transitions, end = (
            decoding.temper(scores, self.temperature) for scores in (self.start, self.transitions, self.end)
        )
        return replace(self, transitions=transitions, start=start, end=end, temperature=1.0)

    def _calibrated(self, outputs: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return emissions, and transitions, start and end, over the temperature."""
        own = self if self.temperature == 1.0 else self.calibrated()
        return decoding.temper(outputs, self.temperature), (own.transitions, own.start, own.end)

    @cached_property
    def _each_by_itself(self) -> bool:
        """Whether no label's score depends on another label."""
        return not (self.transitions.any() or self.start.any() or self.end.any())

    def facts(self) -> dict[str, Any]:
        """Return what a manifest keeps of it beside the labels."""
        return {"scheme": self.scheme}

    def nothing(self) -> np.ndarray:
        """Return the emissions of no token, shape (1, 0, K)."""
        return np.zeros((1, 0, len(self.labels)))

    def best(self, outputs: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return the label ids of the best path of each sequence, one array (length,) each.

        Parameters
        ----------
        outputs : ndarray, shape (B, T, K)
            The score of each label at each token.
        lengths : ndarray of int, shape (B,)
            Number of tokens of each sequence.
        """
        if self._each_by_itself:
            found = decoding.argmax(outputs, lengths)
        else:
            found = decoding.viterbi(outputs, lengths, self.transitions, self.start, self.end)[0]
        return [row[:length] for row, length in zip(found, lengths, strict=True)]

    def probabilities(self, outputs: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return p(label at t | sequence) of what `best` takes, one array (length, K) a sequence."""
        outputs, scores = self._calibrated(outputs)
        found = decoding.marginals(outputs, lengths, *scores)
        return [row[:length] for row, length in zip(found, lengths, strict=True)]

    def scored(
        self, outputs: np.ndarray, lengths: np.ndarray, least: Mapping[str, float] | None = None
    ) -> list[ScoredPath]:
        """Return the best path of each sequence with the probabilities of its labels and spans.

        Parameters
        ----------
        outputs, lengths : ndarray
            As in `best`.
        least : mapping of str to float, optional
            By label the probability that a span must have; the tokens of one that has less are outside.
        """
        best = self.best(outputs, lengths)
        outputs, scores = self._calibrated(outputs)
        alone, following = decoding.tag_log_probability(outputs, _padded(best, outputs), lengths, *scores)
        chains = [(alone[b, :n], following[b, :n]) for b, n in enumerate(np.asarray(lengths).tolist())]
        spans = [self._spans(self.value(ids)) for ids in best]
        joint = decoding.span_log_probability(alone, following, lengths, spans)
        whole = decoding.span_log_probability(alone, following, lengths, [[(0, len(ids))][: len(ids)] for ids in best])
        together = [np.exp(np.minimum(row, 0.0)) for row in joint]
        if least is not None:
            kept = [_enough(own, p, least) for own, p in zip(spans, together, strict=True)]
            best = [self._without(*parts) for parts in zip(best, spans, kept, strict=True)]
            spans = [
                [span for span, keep in zip(own, keeps, strict=True) if keep]
                for own, keeps in zip(spans, kept, strict=True)
            ]
            together = [row[keeps] for row, keeps in zip(together, kept, strict=True)]
            if not all(map(np.all, kept)):
                alone, _ = decoding.tag_log_probability(outputs, _padded(best, outputs), lengths, *scores)
        chances = [np.exp(np.minimum(row[: len(ids)], 0.0)) for row, ids in zip(alone, best, strict=True)]
        all_right = [float(np.exp(np.minimum(row.sum(), 0.0))) for row in whole]
        parts = zip(best, chances, map(tuple, spans), together, all_right, chains, strict=True)
        return [ScoredPath(*part) for part in parts]

    def _without(self, ids: np.ndarray, spans: list[schemes.Span], keep: np.ndarray) -> np.ndarray:
        """Return the ids of a path with its spans that are not kept outside."""
        if keep.all():
            return ids
        labels = self.value(ids)
        was_valid = not schemes.problems(labels, self.scheme)
        for span in itertools.compress(spans, ~keep):
            labels[span.start : span.end] = [schemes.OUTSIDE] * (span.end - span.start)
        if was_valid and schemes.problems(labels, self.scheme):  # iob1 begins a span by what stands before it
            labels = schemes.tags(itertools.compress(spans, keep), len(labels), self.scheme)
        return np.array([self.labels.index(label) for label in labels], np.int32)

    def nbest(self, outputs: np.ndarray, lengths: np.ndarray, n: int) -> list[list[Alternative]]:
        """Return the n best paths of each sequence with p(path | sequence).

        What the scheme forbids is not among them, so there may be fewer than n.
        """
        outputs, scores = self._calibrated(outputs)
        total = decoding.log_partition(outputs, lengths, *scores)
        found = []
        for (paths, sums), log_z in zip(decoding.nbest(outputs, lengths, *scores, n), total, strict=True):
            chances = np.exp(np.minimum(sums - log_z, 0.0)).tolist()
            found.append([Alternative(self.value(ids), p) for ids, p in zip(paths, chances, strict=True) if p > 0])
        return found

    def value(self, row: np.ndarray) -> list[str]:
        """Return the labels of ids."""
        return [self.labels[i] for i in row]

    def annotate(self, sequence: Sequence, row: np.ndarray) -> Sequence:
        """Return the sequence with these labels."""
        return replace(sequence, labels=tuple(self.value(row)))

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return the spans that a labelled sequence writes; none without a span scheme."""
        return self._spans(sequence.labels or ())

    def _spans(self, labels: SequenceOf[str]) -> list[schemes.Span]:
        return schemes.spans(labels, self.scheme) if schemes.SCHEMES[self.scheme].has_spans else []


def _padded(rows: list[np.ndarray], outputs: np.ndarray) -> np.ndarray:
    """Put label ids side by side, shape (B, T)."""
    tags = np.zeros(np.shape(outputs)[:2], np.int32)
    for row, ids in zip(tags, rows, strict=True):
        row[: len(ids)] = ids
    return tags


def _enough(spans: list[schemes.Span], probabilities: np.ndarray, least: Mapping[str, float]) -> np.ndarray:
    """Tell which spans are probable enough."""
    return probabilities >= np.array([least.get(span.label, 0.0) for span in spans], np.float64)


@dataclass(frozen=True)
class ClassDecoder:
    """From logits (B, K) to the class, or the classes, of a sequence.

    Parameters
    ----------
    labels : tuple of str, int, float or bool
        The K classes by id.
    multi_label : bool
        Whether a sequence has any number of classes, each with a probability of its own, or exactly one.
    temperature : float
        What logits are divided by, so that probabilities are calibrated (Guo et al., 2017).
    prior : ndarray, shape (K,)
        The logits of a sequence without tokens: log frequencies of the training data.
    indicator : bool
        Whether several labels are the columns of an indicator matrix, by their numbers.

    Raises
    ------
    ValueError
        If the prior does not fit the labels, or the temperature is not above 0.
    """

    labels: tuple[Any, ...]
    multi_label: bool
    temperature: float
    prior: np.ndarray
    indicator: bool = False

    scheme = None
    threshold = 0.5  # of a class among several, p(class) above which it is one of the answers

    def __post_init__(self) -> None:
        if self.prior.shape != (len(self.labels),) or not self.temperature > 0:
            raise ValueError(
                f"a prior of shape {self.prior.shape} and the temperature {self.temperature} for "
                f"{len(self.labels)} classes"
            )

    @classmethod
    def from_bundle(cls, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ClassDecoder:
        """Make the decoder that `arrays` and a manifest describe."""
        temperature = float(arrays["temperature"].item())
        labels = tuple(manifest["labels"])
        return cls(labels, manifest["multi_label"], temperature, arrays["prior"], manifest["indicator"])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a bundle keeps of it beside the labels."""
        return {"prior": self.prior, "temperature": np.array([self.temperature])}

    def facts(self) -> dict[str, Any]:
        """Return what a manifest keeps of it beside the labels."""
        return {"multi_label": self.multi_label, "indicator": self.indicator}

    def nothing(self) -> np.ndarray:
        """Return the logits of a sequence without tokens, shape (1, K)."""
        return self.prior[None] * self.temperature

    def best(self, outputs: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return the class id, or which classes, of each sequence: arrays () of int or (K,) of bool.

        Parameters
        ----------
        outputs : ndarray, shape (B, K)
            The logits.
        lengths : ndarray of int, shape (B,)
            Not looked at.
        """
        if self.multi_label:
            return list(outputs > np.log(self.threshold / (1 - self.threshold)) * self.temperature)
        return list(outputs.argmax(axis=1))

    def probabilities(self, outputs: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return the probability of each class, arrays (K,)."""
        scaled = np.asarray(outputs, np.float64) / self.temperature
        return list(decoding.sigmoid(scaled) if self.multi_label else decoding.softmax(scaled))

    def nbest(self, outputs: np.ndarray, lengths: np.ndarray, n: int) -> list[list[Alternative]]:
        """Return the n most probable classes of each sequence; where there may be several, each by itself."""
        found = []
        for row in self.probabilities(outputs, lengths):
            best = np.argsort(-row, kind="stable")[:n].tolist()
            found.append([Alternative(self.labels[i], float(row[i])) for i in best])
        return found

    def value(self, row: np.ndarray) -> Any:
        """Return the class of an id; where there may be several, a tuple of classes."""
        if self.multi_label:
            return tuple(self.labels[i] for i in np.flatnonzero(row))
        return self.labels[int(row)]

    def annotate(self, sequence: Sequence, row: np.ndarray) -> Sequence:
        """Return the sequence with this class, as text, for its label."""
        found = self.value(row)
        return replace(sequence, label=tuple(map(str, found)) if self.multi_label else str(found))

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return no spans: a class has none."""
        return []


@dataclass(frozen=True)
class JointDecoder:
    """From emissions and logits side by side, (B, T, K + C), to one label a token and one intent a sequence.

    The logits stand at every token; the first one's are read. Given what the network computed, labels and intent are
    independent, so that the probability of both is the product.

    Parameters
    ----------
    slots : TagDecoder
        Of the first K columns.
    intents : ClassDecoder
        Of the other C columns; a sequence has exactly one of them.
    """

    slots: TagDecoder
    intents: ClassDecoder

    @property
    def labels(self) -> tuple[str, ...]:
        """The K labels of tokens by id."""
        return self.slots.labels

    @property
    def scheme(self) -> str:
        """The tagging scheme of the labels."""
        return self.slots.scheme

    @classmethod
    def from_bundle(cls, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> JointDecoder:
        """Make the decoder that `arrays` and a manifest describe."""
        of_slots = {name: array for name, array in arrays.items() if not name.startswith("intent_")}
        temperature = float(arrays["intent_temperature"].item())
        intents = ClassDecoder(tuple(manifest["intents"]), False, temperature, arrays["intent_prior"])
        return cls(TagDecoder.from_bundle(manifest, of_slots), intents)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a bundle keeps of it beside labels, intents and scheme."""
        return self.slots.arrays() | {f"intent_{name}": array for name, array in self.intents.arrays().items()}

    def facts(self) -> dict[str, Any]:
        """Return what a manifest keeps of it beside the labels."""
        return {**self.slots.facts(), "intents": list(self.intents.labels)}

    def nothing(self) -> np.ndarray:
        """Return the output for a sequence without tokens, shape (1, 1, K + C): one place is left for the logits."""
        return np.concatenate([np.zeros((1, 1, len(self.labels))), self.intents.nothing()[:, None]], axis=2)

    def parted(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the emissions (B, T, K) and the logits (B, C)."""
        k = len(self.labels)
        return outputs[..., :k], outputs[:, 0, k:]

    def best(self, outputs: np.ndarray, lengths: np.ndarray) -> list[JointRow]:
        """Return the ids of the best labels, and of the best intent, of each sequence.

        Parameters
        ----------
        outputs : ndarray, shape (B, T, K + C)
            The score of each label and of each intent; T is at least 1.
        lengths : ndarray of int, shape (B,)
            Number of tokens of each sequence.
        """
        emissions, logits = self.parted(outputs)
        paths, intents = self.slots.best(emissions, lengths), self.intents.best(logits, lengths)
        return [JointRow(ids, int(intent)) for ids, intent in zip(paths, intents, strict=True)]

    def probabilities(self, outputs: np.ndarray, lengths: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return of each sequence p(label at t | sequence), (length, K), and p(intent | sequence), (C,)."""
        emissions, logits = self.parted(outputs)
        of_labels, of_intents = (
            self.slots.probabilities(emissions, lengths),
            self.intents.probabilities(logits, lengths),
        )
        return list(zip(of_labels, of_intents, strict=True))

    def scored(
        self, outputs: np.ndarray, lengths: np.ndarray, least: Mapping[str, float] | None = None
    ) -> list[ScoredPath]:
        """Return what `TagDecoder.scored` does, with the probabilities of the intents."""
        emissions, logits = self.parted(outputs)
        paths, chances = self.slots.scored(emissions, lengths, least), self.intents.probabilities(logits, lengths)
        return [
            path._replace(probability=path.probability * float(of_intents.max()), intents=of_intents)
            for path, of_intents in zip(paths, chances, strict=True)
        ]

    def nbest(self, outputs: np.ndarray, lengths: np.ndarray, n: int) -> list[list[Alternative]]:
        """Return the n most probable pairs of labels and intent of each sequence."""
        emissions, logits = self.parted(outputs)
        found = []
        for paths, intents in zip(
            self.slots.nbest(emissions, lengths, n), self.intents.nbest(logits, lengths, n), strict=True
        ):
            pairs = [Alternative((list(path), intent), p * q) for path, p in paths for intent, q in intents]
            found.append(sorted((pair for pair in pairs if pair.probability > 0), key=lambda pair: -pair[1])[:n])
        return found

    def value(self, row: JointRow) -> tuple[list[str], str]:
        """Return the labels, and the intent, of ids."""
        return self.slots.value(row.ids), self.intents.value(np.array(row.intent))

    def annotate(self, sequence: Sequence, row: JointRow) -> Sequence:
        """Return the sequence with these labels, and this intent as its label."""
        labels, intent = self.value(row)
        return replace(sequence, labels=tuple(labels), label=intent)

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return the spans that a labelled sequence writes; none without a span scheme."""
        return self.slots.spans(sequence)


DECODERS: Registry[Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], Decoder]] = Registry("task")
"""What makes the decoder of a saved model, by its task."""
DECODERS.add("tagging", TagDecoder.from_bundle)
DECODERS.add("classification", ClassDecoder.from_bundle)
DECODERS.add("joint", JointDecoder.from_bundle)


def method_of(decoder: Decoder, asked: tuple[str, dict[str, Any]]) -> Callable[[np.ndarray, np.ndarray], list[Any]]:
    """Return a decoder's method by its name, with options."""
    name, options = asked
    return partial(getattr(decoder, name), **options) if options else getattr(decoder, name)
