"""What all estimators share: parameters checked at fit, a fitted model held as a bundle, save, load, pickle."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np

from seqtag.bundle import Bundle
from seqtag.data.batching import TrainingBatches
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.embeddings.coverage import Coverage
from seqtag.data.encoders import Feature, Vocabulary, default_encoders, fit_encoders
from seqtag.data.streaming import CorpusStream
from seqtag.errors import DataError, ParameterError
from seqtag.known import Known
from seqtag.predictor import Predictor
from seqtag.scored import Alternative
from seqtag.tasks._contextual import language_models, with_states
from seqtag.tasks._facts import plain
from seqtag.tasks._fitted import FittedEstimator
from seqtag.tasks._warm_start import WarmStart
from seqtag.trace import Trace


class TrainingData(Protocol):
    """What an estimator learns from, in memory (`LabelledData`, `ClassifiedData`) or read from disk in each pass."""

    @property
    def sequences(self) -> Iterable[Sequence]:
        """None of them empty; gone through as often as needed."""

    @property
    def labels(self) -> list[Any]:
        """What is learned to tell apart, in order."""

    def vocabulary(self) -> Vocabulary:
        """Count what encoders are fitted on."""

    def encode(
        self, features: tuple[Feature, ...], labels: SequenceOf[Any], seed: int
    ) -> AbstractContextManager[TrainingBatches]:
        """Encode everything once, for as long as the context lasts."""


class SequenceEstimator(FittedEstimator):
    """Base of the estimators that answer for a sequence: taggers and classifiers.

    A subclass gives `_build`, `_score_on` and `_decoder_of`, and calls `_train` from its ``fit``.
    """

    def _labels_of(self, start: WarmStart, data: Any) -> Any:
        """Return the labels in the order of their ids, from those that were there before and those that are new."""
        return start.labels(data.labels)

    def _copy_old(self, start: WarmStart, model: Any, features: tuple[Feature, ...], labels: Any) -> None:
        """Give a network the weights of the model that training begins with."""
        start.copy_weights(model, features, labels)

    def _build(self, features: tuple[Feature, ...], labels: SequenceOf[Any], data: Any, seed: int, stack: Any) -> Any:
        """Return the network, not trained yet."""
        raise NotImplementedError

    def _score_on(self, model: Any, features: tuple[Feature, ...], labels: SequenceOf[Any], data: Any, dev: Any) -> Any:
        """Return what gives the development score of the model as it stands, see `training.loop.fit`."""
        raise NotImplementedError

    def _decoder_of(self, model: Any, labels: SequenceOf[Any], data: Any, score: Any) -> Any:
        """Return the decoder of the trained model; ``score`` is that of `_score_on`, or None."""
        raise NotImplementedError

    def _train(
        self, data: TrainingData, dev: Any, seed: int, callbacks: SequenceOf[Any], metric: str, began: float
    ) -> None:
        """Fit the encoders, build the network, train it and keep what was learned."""
        from seqtag.tasks._bundle import make_bundle

        start = self._start()
        models = language_models(self.encoders)
        data, dev = with_states(data, models), with_states(dev, models)
        vocabulary = data.vocabulary()
        if dev is not None:
            vocabulary = replace(vocabulary, development=Counter(t for s in dev.sequences for t in s.tokens))
        choices = default_encoders(vocabulary) if self.encoders == "auto" else self.encoders
        features = start.extend(fit_encoders(plain(choices), vocabulary))
        labels = self._labels_of(start, data)
        stack = self._stack(itertools.chain(data.sequences, dev.sequences if dev is not None else ()))

        # Only now: it starts TensorFlow, and what was wrong so far is told at once.
        from seqtag.training import loop
        from seqtag.training.devices import Compute, choose, mention_threads

        compute = choose(self.device, self.precision, self.strategy)
        mention_threads(compute)
        with compute.scope():
            trained = self._build(features, labels, data, seed, stack)
        _set_vectors(trained, features)
        self._copy_old(start, trained, features, labels)
        _set_frequencies(trained, features)
        model = trained  # what is scored, kept and asked: in float32, on one device
        if not compute.is_plain:
            with Compute(compute.device).scope():
                model = self._build(features, labels, data, seed, stack)
        with data.encode(features, labels, seed) as encoded:
            settings = self._settings(encoded.n_tokens, seed)
            score = None if dev is None else self._score_on(model, features, labels, data, dev)
            shown = [*self._progress(metric), *callbacks]
            with compute.on_device():
                history = loop.fit(trained, encoded, settings, score=_of_copy(score, model, trained), callbacks=shown)
            _copy_weights(trained, model)
            facts = {
                "padded_share": encoded.plan(settings.limits).padded_share,
                "seconds": time.perf_counter() - began,
                "train_tokens": encoded.n_tokens,
                "train_sequences": len(encoded),
                "development_sequences": 0 if dev is None else len(dev.sequences),
                "metric": metric,
                "seed": seed,
                "compute": asdict(compute),
                "coverage": [f.pretrained.coverage.to_dict() for f in features if f.pretrained is not None],
            }
        decoder = self._decoder_of(model, labels, data, score)
        self._set_bundle(make_bundle(self, model, features, decoder, history, facts, models))
        self._predictor, self._model = Predictor.from_bundle(self.bundle_), model

    def _start(self) -> WarmStart:
        """Return what training begins with: this estimator's own model, a saved one, or nothing."""
        if self.warm_start and hasattr(self, "bundle_"):
            return WarmStart.of(self.bundle_, self.task, "warm_start")
        return WarmStart() if self.init_from is None else WarmStart.of(Bundle.read(self.init_from), self.task)

    def _stack(self, sequences: Iterable[Sequence]) -> Any:
        """Return the recurrent layers that the parameters stand for."""
        from seqtag.nn.stack import Stack

        if self.bidirectional and self.go_backwards:
            raise ParameterError(
                f"{type(self).__name__}: go_backwards must be False where bidirectional is True, which reads both ways."
            )
        one_way = "backward" if self.go_backwards else "forward"
        return Stack(
            cell=self.cell,
            units=int(self.units),
            layers=int(self.layers),
            direction="both" if self.bidirectional else one_way,
            merge=self.merge,
            residual=self.residual,
            layer_norm=self.layer_norm,
            dropout=float(self.dropout),
            initial_state=self.initial_state,
            steps=_common_length(sequences) if self.unroll else None,
        )

    def _settings(self, n_tokens: int, seed: int) -> Any:
        from seqtag.training.loop import Settings
        from seqtag.training.schedule import auto_epochs

        return Settings(
            epochs=auto_epochs(n_tokens) if self.epochs == "auto" else int(self.epochs),
            batch_tokens=self.batch_tokens,
            batch_sequences=self.batch_sequences,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            patience=self.patience,
            neighbour_weight=self.neighbour_weight,
            seed=seed,
        )

    @property
    def coverage_(self) -> tuple[Coverage, ...]:
        """How many of the words trained and scored on have a pretrained vector, for each encoder ``embeddings``."""
        self._check_fitted()
        return tuple(map(Coverage.from_dict, self.bundle_.json("metrics.json").get("coverage", ())))

    def predict_nbest(self, X: Iterable[Any], n: int = 5, *, known: Known | None = None) -> list[list[Alternative]]:
        """Return the n best answers for each sequence with their probabilities, see `Predictor.predict_nbest`.

        Parameters
        ----------
        X : iterable
            As for ``predict``.
        n : int
            How many; there are fewer where no more are possible.
        known : iterable of (list of (str or None) or None), optional
            Of a tagger, labels that are known beforehand, see `Predictor.predict`.

        Returns
        -------
        list of list of seqtag.scored.Alternative
            Pairs of answer and probability, the best first.
        """
        self._check_fitted()
        return self.predictor_.predict_nbest(self._sequences(X), n, known=known)

    def trace(self, X: Iterable[Any], *, influence: bool = True) -> list[Trace]:
        """Return what the network kept in mind while it read each sequence.

        Parameters
        ----------
        X : iterable
            As for ``predict``.
        influence : bool
            Whether to take each input of a sequence away in turn and see what changes, for which the network reads as
            many copies of it as it is long.

        Returns
        -------
        list of seqtag.trace.Trace
            Hidden states, gates, attention, probabilities and influence; `Trace.plot` draws them.
        """
        self._check_fitted()
        return self.predictor_.trace(self._sequences(X), influence=influence)

    def _sequences(self, X: Any) -> tuple[Sequence, ...]:
        """Return X as sequences."""
        return as_sequences(X, tokenizer=self.tokenizer)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that X holds sequences of strings, not the rows of a table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.multi_output = True
        return tags


