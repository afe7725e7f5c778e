"""Answering with a trained language model: how probable texts are, what comes next, and writing on.

NumPy and ONNX Runtime only, as for `seqtag.predictor`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqtag.backends import CarryingBackend, OnnxBackend
from seqtag.bundle import Bundle
from seqtag.data.lanes import stream_of
from seqtag.data.lookup import UNKNOWN
from seqtag.data.surprisal import Surprisal
from seqtag.data.symbols import END, END_MARK, SymbolTable, as_texts, symbols_of
from seqtag.errors import BundleError, DataError
from seqtag.language.generation import Sampling, beam_search, sampled, spelled, until
from seqtag.language.reading import log_probabilities, read_windows

TASK = "language_modelling"


class Ranked(NamedTuple):
    """A candidate of `LanguagePredictor.rank`.

    Parameters
    ----------
    text : str
        The candidate.
    log_probability : float
        log p(candidate | context), natural.
    symbols : int
        Over how many symbols it is the sum, the end of the text among them where it counts.
    """

    text: str
    log_probability: float
    symbols: int = 1

    @property
    def mean(self) -> float:
        """The mean log-probability of a symbol; 0 of a candidate without symbols."""
        return self.log_probability / max(1, self.symbols)


class LanguagePredictor:
    """A trained language model that answers without Keras.

    Parameters
    ----------
    table : SymbolTable
        The symbols.
    backend : CarryingBackend
        Computes the network.
    continuous : bool
        Whether texts that are scored are pieces of one text, such as its lines: the state goes on from one to the next.
    go_backwards : bool
        Whether texts are read from their ends.
    manifest : dict
        What the model says of itself.
    """

    def __init__(
        self,
        table: SymbolTable,
        backend: CarryingBackend,
        *,
        continuous: bool = False,
        go_backwards: bool = False,
        manifest: dict[str, Any] | None = None,
    ) -> None:
        self.table = table
        self.backend = backend
        self.continuous = continuous
        self.go_backwards = go_backwards
        self.manifest = manifest or {}
        met = dict(zip(table.symbols, table.counts, strict=True))
        self._in_lines = continuous and not met.get("\n")

    task = TASK

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in the order of `predict_next`'s columns."""
        return self.table.symbols

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None) -> LanguagePredictor:
        """Open a saved language model.

        Parameters
        ----------
        path : path
            The folder that `save` wrote.
        threads : int, optional
            Not more than one is used for one text.
        """
        return cls.from_bundle(Bundle.read(path), threads=threads)

    @classmethod
    def from_bundle(cls, bundle: Bundle, *, threads: int | None = None) -> LanguagePredictor:
        """Open a model that has been read.

        Parameters
        ----------
        bundle : Bundle
            The model.
        threads : int, optional
            Not more than one is used for one text.

        Raises
        ------
        BundleError
            If its files do not fit together, or it is no language model.
        """
        found = bundle.manifest.get("task")
        if found != TASK:
            raise BundleError(
                f"a language model is needed; this model's task is {found!r}. Open it with seqtag.load, or use "
                "seqtag predict."
            )
        try:
            table = SymbolTable.from_dict(bundle.json("vocabulary.json"))
            params = bundle.manifest["params"]
            continuous, go_backwards = bool(params["continuous"]), bool(params["go_backwards"])
            graph = bundle.files["model.onnx"]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the model's files do not fit together ({error!r}). Save it again.") from error
        backend = OnnxBackend(graph, threads)
        return cls(table, backend, continuous=continuous, go_backwards=go_backwards, manifest=bundle.manifest)

    def log_probabilities(self, texts: Iterable[Any]) -> list[np.ndarray]:
        """Return log p(symbol | what came before) of each symbol of each text, and of its end.

        Parameters
        ----------
        texts : iterable
            Strings; of a model of words also lists of words.

        Returns
        -------
        list of ndarray of float32, shape (symbols of the text + 1,)
            Natural logarithms, the end's last. They are in the order in which the model reads.

        Raises
        ------
        DataError
            If something is no text.
        """
        ids = self._ids(as_texts(texts))
        if not self.continuous or not ids:
            return log_probabilities(self.backend, ids, len(self.table))
        (found,) = log_probabilities(self.backend, [stream_of(ids)[1:-1]], len(self.table))
        return np.split(found, np.cumsum([len(text) + 1 for text in ids])[:-1])

    def score(self, texts: Iterable[Any]) -> float:
        """Return the mean log-likelihood of a symbol, natural; greater is better.

        The end of each text counts as a symbol, as the literature counts it.

        Parameters
        ----------
        texts : iterable
            As for `log_probabilities`.

        Raises
        ------
        DataError
            If there is no text.
        """
        found = self.log_probabilities(texts)
        if not found:
            raise DataError("texts must hold at least one text; got none.")
        return float(np.concatenate(found).mean(dtype=np.float64))

    def perplexity(self, texts: Iterable[Any]) -> float:
        """Return exp(-`score`): among how many equally probable symbols it chose, in effect."""
        return float(np.exp(-self.score(texts)))

    def bits_per_symbol(self, texts: Iterable[Any]) -> float:
        """Return -`score` in bits: of a model of characters, the bits per character."""
        return -self.score(texts) / float(np.log(2))

    def surprisal(self, texts: Iterable[Any]) -> list[list[Surprisal]]:
        """Return how unexpected each symbol of each text was, and its end, in the order in which the model reads.

        `seqtag.plots.plot_surprisal` draws it, `seqtag.shading` shades the text by it.

        Parameters
        ----------
        texts : iterable
            As for `log_probabilities`.
        """
        texts = as_texts(texts)
        out = []
        for text, ids, row in zip(texts, self._ids(texts), self.log_probabilities(texts), strict=True):
            written = self._written(text)
            bits = (row / -np.log(2)).tolist()
            known = [i != UNKNOWN for i in ids.tolist()]
            found = [Surprisal(*parts) for parts in zip([*written, END_MARK], bits, [*known, True], strict=True)]
            out.append(found)
        return out

    def rank(
        self, candidates: Iterable[str], context: str = "", *, ends: bool = True, normalize: bool = False
    ) -> list[Ranked]:
        """Sort candidates by how probable they are, the most probable first.

        Parameters
        ----------
        candidates : iterable of str
            What may follow the context.
        context : str
            What is given, and not scored.
        ends : bool
            Whether the text ends behind a candidate: the end then is a symbol that counts. If not, the candidate is the
            beginning of what follows.
        normalize : bool
            Whether to sort by the mean of a symbol, so that a long candidate is not the less probable for its length.

        Returns
        -------
        list of Ranked
            Each with log p(candidate | context), that of the end added where it counts.

        Raises
        ------
        DataError
            If something is no text; or a model that reads texts from their ends is asked for candidates that do not
            end them.
        """
        if self.go_backwards and not ends:
            raise DataError("this model reads texts from their ends, and ranks whole texts only: leave out ends=False.")
        candidates = as_texts(candidates)
        joiner = " " if self.table.level == "words" and context else ""
        given = len(self._beginning(context))
        ids = [self._beginning(context + joiner + one, i) for i, one in enumerate(candidates)]
        if self.go_backwards:
            ids, given = [one[::-1] for one in ids], 0
        rows = [row[given : None if ends else -1] for row in log_probabilities(self.backend, ids, len(self.table))]
        found = [
            Ranked(text, float(row.sum(dtype=np.float64)), len(row)) for text, row in zip(candidates, rows, strict=True)
        ]
        return sorted(found, key=lambda one: -(one.mean if normalize else one.log_probability))

    def predict_next(self, prompts: Iterable[Any]) -> np.ndarray:
        """Return the distribution over what comes next.

        Parameters
        ----------
        prompts : iterable
            Beginnings of texts; "" is the beginning itself.

        Returns
        -------
        ndarray of float32, shape (prompts, V)
            p(symbol | prompt), columns as `symbols`; the first is the end of the text, the second what is unknown.
        """
        ids = [self._beginning(one, i) for i, one in enumerate(as_texts(prompts))]
        ids = [one[::-1] for one in ids] if self.go_backwards else ids
        out = np.empty((len(ids), len(self.table)), np.float32)
        for row, text in zip(out, ids, strict=True):
            row[:] = np.exp(self._read(text)[0])
        return out

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
        words = (stop,) if isinstance(stop, str) else tuple(stop)
        sampling = Sampling(max_symbols, temperature, top_k, top_p, beams, words, unknown, seed)
        return "".join(self.stream(prompt, sampling))

    def stream(self, prompt: str = "", sampling: Sampling | None = None) -> Iterator[str]:
        """Write on after a prompt, piece by piece; the state is kept, so that each symbol costs the same.

        Parameters
        ----------
        prompt : str
            What the text begins with.
        sampling : Sampling, optional
            How to choose, with the arguments of `generate`. With beams the text comes as a whole.

        Yields
        ------
        str
            The next piece of text; put together they are what `generate` returns.

        Raises
        ------
        ParameterError, DataError
            As `generate`.
        """
        sampling = sampling or Sampling()
        if self.go_backwards:
            raise DataError(
                "this model reads texts from their ends, and cannot write on. Train one that reads forward."
            )
        if not isinstance(prompt, str):
            raise DataError(f"the prompt must be a string; got {type(prompt).__name__} {prompt!r:.60}.")
        begun = self._beginning(prompt)
        log_p, state = self._read(begun)
        ends = not self.continuous
        if sampling.beams > 1:
            ids: Iterable[int] = beam_search(self._advance, log_p, state, sampling, ends)[0]
        else:
            ids = sampled(self._advance, log_p, state, sampling, ends)
        apart = len(begun) > 0 and not prompt[-1:].isspace()
        return until(spelled(ids, self.table, apart, "\n"), sampling.stop)

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()

    def __enter__(self) -> LanguagePredictor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ids(self, texts: list[Any]) -> list[np.ndarray]:
        """Return the ids of texts in the order in which they are read."""
        ids = [self.table.encode(text, i) for i, text in enumerate(texts)]
        return [one[::-1] for one in ids] if self.go_backwards else ids

    def _beginning(self, text: Any, index: int = 0) -> np.ndarray:
        """Return the ids of a text that may go over several lines: where texts are pieces, a line break ends one."""
        if not self._in_lines or not isinstance(text, str):
            return self.table.encode(text, index)
        return stream_of([self.table.encode(line, index) for line in text.split("\n")])[1:-1]

    def _written(self, text: Any) -> list[str]:
        found = symbols_of(text, self.table.level)
        return found[::-1] if self.go_backwards else found

    def _read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log p of what follows a beginning (V,), and the state behind it (1, ...)."""
        inputs = [np.concatenate([np.array([END], np.int32), ids])]
        for window in read_windows(self.backend, inputs, len(self.table)):
            last = window
        return last.values[0, -1], last.state

    def _advance(self, symbols: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read one more symbol of each of B texts, see `seqtag.language.generation.Advance`."""
        inputs = {"symbols": symbols[:, None, None], "lengths": np.ones(len(symbols), np.int32)}
        found, state = self.backend.compute_with_state(inputs, state)
        return found[:, 0], state
