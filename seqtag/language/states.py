"""Contextual string embeddings: what a language model has in mind at each token (Akbik, Blythe and Vollgraf, 2018).

The tokens are read with a space between each two. A token's vector is the state behind its last symbol of a model that
reads forward, or behind its first of one that reads from the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.backends import CarryingBackend, OnnxBackend
from seqtag.bundle import Bundle, dump_json
from seqtag.data.features import Feature, tokens_of
from seqtag.data.sequence import Sequence
from seqtag.data.symbols import END, LEVELS, SymbolTable
from seqtag.errors import BundleError
from seqtag.language.predictor import TASK
from seqtag.language.reading import read_windows

STATES = "states"  # the output of a language model's graph


class TokenStates:
    """A frozen language model that gives a vector a token.

    Parameters
    ----------
    table : SymbolTable
        Its symbols.
    graph : bytes
        Its network as ONNX.
    go_backwards : bool
        Whether it reads from the end.
    """

    def __init__(self, table: SymbolTable, graph: bytes, go_backwards: bool) -> None:
        self.table = table
        self.graph = graph
        self.go_backwards = go_backwards
        self._backend: CarryingBackend = OnnxBackend(graph, 1)

    @classmethod
    def load(cls, path: str | Path) -> TokenStates:
        """Open a saved language model, for which onnx must be installed.

        Raises
        ------
        BundleError
            If it is none.
        """
        bundle = Bundle.read(path)
        found = bundle.manifest.get("task")
        if found != TASK:
            raise BundleError(f"encoder 'lm' needs a language model; {path} is a model of the task {found!r}.")
        table = SymbolTable.from_dict(bundle.json("vocabulary.json"))
        from seqtag.export.onnx import states_graph

        return cls(table, states_graph(bundle.files["model.onnx"]), bool(bundle.manifest["params"]["go_backwards"]))

    def files(self, name: str) -> dict[str, bytes]:
        """Return what a model that reads these vectors keeps of this one, by file name."""
        about = {"vocabulary": self.table.to_dict(), "go_backwards": self.go_backwards}
        return {f"{name}.onnx": self.graph, f"{name}.json": dump_json(about)}

    @classmethod
    def from_files(cls, bundle: Bundle, name: str) -> TokenStates:
        """Open what `files` gave.

        Raises
        ------
        BundleError
            If the files are not there, or not what they must be.
        """
        try:
            about = bundle.json(f"{name}.json")
            return cls(SymbolTable.from_dict(about["vocabulary"]), bundle.files[f"{name}.onnx"], about["go_backwards"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the model's files do not fit together ({error!r}). Save it again.") from error

    def of(self, sequences: SequenceOf[Sequence]) -> list[np.ndarray]:
        """Return the vectors of the tokens of each sequence, float32, shape (T, H)."""
        read = [self._laid_out(tokens_of(sequence)) for sequence in sequences]
        out: list[Any] = [None] * len(sequences)
        for window in read_windows(self._backend, [ids for ids, _ in read], len(self.table), STATES):
            for row, length, values in zip(window.rows, window.lengths, window.values, strict=True):
                places = read[row][1] - window.start
                if out[row] is None:
                    out[row] = np.empty((len(places), values.shape[-1]), np.float32)
                here = (places >= 0) & (places < length)
                out[row][here] = values[places[here]]
        return out

    def _laid_out(self, tokens: SequenceOf[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids that are read, an end before the first, and behind which of them each token is complete."""
        end, apart = np.array([END], np.int32), self._space
        parts = [self.table.encode(token) for token in tokens]
        sizes = np.array([len(part) for part in parts], np.int64)
        starts = np.cumsum(sizes + len(apart)) - sizes - len(apart)
        ids = np.concatenate([piece for part in parts for piece in (apart, part)] or [end])[len(apart) :]
        if self.go_backwards:
            return np.concatenate([end, ids[::-1]]), len(ids) - starts
        return np.concatenate([end, ids]), starts + sizes

    @property
    def _space(self) -> np.ndarray:
        """What stands between two tokens."""
        return np.zeros(0, np.int32) if LEVELS[self.table.level].joiner else self.table.encode(" ")


def attached(sequences: SequenceOf[Sequence], models: Mapping[str, TokenStates]) -> list[Sequence]:
    """Return sequences with the vectors of language models, by the models' names; those they have already stay."""
    out = list(sequences)
    for name, model in models.items():
        missing = [i for i, sequence in enumerate(out) if name not in sequence.vectors and len(sequence)]
        for i, states in zip(missing, model.of([out[i] for i in missing]), strict=True):
            out[i] = replace(out[i], vectors={**out[i].vectors, name: states})
    return out


def states_of(features: SequenceOf[Feature], bundle: Bundle) -> dict[str, TokenStates]:
    """Open the language models that a saved model's encoders read, by their names."""
    names = [feature.vectors for feature in features if feature.are_states and feature.vectors]
    return {name: TokenStates.from_files(bundle, name) for name in names}
