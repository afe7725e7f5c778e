"""What a network kept in mind while it read a sequence: states, gates, attention, and what each input changed.

`Predictor.trace` and every estimator's ``trace`` give a `Trace` a sequence. The states are those of the equations in
NumPy (`seqtag.reference_network`) on the saved weights, so neither Keras nor TensorFlow is needed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.backends import Backend
from seqtag.data.batching import EncodedCorpus
from seqtag.data.features import Feature
from seqtag.data.sequence import Sequence
from seqtag.decoders import Decoder
from seqtag.errors import DataError, near_name
from seqtag.occlusion import influence as influence_of
from seqtag.reference import LayerRun, run_stack
from seqtag.reference_network import NetworkRun, run_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECIMALS = 6
"""To which numbers are written as JSON."""


@dataclass(frozen=True, eq=False)
class Memory:
    """How much an input moves an answer at each distance from it.

    Parameters
    ----------
    distances : ndarray of int, shape (N,)
        Place of the input minus place of the answer, ascending: below 0 the input came before. A classifier answers
        at the last step.
    influence : ndarray, shape (N,)
        The mean influence at that distance.
    pairs : ndarray of int, shape (N,)
        Of how many pairs of input and answer it is the mean.
    """

    distances: np.ndarray
    influence: np.ndarray
    pairs: np.ndarray

    @property
    def reach(self) -> float:
        """How far off, in steps, what moves an answer stands on average: distances weighted by influence."""
        total = self.influence.sum()
        return float(np.abs(self.distances) @ self.influence / total) if total else 0.0


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened in a network while it read one sequence of length T.

    Parameters
    ----------
    steps : tuple of str
        The tokens, or the numbers of the frames.
    layers : tuple of LayerRun
        The recurrent layers: ``layers[0].ways["forward"].states`` (T, H), ``.gates["forget"]`` (T, H). A backward
        layer is in the order of time, too. A simple RNN has no gates.
    labels : tuple
        The K labels or classes.
    output : ndarray, shape (T, K) or (K,)
        Their probabilities, as `Predictor.predict_proba` gives them.
    answer : list of str, or a class, or a tuple of classes
        What `Predictor.predict` gives.
    attention : ndarray, shape (T,), optional
        The weight of each state, where the pooling is attention.
    influence : ndarray, shape (T, T) or (1, T), optional
        At [i, j] how much the answer at i changes without the input j, from 0 to 1 (`seqtag.occlusion.influence`).
        A classifier has one answer.
    """

    steps: tuple[str, ...]
    layers: tuple[LayerRun, ...]
    labels: tuple[Any, ...]
    output: np.ndarray
    answer: Any
    attention: np.ndarray | None = None
    influence: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def is_tagger(self) -> bool:
        """Whether there is an answer for each step, or one for all."""
        return self.output.ndim == 2

    def memory(self) -> Memory:
        """Return the mean influence at each distance; `memory` takes several traces together."""
        return memory([self])

    def plot(self, title: str = "") -> Figure:
        """Draw states, gates and influence, see `seqtag.plots.plot_trace`.

        Parameters
        ----------
        title : str
            Written above, instead of the sequence.
        """
        from seqtag.plots import plot_trace

        return plot_trace(self, title)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name, as ``layer_0/forward/states`` and ``layer_0/forward/forget``, ready for NumPy."""
        found = {"steps": np.array(self.steps, str), "labels": np.array(self.labels), "output": self.output}
        found |= {name: array for name, array in self._optional() if array is not None}
        for depth, layer in enumerate(self.layers):
            for way, run in layer.ways.items():
                named = {"states": run.states, **run.gates}
                found |= {f"layer_{depth}/{way}/{name}": array for name, array in named.items()}
            found[f"layer_{depth}/output"] = layer.output
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, numbers rounded to six decimals."""
        layers = [
            {
                "output": _rounded(layer.output),
                **{
                    way: {
                        "states": _rounded(run.states),
                        "gates": {name: _rounded(gate) for name, gate in run.gates.items()},
                    }
                    for way, run in layer.ways.items()
                },
            }
            for layer in self.layers
        ]
        return {
            "steps": list(self.steps),
            "labels": list(self.labels),
            "answer": list(self.answer) if isinstance(self.answer, tuple) else self.answer,
            "output": _rounded(self.output),
            **{name: None if array is None else _rounded(array) for name, array in self._optional()},
            "layers": layers,
        }

    def to_json(self) -> str:
        """Return `to_dict` as text, one line; a token may hold half a character, which is kept."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write the trace as what the suffix of the path says.

        Parameters
        ----------
        path : path
            Ends in .json, .npz, or, for the picture, .png, .svg or .pdf.

        Returns
        -------
        Path

        Raises
        ------
        DataError
            If the suffix is another one, or the file cannot be written.
        """
        path = Path(path)
        write = check_suffix(path)
        try:
            write(self, path)
        except OSError as error:
            raise DataError(f"{path} cannot be written: {error.strerror}. Choose another place.") from error
        return path

    def _optional(self) -> Iterator[tuple[str, np.ndarray | None]]:
        yield "attention", self.attention
        yield "influence", self.influence


