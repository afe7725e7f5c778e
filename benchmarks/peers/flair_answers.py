"""flair's `SequenceTagger` of `peers.flair_tagger`, trained for some seconds, saved and loaded as flair does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers import flair_tagger
from peers.answering import Answering, Job, main
from peers.protocol import Meter, Sentences

FILE = "model.pt"


def train(job: Job) -> None:
    """Train and save; the speed of answering does not depend on how long."""
    import torch

    torch.set_num_threads(len(job.cores))
    words, tags = job.load_corpus()["train"]
    tagger = flair_tagger.trained(words, tags, Meter(1, job.options["seconds"]), job.seed)
    tagger.save(Path(job.model) / FILE)


def open_model(job: Job) -> Answering:
    import flair
    import torch

    flair.logger.setLevel("ERROR")
    torch.set_num_threads(len(job.cores))
    tagger: Any = flair.models.SequenceTagger.load(Path(job.model) / FILE)

    def many(sentences: Sentences) -> Sentences:
        return flair_tagger.predict(tagger, sentences, job.options["spans"])

    return Answering(many, lambda sentence: many([sentence])[0])


if __name__ == "__main__":
    main(open_model, train)
