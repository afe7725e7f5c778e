"""One label a token: `SequenceTagger`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, cast

import numpy as np

from seqtag import metrics
from seqtag.choices.decoders import DECODERS
from seqtag.data import schemes
from seqtag.data.coerce import as_sequences
from seqtag.data.context import DOCUMENT, check_documents, is_same, joined_documents
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.data.streaming import CorpusStream
from seqtag.decoders import TagDecoder
from seqtag.errors import DataError, ParameterError
from seqtag.known import Known
from seqtag.params import Param, check_params
from seqtag.scored import ScoredSpan
from seqtag.tasks._base import SequenceEstimator, validation_pair
from seqtag.tasks._classes import object_array
from seqtag.tasks._labelled import LabelledData, check_labelled, prepare
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
from seqtag.tasks._scoring import DevelopmentScore, trained_decoder
from seqtag.tasks._streamed import StreamedLabels, refuse_beside
from seqtag.tasks._weights import token_weights
from seqtag.thresholds import Threshold

logger = logging.getLogger("seqtag")

SHOWN = 5  # places listed in a warning


class SequenceTagger(SequenceEstimator):
    """A recurrent tagger with the interface of scikit-learn.

    Tokens become vectors (words, affixes, characters, columns), a stack of recurrent layers reads them forward and
    backward, and a linear-chain CRF chooses the labels together (Huang, Xu and Yu, 2015; Lample et al., 2016).

    Parameters
    ----------
    encoders : list or 'auto'
        What a token is read as: ``"words"``, ``"affixes"``, ``"chars"``, ``{"column": name}``, ``{"vectors": name}``,
        ``{"embeddings": file}``, ``{"gazetteer": files}``, or ``"frames"``; a mapping gives an encoder options, as
        ``{"words": null, "dim": 9}``.
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
    context : int or 'document'
        How many tokens of its document are read around a sentence, on each side; consecutive sequences with one group
        are a document. With ``document`` a document is labelled as one sequence, and spans may go over the ends of
        sentences.
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
    calibrate : bool
        Whether a temperature is fitted on the development data, if they are 50 sequences or more, so that the
        probabilities of spans can be believed. No label changes.
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
        The labels, in the order of the columns of `predict_proba`.
    scheme_ : str
        The tagging scheme.
    temperature_ : float
        What scores are divided by before they become probabilities.
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
        context: Annotated[int | Literal["document"], Param("model", low=0)] = 0,
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
        self.context = context
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
        """Train on labelled sequences.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, `seqtag.data.corpus.Sequence` values, mappings with ``tokens`` and columns, or a
            `Corpus`; a `CorpusStream` is read from disk and never held as a whole.
        y : iterable of list of str, optional
            One label a token; not needed where the sequences carry their labels.
        validation_data : (X, y), Corpus or CorpusStream, optional
            Scored after each epoch to choose the best weights, then used to calibrate. Without it a part of the
            training data is held out.
        sample_weight : array-like, shape (n_sequences,), optional
            Weight of each sequence in the loss; not with ``context="document"``.
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
        data: LabelledData | StreamedLabels
        if isinstance(X, CorpusStream):
            refuse_beside(y, sample_weight)
            data = self._counted(X)
        else:
            data = self._prepared(as_sequences(X, y, tokenizer=self.tokenizer), sample_weight)
        dev = self._development(validation_data, data)
        if dev is None and self.validation_fraction:
            data, dev = data.hold_out(self.validation_fraction, seed)
        self._train(data, dev, seed, callbacks, _metric(data.scheme), began)
        return self

    def predict(self, X: Iterable[Any], *, known: Known | None = None) -> np.ndarray:
        """Return the labels of each sequence.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        known : iterable of (list of (str or None) or None), optional
            Labels that are known beforehand, see `Predictor.predict`.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            A list of labels in each place, so that scikit-learn's ``cross_val_predict`` can put folds together.
        """
        return object_array(self.predictor_.predict(X, known=known))

    def predict_proba(self, X: Iterable[Any], *, known: Known | None = None) -> np.ndarray:
        """Return p(label | sequence) of each token.

        Parameters
        ----------
        X, known : as in `predict`
            The sequences, and what is known of their labels.

        Returns
        -------
        ndarray of object, shape (n_sequences,)
            An array (T, K) in each place, with columns as ``labels_``.
        """
        return object_array(self.predictor_.predict_proba(X, known=known))

    def predict_spans(
        self, X: Iterable[Any], *, threshold: Threshold | None = None, known: Known | None = None
    ) -> list[list[ScoredSpan]]:
        """Return the spans of each sequence, with their place in its text and how probable they are.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        threshold : float or mapping of str to float, optional
            Leave out spans that are less probable than this, or than what it says for their label.
        known : as in `predict`, optional
            What is known of their labels.

        Returns
        -------
        list of list of seqtag.scored.ScoredSpan
            In the order of the tokens; none where the labels write no spans.
        """
        return self.predictor_.predict_spans(self._sequences(X), threshold=threshold, known=known)

    def span_confidence(self, X: Iterable[Any], y: Iterable[Any] | None = None) -> metrics.SpanConfidence:
        """Hold the predicted spans and their probabilities against the right ones.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        y : iterable of list of str, optional
            The right labels; not needed where the sequences carry them.

        Returns
        -------
        seqtag.metrics.SpanConfidence
            Its ``reliability()`` and ``curve()`` can be drawn (`seqtag.plots`); its ``thresholds(precision)`` are what
            `predict_spans` takes.
        """
        sequences = as_sequences(X, y, tokenizer=self.tokenizer)
        check_labelled(sequences, "sequence to score")
        gold = [list(sequence.labels or ()) for sequence in sequences]
        return metrics.span_confidence(gold, self.predictor_.predict_spans(sequences), self.scheme_)

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
        check_labelled(sequences, "sequence to score")
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
    def temperature_(self) -> float:
        """What scores are divided by before they become probabilities."""
        return cast(TagDecoder, self.predictor_.decoder).temperature

    @property
    def _around(self) -> int:
        """How many tokens are read around a sequence; documents that are sequences have nothing around them."""
        return 0 if self.context == DOCUMENT else int(self.context)

    def _counted(self, stream: CorpusStream) -> StreamedLabels:
        """Go through a stream once for all that must be known of it."""
        if self.context == DOCUMENT:
            given = stream
            stream = CorpusStream(lambda: joined_documents(given), name=given.name)
        self._check_context()
        return StreamedLabels.count(stream, self.scheme, self.invalid_tags, self.class_weight, self._around)

    def _prepared(self, sequences: tuple[Sequence, ...], sample_weight: Any) -> LabelledData:
        """Settle the scheme and the weights of what is learnt from."""
        self._check_context()
        if self.context:
            check_documents(any(is_same(*pair) for pair in pairwise(sequences)))
        if self.context == DOCUMENT:
            if sample_weight is not None:
                raise ParameterError("sample_weight weighs sentences, which context='document' joins; weigh by label.")
            check_labelled(sequences, "training sequence")
            sequences = tuple(joined_documents(sequences))
        data = prepare(sequences, self.scheme, self.invalid_tags)
        weights = token_weights(data.sequences, sample_weight, self.class_weight)
        return replace(data, weights=weights, context=self._around).without_empty()

    def _check_context(self) -> None:
        if self.context and self.unroll:
            raise ParameterError("unroll=True needs sequences of one length, which what context reads has not.")

    def _development(self, validation_data: Any, data: LabelledData | StreamedLabels) -> LabelledData | None:
        """Coerce the validation data; its labels stay as they are, so that the score is that of the file."""
        if validation_data is None:
            return None
        X, y = validation_pair(validation_data)
        sequences = tuple(s for s in as_sequences(X, y, tokenizer=self.tokenizer) if len(s))
        if not sequences or any(sequence.labels is None for sequence in sequences):
            raise DataError("validation_data must hold labelled sequences that are not empty.")
        if self.context == DOCUMENT:
            sequences = tuple(joined_documents(sequences))
        return LabelledData(sequences, data.scheme, data.allow_seen, context=self._around)

    def _build(self, features: tuple[Feature, ...], labels: SequenceOf[str], data: Any, seed: int, stack: Any) -> Any:
        from seqtag.nn.network import build_tagger

        return build_tagger(
            [feature.spec for feature in features],
            len(labels),
            stack=stack,
            decoder=self.decoder,
            dropout=float(self.dropout),
            neighbour_words=self.neighbour_weight > 0,
            allowed={name: table.tolist() for name, table in data.allowed(labels).items()},
            seed=seed,
        )

    def _score_on(
        self, model: Any, features: tuple[Feature, ...], labels: SequenceOf[str], data: Any, dev: LabelledData
    ) -> DevelopmentScore:
        allowed = data.allowed(labels)
        return DevelopmentScore(model, features, dev.sequences, labels, data.scheme, allowed, self._around)

    def _decoder_of(self, model: Any, labels: SequenceOf[str], data: Any, score: Any) -> TagDecoder:
        decoder = trained_decoder(model.head, labels, data.scheme, data.allowed(labels))
        temperature = score.temperature() if score is not None and self.calibrate else 1.0
        return replace(decoder, temperature=temperature)


def _metric(scheme: str) -> str:
    return "span F1" if schemes.SCHEMES[scheme].has_spans else "accuracy"
