"""One label a token and one intent a sequence, by one network: `JointTagger`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, cast

import numpy as np

from seqtag import metrics
from seqtag.choices.decoders import DECODERS
from seqtag.choices.pooling import POOLINGS
from seqtag.data import schemes
from seqtag.data.encoders import Feature
from seqtag.data.streaming import CorpusStream
from seqtag.decoders import ClassDecoder, JointDecoder
from seqtag.errors import DataError
from seqtag.known import Known
from seqtag.params import Param, check_params
from seqtag.scored import ScoredSpan
from seqtag.tasks._base import SequenceEstimator, validation_pair
from seqtag.tasks._classes import object_array
from seqtag.tasks._joint import JointData, JointLabels, StreamedJoint, as_joint
from seqtag.tasks._joint_scoring import JointScore
from seqtag.tasks._parameters import (
    Cell,
    ClassWeight,
    Count,
    Device,
    Dropout,
    Encoders,
    Epochs,
    Folder,
    Fraction,
    InitialState,
    Layers,
    Merge,
    Precision,
    RandomState,
    Size,
    Strategy,
    Strength,
    Switch,
    Tokenizer,
    Units,
    Verbose,
    WarmStart,
)
from seqtag.tasks._scoring import trained_decoder
from seqtag.tasks._streamed import refuse_beside
from seqtag.thresholds import Threshold


class JointTagger(SequenceEstimator):
    """A recurrent tagger that also names the intent of the whole, with the interface of scikit-learn.

    One stack of recurrent layers reads a sequence as `SequenceTagger` does. From its states a linear-chain CRF chooses
    the labels of the tokens (slots), and a pooling of them tells the intent of the sequence (Hakkani-Tür et al., 2016;
    Liu and Lane, 2016).

    Parameters
    ----------
    encoders : list or 'auto'
        What a token is read as: ``"words"``, ``"affixes"``, ``"chars"``, ``{"column": name}``, ``{"vectors": name}``,
        ``{"embeddings": file}``, or ``"frames"``; a mapping gives an encoder options, as ``{"words": null, "dim": 9}``.
        ``auto`` takes the first three for tokens and frames for numbers.
    cell : str
        The recurrent cell.
    units : int
        Width of the hidden state of one direction.
    layers : int
        Depth of the recurrent stack.
    bidirectional : bool
        Whether each layer also reads from the end.
    go_backwards : bool
        Whether a stack that is not bidirectional reads from the end to the beginning.
    merge : str
        What becomes of the states of two directions: side by side (``concat``), ``sum`` or ``mean``.
    residual : bool
        Whether each layer from the second on adds its input to its output.
    layer_norm : bool
        Whether each layer's output is normalised.
    initial_state : str
        The state before the first step: ``zero``, or ``learned``, the same for all sequences.
    unroll : bool
        Whether the loop over time is written out in training, which needs sequences of one length and computes the
        same.
    decoder : str
        ``crf`` chooses the labels of a sequence together, ``softmax`` each by itself.
    pooling : str
        How states become one vector for the intent: the ``last`` of each direction, their ``mean`` or ``max``, or the
        mean that ``attention`` weighs.
    dropout : float
        Rate of the variational dropout before, between and after the layers, and of the dropout behind the pooling.
    scheme : str
        How labels write spans; ``auto`` detects it in the training labels, ``none`` means there are no spans.
    tokenizer : str
        What splits raw strings.
    epochs : int or 'auto'
        Passes over the training data, over which the rate's decay is planned; ``auto`` follows from its size.
    batch_tokens : int
        Tokens a batch, padding counted.
    batch_sequences : int
        Sequences a batch, at most.
    learning_rate : float
        Peak rate of Adam, reached after the warm-up, then falling to zero.
    warmup_steps : int
        Steps of warm-up, at most a tenth of all.
    clip_norm : float
        Greatest global norm of the gradient; 0 does not clip.
    averaging : float
        Decay of the averaged weights, which are what is scored and kept.
    intent_weight : float
        How often the logarithm of the intent's likelihood counts in the loss beside that of the labels; 1 is the
        likelihood of both together.
    neighbour_weight : float
        Strength, at the start, of the auxiliary loss that predicts the neighbouring words; 0 leaves it out.
    patience : int
        Stop after so many epochs without a better development score; 0 never stops.
    validation_fraction : float
        Share of the training data held out, by the seed, where ``fit`` gets no validation data; 0 holds none out and
        keeps the last weights.
    class_weight : dict, 'balanced' or None
        Weight of each intent in the loss; ``balanced`` weighs inversely to frequency. The labels of a sequence weigh as
        its intent does.
    invalid_tags : str
        What becomes of training labels that break the scheme: ``repair`` converts them as conlleval reads them,
        ``allow`` permits the transitions that occur.
    calibrate : bool
        Whether a temperature for the labels, and one for the intents, are fitted on the development data, if they are
        50 sequences or more, so that probabilities can be believed. No answer changes.
    device : str
        Where training computes: ``auto`` is a GPU where one is visible, ``gpu`` insists on it, ``cpu`` hides the GPUs.
    precision : str
        What the layers compute in while they train; the model that is kept is in float32.
    strategy : str
        ``mirrored`` trains a replica on each device of the kind, each on its part of every batch.
    init_from : str or None
        Folder of a saved model to go on from; words and labels it does not know are added.
    warm_start : bool
        Whether a further ``fit`` goes on from what this estimator has learned.
    random_state : int or None
        Seeds everything; None draws a seed.
    verbose : int
        0 is silent, 1 shows a live bar on standard error, 2 logs one line an epoch.

    Attributes
    ----------
    labels_ : tuple of str
        The labels, in the order of the columns of the first array that `predict_proba` gives.
    intents_ : tuple of str
        The intents, in the order of the second one.
    scheme_ : str
        The tagging scheme.
    temperature_, intent_temperature_ : float
        What the scores of labels, and of intents, are divided by before they become probabilities.
    history_ : dict
        Loss, score, seconds and tokens a second of each epoch.
    n_tokens_ : int
        Tokens trained on.

    Examples
    --------
    >>> from seqtag import JointTagger
    >>> X = [["wake", "me", "at", "six"], ["play", "some", "jazz"]] * 20
    >>> y = [(["O", "O", "O", "B-time"], "alarm"), (["O", "O", "B-genre"], "music")] * 20
    >>> tagger = JointTagger(units=16, epochs=8, random_state=0).fit(X, y)
    >>> list(tagger.predict([["play", "jazz"]]))
    [(['O', 'B-genre'], 'music')]
    """

    task = "joint"

    def __init__(
        self,
        *,
        encoders: Encoders = "auto",
        cell: Cell = "lstm",
        units: Units = 200,
        layers: Layers = 1,
        bidirectional: Switch = True,
        go_backwards: Switch = False,
        merge: Merge = "concat",
        residual: Switch = False,
        layer_norm: Switch = False,
        initial_state: InitialState = "zero",
        unroll: Switch = False,
        decoder: Annotated[str, Param("model", choices=DECODERS.names)] = "crf",
        pooling: Annotated[str, Param("model", choices=POOLINGS.names)] = "max",
        dropout: Dropout = 0.4,
        scheme: Annotated[str | Literal["auto"], Param("model", choices=schemes.SCHEMES.names)] = "auto",
        tokenizer: Tokenizer = "whitespace",
        epochs: Epochs = "auto",
        batch_tokens: Size = 800,
        batch_sequences: Size = 32,
        learning_rate: Strength = 8e-3,
        warmup_steps: Count = 100,
        clip_norm: Strength = 5.0,
        averaging: Fraction = 0.998,
        intent_weight: Strength = 1.0,
        neighbour_weight: Strength = 0.3,
        patience: Count = 5,
        validation_fraction: Fraction = 0.1,
        class_weight: ClassWeight = None,
        invalid_tags: Annotated[str, Param("training", choices=lambda: ("repair", "allow"))] = "repair",
        calibrate: Annotated[bool, Param("training")] = True,
        device: Device = "auto",
        precision: Precision = "float32",
        strategy: Strategy = "none",
        init_from: Folder = None,
        warm_start: WarmStart = False,
        random_state: RandomState = None,
        verbose: Verbose = 0,
    ) -> None:
        self.encoders = encoders
        self.cell = cell
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.go_backwards = go_backwards
        self.merge = merge
        self.residual = residual
        self.layer_norm = layer_norm
        self.initial_state = initial_state
        self.unroll = unroll
        self.decoder = decoder
        self.pooling = pooling
        self.dropout = dropout
        self.scheme = scheme
        self.tokenizer = tokenizer
        self.epochs = epochs
        self.batch_tokens = batch_tokens
        self.batch_sequences = batch_sequences
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.intent_weight = intent_weight
        self.neighbour_weight = neighbour_weight
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.invalid_tags = invalid_tags
        self.calibrate = calibrate
        self.device = device
        self.precision = precision
        self.strategy = strategy
        self.init_from = init_from
        self.warm_start = warm_start
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
        """Train on sequences with labels and an intent.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, `seqtag.data.corpus.Sequence` values, mappings with ``tokens`` and columns, or a
            `Corpus`; a `CorpusStream` is read from disk and never held as a whole.
        y : iterable of (list of str, str), optional
            One label a token, and the intent, of each sequence; not needed where the sequences carry ``labels`` and a
            ``label``. A sequence has one intent: several at once are written as one, ``a#b``, and learnt as it.
        validation_data : (X, y), Corpus or CorpusStream, optional
            Scored after each epoch to choose the best weights, then used to calibrate. Without it a part of the
            training data is held out.
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
        seed = self._seed()
        data: JointData | StreamedJoint
        if isinstance(X, CorpusStream):
            refuse_beside(y, sample_weight)
            data = StreamedJoint.of(X, self.scheme, self.invalid_tags, self.class_weight)
        else:
            sequences = as_joint(X, y, self.tokenizer, "training sequence")
            data = JointData.prepare(sequences, self.scheme, self.invalid_tags, sample_weight, self.class_weight)
        dev = self._development(validation_data, data)
        if dev is None and self.validation_fraction:
            data, dev = cast(tuple[Any, Any], data.hold_out(self.validation_fraction, seed))
        self._train(data, dev, seed, callbacks, "sentence accuracy", began)
        return self

    def predict(self, X: Iterable[Any], *, known: Known | None = None) -> np.ndarray:
        """Return the labels and the intent of each sequence.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        known : iterable of (list of (str or None) or None), optional
            Labels that are known beforehand, see `Predictor.predict`.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            A pair in each place, the list of labels and the intent, so that scikit-learn's ``cross_val_predict`` can
            put folds together.
        """
        return object_array(self.predictor_.predict(self._sequences(X), known=known))

    def predict_proba(self, X: Iterable[Any], *, known: Known | None = None) -> np.ndarray:
        """Return p(label | sequence) of each token and p(intent | sequence).

        Parameters
        ----------
        X, known : as in `predict`
            The sequences, and what is known of their labels.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            A pair in each place: an array (T, K) with columns as ``labels_`` and an array (C,) as ``intents_``.
        """
        return object_array(self.predictor_.predict_proba(self._sequences(X), known=known))

    def predict_spans(
        self, X: Iterable[Any], *, threshold: Threshold | None = None, known: Known | None = None
    ) -> list[list[ScoredSpan]]:
        """Return the spans of each sequence, with their place in its text and how probable they are.

        Parameters and what is returned are those of `SequenceTagger.predict_spans`.
        """
        return self.predictor_.predict_spans(self._sequences(X), threshold=threshold, known=known)

    def span_confidence(self, X: Iterable[Any], y: Iterable[Any] | None = None) -> metrics.SpanConfidence:
        """Hold the predicted spans and their probabilities against the right ones.

        Parameters
        ----------
        X, y : as in `fit`
            The sequences, and what is right.

        Returns
        -------
        seqtag.metrics.SpanConfidence
            As `SequenceTagger.span_confidence` gives it.
        """
        sequences = as_joint(X, y, self.tokenizer, "sequence to score")
        gold = [list(sequence.labels or ()) for sequence in sequences]
        return metrics.span_confidence(gold, self.predictor_.predict_spans(sequences), self.scheme_)

    def reliability(self, X: Iterable[Any], y: Iterable[Any] | None = None, bins: int = 15) -> metrics.Reliability:
        """Return how often the intent is right against how sure the model is of it.

        Parameters
        ----------
        X, y : as in `fit`
            The sequences, and what is right. An intent that was not trained counts as missed.
        bins : int
            Bins of confidence.

        Returns
        -------
        seqtag.metrics.Reliability
            `seqtag.plots.plot_reliability` draws it.
        """
        sequences = as_joint(X, y, self.tokenizer, "sequence to score")
        chances = [of_intents for _, of_intents in self.predictor_.predict_proba(sequences)]
        right = [self.intents_[p.argmax()] == one.label for p, one in zip(chances, sequences, strict=True)]
        confidence = np.array([p.max() for p in chances])
        return metrics.reliability(confidence, np.array(right, bool), bins)

    def score(self, X: Iterable[Any], y: Iterable[Any] | None = None, sample_weight: Any = None) -> float:
        """Return the share of the sequences with every label and the intent right.

        That is what the user of an answer needs: a command is carried out as a whole, or wrongly. `report` tells how
        labels and intents do by themselves.

        Parameters
        ----------
        X, y : as in `fit`
            The sequences, and what is right.
        sample_weight : array-like, shape (n_sequences,), optional
            Weight of each sequence.
        """
        sequences = as_joint(X, y, self.tokenizer, "sequence to score")
        found = self.predictor_.predict(sequences)
        right = [
            list(one.labels or ()) == labels and one.label == intent
            for one, (labels, intent) in zip(sequences, found, strict=True)
        ]
        return float(np.average(right, weights=sample_weight))

    def report(self, X: Iterable[Any], y: Iterable[Any] | None = None) -> metrics.JointReport:
        """Return span scores, the scores of the intents, and the share of sequences that are right as a whole.

        Parameters
        ----------
        X, y : as in `fit`
            The sequences, and what is right.
        """
        sequences = as_joint(X, y, self.tokenizer, "sequence to score")
        gold = [(list(one.labels or ()), str(one.label)) for one in sequences]
        return metrics.joint_report(gold, self.predictor_.predict(sequences), self.scheme_)

    @property
    def labels_(self) -> tuple[str, ...]:
        """The labels of tokens, in the order of `predict_proba`'s columns."""
        return self.predictor_.labels

    @property
    def intents_(self) -> tuple[str, ...]:
        """The intents, in the order of `predict_proba`'s second array."""
        return self.predictor_.intents

    @property
    def scheme_(self) -> str:
        """The tagging scheme."""
        return self.predictor_.scheme

    @property
    def temperature_(self) -> float:
        """What scores of labels are divided by before they become probabilities."""
        return self._decoder.slots.temperature

    @property
    def intent_temperature_(self) -> float:
        """What scores of intents are divided by before they become probabilities."""
        return self._decoder.intents.temperature

    @property
    def _decoder(self) -> JointDecoder:
        return cast(JointDecoder, self.predictor_.decoder)

    def _development(self, validation_data: Any, data: JointData | StreamedJoint) -> JointData | None:
        """Coerce the validation data; its labels stay as they are, so that the score is that of the file."""
        if validation_data is None:
            return None
        found = as_joint(*validation_pair(validation_data), self.tokenizer, "sequence of validation_data")
        sequences = tuple(one for one in found if len(one))
        if not sequences:
            raise DataError("validation_data must hold sequences that are not empty.")
        return JointData(sequences, data.scheme, data.allow_seen)

    def _labels_of(self, start: Any, data: JointData | StreamedJoint) -> JointLabels:
        return JointLabels(start.labels(data.labels), start.intents(data.intents.labels))

    def _copy_old(self, start: Any, model: Any, features: tuple[Feature, ...], labels: JointLabels) -> None:
        start.copy_weights(model, features, labels.slots, labels.intents)

    def _build(self, features: tuple[Feature, ...], labels: Any, data: Any, seed: int, stack: Any) -> Any:
        from seqtag.nn.network import build_joint

        return build_joint(
            [feature.spec for feature in features],
            len(labels.slots),
            len(labels.intents),
            stack=stack,
            decoder=self.decoder,
            pooling=self.pooling,
            dropout=float(self.dropout),
            intent_weight=float(self.intent_weight),
            neighbour_words=self.neighbour_weight > 0,
            allowed={name: table.tolist() for name, table in data.allowed(labels.slots).items()},
            seed=seed,
        )

    def _score_on(
        self, model: Any, features: tuple[Feature, ...], labels: Any, data: Any, dev: JointData
    ) -> JointScore:
        return JointScore(model, features, dev, labels, data.allowed(labels.slots))

    def _decoder_of(self, model: Any, labels: Any, data: Any, score: JointScore | None) -> JointDecoder:
        of_slots, of_intents = score.temperatures() if score is not None and self.calibrate else (1.0, 1.0)
        slots = trained_decoder(model.head.slots, labels.slots, data.scheme, data.allowed(labels.slots))
        intents = ClassDecoder(labels.intents, False, of_intents, data.prior(labels.intents))
        return JointDecoder(replace(slots, temperature=of_slots), intents)
