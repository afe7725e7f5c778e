"""Where the time of a training step of seqtag goes: its parts one by one, on the batches that training draws.

Each part is traced on its own with open shapes and timed on the same batches; the whole is what `SequenceTagger.fit`
takes. All are milliseconds of processor time on one core, which other processes do not lengthen, for a thousand real
tokens, since batches differ in size. The evaluation on dev is timed the second time, when its graph has been traced.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from peers.protocol import Job, Result, main

N_BATCHES = 30
PASSES = 3


def run(job: Job) -> Result:
    import numpy as np

    from peers import seqtag_tagger
    from peers.encoding import LIMITS, encode
    from seqtag.nn.network import build_tagger

    corpus = job.load_corpus()
    encoded = encode(corpus)
    specs = [feature.spec for feature in encoded.features]
    model = build_tagger(specs, len(encoded.labels), allowed=encoded.allowed, neighbour_words=True, seed=job.seed)
    drawn = encoded.train.shuffled(LIMITS, np.random.default_rng(job.seed))
    batches = [batch for batch, _ in zip(drawn, range(N_BATCHES), strict=False)]
    plan = encoded.train.plan(LIMITS)
    a_thousand = 1000 * len(batches) / sum(int(batch.lengths.sum()) for batch in batches)
    parts = {"batches made and prefetched": pipeline(model, encoded.train) * 1000 * plan.steps / encoded.train.n_tokens}
    steps = graph_parts(model, specs, batches) | update_parts(model, batches)
    parts |= {name: value * a_thousand for name, value in steps.items()}
    evaluation = evaluation_seconds(model, encoded, corpus)
    whole = seqtag_tagger.run(replace(job, seconds=job.seconds / 2))
    return {
        "milliseconds": parts,
        "whole": 1e6 * whole["processor_seconds"] / whole["tokens"],
        "evaluation_seconds": evaluation,
        "epoch_seconds": encoded.train.n_tokens * whole["processor_seconds"] / whole["tokens"],
        "padded_share": whole["padded_share"],
    }


def pipeline(model: Any, train: Any) -> float:
    """Return milliseconds a batch on its way from the encoded corpus to the step."""
    from peers.encoding import LIMITS
    from seqtag.training.feed import BatchStream, as_dataset
    from seqtag.training.settings import Settings

    settings = Settings(epochs=1, batch_tokens=LIMITS.tokens, batch_sequences=LIMITS.sequences)
    batches = iter(as_dataset(model, BatchStream(train, settings)))
    for _ in range(10):
        next(batches)
    began = time.process_time()
    for _ in range(100):
        next(batches)
    return (time.process_time() - began) * 10


def graph_parts(model: Any, specs: Any, batches: list[Any]) -> dict[str, float]:
    """Return milliseconds of what stands in the step's graph, forward and backward."""
    import keras
    import tensorflow as tf

    tokens = keras.Model(model.input, model.get_layer("tokens_dropout").output)
    recurrent, emissions = model.get_layer("recurrent_0"), model.get_layer("emissions")
    words = next(spec for spec in specs if spec.name == "words")
    width = int(tokens.output.shape[-1])

    inputs = [{name: tf.constant(value) for name, value in batch.inputs.items()} for batch in batches]
    targets = [tf.constant(batch.targets) for batch in batches]
    shapes = [tuple(batch.targets.shape) for batch in batches]
    read = [tf.random.normal([*shape, width]) for shape in shapes]
    states = [tf.random.normal([*shape, 2 * recurrent.units]) for shape in shapes]
    vectors = [tf.random.normal([len(batch.inputs["words"]), words.dim * words.width]) for batch in batches]

    def crf(states: Any, y: Any, lengths: Any) -> Any:
        return model.head.loss(emissions(states), y, lengths, None)

    def neighbours(states: Any, ids: Any, vectors: Any, index: Any, lengths: Any) -> Any:
        return model.auxiliary.loss(states, ids[:, 0], vectors, index, lengths)

    lengths = [values["lengths"] for values in inputs]
    forward = milliseconds(recurrent, list(zip(read, lengths, strict=True)))
    both = milliseconds(differentiated(recurrent, recurrent.trainable_variables), list(zip(read, lengths, strict=True)))
    reading = differentiated(lambda x: tokens(x, training=True), tokens.trainable_variables, of_inputs=False)
    scored = list(zip(states, targets, lengths, strict=True))
    beside = [
        (state, x["words"], vector, x["index"], x["lengths"])
        for state, x, vector in zip(states, inputs, vectors, strict=True)
    ]
    return {
        "words, affixes, characters": milliseconds(reading, [(x,) for x in inputs]),
        "recurrent layer, forward": forward,
        "recurrent layer, backward": both - forward,
        "scores and CRF": milliseconds(
            differentiated(crf, [*emissions.trainable_variables, *model.head.trainable_variables]), scored
        ),
        "neighbouring words": milliseconds(differentiated(neighbours, model.auxiliary.trainable_variables), beside),
    }


