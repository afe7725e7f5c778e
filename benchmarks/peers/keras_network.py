"""The network of `SequenceTagger` as one writes it with `keras.layers`: everything a place, implicit masks, `fit`.

Words, affixes and characters are looked up at each place, characters are convolved by `Conv1D`, padding is masked by
`Embedding(mask_zero=True)`, the recurrent layer is `Bidirectional(LSTM)`, the optimiser Keras's Adam. Batches are the
buckets that seqtag trains on, prefetched; the CRF, which Keras does not have, is seqtag's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peers.protocol import Job, Meter, Result, main

UNITS, DROPOUT = 200, 0.4


def run(job: Job) -> Result:
    import keras
    import numpy as np

    from peers.encoding import LIMITS, encode
    from peers.keras_watch import labels_of, step_watch
    from peers.seqtag_tagger import watch_batches
    from seqtag.data.batching import bucket

    keras.utils.set_random_seed(job.seed)
    drawn = watch_batches()
    encoded = encode(job.load_corpus())
    model = build({feature.spec.name: feature.spec for feature in encoded.features}, encoded)
    model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=5.0))

    def batches() -> Iterator[Any]:
        rng = np.random.default_rng(job.seed)
        while True:
            for batch in encoded.train.shuffled(LIMITS, rng):
                yield by_place(batch.inputs), batch.targets

    meter = Meter(job.warmup_steps, job.seconds)
    steps = encoded.train.plan(LIMITS).steps
    watch = step_watch(meter, drawn.tokens)
    model.fit(as_dataset(batches), epochs=1000, steps_per_epoch=steps, callbacks=[watch], verbose=0, shuffle=False)
    rows: list[list[int]] = [[]] * len(encoded.dev)
    for group in bucket(encoded.dev.lengths, LIMITS.tokens, max_sequences=LIMITS.sequences):
        inputs = by_place(encoded.dev.batch(group).inputs)
        best, _ = model.head.viterbi(model.predict_on_batch(inputs), inputs["lengths"])
        for place, row, length in zip(group, np.array(best), inputs["lengths"], strict=True):
            rows[place] = row[:length].tolist()
    return meter.result() | {"predicted": labels_of(rows, encoded.labels), "padded_share": drawn.padded_share()}


def build(specs: dict[str, Any], encoded: Any) -> Any:
    """Build the network."""
    import keras

    from seqtag.choices.decoders import DECODERS
    from seqtag.nn.network import SequenceModel

    layers = keras.layers

    @keras.saving.register_keras_serializable("seqtag_benchmarks")
    class Characters(layers.Layer):
        """Embeds and convolves the characters of each place, all places as one batch."""

        def __init__(self, spec: Any) -> None:
            super().__init__(name="characters")
            self.spec = spec
            self.embed = layers.Embedding(spec.size, spec.dim)
            self.convolve = layers.Conv1D(spec.filters, 3, padding="same")
            self.pool = layers.GlobalMaxPooling1D()

        def call(self, ids: Any) -> Any:
            shape = keras.ops.shape(ids)
            flat = keras.ops.reshape(ids, (-1, shape[2]))
            pooled = self.pool(self.convolve(self.embed(flat)))
            return keras.ops.reshape(pooled, (*shape[:2], self.spec.filters))

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:2], self.spec.filters)

    words, affixes, chars = (specs[name] for name in ("words", "affixes", "chars"))
    inputs = {
        "words": keras.Input((None,), dtype="int32", name="words"),
        "affixes": keras.Input((None, affixes.width), dtype="int32", name="affixes"),
        "chars": keras.Input((None, None), dtype="int32", name="chars"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    embedded = layers.Embedding(words.size, words.dim, mask_zero=True)(inputs["words"])
    parts = layers.Embedding(affixes.size, affixes.dim)(inputs["affixes"])
    parts = layers.Reshape((-1, affixes.width * affixes.dim))(parts)
    states = layers.Concatenate()([embedded, parts, Characters(chars)(inputs["chars"])])
    states = layers.SpatialDropout1D(DROPOUT)(states)
    states = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(
        states, mask=keras.ops.not_equal(inputs["words"], 0)
    )
    states = layers.SpatialDropout1D(DROPOUT)(states)
    head = DECODERS["crf"](encoded.allowed)
    return SequenceModel(inputs, head(layers.Dense(len(encoded.labels))(states)), head, None, "tagger", {})


def by_place(inputs: dict[str, Any]) -> dict[str, Any]:
    """Lay what a batch holds once a distinct word out by place; 0 is padding."""
    import numpy as np

    index = inputs["index"]
    within = np.arange(index.shape[1]) < inputs["lengths"][:, None]
    placed = {name: inputs[name][index] * within[..., None] for name in ("words", "affixes", "chars")}
    return {**placed, "words": placed["words"][..., 0], "lengths": inputs["lengths"]}


def as_dataset(batches: Any) -> Any:
    """Return the batches as a prefetched `tf.data.Dataset`."""
    import tensorflow as tf

    def spec(*axes: int | None) -> Any:
        return tf.TensorSpec(axes, tf.int32)

    inputs = {"words": spec(None, None), "affixes": spec(None, None, None), "chars": spec(None, None, None)}
    signature = (inputs | {"lengths": spec(None)}, spec(None, None))
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4)


if __name__ == "__main__":
    main(run)
