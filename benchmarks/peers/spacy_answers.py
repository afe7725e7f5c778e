"""spaCy's quickstart `ner` of `peers.spacy_tagger`, trained for some seconds, saved and loaded as spaCy does."""

from __future__ import annotations

from peers import spacy_tagger
from peers.answering import Answering, Job, main
from peers.protocol import Meter


def train(job: Job) -> None:
    """Train and save; the speed of answering does not depend on how long."""
    words, tags = job.load_corpus()["train"]
    nlp = spacy_tagger.trained(words, tags, Meter(1, job.options["seconds"]), job.seed)
    nlp.to_disk(job.model)


def open_model(job: Job) -> Answering:
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(job.model)

    def one(sentence: list[str]) -> list[str]:
        doc = nlp(Doc(nlp.vocab, words=sentence))
        return spacy_tagger.tags_in(doc, job.options["spans"])

    return Answering(lambda sentences: spacy_tagger.predict(nlp, sentences, job.options["spans"]), one)


if __name__ == "__main__":
    main(open_model, train)
