"""`LanguageModel`: predict the next word, character or byte from all that went before, and write on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

import numpy as np

from seqtag.bundle import WEIGHTS, Bundle, dump_arrays, dump_json
from seqtag.choices.cells import CELLS
from seqtag.data.lanes import Candidates, LaneBatches
from seqtag.data.symbols import LEVELS, SymbolTable, as_texts
from seqtag.errors import ConfigError, DataError
from seqtag.language import TASK, LanguagePredictor, Ranked, Sampling, Surprisal
from seqtag.params import Param, check_params
from seqtag.tasks._facts import environment, plain
from seqtag.tasks._fitted import FittedEstimator
from seqtag.tasks._language_card import language_card
from seqtag.tasks._parameters import (
    Cell,
    Count,
    Device,
    Dropout,
    Fraction,
    Layers,
    RandomState,
    Size,
    Strength,
    Switch,
    Units,
    Verbose,
)

STEPS_A_PASS = 10  # of small data fewer stretches are read side by side than asked for, so that there are more steps
SMALL = 3000  # of a vocabulary no larger than this every symbol is a candidate at each step


class LanguageModel(FittedEstimator):
    """A recurrent language model with the interface of scikit-learn.

    Each symbol becomes a vector x_t, a stack of recurrent layers keeps a hidden state s_t = f(U x_t + W s_{t-1}), and
    o_t = softmax(V s_t) is the distribution over what comes next. It is trained by truncated back-propagation with the
    state carried on; V is the table of the embeddings where it is ``tied``.

    Parameters
    ----------
    level : str
        What a symbol is: one of the ``words`` between spaces, of the ``characters``, or of the ``bytes`` of UTF-8.
    continuous : bool
        Whether the texts are pieces of one text, such as its lines: the state goes on from one to the next, in training
        and where they are scored. If not, each text stands for itself.
    go_backwards : bool
        Whether texts are read from their ends.
    min_count : int
        Words and characters that are rarer in the training texts are unknown.
    max_vocabulary : int or None
        How many symbols are known at most; the most frequent ones.
    cell : str
        The recurrent cell.
    units : int
        Width of the hidden state.
    layers : int
        Depth of the recurrent stack.
    embedding : int or None
        Width of a symbol's vector; None makes it as wide as the hidden state.
    tied : bool
        Whether the symbols' vectors are the weights of their scores, too.
    residual : bool
        Whether each layer from the second on adds its input to its output.
    layer_norm : bool
        Whether each layer's output is normalised.
    dropout : float
        Rate of the variational dropout before, between and behind the layers.
    weight_dropout : float
        Rate at which weights of the recurrent matrices are left out of a training step.
    sampled : int or 'auto'
        In training the next symbol is sought among those of the batch and so many drawn ones; 0 is among all. ``auto``
        draws for vocabularies of more than 3,000 symbols, a fifth of their size.
    epochs : int
        Passes over the training texts, over which the rate's decay is planned.
    steps : int
        Symbols over which an error is traced back.
    batch_sequences : int
        How many stretches of text are read side by side; fewer where a pass would have less than ten steps.
    learning_rate : float
        Peak rate of Adam, reached after the warm-up, then falling to zero.
    warmup_steps : int
        Steps of warm-up, at most a tenth of all.
    clip_norm : float
        Greatest global norm of the gradient; 0 does not clip.
    averaging : float
        Decay of the averaged weights, which are what is scored and kept.
    patience : int
        Stop after so many epochs without a better development score; 0 never stops.
    validation_fraction : float
        Share of the texts held out where ``fit`` gets no validation data: the last ones of continuous texts, others by
        the seed; 0 holds none out and keeps the last weights.
    device : str
        Where training computes: ``auto`` is a GPU where one is visible, ``gpu`` insists on it, ``cpu`` hides the GPUs.
    random_state : int or None
        Seeds everything; None draws a seed.
    verbose : int
        0 is silent, 1 shows a live bar on standard error, 2 logs one line an epoch.

    Attributes
    ----------
    symbols_ : tuple of str
        What the model knows, in the order of the columns of `predict_next`: the end of a text, the unknown, all others.
    history_ : dict
        Loss, score, seconds and symbols a second of each epoch. The scores are those of development texts in as many
        stretches as a batch has.
    n_tokens_ : int
        Symbols trained on, the ends of the texts among them.

    Examples
    --------
    >>> from seqtag import LanguageModel
    >>> texts = ["the cat sat on the mat", "the dog sat on the rug"] * 50
    >>> model = LanguageModel(level="words", units=16, epochs=5, random_state=0).fit(texts)
    >>> model.generate("the cat sat", temperature=0, max_symbols=2)
    ' on the'
    """

    task = TASK

    def __init__(
        self,
        *,
        level: Annotated[str, Param("model", choices=LEVELS.names)] = "words",
        continuous: Switch = False,
        go_backwards: Switch = False,
        min_count: Annotated[int, Param("model", low=1)] = 2,
        max_vocabulary: Annotated[int | None, Param("model", low=3)] = None,
        cell: Cell = "lstm",
        units: Units = 200,
        layers: Layers = 1,
        embedding: Annotated[int | None, Param("model", low=1)] = None,
        tied: Switch = True,
        residual: Switch = False,
        layer_norm: Switch = False,
        dropout: Dropout = 0.2,
        weight_dropout: Dropout = 0.0,
        sampled: Annotated[int | Literal["auto"], Param("training", low=0)] = "auto",
        epochs: Annotated[int, Param("training", low=1)] = 10,
        steps: Size = 35,
        batch_sequences: Size = 32,
        learning_rate: Strength = 4e-3,
        warmup_steps: Count = 100,
        clip_norm: Strength = 5.0,
        averaging: Fraction = 0.998,
        patience: Count = 3,
        validation_fraction: Fraction = 0.1,
        device: Device = "auto",
        random_state: RandomState = None,
        verbose: Verbose = 0,
    ) -> None:
        self.level = level
        self.continuous = continuous
        self.go_backwards = go_backwards
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary
        self.cell = cell
        self.units = units
        self.layers = layers
        self.embedding = embedding
        self.tied = tied
        self.residual = residual
        self.layer_norm = layer_norm
        self.dropout = dropout
        self.weight_dropout = weight_dropout
        self.sampled = sampled
        self.epochs = epochs
        self.steps = steps
        self.batch_sequences = batch_sequences
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        texts: Iterable[Any],
        y: Any = None,
        *,
        validation_data: Iterable[Any] | None = None,
        callbacks: SequenceOf[Any] = (),
    ) -> Self:
        """Learn from texts.

        Parameters
        ----------
        texts : iterable of str
            The texts, or pieces of one text where they are ``continuous``; also a `Corpus`, and for a model of words
            lists of words.
        y : ignored
            For scikit-learn's pipelines.
        validation_data : iterable of str, optional
            Texts whose likelihood chooses the epoch that is kept.
        callbacks : sequence of keras.callbacks.Callback
            Further Keras callbacks.

        Returns
        -------
        LanguageModel

        Raises
        ------
        ParameterError
            If a parameter is out of its range.
        DataError
            If there is no text to learn from, or something is no text.
        """
        began = time.perf_counter()
        check_params(self)
        if CELLS[self.cell].onnx is None:
            raise ConfigError(f"cell {self.cell!r} has no ONNX operator, which a language model needs to answer.")
        seed = self._seed()
        train, held = self._split(as_texts(texts), validation_data, seed)
        table = SymbolTable.fit(train, self.level, min_count=self.min_count, max_size=self.max_vocabulary)
        ids, dev_ids = self._encoded(table, train), self._encoded(table, held)
        n_symbols = sum(map(len, ids)) + len(ids)
        if n_symbols < 2:
            raise DataError(f"texts must hold at least two symbols to learn from; got {len(train)} texts, all empty.")
        lanes = max(1, min(int(self.batch_sequences), n_symbols // (STEPS_A_PASS * int(self.steps))))
        data = LaneBatches(ids, lanes, int(self.steps), self.continuous, self._candidates(table))
        dev = LaneBatches(dev_ids, lanes, int(self.steps), self.continuous) if dev_ids else None
        self._set_bundle(self._trained(table, data, dev, seed, callbacks, began))
        return self

    def score(self, texts: Iterable[Any], y: Any = None) -> float:
        """Return the mean log-likelihood of a symbol, natural, the ends of texts counted; greater is better.

        Parameters
        ----------
        texts : iterable
            As for `fit`.
        y : ignored
            For scikit-learn.
        """
        return self.predictor_.score(texts)

    def perplexity(self, texts: Iterable[Any]) -> float:
        """Return exp(-`score`), as the literature gives it for words."""
        return self.predictor_.perplexity(texts)

    def bits_per_symbol(self, texts: Iterable[Any]) -> float:
        """Return -`score` in bits, as the literature gives it for characters."""
        return self.predictor_.bits_per_symbol(texts)

    def log_probabilities(self, texts: Iterable[Any]) -> list[np.ndarray]:
        """Return log p(symbol | what came before) of each symbol, see `LanguagePredictor.log_probabilities`."""
        return self.predictor_.log_probabilities(texts)

    def surprisal(self, texts: Iterable[Any]) -> list[list[Surprisal]]:
        """Return how unexpected each symbol of each text was, in bits."""
        return self.predictor_.surprisal(texts)

    def rank(
        self, candidates: Iterable[str], context: str = "", *, ends: bool = True, normalize: bool = False
    ) -> list[Ranked]:
        """Sort what may follow a context by its probability, see `LanguagePredictor.rank`.

        Parameters
        ----------
        candidates : iterable of str
            What may follow the context.
        context : str
            What is given.
        ends : bool
            Whether the text ends behind a candidate, and the end counts.
        normalize : bool
            Whether to sort by the mean of a symbol.
        """
        return self.predictor_.rank(candidates, context, ends=ends, normalize=normalize)

    def predict_next(self, prompts: Iterable[Any]) -> np.ndarray:
        """Return p(symbol | prompt), shape (prompts, V), columns as `symbols_`."""
        return self.predictor_.predict_next(prompts)

    def generate(
        self,
        prompt: str = "",
        *,
        max_symbols: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        beams: int = 1,
        stop: str | SequenceOf[str] = (),
        unknown: bool = False,
        seed: int | None = None,
    ) -> str:
        """Write on after a prompt.

        Parameters
        ----------
        prompt : str
            What the text begins with.
        max_symbols : int
            After how many words, characters or bytes to end at the latest.
        temperature : float
            What log-probabilities are divided by: below 1 the text is more predictable, 0 is greedy.
        top_k, top_p : int and float, optional
            Choose among so many of the most probable symbols, or among the fewest that are together so probable.
        beams : int
            Above 1, nothing is drawn: a search that keeps so many beginnings returns the most probable text it finds.
        stop : str or sequence of str
            The text ends before the first of these.
        unknown : bool
            Whether the mark of unknown words may be written.
        seed : int, optional
            Seeds what is drawn.

        Returns
        -------
        str
            What follows the prompt.

        Raises
        ------
        ParameterError
            If a number is out of its range.
        DataError
            If the model reads texts from their ends, and so cannot write on.
        """
        return self.predictor_.generate(
            prompt,
            max_symbols=max_symbols,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            beams=beams,
            stop=stop,
            unknown=unknown,
            seed=seed,
        )

    def stream(self, prompt: str = "", sampling: Sampling | None = None) -> Iterator[str]:
        """Write on after a prompt, piece by piece.

        Parameters
        ----------
        prompt : str
            What the text begins with.
        sampling : seqtag.language.Sampling, optional
            How to choose, with the arguments of `generate`.
        """
        return self.predictor_.stream(prompt, sampling)

    @property
    def symbols_(self) -> tuple[str, ...]:
        """The symbols that the model knows."""
        return self.predictor_.symbols

    def _opened(self, bundle: Bundle) -> LanguagePredictor:
        return LanguagePredictor.from_bundle(bundle)

    def _split(self, texts: list[Any], validation_data: Any, seed: int) -> tuple[list[Any], list[Any]]:
        """Return texts to learn from, and texts to choose the epoch by."""
        if validation_data is not None:
            return texts, as_texts(validation_data)
        held = int(len(texts) * self.validation_fraction)
        if not held:
            return texts, []
        order = np.arange(len(texts)) if self.continuous else np.random.default_rng(seed).permutation(len(texts))
        return [texts[i] for i in sorted(order[:-held])], [texts[i] for i in sorted(order[-held:])]

    def _encoded(self, table: SymbolTable, texts: list[Any]) -> list[np.ndarray]:
        ids = [table.encode(text, i) for i, text in enumerate(texts)]
        return [one[::-1] for one in ids] if self.go_backwards else ids

    def _candidates(self, table: SymbolTable) -> Candidates | None:
        """Return what draws candidates, where there are fewer than symbols."""
        drawn = self.sampled
        if drawn == "auto":
            drawn = len(table) // 5 if len(table) > SMALL else 0
        counts = np.array(table.counts, np.float64) + 1e-6
        return Candidates(counts / counts.sum(), int(drawn)) if drawn else None

    def _stack(self) -> Any:
        from seqtag.nn.stack import Stack

        return Stack(
            cell=self.cell,
            units=int(self.units),
            layers=int(self.layers),
            direction="forward",
            residual=self.residual,
            layer_norm=self.layer_norm,
            dropout=float(self.dropout),
            weight_dropout=float(self.weight_dropout),
        )

    def _trained(
        self,
        table: SymbolTable,
        data: LaneBatches,
        dev: LaneBatches | None,
        seed: int,
        callbacks: SequenceOf[Any],
        began: float,
    ) -> Bundle:
        """Build the network, train it and return what was learned."""
        from seqtag.nn.language import LaneScorer, build_language_model, symbols_spec
        from seqtag.training import loop
        from seqtag.training.devices import choose, mention_threads

        compute = choose(self.device, "float32", "none")
        mention_threads(compute)
        with compute.scope():
            model = build_language_model(
                [symbols_spec(len(table), int(self.embedding or self.units))],
                stack=self._stack(),
                lanes=data.lanes,
                tied=self.tied,
                dropout=float(self.dropout),
                sampled=self._candidates(table) is not None,
                seed=seed,
            )
        scorer = LaneScorer(model)

        def score() -> tuple[float, float]:
            found = scorer(dev.ordered() if dev is not None else ())
            return found, found

        metric = f"log-likelihood a {self.level.removesuffix('s')}"
        with compute.on_device():
            shown = [*self._progress(metric), *callbacks]
            history = loop.fit(model, data, self._settings(seed), score=score if dev else None, callbacks=shown)
        facts = {
            "padded_share": data.plan(self._settings(seed).limits).padded_share,
            "seconds": time.perf_counter() - began,
            "train_tokens": data.n_tokens,
            "train_sequences": len(data),
            "development_sequences": 0 if dev is None else len(dev),
            "metric": metric,
            "seed": seed,
            "compute": asdict(compute),
            "history": asdict(history),
        }
        return self._bundled(table, model, facts)

    def _settings(self, seed: int) -> Any:
        from seqtag.training.settings import Settings

        return Settings(
            epochs=int(self.epochs),
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            patience=self.patience,
            seed=seed,
        )

    def _bundled(self, table: SymbolTable, model: Any, facts: dict[str, Any]) -> Bundle:
        """Put what was learned into a bundle."""
        from seqtag.export.onnx import network_graph
        from seqtag.nn.language import language_weights

        manifest = {
            "seqtag": environment()["seqtag"],
            "task": TASK,
            "params": {name: plain(value) for name, value in self.get_params(deep=False).items()},
            "network": model.get_config(),
            "environment": environment(),
        }
        files = {
            "vocabulary.json": dump_json(table.to_dict()),
            WEIGHTS: dump_arrays(language_weights(model)),
            "metrics.json": dump_json(facts),
            "README.md": language_card(manifest, facts, table).encode(),
            "model.onnx": network_graph(model),
        }
        return Bundle(manifest, files)
