"""Pretrained word vectors: their files, what is kept of them, what finds them, and what training makes of them."""

import gzip
import hashlib
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtag import Corpus, Sequence, SequenceTagger, datasets, experiment, load
from seqtag.config import parse_config
from seqtag.data.embeddings import published, table
from seqtag.data.embeddings.coverage import Coverage, Share
from seqtag.data.encoders import FeatureSpec, embeddings_name, fit_encoders
from seqtag.data.features import Feature
from seqtag.data.lookup import FOLDS, UNKNOWN
from seqtag.errors import ConfigError, DataError, ParameterError
from seqtag.export.quantize import quantized
from seqtag.predictor import Predictor
from seqtag.tasks._warm_start import WarmStart

WORDS = ["the", "Ada", "new york", "한국", "café", "##", "7"]
VECTORS = np.arange(len(WORDS) * 3, dtype=np.float32).reshape(-1, 3) / 8 - 1
WIDE = {"normalize": False}


def text(words=WORDS, vectors=VECTORS, end=""):
    rows = [" ".join([word, *(f"{x:g}" for x in row)]) + end for word, row in zip(words, vectors, strict=True)]
    return "".join(f"{row}\n" for row in rows).encode()


def headed(words=WORDS, vectors=VECTORS):
    return f"{len(words)} {vectors.shape[1]}\n".encode() + text(words, vectors, end=" ")


def binary(words=WORDS, vectors=VECTORS, end=b"\n"):
    rows = [
        w.replace(" ", "_").encode() + b" " + v.astype("<f4").tobytes() + end
        for w, v in zip(words, vectors, strict=True)
    ]
    return f"{len(words)} {vectors.shape[1]}\n".encode() + b"".join(rows)


def npz(save=np.savez, **arrays):
    held = io.BytesIO()
    save(held, **({"words": np.array(WORDS), "vectors": VECTORS} | arrays))
    return held.getvalue()


def npy(array):
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def fit(path, tokens=(), dev=(), **options):
    return table.fit_table(path, {"train": Counter(tokens), "dev": Counter(dev)}, **WIDE | options)


def rows_by_word(lookups, pretrained):
    starts = table.starts_of(lookups)
    return {
        w: pretrained.rows[s + 2 + i]
        for lookup, s in zip(lookups, starts, strict=True)
        for i, w in enumerate(lookup.table)
    }


# ---- files ------------------------------------------------------------------------------------------------------

