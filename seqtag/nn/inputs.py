"""From the arrays of a batch to vectors: one block a kind of feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from seqtag.choices.cells import CELLS
from seqtag.data.encoders import FeatureSpec
from seqtag.data.lookup import PADDING, UNKNOWN
from seqtag.errors import ConfigError, near_name
from seqtag.nn.recurrent import Recurrent, at_places, sequence_mask
from seqtag.nn.shapes import compiles_by_shape
from seqtag.registry import Registry

BEYOND = 3e4  # float16 ends at 65,504
"""What is taken from a filter's response to padding, so that no maximum sees it."""


@keras.saving.register_keras_serializable("seqtag")
class RareDropout(keras.layers.Layer):
    """In training, replace ids from ``rare_from`` on by the unknown id at a given rate.

    So the unknown word's vector is trained on words that were seen once, which unknown words resemble most.

    Parameters
    ----------
    rare_from : int
        First id that may be replaced.
    rate : float
        How often.
    seed : int
        Seeds the draws.
    """

    def __init__(self, rare_from: int, rate: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rare_from = rare_from
        self.rate = rate
        self.seed = seed
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool | None = None) -> Any:
        """Return the ids, some replaced if ``training``."""
        if not training or not self.rate:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.draws)
        return ops.where(ops.logical_and(ids >= self.rare_from, drawn < self.rate), UNKNOWN, ids)

    def compute_output_shape(self, ids_shape: Any) -> Any:
        """Return the shape of the ids."""
        return ids_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"rare_from": self.rare_from, "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("seqtag")
