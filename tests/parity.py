"""One model in every form: cells, heads and encoders, what Keras answers, and how another form is held to it.

A form is a function that opens a bundle, given a folder to write to, and returns what answers sequences: for each its
labels, its class or its classes, with the probabilities of all labels. `test_parity.py` has the table of ONNX's forms.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from combinations import pairwise

from seqtag.bundle import Bundle, dump_arrays, dump_json
from seqtag.choices.cells import CELLS
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.data.gazetteers import read_gazetteer
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder
from seqtag.decoding import constrain
from seqtag.export.onnx import network_graph
from seqtag.nn.network import build_classifier, build_joint, build_tagger, named_weights
from seqtag.nn.stack import Stack

Answers = list[tuple[Any, Any]]
Answer = Callable[[SequenceOf[Sequence]], Answers]
Form = Callable[[Bundle, Path], Answer]

LABELS = ("B-a", "I-a", "O", "B-b", "I-b")
INTENTS = ("ask", "go", "go#ask")
LEARNT = ["Ada moved to Paris in May", "한국 에서", "x", "extraordinarily !", "to Paris", "café Ünal 12 q\u0301"]
ASKED = [
    "Ada moved to Paris in May",
    "x",  # one token
    "qqq",  # one that is unknown, with unknown characters
    "unseen 👍🏽 Ada 👩\u200d👧 𝒳",
    "cafe\u0301 q\u0301\u0323 ١٢",  # combining marks with and without a character of their own
    "한국에서 에서 뷁",
    "",
    " ".join(["to unseen words and much more of them than before , extraordinarily !"] * 5),  # the longest
]
VECTORS = Path(__file__).parent / "embeddings" / "small.txt"
LISTS = {"city": ["Paris", "New York"], "to": ["moved to Paris", "to", "moved"]}
PHRASES = read_gazetteer(LISTS)
ENCODERS: dict[str, list[Any]] = {
    "words affixes cnn": [
        {"affixes": None, "min_count": 1, "dim": 2},
        {"words": None, "dim": 3},
        {"chars": "cnn", "filters": 5, "dim": 4, "min_count": 1, "length": 6},
    ],
    "column lstm": [{"column": "part of speech", "dim": 3}, {"chars": "lstm", "filters": 6, "dim": 4, "min_count": 1}],
    "gazetteer cnn": [
        {"gazetteer": LISTS, "dim": 3},
        {"chars": "cnn", "filters": 4, "min_count": 1},
    ],
    "ngrams gru": [
        {"ngrams": 2, "min_count": 1, "dim": 4},
        {"chars": "gru", "filters": 4, "min_count": 1, "jamo": True},
    ],
    "words vectors": [{"vectors": "glove", "standardize": True}, {"words": None, "dim": 3, "lowercase": False}],
    "words embeddings": [
        {"words": None, "dim": 3},
        {"embeddings": str(VECTORS), "dim": 5},
        {"embeddings": str(VECTORS.with_name("header.vec")), "tune": "tuned", "lowercase": False, "keep": 3},
    ],
    "frames": ["frames"],
}
FACTORS: dict[str, SequenceOf[str]] = {
    "cell": list(CELLS),
    "direction": ["both", "forward", "backward"],
    "head": ["softmax", "constrained softmax", "constrained crf", "several classes", *POOLINGS],
    "encoders": list(ENCODERS),
}
JOINT_ROWS = [
    {"cell": "lstm", "direction": "both", "head": "joint constrained crf", "encoders": "words affixes cnn"},
    {"cell": "gru", "direction": "forward", "head": "joint softmax", "encoders": "frames"},
]
"""Labels and an intent at once: what stands on the states is that of the others, so that two rows are enough."""
ROWS = [*pairwise(FACTORS), *JOINT_ROWS]


class Expected(NamedTuple):
    """What Keras and the decoder in Python answer to one sequence."""

    answer: Any
    probabilities: Any
    gap: float  # by which the best answer's score is above the second best's


class Case(NamedTuple):
    """A model with random weights, sequences, and what it answers to them."""

    bundle: Bundle
    sequences: list[Sequence]
    expected: list[Expected]


def make_sequences(encoders: str, sentences: SequenceOf[str]) -> list[Sequence]:
    """Make sequences with all that an encoder may read, in normalization form C; of frames, some are missing."""
    rng = np.random.default_rng(len(sentences))
    made = []
    for sentence in sentences:
        tokens = tuple(unicodedata.normalize("NFC", sentence).split())
        if encoders == "frames":
            table = rng.normal((3.0, -1e5, 0.0), 2.0, size=(len(tokens), 3))
            table[rng.random(len(tokens)) < 0.3, 1] = np.nan
            made.append(Sequence(frames=table))
        else:
            columns = {"part of speech": tuple(token[0] for token in tokens)}
            vectors = {"glove": rng.normal(size=(len(tokens), 2)), "gazetteer": PHRASES.marks(tokens)}
            made.append(Sequence(tokens, columns=columns, vectors=vectors))
    return made


@cache
def case_of(cell: str, direction: str, head: str, encoders: str, units: int = 4) -> Case:
    """Make a model with random weights everywhere, and ask it."""
    features = fit_encoders(ENCODERS[encoders], make_sequences(encoders, LEARNT))
    stack = Stack(cell, units, direction=direction, layers=2, merge="sum")
    rng = np.random.default_rng(0)
    make = _tagger if head.split()[-1] in ("softmax", "crf") else _classifier
    model, decoder = (_joint if head.startswith("joint") else make)(features, stack, head, rng)
    manifest = {
        "seqtag": "0",
        "task": TASKS[type(decoder)],
        "labels": list(decoder.labels),
        **decoder.facts(),
        "tokenizer": "whitespace",
        "params": {},
        "network": model.get_config(),
    }
    files = {
        "vocabulary.json": dump_json([feature.to_dict() for feature in features]),
        "decoder.npz": dump_arrays(decoder.arrays()),
        "weights.npz": dump_arrays(named_weights(model)),
        "model.onnx": network_graph(model),
    }
    sequences = make_sequences(encoders, ASKED)
    return Case(Bundle(manifest, files), sequences, _answers(model, features, decoder, sequences))


def _tagger(features: Any, stack: Stack, head: str, rng: np.random.Generator) -> tuple[Any, TagDecoder]:
    start, transitions, end = allowed_transitions(LABELS, "iob2" if "constrained" in head else "none")
    allowed = {"start": start.tolist(), "transitions": transitions.tolist(), "end": end.tolist()}
    specs = [feature.spec for feature in features]
    model = build_tagger(specs, len(LABELS), stack=stack, decoder=head.split()[-1], allowed=allowed)
    _randomise(model, rng)
    scores = [constrain(scores) for scores in (transitions, start, end)]
    if hasattr(model.head, "scores"):
        scores = [np.array(score) for score in model.head.scores()]
    return model, TagDecoder(LABELS, "iob2", *scores)


TASKS = {TagDecoder: "tagging", ClassDecoder: "classification", JointDecoder: "joint"}


def _joint(features: Any, stack: Stack, head: str, rng: np.random.Generator) -> tuple[Any, JointDecoder]:
    allowed = allowed_transitions(LABELS, "iob2" if "constrained" in head else "none")
    tables = dict(zip(("start", "transitions", "end"), allowed, strict=True))
    as_lists = {name: table.tolist() for name, table in tables.items()}
    specs, kind = [feature.spec for feature in features], head.split()[-1]
    pooling = "attention" if kind == "crf" else "last"
    sizes = (len(LABELS), len(INTENTS))
    model = build_joint(specs, *sizes, stack=stack, decoder=kind, pooling=pooling, allowed=as_lists)
    _randomise(model, rng)
    scores = [constrain(tables[name]) for name in ("transitions", "start", "end")]
    if kind == "crf":
        scores = [np.array(score) for score in model.head.slots.scores()]
    intents = ClassDecoder(INTENTS, False, 1.7, np.log([0.5, 0.3, 0.2]))
    return model, JointDecoder(TagDecoder(LABELS, "iob2", *scores), intents)


def _classifier(features: Any, stack: Stack, head: str, rng: np.random.Generator) -> tuple[Any, ClassDecoder]:
    several = head == "several classes"
    specs, pooling = [feature.spec for feature in features], "max" if several else head
    model = build_classifier(specs, len(LABELS), stack=stack, pooling=pooling, multi_label=several)
    _randomise(model, rng)
    return model, ClassDecoder(LABELS, several, 1.7, np.log([0.1, 0.3, 0.2, 0.25, 0.15]))


def _randomise(model: Any, rng: np.random.Generator) -> None:
    model.set_weights([rng.normal(scale=0.6, size=weight.shape) for weight in model.weights])


def _answers(model: Any, features: Any, decoder: Any, sequences: list[Sequence]) -> list[Expected]:
    full = [i for i, sequence in enumerate(sequences) if len(sequence)]
    outputs = [decoder.nothing()] * len(sequences)
    inputs = EncodedCorpus(features, [sequences[i] for i in full]).batch(np.arange(len(full))).inputs
    found = np.array(model(inputs, training=False))  # not by `predict`, which traces a graph: ten times as long
    for i, row in zip(full, found, strict=True):
        outputs[i] = row[None] if isinstance(decoder, ClassDecoder) else row[None, : len(sequences[i])]
    expected = []
    for sequence, output in zip(sequences, outputs, strict=True):
        lengths = np.array([len(sequence)], np.int32)
        answer = decoder.value(decoder.best(output, lengths)[0])
        expected.append(Expected(answer, decoder.probabilities(output, lengths)[0], _gap(decoder, output[0])))
    return expected


def _gap(decoder: Any, output: np.ndarray) -> float:
    """Return by how much the best answer is above the second best: of paths, by the best through each label."""
    if isinstance(decoder, ClassDecoder):
        if decoder.multi_label:
            return float(np.abs(output).min())
        second, best = np.sort(output)[-2:]
        return float(best - second)
    if isinstance(decoder, JointDecoder):
        of_labels, of_intents = decoder.parted(output[None])
        return min(_gap(decoder.slots, of_labels[0]), _gap(decoder.intents, of_intents[0]))
    if not len(output):
        return np.inf
    there = [decoder.start + output[0].astype(np.float64)]
    for emission in output[1:]:
        there.append((there[-1][:, None] + decoder.transitions).max(axis=0) + emission)
    back = [decoder.end.astype(np.float64)]
    for emission in output[:0:-1]:
        back.append((decoder.transitions + (emission + back[-1])).max(axis=1))
    through = np.sort(np.array(there) + np.array(back[::-1]), axis=1)
    return float(through[0, -1] - through[:, -2].max())


def check(case: Case, answers: Answers, *, empty: bool = True) -> None:
    """Hold answers to those of Keras.

    Labels are the same wherever the best is more than 1e-3 above the second best. Probabilities agree to 1e-4 of
    themselves; below 1e-7, which is about what a float32 near 1 can tell apart, to 1e-11.

    Parameters
    ----------
    case : Case
        What was asked.
    answers : list of (answer, ndarray)
        What the form said.
    empty : bool
        Whether the form takes empty sequences; without, there is no answer to them.
    """
    asked = [(s, e) for s, e in zip(case.sequences, case.expected, strict=True) if empty or len(s)]
    certain = 0
    for (sequence, expected), (answer, probabilities) in zip(asked, answers, strict=True):
        if expected.gap > 1e-3:
            assert answer == expected.answer, sequence.tokens
            certain += 1
        np.testing.assert_allclose(flat(probabilities), flat(expected.probabilities), rtol=1e-4, atol=1e-11)
    assert certain > len(asked) / 2


def flat(probabilities: Any) -> np.ndarray:
    """Lay the probabilities of labels, and those of intents if there are any, in a row."""
    parts = probabilities if isinstance(probabilities, tuple) else (probabilities,)
    return np.concatenate([np.ravel(part) for part in parts])


def host_of(folder: Path) -> Any:
    """Open an exported ONNX model by the host that lies beside it."""
    spec = importlib.util.spec_from_file_location("host", folder / "host.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model(folder)


def plain(sequence: Sequence) -> Mapping[str, Any]:
    """Return what a host that knows nothing of seqtag is given."""
    if sequence.frames is not None:
        return {"frames": sequence.frames}
    return {"tokens": list(sequence.tokens), "columns": sequence.columns, "vectors": sequence.vectors}
