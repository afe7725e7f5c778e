"""One label a token: `SequenceTagger`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np

from seqtag import metrics
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.encoders import Feature, fit_encoders
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import DataError
from seqtag.nn.cells import CELLS
from seqtag.params import Param, check_params
from seqtag.predictor import Decoder, run_batches
from seqtag.tasks._base import SequenceEstimator, plain
from seqtag.tasks._tagger_bundle import make_bundle
from seqtag.tasks._warm_start import WarmStart
from seqtag.tasks._weights import token_weights

logger = logging.getLogger("seqtag")

DECODERS = ("crf", "softmax")
SHOWN = 5  # places listed in a warning


class SequenceTagger(SequenceEstimator):
    """A recurrent tagger with the interface of scikit-learn.

    Tokens become vectors (words, affixes, characters, columns), a stack of recurrent layers reads them forward and
    backward, and a linear-chain CRF chooses the labels together (Huang, Xu and Yu, 2015; Lample et al., 2016).

    Parameters
    ----------
    encoders : list
        What a token is read as: ``"words"``, ``"affixes"``, ``"chars"``, ``{"column": name}``; a mapping gives an
        encoder options, as ``{"words": null, "dim": 50}``.
    cell : str
        The recurrent cell.
    units : int
        Width of the hidden state of one direction.
    layers : int
        Depth of the recurrent stack.
    bidirectional : bool
        Whether each layer also reads from the end.
    decoder : str
        ``crf`` chooses the labels of a sequence together, ``softmax`` each by itself.
    dropout : float
        Rate of the variational dropout before, between and after the layers.
    scheme : str
        How labels write spans; ``auto`` detects it in the training labels, ``none`` means there are no spans.
    tokenizer : str
        What splits raw strings.
    epochs : int or 'auto'
        Passes over the training data, over which the rate's decay is planned; ``auto`` follows from its size.
    batch_tokens : int
        Tokens a batch, padding counted.
    learning_rate : float
        Peak rate of Adam, reached after the warm-up, then falling to zero.
    warmup_steps : int
        Steps of warm-up, at most a tenth of all.
    clip_norm : float
        Greatest global norm of the gradient; 0 does not clip.
    averaging : float
        Decay of the averaged weights, which are what is scored and kept.
    neighbour_weight : float
        Strength, at the start, of the auxiliary loss that predicts the neighbouring words; 0 leaves it out.
    patience : int
        Stop after so many epochs without a better development score; 0 never stops.
    validation_fraction : float
        Share of the training data held out, by the seed, where ``fit`` gets no validation data; 0 holds none out and
        keeps the last weights.
    class_weight : dict, 'balanced' or None
        Weight of each label in the loss; ``balanced`` weighs inversely to frequency. A CRF weighs a sequence by
        the mean weight of its tokens.
    invalid_tags : str
        What becomes of training labels that break the scheme: ``repair`` converts them as conlleval reads them,
        ``allow`` permits the transitions that occur.
    init_from : str or None
        Folder of a saved tagger to go on from; words and labels it does not know are added.
    random_state : int or None
        Seeds everything; None draws a seed.
    verbose : int
        0 is silent, 1 shows a live bar on standard error, 2 logs one line an epoch.

    Attributes
    ----------
    labels_ : tuple of str
        The labels, in the order of the columns of `predict_proba`.
    scheme_ : str
        The tagging scheme.
    history_ : dict
        Loss, score, seconds and tokens a second of each epoch.
    n_tokens_ : int
        Tokens trained on.

    Examples
    --------
    >>> from seqtag import SequenceTagger
    >>> X = [["Ada", "moved", "to", "Paris"], ["Paris", "is", "old"]] * 20
    >>> y = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O", "O"]] * 20
    >>> tagger = SequenceTagger(units=16, epochs=8, random_state=0).fit(X, y)
    >>> list(tagger.predict([["Ada", "is", "old"]]))
    [['B-PER', 'O', 'O']]
    """

    task = "tagging"

    def __init__(
        self,
        *,
        encoders: Annotated[list, Param("model")] = ("words", "affixes", "chars"),  # type: ignore[assignment]
        cell: Annotated[str, Param("model", choices=CELLS.names)] = "lstm",
        units: Annotated[int, Param("model", low=1)] = 200,
        layers: Annotated[int, Param("model", low=1)] = 1,
        bidirectional: Annotated[bool, Param("model")] = True,
        decoder: Annotated[str, Param("model", choices=lambda: DECODERS)] = "crf",
        dropout: Annotated[float, Param("model", low=0, below=1)] = 0.5,
        scheme: Annotated[str | Literal["auto"], Param("model", choices=schemes.SCHEMES.names)] = "auto",
        tokenizer: Annotated[str, Param("model", choices=TOKENIZERS.names)] = "whitespace",
        epochs: Annotated[int | Literal["auto"], Param("training", low=1)] = "auto",
        batch_tokens: Annotated[int, Param("training", low=1)] = 800,
        learning_rate: Annotated[float, Param("training", low=0)] = 4e-3,
        warmup_steps: Annotated[int, Param("training", low=0)] = 100,
        clip_norm: Annotated[float, Param("training", low=0)] = 5.0,
        averaging: Annotated[float, Param("training", low=0, below=1)] = 0.998,
        neighbour_weight: Annotated[float, Param("training", low=0)] = 0.3,
        patience: Annotated[int, Param("training", low=0)] = 5,
        validation_fraction: Annotated[float, Param("training", low=0, below=1)] = 0.1,
        class_weight: Annotated[dict | Literal["balanced"] | None, Param("training")] = None,
        invalid_tags: Annotated[str, Param("training", choices=lambda: ("repair", "allow"))] = "repair",
        init_from: Annotated[str | None, Param("training")] = None,
        random_state: Annotated[int | None, Param("run", low=0)] = None,
        verbose: Annotated[int, Param("run", low=0, high=2)] = 0,
    ) -> None:
        self.encoders = encoders
        self.cell = cell
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.decoder = decoder
        self.dropout = dropout
        self.scheme = scheme
        self.tokenizer = tokenizer
        self.epochs = epochs
        self.batch_tokens = batch_tokens
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.neighbour_weight = neighbour_weight
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.invalid_tags = invalid_tags
        self.init_from = init_from
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Iterable[Any],
        y: Iterable[Any] | None = None,
        *,
        validation_data: Any = None,
        sample_weight: Any = None,
        callbacks: SequenceOf[Any] = (),
    ) -> Self:
        """Train on labelled sequences.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, `seqtag.data.corpus.Sequence` values, mappings with ``tokens`` and columns, or a
            `Corpus`.
        y : iterable of list of str, optional
            One label a token; not needed where the sequences carry their labels.
        validation_data : (X, y) or Corpus, optional
            Scored after each epoch to choose the best weights. Without it a part of the training data is held out.
        sample_weight : array-like, shape (n_sequences,), optional
            Weight of each sequence in the loss.
        callbacks : sequence of keras.callbacks.Callback
            Further Keras callbacks.

        Returns
        -------
        self

        Raises
        ------
        ParameterError, DataError, TrainingError
        """
        check_params(self)
        began = time.perf_counter()
        drawn = np.random.SeedSequence().generate_state(1)[0]
        seed = int(drawn if self.random_state is None else self.random_state)
        data = _prepare(as_sequences(X, y, tokenizer=self.tokenizer), self.scheme, self.invalid_tags)
        data = replace(data, weights=token_weights(data.sequences, sample_weight, self.class_weight)).without_empty()
        dev = self._development(validation_data)
        if dev is None and self.validation_fraction:
            data, dev = _hold_out(data, self.validation_fraction, seed)
        self._train(data, dev, seed, callbacks, began)
        return self

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """Return the labels of each sequence.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            A list of labels in each place, so that scikit-learn's ``cross_val_predict`` can put folds together.
        """
        return _object_array(self.predictor_.predict(X))

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        """Return p(label | sequence) of each token.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            An array (T, K) in each place, with columns as ``labels_``.
        """
        return _object_array(self.predictor_.predict_proba(X))

    def score(self, X: Iterable[Any], y: Iterable[Any] | None = None) -> float:
        """Return the span F1 of the predictions (token accuracy where the labels write no spans).

        Parameters
        ----------
        X : iterable
            As for `fit`.
        y : iterable of list of str, optional
            The right labels; not needed where the sequences carry them.
        """
        sequences = as_sequences(X, y, tokenizer=self.tokenizer)
        _check_labelled(sequences, "sequence to score")
        gold = [list(sequence.labels or ()) for sequence in sequences]
        return metrics.score(gold, self.predictor_.predict(sequences), self.scheme_)

    @property
    def labels_(self) -> tuple[str, ...]:
        """The labels, in the order of `predict_proba`'s columns."""
        return self.predictor_.labels

    @property
    def scheme_(self) -> str:
        """The tagging scheme."""
        return self.predictor_.scheme

    @property
    def history_(self) -> dict[str, Any]:
        """Loss, score, seconds and tokens a second of each epoch, and the best epoch."""
        self._check_fitted()
        return self.bundle_.json("metrics.json")["history"]

    @property
    def n_tokens_(self) -> int:
        """Tokens trained on."""
        self._check_fitted()
        return int(self.bundle_.json("metrics.json")["train_tokens"])

    def _development(self, validation_data: Any) -> tuple[Sequence, ...] | None:
        """Coerce the validation data; its labels stay as they are, so that the score is that of the file."""
        if validation_data is None:
            return None
        is_pair = isinstance(validation_data, (tuple, list)) and len(validation_data) == 2
        if not isinstance(validation_data, Corpus) and not is_pair:
            raise DataError(f"validation_data must be a pair (X, y) or a Corpus; got {type(validation_data).__name__}.")
        X, y = (validation_data, None) if isinstance(validation_data, Corpus) else validation_data
        sequences = tuple(s for s in as_sequences(X, y, tokenizer=self.tokenizer) if len(s))
        if not sequences or any(sequence.labels is None for sequence in sequences):
            raise DataError("validation_data must hold labelled sequences that are not empty.")
        return sequences

    def _train(
        self, data: _Data, dev: tuple[Sequence, ...] | None, seed: int, callbacks: SequenceOf[Any], began: float
    ) -> None:
        start = WarmStart.of(self.init_from)
        features = start.extend(fit_encoders(plain(self.encoders), data.sequences))
        labels = start.labels(data.labels)

        from seqtag.training import loop  # only now: it starts TensorFlow, and what was wrong so far is told at once

        allowed = data.allowed(labels)
        model = self._network(features, labels, allowed, seed)
        start.copy_weights(model, features)
        _set_frequencies(model, features)
        encoded = EncodedCorpus(features, data.sequences, data.targets(labels), data.weights)
        score = None
        if dev is not None:
            gold = [list(sequence.labels or ()) for sequence in dev]
            score = partial(_score, model, labels, allowed, data.scheme, EncodedCorpus(features, dev), gold)
        history = loop.fit(
            model,
            encoded,
            self._settings(encoded.n_tokens, seed),
            score=score,
            callbacks=[*self._progress(data.scheme), *callbacks],
        )
        facts = {
            "seconds": time.perf_counter() - began,
            "train_tokens": encoded.n_tokens,
            "development_sequences": len(dev or ()),
            "seed": seed,
        }
        decoder = _decoder(model, labels, allowed, data.scheme)
        self._set_bundle(make_bundle(self, model, features, decoder, history, facts))
        self._model = model

    def _network(
        self, features: tuple[Feature, ...], labels: SequenceOf[str], allowed: dict[str, np.ndarray], seed: int
    ) -> Any:
        from seqtag.nn.network import build_tagger

        return build_tagger(
            [feature.spec for feature in features],
            len(labels),
            cell=self.cell,
            units=int(self.units),
            layers=int(self.layers),
            bidirectional=self.bidirectional,
            decoder=self.decoder,
            dropout=float(self.dropout),
            neighbour_words=self.neighbour_weight > 0,
            allowed={name: table.tolist() for name, table in allowed.items()},
            seed=seed,
        )

    def _settings(self, n_tokens: int, seed: int) -> Any:
        from seqtag.training.loop import Settings
        from seqtag.training.schedule import auto_epochs

        return Settings(
            epochs=auto_epochs(n_tokens) if self.epochs == "auto" else int(self.epochs),
            batch_tokens=self.batch_tokens,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            patience=self.patience,
            neighbour_weight=self.neighbour_weight,
            seed=seed,
        )

    def _progress(self, scheme: str) -> list[Any]:
        from seqtag.training.progress import LogEpochs, ProgressBar

        metric = "F1" if schemes.SCHEMES[scheme].has_spans else "accuracy"
        return [[], [ProgressBar(metric)], [LogEpochs(metric)]][self.verbose]


