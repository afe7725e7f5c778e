"""Training under JAX: what is learned, what is averaged, how often a step is compiled, what a saved model holds."""

import keras
import numpy as np
import pytest

from seqtag import SequenceClassifier, SequenceTagger, load
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.nn.network import build_tagger
from seqtag.nn.stack import Stack
from seqtag.training import loop
from seqtag.training.averaging import EVERY
from seqtag.training.loop import Settings

rng = np.random.default_rng(0)
TEXTS = [[str(word) for word in rng.choice(["red", "green", "one", "two"], 6)] for _ in range(64)]
TAGS = [["colour" if word in ("red", "green") else "number" for word in text] for text in TEXTS]
FIRST = [tags[0] for tags in TAGS]
BOTH = [sorted({tags[0], "red" if "red" in text else "other"}) for tags, text in zip(TAGS, TEXTS, strict=True)]
LEARNS = {"epochs": 12, "learning_rate": 0.05, "batch_tokens": 96, "averaging": 0.8, "units": 8, "random_state": 0}
WORDS = {"encoders": [{"words": None, "dim": 8}], **LEARNS}


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "decoder": "crf", "neighbour_weight": 0.1},
        {"cell": "gru", "decoder": "softmax", "initial_state": "learned", "class_weight": "balanced"},
        {"cell": "simple_rnn", "decoder": "softmax", "bidirectional": False, "dropout": 0.1},
        {"cell": "simple_rnn_relu", "decoder": "softmax", "merge": "sum", "neighbour_weight": 0.0},
    ],
    ids=lambda options: f"{options['cell']} {options['decoder']}",
)
def test_a_tagger_learns(options, tmp_path):
    tagger = SequenceTagger(**WORDS | options).fit(TEXTS, TAGS)
    assert [list(row) for row in tagger.predict(TEXTS)] == TAGS
    assert tagger.history_["loss"][-1] < 0.5 * tagger.history_["loss"][0]
    saved = load(tagger.save(tmp_path / "model"))
    assert [list(row) for row in saved.predict(TEXTS)] == TAGS
    # what ONNX Runtime answers from is what the Keras model computes
    batch = EncodedCorpus(tagger.predictor_.features, [Sequence(tuple(text)) for text in TEXTS[:5]]).batch(np.arange(5))
    found, expected = tagger.predictor_.backend.compute(batch.inputs), tagger.model_.predict_on_batch(batch.inputs)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "y"),
    [
        ({"pooling": "last", "cell": "gru"}, FIRST),
        ({"pooling": "mean", "cell": "lstm"}, FIRST),
        ({"pooling": "max", "multi_label": True, "cell": "lstm"}, BOTH),
        ({"pooling": "attention", "cell": "simple_rnn"}, FIRST),
    ],
    ids=["last", "mean", "max, several labels", "attention"],
)
def test_a_classifier_learns(options, y):
    more = {"epochs": 25, "dropout": 0.0, "validation_fraction": 0, "neighbour_weight": 0}
    classifier = SequenceClassifier(**WORDS | more | options).fit(TEXTS, y)
    found = [sorted(row) if options.get("multi_label") else row for row in classifier.predict(TEXTS)]
    assert np.mean([one == other for one, other in zip(found, y, strict=True)]) > 0.95


@pytest.mark.parametrize("tune", ["frozen", "tuned", "projected"])
def test_vectors_of_a_file_are_begun_with(tune, tmp_path):
    rows = {word: [float(i), 1.0 - i] for i, word in enumerate(("red", "green", "one", "never"))}
    file = tmp_path / "small.txt"
    file.write_text("".join(f"{word} {a} {b}\n" for word, (a, b) in rows.items()))
    encoder = {"embeddings": str(file), "tune": tune, "dim": 4, "normalize": False}
    tagger = SequenceTagger(**LEARNS | {"encoders": [encoder]}).fit(TEXTS, TAGS)
    assert [list(row) for row in tagger.predict(TEXTS)] == TAGS
    table = tagger.bundle_.weights()["embeddings_small_vectors/embeddings"]
    (feature,) = tagger.predictor_.features
    places = {
        w: s + 2 + i for k, s in zip(feature.lookups, feature.spec.starts, strict=True) for i, w in enumerate(k.table)
    }
    changed = {word for word, row in rows.items() if not np.allclose(table[places[word]], row)}
    assert changed == ({"red", "green", "one"} if tune == "tuned" else set())
    file.unlink()
    saved = load(tagger.save(tmp_path / "model"))
    assert [list(row) for row in saved.predict(TEXTS)] == TAGS


class Watcher(keras.callbacks.Callback):
    """Reads weights and strength after every step, as Keras lets a callback do under JAX."""

    def __init__(self):
        super().__init__()
        self.weights, self.strengths = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.model.jax_state_sync()
        self.weights.append([variable.numpy() for variable in self.model.trainable_variables])
        self.strengths.append(float(self.model.auxiliary.strength))


