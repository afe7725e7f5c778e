"""spaCy: what `spacy init config --lang en --pipeline ner` (or tagger) writes for a CPU, trained from scratch.

No vectors. The batches, the optimiser and the dropout are those of the configuration.
"""

from __future__ import annotations

import random
from typing import Any

from peers.protocol import Job, Meter, Result, Sentences, main, spans_of, tags_of, writes_spans


def run(job: Job) -> Result:
    import spacy
    from spacy import util
    from spacy.cli.init_config import init_config
    from spacy.schemas import ConfigSchemaTraining
    from spacy.util import registry

    util.fix_random_seed(job.seed)
    corpus = job.load_corpus()
    words, tags = corpus["train"]
    spans = writes_spans(tags)
    config = init_config(lang="en", pipeline=["ner" if spans else "tagger"], optimize="efficiency", gpu=False)
    nlp = util.load_model_from_config(config.interpolate(), auto_fill=True)
    training = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    examples = labelled(nlp, words, tags, spans)
    nlp.initialize(lambda: examples)
    meter = Meter(job.warmup_steps, job.seconds)
    rng = random.Random(job.seed)
    over = False
    while not over:
        rng.shuffle(examples)
        for batch in training["batcher"](examples):
            losses: dict[str, Any] = {}
            nlp.update(batch, sgd=training["optimizer"], drop=training["dropout"], losses=losses)
            n_tokens = sum(len(example.reference) for example in batch)
            over = meter.step(n_tokens, float(sum(losses.values())) / n_tokens)
            if over:
                break
    return meter.result() | {"predicted": predict(nlp, corpus["dev"][0], spans), "spacy": spacy.__version__}


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

    found = []
    for doc in nlp.pipe(Doc(nlp.vocab, words=row) for row in words):
        own = [(entity.start, entity.end, entity.label_) for entity in doc.ents]
        found.append(tags_of(own, len(doc)) if spans else [token.tag_ for token in doc])
    return found


if __name__ == "__main__":
    main(run)
