"""Keras as tutorials on tagging write it: words alone, a masked embedding, a bidirectional LSTM, a softmax, `fit`.

``pad`` is what sentences are padded to: a number of places, beyond which they are cut, or ``batch``, the longest of the
batch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from peers.protocol import Curve, Job, Meter, Result, Sentences, main, one_pass

BATCH, WIDTH, UNITS = 32, 100, 200


def run(job: Job) -> Result:
    import keras

    from peers.keras_watch import epoch_watch, step_watch

    keras.utils.set_random_seed(job.seed)
    corpus = job.load_corpus()
    words, tags = corpus["train"]
    vocabulary = {word: i + 2 for i, word in enumerate(sorted({word for row in words for word in row}))}
    labels = sorted({tag for row in tags for tag in row})
    pad = job.options["pad"]
    model = keras.Sequential(
        [
            keras.Input((None if pad == "batch" else pad,), dtype="int32"),
            keras.layers.Embedding(len(vocabulary) + 2, WIDTH, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True)),
            keras.layers.Dense(len(labels), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(), loss="sparse_categorical_crossentropy")
    ids = [[vocabulary[word] for word in row] for row in words]
    label_ids = {label: i for i, label in enumerate(labels)}
    targets = [[label_ids[tag] for tag in row] for row in tags]
    counts: list[int] = []

    def batches() -> Iterator[Any]:
        rng = random.Random(job.seed)
        while True:
            for places in one_pass(len(ids), BATCH, rng):
                width = max(len(ids[i]) for i in places) if pad == "batch" else pad
                counts.append(sum(min(len(ids[i]), width) for i in places))
                yield padded([ids[i] for i in places], width), padded([targets[i] for i in places], width)

    def find(logs: Any) -> dict[str, Any]:
        return {"predicted": predict(model, vocabulary, labels, corpus["dev"][0], pad)}

    steps = -(-len(ids) // BATCH)
    meter, curve = Meter(job.warmup_steps, job.seconds), Curve(job.seconds)
    if job.mode == "score":
        epochs, watch = job.epochs, epoch_watch(curve, find)
    else:
        epochs, watch = 1000, step_watch(meter, counts.__getitem__)
    # Padded once and for all or batch by batch, it is the same to `fit`: making a batch takes under a millisecond.
    data = as_dataset(batches, None if pad == "batch" else pad)
    model.fit(data, epochs=epochs, steps_per_epoch=steps, callbacks=[watch], verbose=0, shuffle=False)
    if job.mode == "score":
        return curve.result()
    computed = pad if pad != "batch" else sum(max(len(ids[i]) for i in p) for p in _some_batches(ids)) / 100
    share = 1.0 - sum(map(len, ids)) / len(ids) / computed
    return meter.result() | find(None) | {"padded_share": share}


def _some_batches(ids: list[list[int]]) -> list[list[int]]:
    rng = random.Random(0)
    return [rng.sample(range(len(ids)), min(BATCH, len(ids))) for _ in range(100)]


def as_dataset(batches: Any, width: int | None) -> Any:
    """Return the batches as a prefetched `tf.data.Dataset`."""
    import tensorflow as tf

    spec = tf.TensorSpec([None, width], tf.int32)
    return tf.data.Dataset.from_generator(batches, output_signature=(spec, spec)).prefetch(4)


def padded(rows: list[list[int]], width: int) -> Any:
    """Return rows right-padded with 0, or cut, to a width."""
    import numpy as np

    out = np.zeros((len(rows), width), np.int32)
    for row, values in zip(out, rows, strict=True):
        row[: min(len(values), width)] = values[:width]
    return out


def predict(model: Any, vocabulary: dict[str, int], labels: list[str], words: Sentences, pad: Any) -> Sentences:
    """Return the tags of each sentence; what was cut away gets the first label."""
    import numpy as np

    found = []
    for start in range(0, len(words), BATCH):
        rows = [[vocabulary.get(word, 1) for word in row] for row in words[start : start + BATCH]]
        width = max(map(len, rows)) if pad == "batch" else pad
        best = np.argmax(model.predict_on_batch(padded(rows, width)), axis=-1)
        found += [
            [labels[i] for i in ids[: len(row)]] + [labels[0]] * (len(row) - width)
            for ids, row in zip(best, rows, strict=True)
        ]
    return found


if __name__ == "__main__":
    main(run)
