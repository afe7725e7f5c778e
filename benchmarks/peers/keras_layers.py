"""The network of `SequenceTagger` with `keras.layers.LSTM` as its recurrent layer and Keras's Adam, under plain `fit`.

Same inputs, buckets, characters once a distinct word, CRF and prefetching; what differs is what seqtag puts in place of
Keras's own: the fused recurrent kernel, and the tables and the optimiser that touch only the embedding rows in use.
Neither averaged weights nor the neighbouring-words loss are computed.
"""

from __future__ import annotations

from typing import Any

from peers.protocol import Job, Meter, Result, main


def run(job: Job) -> Result:
    import keras

    from peers.encoding import LIMITS, encode
    from peers.keras_watch import labels_of, step_watch
    from peers.seqtag_tagger import watch_batches
    from seqtag.nn.network import build_tagger
    from seqtag.training.feed import BatchStream, as_dataset
    from seqtag.training.settings import Settings

    with_layers_of_keras()
    drawn = watch_batches()
    encoded = encode(job.load_corpus())
    specs = [feature.spec for feature in encoded.features]
    model = build_tagger(specs, len(encoded.labels), allowed=encoded.allowed, seed=job.seed)
    model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=5.0))
    settings = Settings(epochs=1, batch_tokens=LIMITS.tokens, batch_sequences=LIMITS.sequences, seed=job.seed)
    batches = BatchStream(encoded.train, settings)
    meter = Meter(job.warmup_steps, job.seconds)
    watch = step_watch(meter, drawn.tokens)
    model.fit(
        as_dataset(model, batches),
        epochs=1000,
        steps_per_epoch=batches.steps,
        callbacks=[watch],
        verbose=0,
        shuffle=False,
    )
    predicted = labels_of(predict(model, encoded), encoded.labels)
    return meter.result() | {"predicted": predicted, "padded_share": drawn.padded_share()}


def with_layers_of_keras() -> None:
    """Have `seqtag.nn` compute with Keras's own recurrent and embedding layers."""
    import keras

    from seqtag.nn import inputs, recurrent

    if not hasattr(recurrent, "fused_kernel"):
        raise RuntimeError("seqtag.nn.recurrent has no fused_kernel to switch off: this contestant must follow it.")
    recurrent.fused_kernel = lambda cell: None
    inputs.Table.call = keras.layers.Embedding.call


def predict(model: Any, encoded: Any) -> list[list[int]]:
    """Return the ids of the best labels of each sentence of dev."""
    import numpy as np

    from seqtag.backends import KerasBackend
    from seqtag.computing import run_batches
    from seqtag.decoders import TagDecoder

    scores = [np.asarray(score, np.float32) for score in model.head.scores()]
    decoder = TagDecoder(tuple(encoded.labels), "none", *scores)
    rows: list[list[int]] = [[]] * len(encoded.dev)
    for place, row in run_batches(KerasBackend(model), encoded.dev, decoder.best):
        rows[place] = row.tolist()
    return rows


if __name__ == "__main__":
    main(run)