def validation_pair(validation_data: Any) -> tuple[Any, Any]:
    """Return X and y of what ``fit`` gets as ``validation_data``; y is None for a `Corpus`, as which a stream is read.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(validation_data, CorpusStream):
        return validation_data.read(), None
    if isinstance(validation_data, Corpus):
        return validation_data, None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
        raise DataError(f"validation_data must be a pair (X, y) or a Corpus; got {type(validation_data).__name__}.")
    return validation_data[0], validation_data[1]


def _set_vectors(model: Any, features: tuple[Feature, ...]) -> None:
    """Let the tables of pretrained vectors begin with them."""
    for feature in features:
        if feature.pretrained is not None:
            model.get_layer(f"{feature.spec.name}_vectors").embeddings.assign(feature.pretrained.rows)


def _set_frequencies(model: Any, features: tuple[Feature, ...]) -> None:
    """Tell the auxiliary loss, if there is one, how often each word occurs."""
    if model.auxiliary is None:
        return
    words = next(feature for feature in features if feature.spec.name == "words")
    counts = np.array(words.counts, np.float64)
    model.auxiliary.frequencies.assign((counts / counts.sum()).astype(np.float32))


def _copy_weights(source: Any, target: Any) -> None:
    """Give a network the weights of another one that was built alike."""
    if target is not source:
        target.set_weights(source.get_weights())


def _of_copy(score: Callable[[], Any] | None, model: Any, trained: Any) -> Callable[[], Any] | None:
    """Return what scores a network with the weights that another one has by then."""
    if score is None or model is trained:
        return score

    def copied() -> Any:
        _copy_weights(trained, model)
        return score()

    return copied


def _common_length(sequences: Iterable[Sequence]) -> int:
    """Return the length of all sequences, over which a loop can be written out."""
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) != 1:
        raise DataError(
            f"unroll=True needs sequences of one length; these have {min(lengths)} to {max(lengths)} tokens. "
            "Set unroll=False: the loop computes the same."
        )
    return lengths.pop()