def update_parts(model: Any, batches: list[Any]) -> dict[str, float]:
    """Return milliseconds of the optimiser, of the averaging, and of the whole graph of a step."""
    import tensorflow as tf

    from seqtag.training.averaging import AveragedWeights
    from seqtag.training.feed import as_tuple
    from seqtag.training.optimizer import make_optimizer

    model.auxiliary.strength.assign(0.3)
    model.compile(make_optimizer(1e-3, 5.0))
    model.optimizer.build(model.trainable_variables)
    data = [tf.nest.map_structure(tf.constant, as_tuple(batch)[:2]) for batch in batches]

    def gradients(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    found = [(traced(gradients, data)(*batch),) for batch in data[:1]]
    optimizer = tf.function(lambda values: model.optimizer.apply(values, model.trainable_variables))
    average = AveragedWeights(model, 0.998)
    return {
        "optimiser": milliseconds(optimizer, found * len(data)),
        "averaged weights": milliseconds(lambda: [average.step() for _ in range(50)], [()]) / 50,
        "the step's graph": milliseconds(lambda x, y: model.train_step((x, y)), data),
    }


def evaluation_seconds(model: Any, encoded: Any, corpus: Any) -> float:
    """Return the seconds of one development score."""
    import numpy as np

    from seqtag.data import schemes
    from seqtag.data.coerce import as_sequences
    from seqtag.tasks._scoring import DevelopmentScore

    scheme = schemes.detect(corpus["train"][1])
    allowed = {name: np.array(table) for name, table in encoded.allowed.items()}
    score = DevelopmentScore(model, encoded.features, as_sequences(*corpus["dev"]), encoded.labels, scheme, allowed)
    score()
    began = time.process_time()
    score()
    return time.process_time() - began


def differentiated(function: Callable[..., Any], weights: Any, *, of_inputs: bool = True) -> Callable[..., Any]:
    """Return what computes a function's gradient to weights and to its first argument."""
    import tensorflow as tf

    def both_ways(first: Any, *others: Any) -> Any:
        with tf.GradientTape() as tape:
            if of_inputs:
                tape.watch(first)
            loss = tf.reduce_sum(function(first, *others))
        return tape.gradient(loss, [variable.value for variable in weights] + [first] * of_inputs)

    return both_ways


def milliseconds(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> float:
    """Return the mean over all calls of the median over some passes; the first pass is not counted."""
    call = function if not calls[0] or hasattr(function, "get_concrete_function") else traced(function, calls)
    passes = []
    for _ in range(1 + PASSES):
        taken = []
        for arguments in calls:
            began = time.process_time()
            call(*arguments)
            taken.append(time.process_time() - began)
        passes.append(taken)
    return 1000 * statistics.fmean(map(statistics.median, zip(*passes[1:], strict=True)))


def traced(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> Callable[..., Any]:
    """Trace a function once, with every axis open along which the calls differ."""
    import tensorflow as tf

    def spec(*tensors: Any) -> Any:
        sizes = zip(*(tensor.shape for tensor in tensors), strict=True)
        return tf.TensorSpec([size[0] if len(set(size)) == 1 else None for size in sizes], tensors[0].dtype)

    return tf.function(function, input_signature=tf.nest.map_structure(spec, *calls))


if __name__ == "__main__":
    main(run)
