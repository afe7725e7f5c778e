"""spaCy: what `spacy init config --lang en --pipeline ner` (or tagger) writes for a CPU, trained from scratch.

No vectors. The batches, the optimiser and the dropout are those of the configuration.
"""

from __future__ import annotations

import random
from typing import Any

from peers.protocol import Job, Meter, Result, Sentences, main, spans_of, tags_of, writes_spans


def run(job: Job) -> Result:
    import spacy

    corpus = job.load_corpus()
    words, tags = corpus["train"]
    meter = Meter(job.warmup_steps, job.seconds)
    nlp = trained(words, tags, meter, job.seed)
    predicted = predict(nlp, corpus["dev"][0], writes_spans(tags))
    return meter.result() | {"predicted": predicted, "spacy": spacy.__version__}


def trained(words: Sentences, tags: Sentences, meter: Meter, seed: int) -> Any:
    """Train until the meter says that the time is over, and return the pipeline."""
    from spacy import util
    from spacy.cli.init_config import init_config
    from spacy.schemas import ConfigSchemaTraining
    from spacy.util import registry

    util.fix_random_seed(seed)
    spans = writes_spans(tags)
    config = init_config(lang="en", pipeline=["ner" if spans else "tagger"], optimize="efficiency", gpu=False)
    nlp = util.load_model_from_config(config.interpolate(), auto_fill=True)
    training = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    examples = labelled(nlp, words, tags, spans)
    nlp.initialize(lambda: examples)
    rng = random.Random(seed)
    while True:
        rng.shuffle(examples)
        for batch in training["batcher"](examples):
            losses: dict[str, Any] = {}
            nlp.update(batch, sgd=training["optimizer"], drop=training["dropout"], losses=losses)
            n_tokens = sum(len(example.reference) for example in batch)
            if meter.step(n_tokens, float(sum(losses.values())) / n_tokens):
                return nlp


def labelled(nlp: Any, words: Sentences, tags: Sentences, spans: bool) -> list[Any]:
    """Return spaCy's examples."""
    from spacy.tokens import Doc, Span
    from spacy.training import Example

    examples = []
    for row, labels in zip(words, tags, strict=True):
        gold = Doc(nlp.vocab, words=row, tags=None if spans else labels)
        if spans:
            gold.ents = [Span(gold, *span) for span in spans_of(labels)]
        examples.append(Example(Doc(nlp.vocab, words=row), gold))
    return examples


def predict(nlp: Any, words: Sentences, spans: bool) -> Sentences:
    """Return the tags of each sentence."""
    from spacy.tokens import Doc

    return [tags_in(doc, spans) for doc in nlp.pipe(Doc(nlp.vocab, words=row) for row in words)]


def tags_in(doc: Any, spans: bool) -> list[str]:
    """Return the tags that were found in a text."""
    if not spans:
        return [token.tag_ for token in doc]
    return tags_of([(entity.start, entity.end, entity.label_) for entity in doc.ents], len(doc))


if __name__ == "__main__":
    main(run)