@dataclass(frozen=True)
class _Data:
    """Training sequences in a known scheme, and the weights of their tokens where they differ."""

    sequences: tuple[Sequence, ...]
    scheme: str
    allow_seen: bool
    weights: list[np.ndarray] | None = None

    @property
    def labels(self) -> list[str]:
        """The labels that occur, completed to what the scheme needs, in order."""
        seen = {label for sequence in self.sequences for label in sequence.labels or ()}
        return schemes.complete_labels(sorted(seen), self.scheme)

    def allowed(self, labels: SequenceOf[str]) -> dict[str, np.ndarray]:
        """Return what may begin, follow and end; with ``allow_seen`` also what occurs in the data."""
        start, transitions, end = schemes.allowed_transitions(labels, self.scheme)
        if self.allow_seen:
            for row in self.targets(labels):
                start[row[0]] = end[row[-1]] = True
                transitions[row[:-1], row[1:]] = True
        return {"start": start, "transitions": transitions, "end": end}

    def targets(self, labels: SequenceOf[str]) -> list[np.ndarray]:
        """Return the label ids of each sequence."""
        ids = {label: i for i, label in enumerate(labels)}
        return [np.array([ids[label] for label in sequence.labels or ()], np.int32) for sequence in self.sequences]

    def select(self, places: Iterable[int]) -> _Data:
        """Return the sequences at these places, with their weights."""
        places = list(places)
        weights = None if self.weights is None else [self.weights[i] for i in places]
        return replace(self, sequences=tuple(self.sequences[i] for i in places), weights=weights)

    def without_empty(self) -> _Data:
        """Return the sequences that have tokens: nothing can be learnt from the others."""
        return self.select(i for i, sequence in enumerate(self.sequences) if len(sequence))


