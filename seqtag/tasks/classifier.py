"""`SequenceClassifier`: one class, or any number of labels, for a whole sequence."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
from sklearn.base import ClassifierMixin

from seqtag import metrics
from seqtag.choices.pooling import POOLINGS
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.data.streaming import CorpusStream
from seqtag.decoders import ClassDecoder
from seqtag.errors import DataError
from seqtag.params import Param, check_params
from seqtag.tasks._base import SequenceEstimator, validation_pair
from seqtag.tasks._class_scoring import ClassScore
from seqtag.tasks._classes import ClassifiedData, as_classes, in_order, object_array
from seqtag.tasks._matrix import check_matrix, forget_matrix, is_matrix
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
from seqtag.tasks._streamed import StreamedClasses, refuse_beside
from seqtag.tasks._weights import class_weights, sequence_weights


class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """A recurrent classifier of whole sequences with the interface of scikit-learn.

    Tokens (or frames of numbers) become vectors, a stack of recurrent layers reads them, their states are pooled into
    one vector, o = softmax(V s). Probabilities are calibrated on development data (Guo et al., 2017).

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
    pooling : str
        How states become one vector: the ``last`` of each direction, their ``mean`` or ``max``, or the mean that
        ``attention`` weighs.
    multi_label : bool or 'auto'
        Whether a sequence has any number of labels; ``auto`` sees it in y.
    dropout : float
        Rate of the variational dropout before and between the layers, and of the dropout behind the pooling.
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
    label_smoothing : float
        Share of each target that is spread over all classes.
    neighbour_weight : float
        Strength, at the start, of the auxiliary loss that predicts the neighbouring words; 0 leaves it out.
    patience : int
        Stop after so many epochs without a better development score; 0 never stops.
    validation_fraction : float
        Share of each class held out, by the seed, where ``fit`` gets no validation data; 0 holds none out and keeps
        the last weights.
    class_weight : dict, 'balanced' or None
        Weight of each class in the loss; ``balanced`` weighs inversely to frequency. A sequence of several labels
        has the mean weight of its labels.
    calibrate : bool
        Whether a temperature is fitted on the development data, if they are 50 sequences or more.
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
    classes_ : ndarray, shape (n_classes,)
        The classes, in the order of the columns of `predict_proba`.
    temperature_ : float
        What logits are divided by.
    history_ : dict
        Loss, score, seconds and tokens a second of each epoch.
    n_tokens_ : int
        Tokens (or frames) trained on.
    n_features_in_ : int
        Columns of the matrix, or features of the 3-D array, that ``fit`` was given; absent otherwise.

    Examples
    --------
    >>> from seqtag import SequenceClassifier
    >>> X = [["what", "a", "joy"], ["how", "dull"], ["a", "joy", "to", "see"], ["dull", "and", "long"]] * 10
    >>> y = ["good", "bad", "good", "bad"] * 10
    >>> classifier = SequenceClassifier(units=16, epochs=8, random_state=0).fit(X, y)
    >>> classifier.predict([["a", "dull", "thing"]]).tolist()
    ['bad']
    """

    task = "classification"

    def __init__(
        self,
        *,
        encoders: Encoders = "auto",
        cell: Cell = "lstm",
        units: Units = 100,
        layers: Layers = 1,
        bidirectional: Switch = True,
        go_backwards: Switch = False,
        merge: Merge = "concat",
        residual: Switch = False,
        layer_norm: Switch = False,
        initial_state: InitialState = "zero",
        unroll: Switch = False,
        pooling: Annotated[str, Param("model", choices=POOLINGS.names)] = "max",
        multi_label: Annotated[bool | Literal["auto"], Param("model")] = "auto",
        dropout: Dropout = 0.4,
        tokenizer: Tokenizer = "whitespace",
        epochs: Epochs = "auto",
        batch_tokens: Size = 800,
        batch_sequences: Size = 64,
        learning_rate: Strength = 8e-3,
        warmup_steps: Count = 100,
        clip_norm: Strength = 5.0,
        averaging: Fraction = 0.998,
        label_smoothing: Fraction = 0.0,
        neighbour_weight: Strength = 0.3,
        patience: Count = 5,
        validation_fraction: Fraction = 0.1,
        class_weight: ClassWeight = None,
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
        self.pooling = pooling
        self.multi_label = multi_label
        self.dropout = dropout
        self.tokenizer = tokenizer
        self.epochs = epochs
        self.batch_tokens = batch_tokens
        self.batch_sequences = batch_sequences
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.label_smoothing = label_smoothing
        self.neighbour_weight = neighbour_weight
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
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
        y: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: Any = None,
        callbacks: SequenceOf[Any] = (),
    ) -> Self:
        """Train on classified sequences.

        Parameters
        ----------
        X : iterable
            Token lists, raw strings, arrays of frames (T, F), `seqtag.data.corpus.Sequence` values, mappings with
            ``tokens`` or ``frames``, or a `Corpus`; an array (n_sequences, T, F); or a matrix or data frame
            (n_sequences, T), read as sequences of T steps with one feature. A `CorpusStream` is read from disk and
            never held as a whole.
        y : array-like, shape (n_sequences,), optional
            The class of each sequence; or a list of collections of labels; or an indicator matrix (n_sequences,
            n_classes) of 0 and 1. Not needed where the sequences carry their label.
        sample_weight : array-like, shape (n_sequences,), optional
            Weight of each sequence in the loss.
        validation_data : (X, y), Corpus or CorpusStream, optional
            Scored after each epoch to choose the best weights, then used to calibrate. Without it a part of the
            training data is held out.
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
        data: ClassifiedData | StreamedClasses
        if isinstance(X, CorpusStream):
            refuse_beside(y, sample_weight)
            forget_matrix(self)
            data = StreamedClasses.count(X, self.multi_label, self.class_weight)
        else:
            data = self._data(X, y, self.multi_label, reset=True)
            weights = sequence_weights(data.classes, sample_weight, self.class_weight)
            data = replace(data, weights=weights).without_empty()
        if not len(data.classes) or not data.labels:
            raise DataError(
                f"training needs at least one sequence that is not empty and one class; got {len(data.classes)} "
                f"sequences of {len(data.labels)} classes."
            )
        dev = None
        if validation_data is not None:
            dev = self._data(*validation_pair(validation_data), data.classes.multi_label).without_empty()
            if not dev.sequences:
                raise DataError("validation_data must hold sequences that are not empty.")
        elif self.validation_fraction:
            data, dev = data.hold_out(self.validation_fraction, seed)
        if dev is not None:
            weighed = self.class_weight is not None
            weights = class_weights(dev.classes, self.class_weight, data.classes) if weighed else None
            dev = replace(dev, weights=weights)
        self._train(data, dev, seed, callbacks, _metric(data.classes.multi_label), began)
        return self

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """Return the class of each sequence.

        Returns
        -------
        ndarray, shape (n_sequences,)
            Of several labels an indicator matrix (n_sequences, n_classes), if ``fit`` was given one, or else an
            array of tuples.
        """
        found = self.predictor_.predict(self._sequences(X))
        if not self._is_multi_label:
            ids = {label: i for i, label in enumerate(self.predictor_.labels)}
            return self.classes_[np.array([ids[value] for value in found], int)]
        if not self.bundle_.manifest["indicator"]:
            return object_array(found)
        matrix = np.zeros((len(found), len(self.classes_)), int)
        for row, value in zip(matrix, found, strict=True):
            row[list(value)] = 1
        return matrix

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        """Return the probability of each class.

        Returns
        -------
        ndarray, shape (n_sequences, n_classes)
            Columns as ``classes_``. Of several labels each has a probability of its own; else a row adds up to 1.
        """
        rows = self.predictor_.predict_proba(self._sequences(X))
        return np.array(rows).reshape(len(rows), len(self.classes_))

    def score(self, X: Iterable[Any], y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions; of several labels, of exactly the right ones.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        y : array-like, optional
            The right classes; not needed where the sequences carry their label.
        sample_weight : array-like, shape (n_sequences,), optional
            Weight of each sequence.
        """
        data = self._labelled(X, y)
        found = self.predictor_.predict(data.sequences)
        right = [a == b for a, b in zip(data.classes.values, found, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def reliability(self, X: Iterable[Any], y: Any = None, bins: int = 15) -> metrics.Reliability:
        """Return how often the classifier is right against how sure it is.

        Parameters
        ----------
        X : iterable
            As for `fit`.
        y : array-like, optional
            The right classes; not needed where the sequences carry their label.
        bins : int
            Bins of confidence.

        Returns
        -------
        seqtag.metrics.Reliability
            `seqtag.plots.plot_reliability` draws it.
        """
        data = self._labelled(X, y)
        targets = data.targets(self.classes_.tolist())
        if not data.classes.multi_label and (targets < 0).any():
            wrong = data.classes.values[int(np.argmin(targets))]
            raise DataError(f"y must hold classes that the classifier was trained on; got {wrong!r}.")
        return metrics.reliability(np.array(self.predictor_.predict_proba(data.sequences)), targets, bins)

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of `predict_proba`'s columns."""
        return np.array(self.predictor_.labels)

    @property
    def temperature_(self) -> float:
        """What logits are divided by."""
        return self._decoder.temperature

    @property
    def _decoder(self) -> ClassDecoder:
        return cast(ClassDecoder, self.predictor_.decoder)

    @property
    def _is_multi_label(self) -> bool:
        return self._decoder.multi_label

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that X may also be a matrix, whose rows are sequences."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = False
        tags.classifier_tags.multi_label = True
        return tags

    def _sequences(self, X: Any, reset: bool = False) -> tuple[Sequence, ...]:
        """Return X as sequences; what is an array is checked by scikit-learn, against what ``fit`` saw."""
        if is_matrix(X):
            X = check_matrix(self, X, reset)
        elif reset:
            forget_matrix(self)
        return as_sequences(X, tokenizer=self.tokenizer)

    def _data(self, X: Any, y: Any, multi_label: bool | str, reset: bool = False) -> ClassifiedData:
        sequences = self._sequences(X, reset)
        if y is None and not any(sequence.label is not None for sequence in sequences):
            raise DataError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None. Pass y, or "
                "sequences with a label."
            )
        return ClassifiedData(sequences, as_classes(y, sequences, multi_label))

    def _labelled(self, X: Any, y: Any) -> ClassifiedData:
        """Return data to hold answers against."""
        self._check_fitted()
        data = self._data(X, y, self._is_multi_label)
        if data.classes.indicator and not self._decoder.indicator:
            raise DataError("y must hold collections of classes, as what was learnt from; got an indicator matrix.")
        return data

    def _labels_of(self, start: Any, data: Any) -> tuple[Any, ...]:
        return tuple(in_order(start.labels(data.labels)))  # as scikit-learn takes the columns of probabilities to be

    def _build(self, features: tuple[Feature, ...], labels: SequenceOf[Any], data: Any, seed: int, stack: Any) -> Any:
        from seqtag.nn.network import build_classifier

        return build_classifier(
            [feature.spec for feature in features],
            len(labels),
            stack=stack,
            pooling=self.pooling,
            multi_label=data.classes.multi_label,
            dropout=float(self.dropout),
            label_smoothing=float(self.label_smoothing),
            neighbour_words=self.neighbour_weight > 0,
            seed=seed,
        )

    def _score_on(
        self, model: Any, features: tuple[Feature, ...], labels: SequenceOf[Any], data: Any, dev: ClassifiedData
    ) -> ClassScore:
        return ClassScore(model, features, dev, labels)

    def _decoder_of(self, model: Any, labels: SequenceOf[Any], data: Any, score: ClassScore | None) -> ClassDecoder:
        temperature = score.temperature() if score is not None and self.calibrate else 1.0
        indicator = data.classes.indicator > 0
        return ClassDecoder(tuple(labels), data.classes.multi_label, temperature, data.prior(labels), indicator)


def _metric(multi_label: bool) -> str:
    return "micro F1" if multi_label else "accuracy"
