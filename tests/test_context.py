"""Documents: what is read around a sentence, what is answered for, and documents as sequences."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag import Corpus, CorpusStream, Sequence, SequenceTagger, load
from seqtag.data import context as of_documents
from seqtag.data.batching import EncodedCorpus, Limits
from seqtag.data.coerce import as_sequences
from seqtag.data.context import (
    BEGIN,
    DOCUMENT,
    OWN,
    apart_by_file,
    arranged,
    documents,
    draw_documents,
    joined,
    lay_out,
    stretches,
)
from seqtag.data.encoders import fit_encoders
from seqtag.data.grid import Grid
from seqtag.data.readers import read
from seqtag.decoding import marginals
from seqtag.documents import files
from seqtag.documents.inputs import find_documents
from seqtag.errors import ConfigError, DataError, ParameterError, SeqtagError
from seqtag.export.formats import export
from seqtag.flow import in_chunks, packed, unpacked
from seqtag.scored import split
from seqtag.tasks._labelled import LabelledData
from seqtag.tasks._streamed import StreamedLabels

LENGTHS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=4)


def made(lengths):
    """Make documents whose tokens say which document they are of, and which token of it."""
    out = []
    for d, sizes in enumerate(lengths):
        numbers = itertools.count()
        for size in sizes:
            tokens = tuple(f"{d}.{next(numbers)}" for _ in range(size))
            out.append(Sequence(tokens, labels=tuple(f"L{token}" for token in tokens), group=f"d{d}"))
    return out


# ---- documents and stretches -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["a", "a", "b", "a"], [2, 1, 1]),
        ([None, None], [1, 1]),
        ([None, "a", "a", None], [1, 2, 1]),
        ([], []),
    ],
)
def test_neighbours_with_one_group_are_a_document(groups, expected):
    assert [len(found) for found in documents(Sequence(("x",), group=group) for group in groups)] == expected


def test_a_long_document_comes_in_pieces(monkeypatch):
    monkeypatch.setattr(of_documents, "MOST_TOKENS", 5)
    assert [len(found) for found in documents(made([[2, 2, 2, 2, 9, 1]]))] == [3, 2, 1]


@given(LENGTHS, st.integers(1, 6))
def test_a_sentence_is_read_with_so_many_tokens_of_its_document(lengths, n):
    sequences = made(lengths)
    plan, answered = list(stretches(sequences, n)), []
    for stretch in plan:
        tokens, start = stretch.sequence.tokens, stretch.start
        d = tokens[0].partition(".")[0]
        whole = [token for s in sequences if s.group == f"d{d}" for token in s.tokens]
        first = whole.index(tokens[0])
        assert list(tokens) == whole[first : first + len(tokens)]  # of one document, nothing left out
        own = sum(stretch.sizes)
        assert own <= max(OWN * n, stretch.sizes[0])
        assert start == min(n, first + start)
        assert len(tokens) - start - own == min(n, len(whole) - first - start - own)
        marks = stretch.marks()
        assert (marks > 0).tolist() == [start <= i < start + own for i in range(len(tokens))]
        bounds = np.append(np.flatnonzero(marks == BEGIN), start + own)
        answered += [tokens[a:b] for a, b in itertools.pairwise(bounds)]
    assert answered == [s.tokens for s in sequences]


def test_what_belongs_to_tokens_goes_with_them():
    parts = [
        Sequence(tuple(t), tuple(t), columns={"c": tuple(t)}, vectors={"v": np.eye(2)[: len(t)]}, lines=(n,) * len(t))
        for n, t in enumerate(["ab", "c"], 1)
    ]
    whole = joined(parts)
    assert (whole.tokens, whole.labels, whole.columns["c"], whole.lines) == (tuple("abc"),) * 3 + ((1, 1, 2),)
    np.testing.assert_array_equal(whole.vectors["v"], [[1, 0], [0, 1], [1, 0]])
    frames = joined([Sequence(frames=np.ones((2, 3))), Sequence(frames=np.zeros((1, 3)))])
    np.testing.assert_array_equal(frames.frames[:, 0], [1, 1, 0])
    with pytest.raises(DataError, match="same columns; the one that begins 'x' has none, the first one c"):
        joined([parts[0], Sequence(("x",))])


# ---- batches -----------------------------------------------------------------------------------------------


def encoded_of(sequences, n, weights=None):
    features = fit_encoders(["words"], sequences)
    targets = [np.arange(len(s)) + 10 * i for i, s in enumerate(sequences)]
    return EncodedCorpus(features, *arranged(sequences, targets, weights, n))


@pytest.mark.parametrize("n", [1, 3])
def test_a_batch_says_where_the_sentences_are(n):
    sequences = made([[2, 3, 1, 4, 2], [3], [1, 1]])
    encoded = encoded_of(sequences, n, [np.full(len(s), i, np.float32) for i, s in enumerate(sequences)])
    assert (len(encoded), encoded.n_tokens) == (len(sequences), sum(map(len, sequences)))
    rows = np.arange(len(encoded.lengths))[::-1]
    for corpus, indices in ((encoded, rows), (encoded.select(rows), np.arange(len(rows)))):
        batch = corpus.batch(indices)
        for row, place in enumerate(encoded.answered(rows)):
            size = len(sequences[place])
            assert batch.cuts[row, 2] == size
            assert batch.targets[row, :size].tolist() == list(range(10 * place, 10 * place + size))
            assert (batch.weights[row, :size] == place).all()
            assert (batch.weights[row, size:] == 0).all()
    assert sorted(encoded.answered(rows)) == list(range(len(sequences)))


def test_without_context_nothing_is_arranged():
    sequences = made([[2, 3]])
    assert arranged(sequences, None, None, 0) == (sequences, None, None, None)
    assert encoded_of(sequences, 0).batch(np.arange(2)).cuts is None


def test_the_parts_of_replicas_add_up():
    from seqtag.training.mirrored import Cut

    sequences = made([[2, 3, 1, 4], [3, 2], [1, 1], [5]])
    encoded = encoded_of(sequences, 2)
    batch = encoded.batch(np.arange(len(encoded.lengths)))
    parts = [part for part in Cut(3, frozenset({"words"}), per_token=True)(batch) if part.weights.any()]
    found = sorted(tuple(part.targets[i, : part.cuts[i, 2]]) for part in parts for i in range(len(part.cuts)))
    assert found == sorted(tuple(np.arange(len(s)) + 10 * i) for i, s in enumerate(sequences))
    total = sum(len(s) for s in sequences)
    for part in parts:  # a mean over its own tokens, times its share, is its part of the sum
        own = part.cuts[:, 2].sum()
        np.testing.assert_allclose(part.weights[0, 0] / own, 1 / total, rtol=1e-6)
        for (row, start, size), targets in zip(part.cuts, part.targets, strict=True):
            word = part.inputs["words"][part.inputs["index"][row, start : start + size]]
            place = int(targets[0]) // 10
            expected = batch.cuts[place]
            origin = batch.inputs["words"][batch.inputs["index"][expected[0], expected[1] : expected[1] + size]]
            np.testing.assert_array_equal(word, origin)


def test_a_padded_batch_weighs_as_before():
    sequences = made([[2, 3, 1], [3, 2]])
    batch = encoded_of(sequences, 2).batch(np.arange(2))
    grid = Grid({"lengths": (None,), "index": (None, None), "words": (None, 1)})
    padded = grid.pad(batch)
    assert padded.cuts[:5].tolist() == batch.cuts.tolist()
    assert padded.targets.shape == padded.weights.shape == (len(padded.cuts), padded.inputs["index"].shape[1])
    assert (padded.cuts[5:] == [0, 0, 1]).all()
    assert (padded.weights[5:] == 0).all()
    n = batch.cuts[:, 2].sum()
    np.testing.assert_allclose(padded.weights[0, 0] / padded.cuts[:, 2].sum(), 1 / n, rtol=1e-6)


# ---- training and answering --------------------------------------------------------------------------------


def told_by_the_sentence_before(count, seed):
    """Make documents in which a sentence's first label is what the sentence before it ends with."""
    rng, out = np.random.default_rng(seed), []
    for d in range(count):
        before = None
        for _ in range(5):
            end = str(rng.choice(["a", "b"]))
            first = "O" if before is None else {"a": "B-A", "b": "B-B"}[before]
            out.append(Sequence(("x", "y", end), (first, "O", "O"), group=str(d)))
            before = end
    return tuple(out)


