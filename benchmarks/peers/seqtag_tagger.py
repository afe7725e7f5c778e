"""seqtag as a user calls it: `SequenceTagger.fit`, with everything that it does between steps and epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peers.protocol import Curve, Job, Meter, Result, main


def run(job: Job) -> Result:
    from peers.keras_watch import epoch_watch, step_watch
    from seqtag import SequenceTagger

    corpus = job.load_corpus()
    drawn = watch_batches()
    if job.options.get("strategy") == "mirrored":
        one_device_a_core(len(job.cores))
    tagger = SequenceTagger(random_state=job.seed, patience=0, **job.options)
    meter, curve = Meter(job.warmup_steps, job.seconds), Curve(job.seconds)
    if job.mode == "score":
        tagger.set_params(epochs=job.epochs)
        watch = epoch_watch(curve, lambda logs: {"score": logs["score"]})
    else:
        watch = step_watch(meter, drawn.tokens)
    tagger.fit(*corpus["train"], validation_data=corpus["dev"], callbacks=[watch])
    if job.mode == "score":
        return curve.result()
    predicted = [list(row) for row in tagger.predict(corpus["dev"][0])]
    return meter.result() | {"predicted": predicted, "padded_share": drawn.padded_share()}


def one_device_a_core(cores: int) -> None:
    """Have TensorFlow take the processor for so many devices, each with a replica and a thread of its own."""
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * cores)


class Drawn:
    """The sizes of the training batches, in the order in which they reach the step; some are made ahead of time."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def tokens(self, step: int) -> int:
        """Return the real tokens of a step."""
        return self.sizes[step][0]

    def padded_share(self) -> float:
        """Return which share of all places was padding."""
        return 1.0 - sum(tokens for tokens, _ in self.sizes) / sum(places for _, places in self.sizes)


def watch_batches() -> Drawn:
    """Have the size of each training batch noted that an encoded corpus makes in this process."""
    from seqtag.data.batching import EncodedCorpus

    owner = next(kind for kind in EncodedCorpus.__mro__ if "shuffled" in vars(kind))
    made, drawn = owner.shuffled, Drawn()

    def shuffled(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        for batch in made(self, *arguments, **named):
            drawn.sizes.append((int(batch.lengths.sum()), batch.inputs["index"].size))
            yield batch

    owner.shuffled = shuffled
    return drawn


if __name__ == "__main__":
    main(run)
