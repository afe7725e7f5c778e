"""Answering with a trained model: encoders, batches, a backend, a decoder. NumPy and ONNX Runtime only.

The estimators, the command line and the server all answer through a `Predictor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.backends import Backend, FirstColumns
from seqtag.bundle import Bundle, reopened
from seqtag.computing import Decode, run_documents
from seqtag.data import schemes
from seqtag.data.coerce import as_sequences, each_sequence
from seqtag.data.context import DOCUMENT, Context
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.data.memo import EncodingMemo
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.decoders import DECODERS, Decoder, JointDecoder, method_of
from seqtag.errors import BundleError, DataError, SeqtagError
from seqtag.flow import Progress, in_chunks, one_by_one, packed, unpacked
from seqtag.jobs import check_jobs, in_processes
from seqtag.known import Known, ids_of_own, known_ids
from seqtag.language import TASK
from seqtag.language.states import TokenStates, attached, states_of
from seqtag.online import LabelledToken, check_online, label_online
from seqtag.opening import open_backend, weights_of
from seqtag.scored import Alternative, ScoredSequence, ScoredSpan, located, scored
from seqtag.thresholds import Threshold, resolve
from seqtag.trace import Trace, Tracer
from seqtag.windows import OVERLAP, WINDOW, Windows


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
    source : callable
        Returns the model's `Bundle` when worker processes are to open it; without it there are none.
    window, overlap : int
        Of a tagger, a longer sequence than ``window`` is read in windows of that many tokens or frames, so that memory
        stays bounded. Where the network reads forward only, its state is carried from one to the next, which is exact.
        Where it does not, ``overlap`` more tokens are read on each side of a window, which is nearly so.
    states : mapping of str to TokenStates, optional
        The language models whose states the encoders read, by name.
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
        source: Callable[[], Bundle] | None = None,
        window: int = WINDOW,
        overlap: int = OVERLAP,
        states: Mapping[str, TokenStates] | None = None,
    ) -> None:
        self.features = features
        self.decoder = decoder
        self.backend = backend
        self.tokenizer = tokenizer
        self.manifest = manifest or {}
        self._weights = weights
        self._source = source
        direction = self.manifest.get("network", {}).get("stack", {}).get("direction", "both")
        self._windows = Windows(window, overlap, direction)
        self._context: Context = self.manifest.get("params", {}).get("context", 0)
        self._memo = EncodingMemo(features)
        self._states = states or {}

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels or classes, in the order of `predict_proba`'s columns."""
        return self.decoder.labels

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents of a joint tagger, in the order of `predict_proba`'s second array; none of any other model."""
        decoder = self.decoder
        return decoder.intents.labels if isinstance(decoder, JointDecoder) else ()

    @property
    def task(self) -> str:
        """What it was trained for: ``tagging``, ``classification`` or ``joint``."""
        return self.manifest.get("task", "tagging")

    @property
    def scheme(self) -> Any:
        """The tagging scheme of the labels; None for a classifier."""
        return self.decoder.scheme

    @classmethod
    def load(
        cls, path: str | Path, *, threads: int | None = None, window: int = WINDOW, overlap: int = OVERLAP
    ) -> Predictor:
        """Open a saved model.

        Parameters
        ----------
        path : path
            The folder that `save` wrote.
        threads : int, optional
            How many batches to compute side by side where there are many sequences; by default a core each.
        window, overlap : int
            How a tagger reads what is longer than ``window`` tokens or frames, see the class.
        """
        return cls.from_bundle(Bundle.read(path), path=path, threads=threads, window=window, overlap=overlap)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        path: str | Path | None = None,
        threads: int | None = None,
        window: int = WINDOW,
        overlap: int = OVERLAP,
    ) -> Predictor:
        """Open a model that has been read.

        Parameters
        ----------
        bundle : Bundle
            The model.
        path : path, optional
            The folder that it was read from, where it is read again for worker processes.
        threads : int, optional
            How many batches to compute side by side where there are many sequences; by default a core each.
        window, overlap : int
            How a tagger reads what is longer than ``window`` tokens or frames, see the class.

        Raises
        ------
        BundleError
            If its files do not fit together.
        """
        if bundle.manifest.get("task") == TASK:
            raise BundleError(
                "this is a language model, which labels nothing; open it with seqtag.load, or use seqtag generate, "
                "seqtag rank and seqtag evaluate."
            )
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
            open_backend(bundle, threads),
            tokenizer=tokenizer,
            manifest=manifest,
            weights=weights_of(bundle),
            source=reopened(bundle, path),
            window=window,
            overlap=overlap,
            states=states_of(features, bundle),
        )

    def predict(self, X: Iterable[Any], *, known: Known | None = None) -> list[Any]:
        """Return the answer for each sequence.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, arrays of frames (T, F), `Sequence` values or a `Corpus`.
        known : iterable of (list of (str or None) or None), optional
            Of a tagger, the labels that are known beforehand: of each sequence one or None a token, or None. The
            answer is the best one that agrees with them, and every probability is one given them.

        Returns
        -------
        list
            Of a tagger the list of labels of each sequence; of a classifier its class, or the tuple of its classes; of
            a joint tagger the pair of both: labels and intent.

        Raises
        ------
        DataError
            If something in X cannot be used, or known labels leave no path that the scheme allows; it names sequence
            and token.
        """
        return [self.decoder.value(row) for _, row in self._answers(self._sequences(X), self.decoder.best, known)]

    def predict_proba(self, X: Iterable[Any], *, known: Known | None = None) -> list[Any]:
        """Return the probabilities of the labels for each sequence, columns as `labels`.

        Of a tagger p(label | sequence) of each token, an array (T, K); of a classifier an array (K,); of a joint tagger
        the pair of both, the second with columns as `intents`.

        Parameters
        ----------
        X, known : as in `predict`
            The sequences, and what is known of their labels.
        """
        return [row for _, row in self._answers(self._sequences(X), self.decoder.probabilities, known)]

    def predict_spans(
        self, X: Iterable[Any], *, threshold: Threshold | None = None, known: Known | None = None
    ) -> list[list[ScoredSpan]]:
        """Return the spans of each sequence, with where they stand in its text and how probable they are.

        Parameters
        ----------
        X : iterable
            As for `predict`. Of raw strings, and of `Sequence` values with text and offsets, spans have a place in
            the text.
        threshold : float or mapping of str to float, optional
            Leave out spans that are less probable than this, or than what it says for their label.
        known : as in `predict`, optional
            What is known of the labels.

        Returns
        -------
        list of list of ScoredSpan
            In the order of the tokens; none where the labels write no spans.

        Raises
        ------
        SeqtagError
            If the model is no tagger, or has no spans for a threshold.
        ParameterError
            If a threshold is no number from 0 to 1, or is for a label that the model does not know.
        """
        decode = method_of(self.decoder, ("scored", self._scoring(threshold)))
        return [list(located(s, path)) for s, path in self._answers(self._sequences(X), decode, known)]

    def predict_nbest(self, X: Iterable[Any], n: int = 5, *, known: Known | None = None) -> list[list[Alternative]]:
        """Return the n best answers for each sequence with their probabilities.

        Parameters
        ----------
        X : iterable
            As for `predict`.
        n : int
            How many; there are fewer where the scheme admits no more.
        known : as in `predict`, optional
            What is known of the labels; all answers agree with it.

        Returns
        -------
        list of list of Alternative
            The best first. Of a tagger label lists, each with p(label list | sequence); of a classifier classes with
            their probabilities; of a joint tagger pairs of label list and intent.

        Raises
        ------
        DataError
            If n is no whole number from 1 on.
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise DataError(f"n must be a whole number from 1 on; got {n!r}.")
        if self._context == DOCUMENT:
            raise SeqtagError("this model labels whole documents, whose n best answers have no parts for sentences.")
        return [row for _, row in self._answers(self._sequences(X), partial(self.decoder.nbest, n=int(n)), known)]

    def annotate(self, X: Iterable[Any]) -> list[Sequence]:
        """Return the sequences with what is predicted of them, text and offsets kept."""
        return list(self.stream(self._sequences(X)))

    def stream(
        self, X: Iterable[Any], *, n_jobs: int = 1, progress: Progress | None = None, known: str | None = None
    ) -> Iterator[Sequence]:
        """Label sequences one chunk after the other, so that memory stays flat however many there are.

        Parameters
        ----------
        X : iterable
            As for `predict`, read as it is needed; it may have no end.
        n_jobs : int
            In how many processes to compute; each opens the model once. -1 is one a core.
        progress : callable, optional
            Called with the number of sequences, and of tokens or frames, that have been answered so far.
        known : str, optional
            Of a tagger, the labels that the sequences have are known, except where this mark stands in their place.

        Yields
        ------
        Sequence
            Each sequence, in the order of X, with its labels or its class; text, offsets and columns are kept.

        Raises
        ------
        ParameterError
            If ``n_jobs`` is no number of processes.
        DataError
            If X is not many, or an element of it cannot be used.
        """
        answered = self._streamed(X, "best", n_jobs, progress, known=known)
        return (self.decoder.annotate(sequence, row) for sequence, row in answered)

    def stream_proba(
        self, X: Iterable[Any], *, n_jobs: int = 1, progress: Progress | None = None
    ) -> Iterator[tuple[Sequence, np.ndarray]]:
        """Yield each sequence with its probabilities, as `predict_proba` gives them.

        Parameters
        ----------
        X, n_jobs, progress : as in `stream`
            What is read, how many processes compute, and what is told how far they are.
        """
        return self._streamed(X, "probabilities", n_jobs, progress)

    def stream_scored(
        self,
        X: Iterable[Any],
        *,
        threshold: Threshold | None = None,
        n_jobs: int = 1,
        progress: Progress | None = None,
        known: str | None = None,
    ) -> Iterator[ScoredSequence]:
        """Yield each sequence with its labels, their probabilities and its spans, of a tagger; and with its intent.

        Parameters
        ----------
        X, threshold, n_jobs, progress, known : as in `stream` and `predict_spans`
            The tokens of spans that are less probable than ``threshold`` get the label of what is outside.

        Raises
        ------
        SeqtagError, ParameterError
            As `predict_spans`.
        """
        answered = self._streamed(X, "scored", n_jobs, progress, self._scoring(threshold), known)
        annotate, intents = self.decoder.annotate, self.intents
        return (scored(annotate(sequence, path.row), path, intents) for sequence, path in answered)

    def stream_tokens(self, tokens: Iterable[Any]) -> Iterator[LabelledToken]:
        """Label each token as it arrives, before the next one is asked for; of a tagger that reads forward only.

        A token costs the same however many came before it: the network's state is carried on, and so is
        p(label | tokens so far), the forward variable of the CRF. The label is the most probable one that the scheme
        allows after the label before. Once given it stands, where `predict` weighs the whole sequence.

        Parameters
        ----------
        tokens : iterable
            Strings; numbers of shape (F,), of a model that reads frames; or `Sequence` values of one token, with
            columns and vectors. It may have no end.

        Yields
        ------
        LabelledToken
            Token, label and p(label | tokens so far).

        Raises
        ------
        SeqtagError
            At once, if the model needs tokens that follow; it says what to train instead.
        DataError
            At its turn, if something else comes than a token.
        """
        if self._context:
            raise SeqtagError("stream_tokens needs a tagger that reads sentences by themselves; train with context=0.")
        backend = check_online(self.decoder, self.backend, self.features, self.manifest.get("network", {}))
        if isinstance(tokens, (str, bytes, Sequence)):
            raise DataError(f"tokens must be an iterable of tokens; got one {type(tokens).__name__}.")
        decoder: Any = self.decoder
        return label_online(tokens, decoder, backend, self._memo.encode)

    def trace(self, X: Iterable[Any], *, influence: bool = True, initial: Iterable[Any] | None = None) -> list[Trace]:
        """Return what the network kept in mind while it read each sequence; of a joint tagger, for its labels.

        Parameters
        ----------
        X : iterable
            As for `predict`; each is read by itself, without its document.
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
        sequences = attached(self._sequences(X), self._states)
        states = [None] * len(sequences) if initial is None else list(initial)
        if len(states) != len(sequences):
            raise DataError(f"initial must have one entry a sequence; got {len(states)} for {len(sequences)}.")
        decoder, backend = self.decoder, self.backend
        if isinstance(decoder, JointDecoder):
            decoder, backend = decoder.slots, FirstColumns(backend, len(decoder.labels))
        tracer = Tracer(self.features, decoder, backend, self.manifest["network"], self._weights())
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

    def _scoring(self, threshold: Threshold | None) -> dict[str, Any]:
        """Return the options of the decoder's method that scores labels and spans."""
        if not hasattr(self.decoder, "scored"):
            raise SeqtagError("spans need a tagger; this model gives one answer for a whole sequence. Use predict.")
        return {} if threshold is None else {"least": resolve(threshold, self.labels, self.scheme)}

    def _answers(
        self, sequences: tuple[Sequence, ...], decode: Decode, known: Known | None = None
    ) -> Iterator[tuple[Sequence, Any]]:
        """Yield sequences in order with what `decode` gives."""
        ids = None if known is None else iter(known_ids(known, sequences, self.decoder))
        for chunk in in_chunks(sequences, by_document=bool(self._context)):
            own = None if ids is None else list(islice(ids, len(chunk)))
            yield from zip(chunk, self._rows(chunk, decode, own), strict=True)

    def _rows(self, chunk: list[Sequence], decode: Decode, known: list[np.ndarray] | None = None) -> list[Any]:
        """Return what `decode` gives for each sequence; what is empty is not sent to the backend."""
        full = [i for i, sequence in enumerate(chunk) if len(sequence)]
        nothing = decode(self.decoder.nothing(), np.zeros(1, np.int32))[0] if len(full) < len(chunk) else None
        out: list[Any] = [nothing] * len(chunk)
        sequences = attached([chunk[i] for i in full], self._states)
        given = None if known is None else [known[i] for i in full]
        windows = self._windows if self.task == "tagging" else None
        asked = self._memo.encode, sequences, self._context, decode, windows, given, len(self.labels)
        for place, row in run_documents(self.backend, *asked):
            out[full[place]] = row
        return out

    def _streamed(
        self,
        X: Iterable[Any],
        wanted: str,
        n_jobs: int,
        progress: Progress | None,
        options: Mapping[str, Any] | None = None,
        known: str | None = None,
    ) -> Iterator[tuple[Sequence, Any]]:
        """Yield sequences in order with what the decoder's method of that name gives, here or in processes."""
        asked = wanted, dict(options or {})
        n_jobs = check_jobs(n_jobs)
        chunks = in_chunks(each_sequence(X, tokenizer=self.tokenizer), by_document=bool(self._context))
        ids = partial(ids_of_own, decoder=self.decoder, mark=known)
        if n_jobs == 1:
            decode = method_of(self.decoder, asked)
            return one_by_one(((chunk, self._rows(chunk, decode, ids(chunk))) for chunk in chunks), progress)
        if self._source is None:
            raise SeqtagError("n_jobs needs a model that processes can open, which this predictor lacks. Load one.")
        make = partial(_answering, self._source(), self._windows)
        answered = in_processes(make, chunks, n_jobs, lambda chunk: (asked, packed(chunk), ids(chunk)))
        return one_by_one(answered, progress)


def _answering(bundle: Bundle, windows: Windows) -> Callable[[tuple[Any, list[Any], Any]], list[Any]]:
    """Return what answers in a worker process."""
    predictor = Predictor.from_bundle(bundle, threads=1, window=windows.size, overlap=windows.overlap)
    return lambda task: predictor._rows(unpacked(task[1]), method_of(predictor.decoder, task[0]), task[2])