TRAIN, DEV = told_by_the_sentence_before(40, 0), told_by_the_sentence_before(12, 1)
OPTIONS = {
    "units": 8,
    "epochs": 14,
    "learning_rate": 0.03,
    "encoders": ["words"],
    "neighbour_weight": 0.0,
    "dropout": 0.0,
    "averaging": 0.95,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    tagger = SequenceTagger(context=4, **OPTIONS).fit(TRAIN, validation_data=Corpus(DEV))
    return tagger, tagger.save(tmp_path_factory.mktemp("models") / "context")


def test_it_learns_what_the_document_tells(trained):
    tagger, _ = trained
    assert tagger.score(DEV) > 0.85  # a sentence alone tells half of it
    assert tagger.history_["score"][tagger.history_["best_epoch"]] == pytest.approx(tagger.score(DEV))
    assert tagger.n_tokens_ == sum(map(len, TRAIN))
    assert b"Reads 4 tokens of its document" in tagger.bundle_.files["README.md"]


def test_a_loaded_model_reads_as_it_was_trained(trained):
    tagger, path = trained
    expected = list(tagger.predict(DEV))
    with load(path, window=7, overlap=7) as predictor:
        assert predictor.predict(DEV) == expected
        assert [list(s.labels) for s in predictor.stream(iter(DEV))] == expected
        nothing = Sequence((), group=DEV[1].group)
        assert predictor.predict([DEV[0], nothing, *DEV[1:5]]) == [expected[0], [], *expected[1:5]]
        alone = predictor.predict([s.tokens for s in DEV])
        assert alone == [predictor.predict([s])[0] for s in DEV] != expected
        as_mappings = [{"tokens": s.tokens, "group": s.group} for s in DEV]
        assert predictor.predict(as_mappings) == expected
        known = [None, ["B-B", None, None], *[None] * 3]
        assert predictor.predict(DEV[:5], known=known)[1][0] == "B-B"
        assert [best[0].answer for best in predictor.predict_nbest(DEV[:5], 2)] == expected[:5]
        spans = predictor.predict_spans(DEV[:5])
        assert [["B-" + span.label for span in own] for own in spans] == [
            [label for label in row if label != "O"] for row in expected[:5]
        ]


def test_probabilities_are_those_of_a_stretch_cut_apart(trained):
    tagger, _ = trained
    predictor, decoder = tagger.predictor_, tagger.predictor_.decoder
    found, place = predictor.predict_proba(DEV), 0
    scores = [scores / decoder.temperature for scores in (decoder.transitions, decoder.start, decoder.end)]
    for stretch in stretches(DEV, 4):
        batch = EncodedCorpus(predictor.features, [stretch.sequence]).batch(np.arange(1))
        emissions = predictor.backend.compute(batch.inputs) / decoder.temperature
        start = stretch.start
        for size in stretch.sizes:
            (expected,) = marginals(emissions[:, start : start + size], [size], *scores)
            np.testing.assert_allclose(found[place], expected, atol=1e-6)
            start, place = start + size, place + 1
    assert place == len(found)


def test_the_loss_is_that_of_the_sentences(trained):
    tagger, _ = trained
    features, labels = tagger.predictor_.features, tagger.labels_
    data = LabelledData(TRAIN[:11], "iob2", False, context=4)
    with data.encode(features, labels, 0) as encoded:
        batch = encoded.batch(np.arange(len(encoded.lengths)))
    model = tagger.model_
    emissions = np.asarray(model(batch.inputs))
    y = {"labels": batch.targets, "cuts": batch.cuts}
    found = float(model.compute_loss(batch.inputs, y, emissions, None, training=False))
    each = [
        float(model.head.loss(emissions[row : row + 1, start : start + n], own[None, :n], np.array([n]), None)) * n
        for (row, start, n), own in zip(batch.cuts.tolist(), batch.targets, strict=True)
    ]
    assert found == pytest.approx(sum(each) / sum(batch.cuts[:, 2]), rel=1e-5)


def test_a_stream_is_learnt_as_what_is_in_memory(trained):
    tagger, _ = trained
    stream = CorpusStream(lambda: iter(TRAIN))
    counted = StreamedLabels.count(stream, "auto", "repair", None, 4)
    kept, held = counted.hold_out(0.2, 0)
    in_memory = LabelledData(TRAIN, "iob2", False, context=4).hold_out(0.2, 0)
    assert held.sequences == in_memory[1].sequences
    assert tuple(kept.sequences) == in_memory[0].sequences
    assert not {s.group for s in held.sequences} & {s.group for s in in_memory[0].sequences}
    with (
        kept.encode(tagger.predictor_.features, tagger.labels_, 0) as shards,
        in_memory[0].encode(tagger.predictor_.features, tagger.labels_, 0) as whole,
    ):
        assert (len(shards), shards.n_tokens) == (len(whole), whole.n_tokens)
        sentences = [
            sorted(
                tuple(own[:n])
                for batch in corpus.shuffled(Limits(40), np.random.default_rng(0))
                for (_, _, n), own in zip(batch.cuts, batch.targets.tolist(), strict=True)
            )
            for corpus in (shards, whole)
        ]
        assert sentences[0] == sentences[1]


@pytest.mark.parametrize(
    ("sizes", "fraction", "most"), [([3, 1, 5, 2], 0.3, 100), ([3, 1, 5, 2], 0.9, 2), ([4], 0.5, 9), ([1, 1], 0.01, 9)]
)
def test_whole_documents_are_drawn_and_never_all(sizes, fraction, most):
    drawn = draw_documents(sizes, fraction, np.random.default_rng(0), most)
    ends = np.cumsum(sizes)
    whole = [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    hits = [len(set(drawn) & set(places)) for places in whole]
    assert all(hit in (0, size) for hit, size in zip(hits, sizes, strict=True))
    assert 0 in hits
    assert len(sizes) == 1 or drawn


# ---- documents as sequences --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def across(tmp_path_factory):
    """A tagger of documents whose spans go over the ends of sentences."""
    parts = [(("go", "New"), ("O", "B-LOC")), (("York", "now"), ("I-LOC", "O")), (("go", "now"), ("O", "O"))]
    docs = [Sequence(*part, group=str(d)) for d in range(40) for part in parts]
    tagger = SequenceTagger(context=DOCUMENT, **OPTIONS | {"epochs": 6}).fit(docs, validation_data=Corpus(tuple(docs)))
    return tagger, docs[:3]


def test_a_span_may_go_over_the_end_of_a_sentence(across):
    tagger, doc = across
    assert list(tagger.predict(doc)) == [["O", "B-LOC"], ["I-LOC", "O"], ["O", "O"]]
    first, second, third = tagger.predict_spans(doc)
    assert [(s.start, s.end, s.label, s.text) for s in first + second] == [(1, 2, "LOC", "New"), (0, 1, "LOC", "York")]
    assert third == []
    assert first[0].probability == second[0].probability
    assert b"Labels each document as one sequence" in tagger.bundle_.files["README.md"]
    known = [None, None, ["B-LOC", None]]
    assert tagger.predict(doc, known=known)[2][0] == "B-LOC"


def test_the_probability_of_a_part_is_that_of_its_labels(across):
    tagger, doc = across
    predictor = tagger.predictor_
    whole = joined(doc)
    (path,) = (path for _, path in predictor._answers((whole,), predictor.decoder.scored))
    parts = split(path, [2, 2, 2])
    assert np.concatenate([part.ids for part in parts]).tolist() == path.ids.tolist()
    assert split(path, [6])[0].probability == pytest.approx(path.probability)
    labels = predictor.decoder.value(path.ids)
    every = [list(row) for row in itertools.product(tagger.labels_, repeat=6)]
    alternatives = predictor_of_sentences(tagger).predict_nbest([whole], len(every))[0]
    for start, part in zip((0, 2, 4), parts, strict=True):
        agreeing = [p for row, p in alternatives if row[start : start + 2] == labels[start : start + 2]]
        assert part.probability == pytest.approx(sum(agreeing), rel=1e-4)


def predictor_of_sentences(tagger):
    """Return what answers for sequences as they are given, with the same weights."""
    from seqtag.predictor import Predictor

    manifest = tagger.bundle_.manifest
    params = manifest["params"] | {"context": 0}
    return Predictor.from_bundle(replace(tagger.bundle_, manifest=manifest | {"params": params}))


def test_scores_and_streams_of_documents(across):
    tagger, doc = across
    assert tagger.score(doc * 2) == 1.0
    stream = CorpusStream(lambda: iter([replace(s, group=f"{d}") for d in range(30) for s in doc]))
    counted = SequenceTagger(context=DOCUMENT)._counted(stream)
    assert [len(sequence) for sequence in counted.sequences] == [6] * 30
    assert counted.context == 0


# ---- what cannot be done -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "fit", "error", "message"),
    [
        ({"context": 4}, {"X": [["a"]] * 3, "y": [["O"]] * 3}, DataError, "context needs documents"),
        ({"context": "document"}, {"X": [["a"]] * 3, "y": [["O"]] * 3}, DataError, "context needs documents"),
        ({"context": 4}, {"X": CorpusStream(lambda: [Sequence(("a",), ("O",))] * 3)}, DataError, "needs documents"),
        ({"context": 4, "unroll": True}, {"X": TRAIN}, ParameterError, "unroll"),
        (
            {"context": "document"},
            {"X": TRAIN, "sample_weight": [1.0] * len(TRAIN)},
            ParameterError,
            "weighs sentences",
        ),
        ({"context": "documents"}, {"X": TRAIN}, ParameterError, "Did you mean 'document'"),
        ({"context": -1}, {"X": TRAIN}, ParameterError, "of at least 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(params, fit, error, message):
    with pytest.raises(error, match=message):
        SequenceTagger(**params).fit(**fit)


def test_what_cannot_be_answered_is_refused(trained, across, tmp_path):
    tagger, path = trained
    with pytest.raises(SeqtagError, match="whole documents, whose n best answers"):
        across[0].predict_nbest(across[1])
    with pytest.raises(SeqtagError, match="reads sentences by themselves"):
        tagger.predictor_.stream_tokens(["x"])
    for form in ("onnx", "saved_model", "litert", "keras"):
        with pytest.raises(ConfigError, match=r"reads its document around each sentence \(context\)"):
            export(path, form, tmp_path / form)
    export(path, "bundle", tmp_path / "small", {"weights": "float16"})
    with load(tmp_path / "small") as small:
        assert small.predict(DEV) == list(tagger.predict(DEV))


# ---- files -------------------------------------------------------------------------------------------------

CONLL = "-DOCSTART- O\n\nx O\ny O\na O\n\nx B-A\ny O\nb O\n\n"


def test_no_document_goes_on_in_the_next_file(tmp_path):
    for name in ("a.conll", "b.conll"):
        (tmp_path / name).write_text(CONLL, encoding="utf-8")
    paths = [str(tmp_path / name) for name in ("a.conll", "b.conll")]
    for found in (CorpusStream(paths), (s for _, s in find_documents(paths, numeric=False).read())):
        assert [len(document) for document in documents(found)] == [2, 2]
    assert [len(d) for d in documents(apart_by_file("f", [Sequence(("x",))] * 2))] == [1, 1]


def test_files_are_answered_with_their_documents(trained, tmp_path, monkeypatch):
    tagger, path = trained
    lines = [{"tokens": list(s.tokens), "document": s.group} for s in DEV]
    source = tmp_path / "dev.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    monkeypatch.setattr("seqtag.flow.CHUNK", 8)
    monkeypatch.setattr(files, "PIECE", 4)
    files.label_files(path, str(source), tmp_path / "out.jsonl")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["tags"] for row in found] == list(tagger.predict(DEV))


def test_chunks_end_where_documents_end(monkeypatch):
    monkeypatch.setattr("seqtag.flow.CHUNK", 3)
    assert [len(c) for c in in_chunks(made([[1, 1], [1, 1], [1]]), by_document=True)] == [4, 1]
    chunk = made([[1, 1]])
    assert [s.group for s in unpacked(packed(chunk))] == ["d0", "d0"]


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.jsonl", '{"tokens": ["x"], "document": "d"}\n{"tokens": ["y"], "document": 2}\n', {}, ["d", "2"]),
        ("a.jsonl", '{"text": "x", "doc_id": "d"}\n', {}, ["d"]),
        ("a.jsonl", '{"document": "x y", "label": "z"}\n', {"text": "document"}, [None]),
        ("a.jsonl", '{"tokens": ["x"], "document": ["NN"]}\n', {}, [None]),
        ("a.jsonl", '{"tokens": ["x"], "story": "s"}\n', {"group": "story"}, ["s"]),
        ("a.csv", "sequence,token,document\n1,x,d\n1,y,d\n2,z,e\n", {}, ["d", "e"]),
        ("a.csv", "text,label,doc_id\nx y,z,d\n", {"text": "text"}, ["d"]),
        ("a.csv", "token,part\nx,d\n", {"group": "part"}, ["d"]),
        ("a.conll", CONLL, {}, ["1", "1"]),
    ],
)
def test_readers_tell_documents(tmp_path, name, content, options, expected):
    (tmp_path / name).write_text(content, encoding="utf-8")
    corpus = read(tmp_path / name, options=options)
    assert [sequence.group for sequence in corpus] == expected
    assert not set(corpus[0].columns) & {"document", "doc_id", "part"} or name == "a.jsonl"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.jsonl", '{"tokens": ["x"], "document": "d"}\n{"tokens": ["y"]}\n', {}, "a.jsonl:2: .* under 'document'"),
        ("a.jsonl", '{"tokens": ["x"]}\n', {"group": "story"}, "a.jsonl:1: .* under 'story'.*; got None"),
        ("a.csv", "sequence,token,document\n1,x,d\n1,y,e\n", {}, "a.csv:3: .* the same in all rows of a sequence"),
        ("a.csv", "token,document\nx,\n", {}, "a.csv:2: expected a document under 'document'"),
        ("a.csv", "token,documents\nx,d\n", {"group": "document"}, "Did you mean 'documents'"),
    ],
)
def test_a_missing_document_is_refused(tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, options=options)


def test_a_mapping_may_name_its_document():
    (first, second) = as_sequences([{"tokens": ["x"], "group": 3}, {"tokens": ["x"], "group": ["g"]}])
    assert (first.group, second.group, second.columns) == ("3", None, {"group": ("g",)})


def test_values_are_laid_out_in_their_stretches():
    plan = list(stretches(made([[1, 1, 1]]), 1))  # one stretch of three, nothing around it
    assert [row.tolist() for row in lay_out(plan, [np.array([i]) for i in (5, 6, 7)])] == [[5, 6, 7]]