def memory(traces: Iterable[Trace]) -> Memory:
    """Return the mean influence at each distance between input and answer, over all pairs of all traces.

    Parameters
    ----------
    traces : iterable of Trace
        Made with ``influence=True``.

    Raises
    ------
    DataError
        If a trace has no influence.
    """
    distances, moved = [np.zeros(0, np.int64)], [np.zeros(0)]
    for trace in traces:
        if trace.influence is None:
            raise DataError("memory needs traces with influence; got one without. Call trace(X, influence=True).")
        answers = np.arange(len(trace)) if trace.is_tagger else np.array([len(trace) - 1])
        distances.append((np.arange(len(trace)) - answers[:, None]).ravel())
        moved.append(trace.influence.ravel())
    found, places, pairs = np.unique(np.concatenate(distances), return_inverse=True, return_counts=True)
    return Memory(found, np.bincount(places, np.concatenate(moved), len(found)) / pairs, pairs)


@dataclass(frozen=True)
class Tracer:
    """What a trace is made of: a trained network and what stands around it.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    decoder : Decoder
        From what the network gives to answers.
    backend : Backend
        Computes the network, for the answers.
    network : mapping
        A bundle's ``manifest["network"]``.
    weights : mapping of str to ndarray
        A bundle's ``weights.npz``.
    """

    features: tuple[Feature, ...]
    decoder: Decoder
    backend: Backend
    network: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]

    def trace(self, sequence: Sequence, influence: bool = True, initial: np.ndarray | None = None) -> Trace:
        """Trace one sequence.

        Parameters
        ----------
        sequence : Sequence
            It may be empty.
        influence : bool
            Whether to take each input away in turn, for which the network reads T copies.
        initial : ndarray, shape (layers, directions, states of the cell, H), optional
            The initial states, for a network that is given them.
        """
        if not len(sequence):
            return self._trace_nothing(influence, initial)
        inputs = EncodedCorpus(self.features, [sequence]).batch(np.array([0])).inputs
        if initial is not None:
            inputs["initial"] = np.asarray(initial, np.float32)[None]
        (run,) = run_network(self.network, self.weights, inputs)
        outputs = self.backend.compute(inputs)
        moved = influence_of(self.features, self.decoder, self.backend, inputs) if influence else None
        return self._made(_steps(sequence), run, outputs, moved)

    def _trace_nothing(self, influence: bool, initial: np.ndarray | None) -> Trace:
        """Trace a sequence without steps, which is not sent to the network."""
        width = next(array.shape[0] for path, array in self.weights.items() if _reads_inputs(path))
        layers = tuple(run_stack(self.network["stack"], self.weights, np.zeros((0, width)), initial))
        attention = np.zeros(0) if self.network.get("pooling") == "attention" else None
        outputs = self.decoder.nothing()
        moved = np.zeros((outputs.shape[1] if outputs.ndim == 3 else 1, 0)) if influence else None
        return self._made((), NetworkRun(layers, outputs[0], attention), outputs, moved)

    def _made(self, steps: tuple[str, ...], run: NetworkRun, outputs: np.ndarray, moved: np.ndarray | None) -> Trace:
        lengths = np.array([len(steps)], np.int32)
        (best,) = self.decoder.best(outputs, lengths)
        (probabilities,) = self.decoder.probabilities(outputs, lengths)
        return Trace(
            steps=steps,
            layers=run.layers,
            labels=self.decoder.labels,
            output=probabilities,
            answer=self.decoder.value(best),
            attention=run.attention,
            influence=moved,
        )


def _steps(sequence: Sequence) -> tuple[str, ...]:
    return tuple(sequence.tokens) if sequence.frames is None else tuple(map(str, range(len(sequence))))


def _reads_inputs(path: str) -> bool:
    return path.startswith("recurrent_0/") and path.endswith("_cell/kernel")


def _rounded(array: np.ndarray) -> list[Any]:
    return np.round(np.asarray(array, np.float64), DECIMALS).tolist()


def _write_json(trace: Trace, path: Path) -> None:
    path.write_bytes(trace.to_json().encode("utf-8", "surrogatepass"))


def _write_arrays(trace: Trace, path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **trace.arrays())
    path.write_bytes(buffer.getvalue())


def _write_picture(trace: Trace, path: Path) -> None:
    from seqtag.plots import save_figure

    save_figure(trace.plot(), path)


def check_suffix(path: Path) -> Callable[[Trace, Path], None]:
    """Return what writes a trace to a path, by its suffix.

    Parameters
    ----------
    path : Path
        Where a trace is to be written.

    Raises
    ------
    DataError
        If there is no such kind of file.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        known = ", ".join(WRITERS)
        raise DataError(f"a trace's path must end in one of {known}; got {str(path)!r}." + near_name(suffix, WRITERS))
    return WRITERS[suffix]


WRITERS: dict[str, Callable[[Trace, Path], None]] = {
    ".json": _write_json,
    ".npz": _write_arrays,
    ".png": _write_picture,
    ".svg": _write_picture,
    ".pdf": _write_picture,
}
"""What writes a trace, by the suffix of the file."""
