"""flair's `SequenceTagger`: a BiLSTM of 200 a direction and a CRF over trained word vectors and its character BiLSTM.

The word vectors are `OneHotEmbeddings` (flair's name for vectors trained from scratch): nothing is downloaded. The step
is that of flair's own trainer, without its reports.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from peers.protocol import Job, Meter, Result, Sentences, main, shuffled, spans_of, tags_of, writes_spans

BATCH, WIDTH, UNITS, RATE, CLIP = 32, 100, 200, 1e-3, 5.0


def run(job: Job) -> Result:
    import torch

    torch.set_num_threads(len(job.cores))
    corpus = job.load_corpus()
    words, tags = corpus["train"]
    meter = Meter(job.warmup_steps, job.seconds)
    tagger = trained(words, tags, meter, job.seed)
    return meter.result() | {"predicted": predict(tagger, corpus["dev"][0], writes_spans(tags))}


def trained(words: Sentences, tags: Sentences, meter: Meter, seed: int) -> Any:
    """Train until the meter says that the time is over, and return the tagger."""
    import flair
    import torch

    flair.logger.setLevel("ERROR")
    flair.set_seed(seed)
    sentences = labelled(words, tags, writes_spans(tags))
    tagger = build(sentences, words)
    optimizer = torch.optim.Adam(tagger.parameters(), RATE)
    for places in shuffled(len(sentences), BATCH, random.Random(seed)):
        tagger.train()
        batch = [sentences[i] for i in places]
        optimizer.zero_grad()
        loss, count = tagger.forward_loss(batch)
        loss = loss / count
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tagger.parameters(), CLIP)
        optimizer.step()
        for sentence in batch:
            sentence.clear_embeddings()
        if meter.step(sum(map(len, batch)), float(loss.detach())):
            break
    return tagger


def labelled(words: Sentences, tags: Sentences, spans: bool) -> list[Any]:
    """Return flair's sentences."""
    from flair.data import Sentence

    sentences = []
    for row, labels in zip(words, tags, strict=True):
        sentence = Sentence(row)
        if spans:
            for start, end, kind in spans_of(labels):
                sentence[start:end].add_label("y", kind)
        else:
            for token, label in zip(sentence, labels, strict=True):
                token.add_label("y", label)
        sentences.append(sentence)
    return sentences


def build(sentences: list[Any], words: Sentences) -> Any:
    """Return the tagger, not trained yet."""
    from flair.data import Corpus, Dictionary
    from flair.datasets import FlairDatapointDataset
    from flair.embeddings import CharacterEmbeddings, OneHotEmbeddings, StackedEmbeddings
    from flair.models import SequenceTagger

    corpus = Corpus(FlairDatapointDataset(sentences), sample_missing_splits=False)
    vectors = OneHotEmbeddings.from_corpus(corpus, embedding_length=WIDTH)
    characters = Dictionary()
    for character in sorted({character for row in words for word in row for character in word}):
        characters.add_item(character)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "characters")
        characters.save(path)
        spelled = CharacterEmbeddings(path)
    return SequenceTagger(
        embeddings=StackedEmbeddings([vectors, spelled]),
        hidden_size=UNITS,
        tag_dictionary=corpus.make_label_dictionary("y", add_unk=False),
        tag_type="y",
        use_crf=True,
    )


def predict(tagger: Any, words: Sentences, spans: bool) -> Sentences:
    """Return the tags of each sentence."""
    from flair.data import Sentence

    sentences = [Sentence(row) for row in words]
    tagger.predict(sentences, mini_batch_size=BATCH)
    if not spans:
        return [[token.get_label("y").value for token in sentence] for sentence in sentences]
    found = []
    for sentence in sentences:
        own = [(span[0].idx - 1, span[-1].idx, span.get_label("y").value) for span in sentence.get_spans("y")]
        found.append(tags_of(own, len(sentence)))
    return found


if __name__ == "__main__":
    main(run)