def _prepare(sequences: tuple[Sequence, ...], scheme: str, invalid_tags: str) -> _Data:
    """Settle the scheme and deal with labels that break it."""
    _check_labelled(sequences, "training sequence")
    gold = [list(sequence.labels or ()) for sequence in sequences]
    if not any(gold):
        raise DataError(f"training needs at least one token; got {len(gold)} sequences, all empty.")
    known = schemes.detect(gold) if scheme == "auto" else scheme
    broken = [(i, found) for i, labels in enumerate(gold) if (found := schemes.problems(labels, known))]
    if invalid_tags == "repair":
        mended = {i: tuple(schemes.repair(gold[i], known)) for i, _ in broken}
        sequences = tuple(replace(s, labels=mended[i]) if i in mended else s for i, s in enumerate(sequences))
    if broken:
        _warn(sequences, broken, known, invalid_tags)
    return _Data(sequences, known, invalid_tags == "allow")


def _check_labelled(sequences: tuple[Sequence, ...], what: str) -> None:
    for i, sequence in enumerate(sequences):
        if sequence.labels is None:
            raise DataError(f"every {what} must have labels; sequence {i} has none. Pass y.")


def _warn(sequences: tuple[Sequence, ...], broken: list[Any], scheme: str, invalid_tags: str) -> None:
    """Log which training labels break the scheme, and where."""
    places = []
    for i, found in broken[:SHOWN]:
        lines = sequences[i].lines
        where = f"line {lines[found[0].index]}" if lines else f"sequence {i}, token {found[0].index}"
        places.append(f"{where}: {found[0].message}")
    total = sum(len(found) for _, found in broken)
    done = "repaired as conlleval reads them" if invalid_tags == "repair" else "allowed"
    more = f"; and {len(broken) - SHOWN} more sequences" if len(broken) > SHOWN else ""
    logger.warning(
        "%d training labels break the scheme %s and were %s (%s%s)", total, scheme, done, "; ".join(places), more
    )


