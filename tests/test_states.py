"""Language models as encoders: the right state at each token, in training as in answering, from one folder."""

import pickle
import shutil

import numpy as np
import pytest

import seqtag
from seqtag import LanguageModel, Predictor, Sequence, SequenceClassifier, SequenceTagger
from seqtag.data.symbols import END
from seqtag.errors import BundleError, ConfigError, DataError, SeqtagError
from seqtag.export.formats import export
from seqtag.language import TokenStates
from seqtag.reference import run_stack

TEXTS = ["the cat sat on a mat", "a dog sat", "the dog ate the cat", "a cät ate"] * 10
TOKENS = [["the", "cat", "sat"], ["a"], ["", "dög", "x y"], ["unheard-of", "안녕", "👋"]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    shared = {"units": 6, "epochs": 1, "steps": 20, "random_state": 0}
    for name, options in {
        "forward": {"level": "characters"},
        "backward": {"level": "characters", "go_backwards": True, "cell": "gru"},
        "words": {"level": "words", "layers": 2},
        "bytes": {"level": "bytes"},
    }.items():
        LanguageModel(**shared | options).fit(TEXTS).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def tagger(folders):
    encoders = ["words", {"lm": str(folders / "forward")}, {"lm": str(folders / "backward"), "standardize": True}]
    X = [text.split() for text in TEXTS]
    y = [["N" if token in {"cat", "dog", "cät", "mat"} else "O" for token in tokens] for tokens in X]
    return SequenceTagger(encoders=encoders, units=6, epochs=2, random_state=0).fit(X, y)


def by_hand(path, tokens):
    """Read the text with the equations in NumPy, and take the state where each token is complete."""
    model = LanguageModel.load(path)
    table, weights = model.predictor_.table, model.bundle_.weights()
    parts = [table.encode(token) for token in tokens]
    space = [] if model.level == "words" else table.encode(" ").tolist()
    ids, begins, ends = [], [], []
    for number, part in enumerate(parts):
        ids += space if number else []
        begins.append(len(ids))
        ids += part.tolist()
        ends.append(len(ids))
    read = [END, *(ids[::-1] if model.go_backwards else ids)]
    states = run_stack(
        model.bundle_.manifest["network"]["stack"], weights, weights["symbols_vectors/embeddings"][read]
    )[-1].output
    return states[[len(ids) - begin for begin in begins] if model.go_backwards else ends]


@pytest.mark.parametrize("name", ["forward", "backward", "words", "bytes"])
def test_a_token_has_the_state_where_it_is_complete(folders, name, monkeypatch):
    sequences = [Sequence(tuple(tokens)) for tokens in TOKENS]
    expected = [by_hand(folders / name, tokens) for tokens in TOKENS]
    states = TokenStates.load(folders / name)
    for _ in range(2):
        for found, wanted in zip(states.of(sequences), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        monkeypatch.setattr("seqtag.language.reading.TOKENS", 3)  # windows that end within tokens


def test_the_model_answers_as_its_network_was_scored(tagger):
    """What was attached for training, and what the predictor attaches, give the network the same."""
    features = tagger.predictor_.features
    assert [f.spec.width for f in features[1:]] == [6, 6]
    best = tagger.history_["score"][tagger.history_["best_epoch"]]
    assert 0 <= best <= 1
    sequences = [Sequence(tuple(tokens)) for tokens in TOKENS]
    states = {name: model.of(sequences) for name, model in tagger.predictor_._states.items()}
    given = [
        Sequence(sequence.tokens, vectors={name: rows[i] for name, rows in states.items()})
        for i, sequence in enumerate(sequences)
    ]
    for found, wanted in zip(tagger.predict_proba(TOKENS), tagger.predict_proba(given), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_saved_model_needs_no_language_model(tagger, folders, tmp_path):
    expected = tagger.predict_proba(TOKENS)
    tagger.save(tmp_path / "m")
    moved = shutil.move(folders, folders.with_name("away"))
    try:
        for other in (
            seqtag.load(tmp_path / "m"),
            pickle.loads(pickle.dumps(tagger)),
            Predictor.from_bundle(tagger.bundle_),
        ):
            for found, wanted in zip(other.predict_proba(TOKENS), expected, strict=True):
                np.testing.assert_allclose(found, wanted, atol=1e-6)
    finally:
        shutil.move(moved, folders)


def test_order_company_and_processes_change_nothing(tagger, tmp_path):
    expected = [list(labels) for labels in tagger.predict(TOKENS)]
    assert [list(labels) for labels in tagger.predict(TOKENS[::-1])][::-1] == expected
    assert [list(tagger.predict([one])[0]) for one in TOKENS] == expected
    tagger.save(tmp_path / "m")
    assert [list(s.labels) for s in seqtag.load(tmp_path / "m").stream(TOKENS, n_jobs=2)] == expected
    assert len(tagger.trace(TOKENS[:1])) == 1


def test_a_classifier_reads_them_too(folders):
    X = [text.split() for text in TEXTS]
    y = [str(len(tokens)) for tokens in X]
    model = SequenceClassifier(encoders=[{"lm": str(folders / "words")}], units=4, epochs=1, random_state=0).fit(X, y)
    assert len(model.predict(TOKENS)) == 4


@pytest.mark.parametrize("format", ["onnx", "saved_model", "litert", "keras"])
def test_other_forms_are_refused_in_words(tagger, tmp_path, format):
    with pytest.raises(ConfigError, match="reads the states of a language model beside it"):
        export(tagger.bundle_, format, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_is_said(tagger, folders, tmp_path):
    tagger.save(tmp_path / "tagger")
    X, y = [["a"]], [["O"]]
    with pytest.raises(BundleError, match=r"needs a language model; .* is a model of the task 'tagging'"):
        SequenceTagger(encoders=[{"lm": str(tmp_path / "tagger")}]).fit(X, y)
    with pytest.raises(BundleError, match="nowhere"):
        SequenceTagger(encoders=[{"lm": "nowhere"}]).fit(X, y)
    with pytest.raises(ConfigError, match="must name folders of different names"):
        SequenceTagger(encoders=[{"lm": str(folders / "words")}] * 2).fit(X, y)
    with pytest.raises(DataError, match="needs training data in memory"):
        stream = seqtag.CorpusStream(lambda: iter([Sequence(("a",), ("O",))] * 3))
        SequenceTagger(encoders=[{"lm": str(folders / "words")}]).fit(stream)
    forward = SequenceTagger(encoders=[{"lm": str(folders / "words")}], bidirectional=False, units=4, epochs=1)
    with pytest.raises(SeqtagError, match="reads tokens that follow"):
        forward.fit([["a", "b"]] * 4, [["O", "O"]] * 4).predictor_.stream_tokens(["a"])
