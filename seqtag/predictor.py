"""Answering with a trained model: encoders, batches, a backend, a decoder. NumPy and ONNX Runtime only.

The estimators, the command line and the server all answer through a `Predictor`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqtag import decoding
from seqtag.backends import Backend, KerasBackend, OnnxBackend
from seqtag.bundle import Bundle
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus, bucket
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import BundleError

CHUNK = 1024  # sequences encoded together; more would only hold more memory
BATCH_TOKENS = 2048
BATCH_SEQUENCES = 64


@dataclass(frozen=True)
class Decoder:
    """From emissions to labels.

    Parameters
    ----------
    labels : tuple of str
        The K labels by id.
    scheme : str
        Name of `seqtag.data.schemes.SCHEMES`, which says what spans the labels write.
    transitions, start, end : ndarray, shape (K, K), (K,), (K,)
        Scores with what the scheme forbids at -10,000. A softmax head has no other scores than these.

    Raises
    ------
    ConfigError
        If there is no such scheme.
    ValueError
        If the scores do not fit the labels.
    """

    labels: tuple[str, ...]
    scheme: str
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __post_init__(self) -> None:
        k = len(self.labels)
        found = {name: getattr(self, name).shape for name in ("transitions", "start", "end")}
        if found != {"transitions": (k, k), "start": (k,), "end": (k,)}:
            raise ValueError(f"the scores of {k} labels have the shapes {found}")
        schemes.SCHEMES[self.scheme]

    def best(self, emissions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the ids of the best label sequences, shape (B, T).

        Parameters
        ----------
        emissions : ndarray, shape (B, T, K)
            The score of each label at each token.
        lengths : ndarray of int, shape (B,)
            Number of tokens of each sequence.
        """
        if not (self.transitions.any() or self.start.any() or self.end.any()):
            return decoding.argmax(emissions, lengths)
        return decoding.viterbi(emissions, lengths, self.transitions, self.start, self.end)[0]

    def marginals(self, emissions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return p(label at t), shape (B, T, K), of what `best` takes.

        Parameters
        ----------
        emissions : ndarray, shape (B, T, K)
            The score of each label at each token.
        lengths : ndarray of int, shape (B,)
            Number of tokens of each sequence.
        """
        return decoding.marginals(emissions, lengths, self.transitions, self.start, self.end)


class Predictor:
    """A trained tagger that answers without Keras.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    decoder : Decoder
        From emissions to labels.
    backend : Backend
        Computes emissions.
    tokenizer : str
        Splits raw text.
    manifest : dict
        What the model says of itself.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        decoder: Decoder,
        backend: Backend,
        *,
        tokenizer: str = "whitespace",
        manifest: dict[str, Any] | None = None,
    ) -> None:
        self.features = features
        self.decoder = decoder
        self.backend = backend
        self.tokenizer = tokenizer
        self.manifest = manifest or {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of `predict_proba`'s columns."""
        return self.decoder.labels

    @property
    def scheme(self) -> str:
        """The tagging scheme of the labels."""
        return self.decoder.scheme

    @classmethod
    def load(cls, path: str | Path, *, threads: int = 1) -> Predictor:
        """Open a saved model.

        Parameters
        ----------
        path : path
            The folder that `save` wrote.
        threads : int
            Threads for one operator.
        """
        return cls.from_bundle(Bundle.read(path), threads=threads)

    @classmethod
    def from_bundle(cls, bundle: Bundle, *, threads: int = 1) -> Predictor:
        """Open a model that has been read.

        Parameters
        ----------
        bundle : Bundle
            The model.
        threads : int
            Threads for one operator.

        Raises
        ------
        BundleError
            If its files do not fit together.
        """
        try:
            features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
            arrays = bundle.arrays("decoder.npz")
            manifest = bundle.manifest
            decoder = Decoder(tuple(manifest["labels"]), manifest["scheme"], **arrays)
            tokenizer = TOKENIZERS[manifest["tokenizer"]].name
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the model's files do not fit together ({error!r}). Save it again.") from error
        return cls(features, decoder, _open_backend(bundle, threads), tokenizer=tokenizer, manifest=manifest)

    def predict(self, X: Iterable[Any]) -> list[list[str]]:
        """Return the labels of each sequence.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, `Sequence` values or a `Corpus`.

        Returns
        -------
        list of list of str
        """
        return [list(sequence.labels or ()) for sequence in self.annotate(X)]

    def predict_proba(self, X: Iterable[Any]) -> list[np.ndarray]:
        """Return p(label | sequence) of each token: one array (T, K) a sequence, columns as `labels`."""
        out: list[np.ndarray] = []
        for chunk in _chunks(as_sequences(X, tokenizer=self.tokenizer), CHUNK):
            out += self._run(chunk, self.decoder.marginals, np.zeros((0, len(self.labels))))
        return out

    def annotate(self, X: Iterable[Any]) -> list[Sequence]:
        """Return the sequences with their predicted labels, text and offsets kept."""
        return list(self.stream(as_sequences(X, tokenizer=self.tokenizer)))

    def stream(self, sequences: Iterable[Sequence]) -> Iterator[Sequence]:
        """Label sequences one chunk after the other, so that memory stays flat however many there are."""
        for chunk in _chunks(sequences, CHUNK):
            ids = self._run(chunk, self.decoder.best, np.zeros(0, np.int32))
            for sequence, row in zip(chunk, ids, strict=True):
                yield replace(sequence, labels=tuple(self.labels[i] for i in row))

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return the spans that a labelled sequence writes; none without a span scheme."""
        return schemes.spans(sequence.labels or (), self.scheme) if schemes.SCHEMES[self.scheme].has_spans else []

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self, sequences: list[Sequence], decode: Any, empty: np.ndarray) -> list[np.ndarray]:
        """Decode sequences in order; what has no tokens is not sent to the backend."""
        out = [empty] * len(sequences)
        full = [i for i, sequence in enumerate(sequences) if len(sequence)]
        encoded = EncodedCorpus(self.features, [sequences[i] for i in full])
        for place, row in run_batches(self.backend, encoded, decode):
            out[full[place]] = row
        return out


def run_batches(backend: Backend, encoded: EncodedCorpus, decode: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Compute and decode every sequence of an encoded corpus.

    Parameters
    ----------
    backend : Backend
        Computes emissions.
    encoded : EncodedCorpus
        The sequences.
    decode : callable
        Called with emissions (B, T, K) and lengths (B,) of each batch, as the methods of `Decoder` are.

    Yields
    ------
    (int, ndarray)
        The sequence's place and what ``decode`` gave for it, cut to its length. Batches are grouped by length.
    """
    for group in bucket(encoded.lengths, BATCH_TOKENS, max_sequences=BATCH_SEQUENCES):
        batch = encoded.batch(group)
        decoded = decode(backend.emissions(batch.inputs), batch.lengths)
        for place, length, row in zip(group, batch.lengths, decoded, strict=True):
            yield int(place), row[:length]


def load(path: str | Path, *, threads: int = 1) -> Predictor:
    """Open a saved model for predicting; neither Keras nor TensorFlow is imported.

    Parameters
    ----------
    path : path
        The folder that `save` or ``seqtag train`` wrote.
    threads : int
        Threads for one operator.

    Returns
    -------
    Predictor
    """
    return Predictor.load(path, threads=threads)


def _open_backend(bundle: Bundle, threads: int) -> Backend:
    if "model.onnx" in bundle.files:
        return OnnxBackend(bundle.files["model.onnx"], threads)
    from seqtag.nn.network import restore

    return KerasBackend(restore(bundle.manifest["network"], bundle.arrays("weights.npz")))


def _chunks(sequences: Iterable[Sequence], size: int) -> Iterator[list[Sequence]]:
    iterator = iter(sequences)
    while chunk := list(islice(iterator, size)):
        yield chunk