def corpus(lengths):
    """A model, and a corpus of sequences of such lengths for it."""
    sequences = [
        Sequence(tuple("abcdefgh"[(i + t) % 8] * (1 + t % 3) for t in range(k))) for i, k in enumerate(lengths)
    ]
    features = fit_encoders([{"words": None, "dim": 4}], sequences)
    model = build_tagger(
        [f.spec for f in features], 2, stack=Stack("simple_rnn", 4), decoder="softmax", neighbour_words=True
    )
    targets = [np.arange(k, dtype=np.int32) % 2 for k in lengths]
    return model, EncodedCorpus(features, sequences, targets)


def test_the_mean_and_the_strength_are_those_of_every_backend():
    model, data = corpus([6] * 40)
    before = [variable.numpy() for variable in model.trainable_variables]
    watcher = Watcher()
    settings = Settings(epochs=3, batch_tokens=36, learning_rate=0.05, averaging=0.7, neighbour_weight=0.3)
    loop.fit(model, data, settings, callbacks=[watcher])
    steps = len(watcher.weights)
    per_epoch = steps // 3
    mean, updated = before, 0
    for n, weights in enumerate(watcher.weights, 1):
        if n - updated >= EVERY or n % per_epoch == 0:
            decay = min(0.7, (1 + n) / (10 + n)) ** (n - updated)
            mean = [old * decay + new * (1 - decay) for old, new in zip(mean, weights, strict=True)]
            updated = n
    assert per_epoch > EVERY
    for variable, expected in zip(model.trainable_variables, mean, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6, err_msg=variable.path)
    np.testing.assert_allclose(watcher.strengths, 0.3 * (1 - np.arange(1, steps + 1) / steps), atol=1e-6)


def test_the_step_is_compiled_for_few_shapes(monkeypatch):
    model, data = corpus(np.random.default_rng(1).integers(1, 12, 150))
    traces = []
    loss = type(model).compute_loss
    monkeypatch.setattr(type(model), "compute_loss", lambda *args, **named: traces.append(1) or loss(*args, **named))
    exact = set()
    batch_of = EncodedCorpus.batch

    def batch(self, indices):
        made = batch_of(self, indices)
        exact.add((*made.inputs["index"].shape, len(made.inputs["words"])))
        return made

    monkeypatch.setattr(EncodedCorpus, "batch", batch)
    counts = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: counts.append(len(traces)))
    loop.fit(model, data, Settings(epochs=6, batch_tokens=80), callbacks=[count])
    assert len(exact) > 20
    assert counts[-1] <= 6 and counts[-1] <= counts[0] + 1  # what comes later fits into shapes that are there


def test_a_run_is_scored_stopped_and_taken_up_again():
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    tagger = SequenceTagger(
        **WORDS | {"epochs": 30, "patience": 2, "neighbour_weight": 0, "warm_start": True, "units": 4}
    )
    tagger.fit(TEXTS, TAGS, validation_data=(TEXTS[:20], TAGS[:20]), callbacks=[watch])
    assert len(seen) < 30 and seen[-1]["score"] == 1.0 and set(seen[0]) == {"loss", "score", "tokens_per_second"}
    before = tagger.model_.get_layer("emissions").kernel.numpy()
    tagger.set_params(epochs=1, learning_rate=1e-6).fit(TEXTS, TAGS)
    np.testing.assert_allclose(tagger.model_.get_layer("emissions").kernel.numpy(), before, atol=1e-3)


def test_the_same_seed_gives_the_same_model():
    found = []
    for run in range(2):
        keras.utils.set_random_seed(run)
        model, data = corpus([6] * 24)
        loop.fit(model, data, Settings(epochs=2, batch_tokens=48))
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_that_no_batch_uses_stay():
    from seqtag.training.optimizer import MaskedAdam, make_optimizer

    table, other = (keras.Variable(np.ones((4, 2)), name=name) for name in ("embeddings", "kernel"))
    optimizer = make_optimizer(0.1, 0)
    assert type(optimizer) is MaskedAdam
    optimizer.build([table, other])
    first, second = np.zeros((2, 4, 2), np.float32)
    first[1], second[3] = 1.0, 1.0
    for gradient in (first, second):
        optimizer.apply([gradient, gradient], [table, other])
    assert (table.numpy()[[0, 2]] == 1).all() and table.numpy()[1, 0] == pytest.approx(0.9, abs=1e-4)
    assert other.numpy()[1, 0] < 0.87  # Adam goes on moving it
    np.testing.assert_allclose(table.numpy()[3], other.numpy()[3], rtol=1e-6)
