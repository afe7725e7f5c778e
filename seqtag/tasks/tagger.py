"""One label a token: `SequenceTagger`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np

from seqtag import metrics
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus, bucket, padded_share
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.encoders import Feature, fit_encoders
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import DataError
from seqtag.nn.cells import CELLS
from seqtag.nn.decoders import DECODERS
from seqtag.params import Param, check_params
from seqtag.tasks._base import SequenceEstimator, plain
from seqtag.tasks._labelled import LabelledData, check_labelled, hold_out, prepare
from seqtag.tasks._scoring import DevelopmentScore, set_frequencies, trained_decoder
from seqtag.tasks._tagger_bundle import make_bundle
from seqtag.tasks._warm_start import WarmStart
from seqtag.tasks._weights import token_weights

logger = logging.getLogger("seqtag")

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
        decoder: Annotated[str, Param("model", choices=DECODERS.names)] = "crf",
        dropout: Annotated[float, Param("model", low=0, below=1)] = 0.4,
        scheme: Annotated[str | Literal["auto"], Param("model", choices=schemes.SCHEMES.names)] = "auto",
        tokenizer: Annotated[str, Param("model", choices=TOKENIZERS.names)] = "whitespace",
        epochs: Annotated[int | Literal["auto"], Param("training", low=1)] = "auto",
        batch_tokens: Annotated[int, Param("training", low=1)] = 800,
        learning_rate: Annotated[float, Param("training", low=0)] = 8e-3,
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
        data = prepare(as_sequences(X, y, tokenizer=self.tokenizer), self.scheme, self.invalid_tags)
        data = replace(data, weights=token_weights(data.sequences, sample_weight, self.class_weight)).without_empty()
        dev = self._development(validation_data)
        if dev is None and self.validation_fraction:
            data, dev = hold_out(data, self.validation_fraction, seed)
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
        self, data: LabelledData, dev: tuple[Sequence, ...] | None, seed: int, callbacks: SequenceOf[Any], began: float
    ) -> None:
        start = WarmStart.of(self.init_from)
        features = start.extend(fit_encoders(plain(self.encoders), data.sequences))
        labels = start.labels(data.labels)

        from seqtag.training import loop  # only now: it starts TensorFlow, and what was wrong so far is told at once

        allowed = data.allowed(labels)
        model = self._network(features, labels, allowed, seed)
        start.copy_weights(model, features)
        set_frequencies(model, features)
        encoded = EncodedCorpus(features, data.sequences, data.targets(labels), data.weights)
        score = DevelopmentScore(model, features, dev, labels, data.scheme, allowed) if dev is not None else None
        history = loop.fit(
            model,
            encoded,
            self._settings(encoded.n_tokens, seed),
            score=score,
            callbacks=[*self._progress(data.scheme), *callbacks],
        )
        facts = {
            "padded_share": padded_share(encoded.lengths, bucket(encoded.lengths, self.batch_tokens)),
            "seconds": time.perf_counter() - began,
            "train_tokens": encoded.n_tokens,
            "development_sequences": len(dev or ()),
            "seed": seed,
        }
        decoder = trained_decoder(model, labels, data.scheme, allowed)
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


def _object_array(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out