FILES = {
    "glove.txt": text(),
    "glove.txt.gz": gzip.compress(text()),
    "windows.txt": text().replace(b"\n", b"\r\n"),
    "blank at the end.txt": text() + b"\n\n",
    "fasttext.vec": headed(),
    "packed under any name": gzip.compress(headed()),
    "word2vec.bin": binary(),
    "word2vec.bin.gz": gzip.compress(binary()),
    "no suffix": binary(end=b""),
    "arrays.npz": npz(),
    "packed.npz": npz(np.savez_compressed),
    "doubles.npz": npz(vectors=VECTORS.astype(np.float64)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_rows(name, tmp_path):
    lookups, pretrained = fit(write(tmp_path, name, FILES[name]))
    found = {word.replace("_", " "): row for word, row in rows_by_word(lookups, pretrained).items()}
    expected = dict(zip(WORDS, VECTORS, strict=True)) | {"00": VECTORS[WORDS.index("##")]}
    assert found.keys() == expected.keys()
    assert all((found[word] == expected[word]).all() for word in expected)
    assert (pretrained.coverage.words, pretrained.coverage.kept, pretrained.coverage.dim) == (7, 7, 3)


@pytest.mark.parametrize("beside", ["a.words.txt", "a.words.npy"])
def test_an_array_has_its_words_beside_it(beside, tmp_path):
    path = write(tmp_path, "a.npy", npy(VECTORS))
    with pytest.raises(DataError, match=r"a\.npy: the words must lie beside it, one a line, in a\.words\.txt"):
        fit(path)
    write(tmp_path, beside, npy(np.array(WORDS)) if beside.endswith("npy") else "\n".join(WORDS).encode())
    assert (rows_by_word(*fit(path))["Ada"] == VECTORS[1]).all()


WRONG = {
    "empty": ("a.txt", b"", r"a\.txt: expected words with their vectors; got an empty file\."),
    "header alone": ("a.vec", b"0 3\n", r"a\.vec: expected at least one word with its vector; got none\."),
    "narrow": ("a.txt", text() + b"x 1 2\n", r"a\.txt:8: expected a word and 3 numbers; got 2 behind 'x'\."),
    "wide": ("a.txt", text() + b"x 1 2 3 4\n", r"a\.txt:8: expected a word and 3 numbers; got 4 behind 'x 1'\."),
    "not a number": ("a.txt", text() + b"x 1 two 3\n", r"a\.txt:8: expected numbers behind 'x'; got 'two'\."),
    "infinite": ("a.txt", text() + b"x 1 inf 3\n", r"a\.txt:8: expected finite numbers for the word 'x'; got inf\."),
    "no numbers": ("a.txt", b"word\n", r"a\.txt:1: expected a word and some numbers; got 0 behind 'word'\."),
    "blank": ("a.txt", b"a 1\n\nb 2\n", r"a\.txt:2: expected a word and its numbers; got a blank line\."),
    "latin-1": ("a.txt", "café 1\n".encode("latin-1"), r"a\.txt:1: expected text in utf-8.*encoding='latin-1'"),
    "cut text": ("a.vec", headed()[:-30], r"a\.vec:\d: expected"),
    "fewer than said": ("a.vec", b"3 1\na 1\nb 2\n", r"a\.vec:1: expected as many words as the 2 that follow; got 3\."),
    "cut binary": ("a.bin", binary()[:-8], r"a\.bin: expected word 7 of 7, whole; got the end of the file"),
    "width of 0": ("a.bin", b"1 0\n\x00", r"a\.bin:1: expected a width of at least 1; got 0"),
    "endless word": ("a.bin", b"2 2\n" + b"\x01" * 6000, r"a\.bin: expected word 1 of 2, at most 4,096 bytes long"),
    "pickle": ("a.kv", b"\x80\x04abc", r"a\.kv: expected a file of word vectors; got a pickle.*save_word2vec_format"),
    "fastText": (
        "a.bin",
        struct.pack("<i", 793712314),
        r"a\.bin: .* got a model of fastText's own\. Give the file \.vec",
    ),
    "no words": ("a.npz", npz(words=VECTORS), r"a\.npz: expected words of the shape \(N,\); got float32"),
    "objects": ("a.npz", npz(words=np.array(WORDS, object)), r"a\.npz: expected an \.npz archive .*Python objects"),
    "unequal": (
        "a.npz",
        npz(words=np.array(WORDS[:2])),
        r"a\.npz: expected as many words as vectors; got 2 words and 7",
    ),
    "flat": (
        "a.npz",
        npz(vectors=VECTORS[0]),
        r"a\.npz: expected vectors of the shape \(N, D\); got float32 of the shape \(3,\)",
    ),
    "by columns": ("a.npz", npz(vectors=np.asfortranarray(VECTORS)), r"a\.npz: .*laid out by columns"),
    "cut archive": ("a.npz", npz()[:-40], r"a\.npz: expected an \.npz archive"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_file_is_told_with_its_place(case, tmp_path):
    name, content, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        fit(write(tmp_path, name, content))


def test_arrays_that_are_missing_are_named(tmp_path):
    held = io.BytesIO()
    np.savez(held, word=np.array(WORDS), vectors=VECTORS)
    with pytest.raises(DataError, match=r"expected an array 'words'; got .* Did you mean 'word'\?"):
        fit(write(tmp_path, "a.npz", held.getvalue()))


def test_another_encoding_can_be_named(tmp_path):
    path = write(tmp_path, "a.txt", "café 1 2\n".encode("latin-1"))
    assert list(rows_by_word(*fit(path, encoding="latin-1"))) == ["café"]


# ---- what is kept ---------------------------------------------------------------------------------------------------


def test_the_first_rows_are_kept_and_those_that_the_data_needs(tmp_path):
    path = write(tmp_path, "a.txt", text(["a", "b", "c", "d", "e", "f"], VECTORS[:6]))
    kept = {
        (2, 1): {"a", "b", "d", "f"},
        (0, 1): {"d", "f"},
        (0, 2): {"d"},
        (9, 2): {"a", "b", "c", "d", "e", "f"},
    }
    for (keep, min_count), expected in kept.items():
        found = fit(path, ["D", "D", "x"], ["f"], keep=keep, min_count=min_count)
        assert set(rows_by_word(*found)) == expected, (keep, min_count)
        assert found[1].coverage.kept == len(expected) and found[1].coverage.words == 6


def test_of_a_word_that_stands_there_twice_the_first_counts(tmp_path):
    words = ["cafe\u0301", "b", "café", "b", "c"]
    lookups, pretrained = fit(write(tmp_path, "a.txt", text(words, VECTORS[:5])))
    assert (rows_by_word(lookups, pretrained)["café"] == VECTORS[0]).all()
    assert (rows_by_word(lookups, pretrained)["b"] == VECTORS[1]).all()
    assert (pretrained.coverage.duplicates, pretrained.coverage.kept) == (2, 3)
    assert "2 found again and passed over" in pretrained.coverage.to_text()


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.bin"])
def test_memory_is_that_of_the_rows_kept(name, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(15_000, 100)).astype(np.float32)  # 6 MB
    words = [f"w{i}" for i in range(len(vectors))]
    arrays = {"words": np.array(words), "vectors": vectors}
    content = {"a.npz": lambda: npz(**arrays), "a.npy": lambda: npy(vectors), "a.bin": lambda: binary(words, vectors)}
    path = write(tmp_path, name, content[name]())
    write(tmp_path, "a.words.npy", npy(arrays["words"]))
    tracemalloc.start()
    _, pretrained = fit(path, ["w14999"], keep=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pretrained.coverage.kept == 11 and peak < 5e6


def test_only_what_is_kept_is_made_numbers_of(tmp_path):
    path = write(tmp_path, "a.txt", b"a 1 2\nb x y\nc 3 4\n")
    assert set(rows_by_word(*fit(path, ["c"], keep=1))) == {"a", "c"}
    with pytest.raises(DataError, match=r"a\.txt:2: expected numbers behind 'b'; got 'x'"):
        fit(path, keep=2)


def test_normalised_numbers_keep_their_proportions(tmp_path):
    path = write(tmp_path, "a.txt", text())
    plain, scaled = fit(path)[1].rows, fit(path, normalize=True)[1].rows
    several = scaled[plain.any(axis=1)]
    np.testing.assert_allclose(scaled * (plain[2] @ plain[2]), plain * (plain[2] @ scaled[2]), rtol=1e-4, atol=1e-5)
    assert np.square(several).sum(axis=1).mean() == pytest.approx(1, rel=0.15)  # a row stands there twice


# ---- what finds them ------------------------------------------------------------------------------------------------

PIECES = st.text("aAbB10é", min_size=1, max_size=3)


def searched(token, words, lowercase, digits):
    """Try a token's variants on the words of a file one after the other."""
    token = FOLDS["nfc"](token)
    tries = [token] + [token.lower()] * lowercase
    tries += [FOLDS["digits"](one) for one in tries] * digits
    return next((one for one in tries if one in words), None)


@given(
    st.lists(PIECES, min_size=1, max_size=12, unique=True), st.lists(PIECES, min_size=1), st.booleans(), st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_the_first_lookup_that_knows_a_token_is_the_search_through_its_variants(
    tmp_path_factory, words, tokens, lower, digits
):
    vectors = np.arange(1, 2 * len(words) + 1, dtype=np.float32).reshape(-1, 2)
    path = write(tmp_path_factory.getbasetemp(), "variants.txt", text(words, vectors))
    lookups, pretrained = fit(path, tokens, lowercase=lower, digits=digits, keep=0)
    spec = FeatureSpec("e", "ids", "type", len(pretrained.rows), len(lookups), 2, starts=table.starts_of(lookups))
    ids = Feature(spec, lookups).encode(tokens)
    known = ids != np.array(spec.starts) + UNKNOWN
    expected = [searched(token, set(words), lower, digits) for token in tokens]
    for row, found, word in zip(ids, known, expected, strict=True):
        assert found.any() == (word is not None)
        if word is not None:
            np.testing.assert_array_equal(pretrained.rows[row[found.argmax()]], vectors[words.index(word)])
    distinct = {token: word for token, word in zip(tokens, expected, strict=True) if word is not None}
    exact = sum(token == word for token, word in distinct.items())
    assert pretrained.coverage.parts["train"][0] == Share(len(set(tokens)), exact, len(distinct) - exact)
    assert sum(map(len, (lookup.table for lookup in lookups))) == len(
        set(distinct.values()) | needed(tokens, words, lower, digits)
    )


def needed(tokens, words, lower, digits):
    """Return the words that some variant of a token is, found first or not."""
    return {searched(t, {w}, lower, digits) for t in tokens for w in words} - {None}


def test_numbers_are_found_where_a_file_has_them_as_marks(tmp_path):
    path = write(tmp_path, "a.txt", text(["##", "####", "c#"], VECTORS[:3]))
    found = fit(path, ["12", "1999", "##", "C#", "7", "123"])[1].coverage.parts["train"][0]
    assert found == Share(6, 1, 3)


def test_coverage_survives_json_and_counts_tokens(tmp_path):
    path = write(tmp_path, "a.txt", text())
    coverage = fit(path, ["the", "The", "The", "zz"], ["Ada"])[1].coverage
    assert coverage.parts["train"] == (Share(3, 1, 1), Share(4, 1, 2))
    assert Coverage.from_dict(json.loads(json.dumps(coverage.to_dict()))) == coverage
    assert (
        "of train 66.7 % (33.3 % as written) of the words, 75.0 % (25.0 % as written) of the tokens"
        in coverage.to_text()
    )


# ---- where they are --------------------------------------------------------------------------------------------------


def test_a_path_is_also_looked_for_among_the_data_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQTAG_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "embeddings").mkdir(parents=True)
    path = write(tmp_path / "data" / "embeddings", "a.txt", text())
    assert str(published.locate("embeddings/a.txt")) == path
    write(tmp_path, "b.txt", text())
    with pytest.raises(DataError, match=r"^bb\.txt: there is no such file of word vectors\. Did you mean 'b\.txt'\?"):
        published.locate("bb.txt")
    with pytest.raises(DataError, match=r"Did you mean 'glove\.6B\.50d'\?|Did you mean 'glove\.6B\.100d'\?"):
        published.locate("glove.6B.10d")
    with pytest.raises(DataError, match=r"Check the path, or name one of glove\.6B\.50d, "):
        published.locate("zzzzz")


def test_published_vectors_are_unpacked_from_an_archive_whose_hash_is_right(tmp_path, monkeypatch):
    monkeypatch.delenv("SEQTAG_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("glove.6B.50d.txt", text())
    asked = []

    def download(url, output_file, pooch):
        asked.append(url)
        Path(output_file).write_bytes(held.getvalue())

    monkeypatch.setattr("pooch.core.choose_downloader", lambda url, progressbar=False: download)
    right = replace(published.VECTORS["glove.6B.50d"], sha256=hashlib.sha256(held.getvalue()).hexdigest())
    with pytest.raises(DataError, match=r"glove\.6B\.zip must be reachable and have the sha256 .*862 MB.*SEQTAG_DATA"):
        published.fetch("glove.6B.50d")
    monkeypatch.setitem(published.VECTORS._entries, "glove.6B.50d", right)
    assert datasets.fetch_glove().read_bytes() == published.locate("glove.6B.50d").read_bytes() == text()
    assert len(asked) == 2  # the wrong one, and the right one once
    with pytest.raises(ParameterError, match=r"^dim must be one of 50, 100, 200, 300; got 51\."):
        datasets.fetch_glove(dim=51)


# ---- in a model --------------------------------------------------------------------------------------------------

SENTENCES = [("Ada", "moved", "to", "Paris"), ("the", "old", "Paris"), ("Bob", "saw", "the", "café")]
TRAIN = [Sequence(s, tuple("A" if word[0].isupper() else "B" for word in s)) for s in SENTENCES] * 4
SMALL = {
    "units": 4,
    "epochs": 1,
    "random_state": 0,
    "neighbour_weight": 0,
    "validation_fraction": 0,
    "batch_tokens": 40,
}
KNOWN = ["the", "paris", "ada", "to", "unseen", "café"]


@pytest.fixture(scope="module", params=["frozen", "tuned", "projected"])
def trained(request, tmp_path_factory):
    """A tagger with vectors of a file that is gone, and the rows that stood in it."""
    rows = np.random.default_rng(1).normal(size=(len(KNOWN), 3)).astype(np.float32)
    path = write(tmp_path_factory.mktemp("vectors"), "small.txt", text(KNOWN, rows))
    encoder = {"embeddings": path, "tune": request.param, "dim": 5, "normalize": False}
    tagger = SequenceTagger(encoders=["words", encoder], **SMALL).fit(Corpus(tuple(TRAIN), "train"))
    Path(path).unlink()
    return request.param, tagger, np.array([[float(f"{x:g}") for x in row] for row in rows], np.float32)


def table_of(tagger, name="embeddings_small"):
    (feature,) = (f for f in tagger.predictor_.features if f.spec.name == name)
    weights = tagger.bundle_.weights()
    return feature, weights[f"{name}_vectors/embeddings"], f"{name}_projected/kernel" in weights


def test_training_leaves_the_vectors_or_changes_them_as_was_asked(trained):
    tune, tagger, rows = trained
    feature, weights, projected = table_of(tagger)
    of_words = dict(zip(KNOWN, rows, strict=True))
    found = {
        w: weights[s + 2 + i]
        for lookup, s in zip(feature.lookups, feature.spec.starts, strict=True)
        for i, w in enumerate(lookup.table)
    }
    changed = {word for word in KNOWN if not np.allclose(found[word], of_words[word], atol=1e-6)}
    assert changed == ({"the", "paris", "ada", "to", "café"} if tune == "tuned" else set())
    assert projected == (tune == "projected")
    assert len(tagger.model_.trainable_variables) == len(tagger.model_.weights) - (tune != "tuned")


def test_the_model_needs_the_file_no_more(trained, tmp_path):
    _, tagger, _ = trained
    asked = [["PARIS", "unseen", "zz"], ["Unseen"]]
    saved = load(tagger.save(tmp_path / "model"))
    for found, expected in zip(saved.predict_proba(asked), tagger.predict_proba(asked), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    (trace,) = saved.trace(asked[:1])
    np.testing.assert_allclose(trace.output, saved.predict_proba(asked[:1])[0], atol=1e-5)
    small = Predictor.from_bundle(quantized(tagger.bundle_, "float16"))
    np.testing.assert_allclose(small.predict_proba(asked)[0], saved.predict_proba(asked)[0], atol=0.01)
    # Words that training never saw are told apart by their vectors.
    assert not np.allclose(saved.predict_proba([["unseen"]])[0], saved.predict_proba([["zz"]])[0], atol=1e-6)


def test_coverage_is_told_by_the_estimator_the_metrics_and_the_card(trained):
    _, tagger, _ = trained
    (coverage,) = tagger.coverage_
    assert coverage.parts["train"][0] == Share(9, 3, 2)  # the, to, café; Ada and Paris in lower case
    assert tagger.bundle_.json("metrics.json")["coverage"] == [coverage.to_dict()]
    assert coverage.to_text() in tagger.bundle_.files["README.md"].decode()


def test_a_model_without_vectors_has_no_coverage(tmp_path):
    bundle = SequenceTagger(encoders=["words"], **SMALL).fit(TRAIN[:3])
    assert bundle.coverage_ == ()


def test_vectors_are_kept_for_development_data_too(tmp_path):
    path = write(tmp_path, "a.txt", text(KNOWN, np.eye(6, 3)))
    tagger = SequenceTagger(encoders=[{"embeddings": path, "keep": 0}], **SMALL)
    tagger.fit(TRAIN[:2], validation_data=Corpus((TRAIN[2],), "dev"))
    assert tagger.coverage_[0].kept == 5 and set(tagger.coverage_[0].parts) == {"train", "dev"}


def test_going_on_keeps_rows_and_adds_those_of_new_words(tmp_path):
    path = write(tmp_path, "a.txt", text(["the", "ada", "Bob", "7", "zoo"], VECTORS[:5]))
    choice = {"embeddings": path, "keep": 0, "normalize": False}
    (old,) = fit_encoders([choice], [Sequence(("the", "Bob"))])
    (new,) = fit_encoders([choice], [Sequence(("Ada", "Zoo", "7", "the"))])
    (extended,) = WarmStart((old,), (), {}).extend((new,))
    tokens = ["the", "Bob", "ada", "zoo", "7", "none"]
    ids = extended.encode(tokens)
    known = ids != np.array(extended.spec.starts) + UNKNOWN
    assert known.any(axis=1).tolist() == [True] * 5 + [False]
    rows = {t: extended.pretrained.rows[i[k.argmax()]] for t, i, k in zip(tokens, ids, known, strict=True) if k.any()}
    assert all(
        (rows[word] == VECTORS[["the", "ada", "Bob", "7", "zoo"].index(word)]).all()
        for word in ("the", "ada", "7", "zoo")
    )
    assert not rows["Bob"].any()  # the weights of the old model have it
    assert extended.spec.size == len(extended.pretrained.rows)


def test_the_name_is_that_of_the_file():
    names = {"a/glove.6B.50d.txt.gz": "glove_6B_50d", "wiki.en.vec": "wiki_en", "glove.6B.50d": "glove_6B_50d"}
    assert {source: embeddings_name(source) for source in names} == {s: f"embeddings_{n}" for s, n in names.items()}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("embeddings", "needs its source"),
        (
            {"embeddings": "a", "tune": "frosen"},
            "tune must be 'frozen' or 'tuned' or 'projected'.*Did you mean 'frozen'",
        ),
        ({"embeddings": "a", "keep": -1}, "keep must be an int of at least 0"),
        ({"embeddings": "a", "kep": 1}, "Did you mean 'keep'"),
    ],
)
def test_choices_that_cannot_be_are_refused(choice, message):
    with pytest.raises(ConfigError, match=message):
        fit_encoders([choice], [Sequence(("a",))])


def test_frames_have_no_words(tmp_path):
    with pytest.raises(ConfigError, match="'embeddings' reads tokens"):
        fit_encoders([{"embeddings": write(tmp_path, "a.txt", text())}], [Sequence(frames=np.zeros((2, 3)))])


# ---- in a configuration ----------------------------------------------------------------------------------------------


def config_of(path):
    return parse_config(
        f"task: tagging\ndata: {{train: t.conll}}\nmodel: {{encoders: [words, {{embeddings: '{path}'}}]}}"
    )


def test_a_missing_or_broken_file_is_told_before_training(tmp_path):
    corpora = {"train": Corpus(tuple(TRAIN), "train"), "dev": Corpus(tuple(TRAIN[:1]), "dev")}
    with pytest.raises(DataError, match="there is no such file of word vectors"):
        experiment.check_encoders(config_of(tmp_path / "no.txt"), corpora)
    with pytest.raises(DataError, match=r"a\.txt:1: expected a word and some numbers"):
        experiment.check_encoders(config_of(write(tmp_path, "a.txt", b"word\n")), corpora)
    late = config_of(write(tmp_path, "late.txt", text() + b"x 1\n"))
    experiment.check_encoders(late, corpora)  # which only looks at the beginning
    with pytest.raises(DataError, match=r"late\.txt:8: expected a word and 3 numbers"):
        experiment.coverage_of(late, corpora)
    (coverage,) = experiment.coverage_of(config_of(write(tmp_path, "b.txt", text())), corpora)
    assert coverage.parts.keys() == {"train", "dev"}
    assert experiment.coverage_of(parse_config("task: tagging\ndata: {train: t.conll}"), corpora) == []


def test_the_real_file_covers_what_its_notes_say(monkeypatch):
    folder = os.environ.get("SEQTAG_DATA")
    if not folder or not Path(folder, "embeddings", "glove.6B.50d-relativized.txt.gz").is_file():
        pytest.skip("SEQTAG_DATA names no folder with the small part of GloVe")
    words = Counter(token for sequence in datasets.fetch_wnut17()["train"] for token in sequence.tokens)
    _, pretrained = table.fit_table("glove.6B.50d-relativized", {"train": words})
    assert (pretrained.coverage.words, pretrained.coverage.dim, pretrained.coverage.duplicates) == (8453, 50, 0)
    assert pretrained.coverage.parts["train"][1].covered == pytest.approx(0.655, abs=0.0005)
