"""sklearn-crfsuite with the features of `peers.crfsuite_tagger`, trained in full, since its size and speed follow."""

from __future__ import annotations

import pickle
from pathlib import Path

from peers.answering import Answering, Job, main
from peers.crfsuite_tagger import ITERATIONS, sentence_features
from peers.protocol import Sentences

FILE = "model.pickle"


def train(job: Job) -> None:
    """Train and save."""
    import sklearn_crfsuite

    words, tags = job.load_corpus()["train"]
    model = sklearn_crfsuite.CRF(
        algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=ITERATIONS, all_possible_transitions=True
    )
    model.fit([sentence_features(row) for row in words], tags)
    (Path(job.model) / FILE).write_bytes(pickle.dumps(model))


def open_model(job: Job) -> Answering:
    model = pickle.loads((Path(job.model) / FILE).read_bytes())

    def many(sentences: Sentences) -> Sentences:
        return [list(row) for row in model.predict([sentence_features(row) for row in sentences])]

    return Answering(many, lambda sentence: list(model.predict_single(sentence_features(sentence))))


if __name__ == "__main__":
    main(open_model, train)