class CharacterCNN(keras.layers.Layer):
    """Embed characters, convolve over three at a time, keep each filter's greatest response (Ma and Hovy, 2016).

    A convolution of embeddings is a sum of rows of three small tables (embeddings times each tap of the kernel), so the
    tables are made first and their rows looked up: the product is over the alphabet, not over the text.

    Parameters
    ----------
    size : int
        Number of character ids; 0 is padding.
    dim : int
        Width of a character's embedding.
    filters : int
        Outputs.
    seed : int
        Seeds the initial weights.
    """

    taps = 3

    def __init__(self, size: int, dim: int, filters: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.dim = dim
        self.filters = filters
        self.seed = seed

    def build(self, ids_shape: Any) -> None:
        """Make the weights."""
        scale = (3.0 / self.dim) ** 0.5
        uniform = keras.initializers.RandomUniform(-scale, scale, seed=self.seed)
        glorot = keras.initializers.GlorotUniform(seed=self.seed + 1)
        self.embeddings = self.add_weight(shape=(self.size, self.dim), initializer=uniform, name="embeddings")
        self.kernel = self.add_weight(shape=(self.taps, self.dim, self.filters), initializer=glorot, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, ids: Any) -> Any:
        """Return (U, filters) of character ids (U, L), right-padded with 0."""
        # A row for each tap and character; padding's is zero. The ids are moved, not the vectors cut: the gradient of a
        # cut fills the whole array again.
        tables = ops.matmul(self.embeddings, self.kernel)  # (taps, size, filters)
        tables = tables * ops.cast(ops.arange(self.size) != PADDING, tables.dtype)[:, None]
        shifted = (ops.pad(ids[:, :-1], ((0, 0), (1, 0))), ids, ops.pad(ids[:, 1:], ((0, 0), (0, 1))))
        before, here, after = (ops.take(tables[tap], moved, axis=0) for tap, moved in enumerate(shifted))
        present = ops.cast(ids != PADDING, tables.dtype)[..., None]
        return ops.max(before + here + after + (present - 1.0) * BEYOND, axis=1) + self.bias

    def compute_output_shape(self, ids_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the outputs."""
        return (ids_shape[0], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"size": self.size, "dim": self.dim, "filters": self.filters, "seed": self.seed}
        return super().get_config() | own


@keras.saving.register_keras_serializable("seqtag")
class CharacterRNN(keras.layers.Layer):
    """Embed characters and read them both ways; keep the two last hidden states (Lample et al., 2016).

    Parameters
    ----------
    size, dim : int
        Number of character ids (0 is padding) and width of their embeddings.
    filters : int
        Outputs, half of them a direction.
    cell : str
        Name of `seqtag.choices.cells.CELLS`.
    seed : int
        Seeds the initial weights.
    """

    def __init__(self, size: int, dim: int, filters: int, cell: str = "lstm", seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.dim = dim
        self.filters = filters
        self.cell = cell
        self.seed = seed
        self.embed = embedding(size, dim, seed, "embed")
        self.read = Recurrent(cell, filters // 2, "both", seed + 1, name="read")
        self.supports_jit = compiles_by_shape()

    def build(self, ids_shape: Any) -> None:
        """Make the weights."""
        self.embed.build(ids_shape)
        self.read.build((None, None, self.dim))

    def call(self, ids: Any) -> Any:
        """Return (U, filters) of character ids (U, L), right-padded with 0."""
        lengths = ops.sum(ops.cast(ids != PADDING, "int32"), axis=1)
        states = self.read(self.embed(ids), lengths)
        half = self.filters // 2
        last = at_places(states, ops.maximum(lengths - 1, 0)[:, None])[:, 0]
        return ops.concatenate([last[:, :half], states[:, 0, half:]], axis=-1)

    def compute_output_shape(self, ids_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the outputs."""
        return (ids_shape[0], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("size", "dim", "filters", "cell", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("seqtag")
class Place(keras.layers.Layer):
    """Lay vectors (U, D) of distinct tokens out by ``index`` (B, T): (B, T, D), zero beyond the end."""

    def call(self, vectors: Any, index: Any, lengths: Any) -> Any:
        """Return the laid-out vectors."""
        placed = ops.take(vectors, index, axis=0)
        return placed * ops.expand_dims(sequence_mask(lengths, ops.shape(index)[1], placed.dtype), -1)

    def compute_output_shape(self, vectors_shape: Any, index_shape: Any, lengths_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the laid-out vectors."""
        return (*index_shape, vectors_shape[-1])


@keras.saving.register_keras_serializable("seqtag")
class Table(keras.layers.Embedding):
    """A `keras.layers.Embedding` that reads only the rows it is asked for: a step costs the same for any table."""

    def call(self, ids: Any) -> Any:
        """Return the vectors (..., dim) of ids."""
        if keras.backend.backend() != "tensorflow":
            return ops.take(self.embeddings, ids, axis=0)
        from seqtag.nn._tensorflow import rows_of

        return rows_of(self.embeddings, ids)


@keras.saving.register_keras_serializable("seqtag")
class FirstKnown(keras.layers.Layer):
    """Of several ids a token, keep that of the first column that knows it; of none, the last column's unknown id.

    Parameters
    ----------
    starts : sequence of int
        Where each column's range of the ids begins.
    """

    def __init__(self, starts: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.starts = tuple(starts)

    def call(self, ids: Any) -> Any:
        """Return ids (..., 1) of ids (..., columns)."""
        found = ids[..., -1]
        for column in reversed(range(len(self.starts) - 1)):
            here = ids[..., column]
            found = ops.where(here == self.starts[column] + UNKNOWN, found, here)
        return ops.expand_dims(found, -1)

    def compute_output_shape(self, ids_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the ids that are kept."""
        return (*ids_shape[:-1], 1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"starts": list(self.starts)}


def embedding(size: int, dim: int, seed: int, name: str, trainable: bool = True) -> Table:
    """Make a table of ``size`` vectors of variance 1 / dim."""
    scale = (3.0 / dim) ** 0.5
    uniform = keras.initializers.RandomUniform(-scale, scale, seed=seed)
    return Table(size, dim, embeddings_initializer=uniform, name=name, trainable=trainable)


def embed_ids(spec: FeatureSpec, ids: Any, seed: int) -> Any:
    """Embed one or more ids a token and lay their vectors side by side: (..., width) -> (..., width x dim).

    With ``starts`` only the first id that is known is embedded, and with ``projected`` a linear layer follows.
    """
    if spec.drop:
        ids = RareDropout(spec.rare_from, spec.drop, seed + 1, name=f"{spec.name}_rare")(ids)
    if spec.starts:
        ids = FirstKnown(spec.starts, name=f"{spec.name}_first")(ids)
    vectors = embedding(spec.size, spec.dim, seed, f"{spec.name}_vectors", spec.trainable)(ids)
    flat = (*ids.shape[1:-1], ids.shape[-1] * spec.dim)
    vectors = keras.layers.Reshape(flat, name=f"{spec.name}_flat")(vectors)
    if not spec.projected:
        return vectors
    glorot = keras.initializers.GlorotUniform(seed=seed + 2)
    return keras.layers.Dense(spec.projected, kernel_initializer=glorot, name=f"{spec.name}_projected")(vectors)


def embed_chars(spec: FeatureSpec, ids: Any, seed: int) -> Any:
    """Read the characters of each token: (U, L) -> (U, filters).

    Raises
    ------
    ConfigError
        If the reader is neither ``cnn`` nor a cell, with the near name, or cannot share an odd number of filters.
    """
    if spec.model == "cnn":
        return CharacterCNN(spec.size, spec.dim, spec.filters, seed, name=f"{spec.name}_vectors")(ids)
    if spec.model not in CELLS:
        known = ("cnn", *CELLS)
        raise ConfigError(
            f"encoder {spec.name!r}: model must be one of {', '.join(known)}; got {spec.model!r}."
            + near_name(spec.model, known)
        )
    if spec.filters % 2:
        raise ConfigError(f"encoder {spec.name!r}: filters must be even, half a direction; got {spec.filters}.")
    return CharacterRNN(spec.size, spec.dim, spec.filters, spec.model, seed, name=f"{spec.name}_vectors")(ids)


def take_vectors(spec: FeatureSpec, vectors: Any, seed: int) -> Any:
    """Take numbers as they come: (B, T, width)."""
    return vectors


BLOCKS: Registry[Any] = Registry("feature kind")
BLOCKS.add("ids", embed_ids)
BLOCKS.add("chars", embed_chars)
BLOCKS.add("vectors", take_vectors)