def _hold_out(data: _Data, fraction: float, seed: int) -> tuple[_Data, tuple[Sequence, ...] | None]:
    """Hold a part of the training data out; a single sequence cannot be split."""
    order = np.random.default_rng(seed).permutation(len(data.sequences))
    size = min(max(1, round(len(order) * fraction)), len(order) - 1)
    held, kept = sorted(order[:size]), sorted(order[size:])
    return data.select(kept), data.select(held).sequences or None


def _set_frequencies(model: Any, features: tuple[Feature, ...]) -> None:
    """Tell the auxiliary loss how often each word occurs, rare words counted as often as they are dropped."""
    auxiliary = next((layer for layer in model.layers if layer.name == "neighbour_words"), None)
    if auxiliary is None:
        return
    words = next(feature for feature in features if feature.spec.name == "words")
    counts = np.array(words.counts, np.float64)
    dropped = counts[words.spec.rare_from :] * words.spec.drop
    counts[words.spec.rare_from :] -= dropped
    counts[1] += dropped.sum()
    auxiliary.frequencies.assign((counts / counts.sum()).astype(np.float32))


def _decoder(model: Any, labels: SequenceOf[str], allowed: dict[str, np.ndarray], scheme: str) -> Decoder:
    """Take the decoder's scores from the head; a softmax head has the scheme's constraints alone."""
    from seqtag.decoding import constrain

    if hasattr(model.head, "scores"):
        scores = [np.asarray(score) for score in model.head.scores()]
    else:
        scores = [constrain(allowed[name]) for name in ("transitions", "start", "end")]
    return Decoder(tuple(labels), scheme, *(score.astype(np.float32) for score in scores))


def _score(model, labels, allowed, scheme, encoded: EncodedCorpus, gold: list[list[str]]) -> float:
    """Score the model as it stands on encoded development data."""
    from seqtag.backends import KerasBackend

    decoder = _decoder(model, labels, allowed, scheme)
    predicted: list[list[str]] = [[]] * len(gold)
    for place, row in run_batches(KerasBackend(model), encoded, decoder.best):
        predicted[place] = [labels[i] for i in row]
    return metrics.score(gold, predicted, scheme)


def _object_array(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out
