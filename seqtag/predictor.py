"""Answering with a trained model: encoders, batches, a backend, a decoder. NumPy and ONNX Runtime only.

The estimators, the command line and the server all answer through a `Predictor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.backends import Backend, KerasBackend, OnnxBackend
from seqtag.bundle import Bundle
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus, bucket
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.decoders import DECODERS, Decoder
from seqtag.errors import BundleError, DataError, SeqtagError
from seqtag.trace import Trace, Tracer

Decode = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]

CHUNK = 1024  # sequences encoded together; more would only hold more memory
BATCH_TOKENS = 2048
BATCH_SEQUENCES = 64


class Predictor:
    """A trained model that answers without Keras.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    decoder : Decoder
        From what the network gives to labels.
    backend : Backend
        Computes the network.
    tokenizer : str
        Splits raw text.
    manifest : dict
        What the model says of itself.
    weights : callable
        Returns the weights by their paths when a trace is asked for; without it there is none.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        decoder: Decoder,
        backend: Backend,
        *,
        tokenizer: str = "whitespace",
        manifest: dict[str, Any] | None = None,
        weights: Callable[[], Mapping[str, np.ndarray]] | None = None,
    ) -> None:
        self.features = features
        self.decoder = decoder
        self.backend = backend
        self.tokenizer = tokenizer
        self.manifest = manifest or {}
        self._weights = weights

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels or classes, in the order of `predict_proba`'s columns."""
        return self.decoder.labels

    @property
    def task(self) -> str:
        """What it was trained for: ``tagging`` or ``classification``."""
        return self.manifest.get("task", "tagging")

    @property
    def scheme(self) -> Any:
        """The tagging scheme of the labels; None for a classifier."""
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
            manifest = bundle.manifest
            decoder = DECODERS[manifest["task"]](manifest, bundle.arrays("decoder.npz"))
            tokenizer = TOKENIZERS[manifest["tokenizer"]].name
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the model's files do not fit together ({error!r}). Save it again.") from error
        return cls(
            features,
            decoder,
            _open_backend(bundle, threads),
            tokenizer=tokenizer,
            manifest=manifest,
            weights=_weights_of(bundle),
        )

    def predict(self, X: Iterable[Any]) -> list[Any]:
        """Return the answer for each sequence.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, arrays of frames (T, F), `Sequence` values or a `Corpus`.

        Returns
        -------
        list
            Of a tagger the list of labels of each sequence; of a classifier its class, or the tuple of its classes.
        """
        return [self.decoder.value(row) for _, row in self._answers(self._sequences(X), self.decoder.best)]

    def predict_proba(self, X: Iterable[Any]) -> list[np.ndarray]:
        """Return the probabilities of the labels for each sequence, columns as `labels`.

        Of a tagger p(label | sequence) of each token, an array (T, K); of a classifier an array (K,).
        """
        return [row for _, row in self._answers(self._sequences(X), self.decoder.probabilities)]

    def annotate(self, X: Iterable[Any]) -> list[Sequence]:
        """Return the sequences with what is predicted of them, text and offsets kept."""
        return list(self.stream(self._sequences(X)))

    def stream(self, sequences: Iterable[Sequence]) -> Iterator[Sequence]:
        """Label sequences one chunk after the other, so that memory stays flat however many there are."""
        for sequence, row in self._answers(sequences, self.decoder.best):
            yield self.decoder.annotate(sequence, row)

    def stream_proba(self, sequences: Iterable[Sequence]) -> Iterator[tuple[Sequence, np.ndarray]]:
        """Yield each sequence with its probabilities, as `predict_proba` gives them, chunk by chunk."""
        yield from self._answers(sequences, self.decoder.probabilities)

    def trace(self, X: Iterable[Any], *, influence: bool = True, initial: Iterable[Any] | None = None) -> list[Trace]:
        """Return what the network kept in mind while it read each sequence.

        Parameters
        ----------
        X : iterable
            As for `predict`.
        influence : bool
            Whether to take each input of a sequence away in turn and see what changes, for which the network reads as
            many copies of it as it is long.
        initial : iterable of ndarray, shape (layers, directions, states of the cell, H), optional
            The initial states of each sequence, for a network that is given them.

        Returns
        -------
        list of Trace
            States, gates, attention, probabilities and influence; `Trace.plot` draws them.

        Raises
        ------
        DataError
            If there are not as many initial states as sequences, or the network takes none.
        SeqtagError
            If the predictor was made without weights.
        """
        if self._weights is None:
            raise SeqtagError("a trace needs the network's weights, which this predictor lacks. Load a saved model.")
        sequences = self._sequences(X)
        states = [None] * len(sequences) if initial is None else list(initial)
        if len(states) != len(sequences):
            raise DataError(f"initial must have one entry a sequence; got {len(states)} for {len(sequences)}.")
        tracer = Tracer(self.features, self.decoder, self.backend, self.manifest["network"], self._weights())
        return [tracer.trace(one, influence, start) for one, start in zip(sequences, states, strict=True)]

    def spans(self, sequence: Sequence) -> list[schemes.Span]:
        """Return the spans that a labelled sequence writes; none without a span scheme."""
        return self.decoder.spans(sequence)

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _sequences(self, X: Iterable[Any]) -> tuple[Sequence, ...]:
        return as_sequences(X, tokenizer=self.tokenizer)

    def _answers(self, sequences: Iterable[Sequence], decode: Decode) -> Iterator[tuple[Sequence, np.ndarray]]:
        """Yield sequences in order with what `decode` gives; what is empty is not sent to the backend."""
        for chunk in _chunks(sequences, CHUNK):
            full = [i for i, sequence in enumerate(chunk) if len(sequence)]
            out = [decode(self.decoder.nothing(), np.zeros(1, np.int32))[0]] * len(chunk)
            encoded = EncodedCorpus(self.features, [chunk[i] for i in full])
            for place, row in run_batches(self.backend, encoded, decode):
                out[full[place]] = row
            yield from zip(chunk, out, strict=True)


def run_batches(backend: Backend, encoded: EncodedCorpus, decode: Decode) -> Iterator[tuple[int, np.ndarray]]:
    """Compute and decode every sequence of an encoded corpus.

    Parameters
    ----------
    backend : Backend
        Computes the network.
    encoded : EncodedCorpus
        The sequences.
    decode : callable
        Called with the outputs and the lengths (B,) of each batch, as the methods of a `Decoder` are.

    Yields
    ------
    (int, ndarray)
        The sequence's place and what ``decode`` gave for it. Batches are grouped by length.
    """
    for group in bucket(encoded.lengths, BATCH_TOKENS, max_sequences=BATCH_SEQUENCES):
        batch = encoded.batch(group)
        for place, row in zip(group, decode(backend.compute(batch.inputs), batch.lengths), strict=True):
            yield int(place), row


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

    network = bundle.manifest["network"]
    looped = {**network, "stack": {**network["stack"], "steps": None}}  # a loop that is written out reads one length
    return KerasBackend(restore(looped, bundle.arrays("weights.npz")))


def _weights_of(bundle: Bundle) -> Callable[[], Mapping[str, np.ndarray]]:
    """Return what unpacks the weights when they are asked for; no other file of the bundle is held on to."""
    name = "weights.npz"
    kept = Bundle(bundle.manifest, {file: data for file, data in bundle.files.items() if file == name})
    return lambda: kept.arrays(name)


def _chunks(sequences: Iterable[Sequence], size: int) -> Iterator[list[Sequence]]:
    iterator = iter(sequences)
    while chunk := list(islice(iterator, size)):
        yield chunk
