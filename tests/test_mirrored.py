"""Several replicas train the same model as one: batches cut into parts, and whole runs on logical devices."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtag.data.batching import Batch, EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.nn.network import build_classifier, build_tagger
from seqtag.nn.stack import Stack
from seqtag.training.mirrored import Cut

WORDS = ["Ada", "went", "to", "Paris", "by", "train", "and", "back"]
FEATURES = fit_encoders(
    ["words", "chars", {"column": "pos"}], [Sequence(tuple(WORDS), columns={"pos": tuple("abababab")})]
)
SPECS = [feature.spec for feature in FEATURES]


def a_batch(lengths, weighted, per_token):
    rng = np.random.default_rng(3)
    sequences, targets, weights = [], [], []
    for n in lengths:
        tokens = tuple(rng.choice(WORDS, n))
        sequences.append(Sequence(tokens, columns={"pos": tuple(rng.choice(list("ab"), n))}))
        targets.append(rng.integers(0, 3, n).astype(np.int32))
        weights.append(rng.uniform(0.5, 2, n).astype(np.float32))
    if not per_token:
        targets, weights = (np.array([row[0] for row in rows]) for rows in (targets, weights))
    corpus = EncodedCorpus(FEATURES, sequences, targets, weights if weighted else None)
    return corpus.batch(np.arange(len(lengths)))


NETWORKS = {
    "crf": lambda: build_tagger(SPECS, 3, stack=Stack(units=3), dropout=0, seed=1),
    "softmax": lambda: build_tagger(SPECS, 3, stack=Stack(units=3), dropout=0, decoder="softmax", seed=1),
    "classes": lambda: build_classifier(SPECS, 3, stack=Stack("gru", units=3), dropout=0, seed=1),
}


def gradients(model, batch):
    with tf.GradientTape() as tape:
        outputs = model(batch.inputs, training=False)
        loss = model.compute_loss(batch.inputs, batch.targets, outputs, batch.weights)
    weights = [variable.value for variable in model.trainable_variables]
    return [tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, weights)], float(loss)


@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("lengths", [(1, 2, 3, 5, 8), (4,), (7, 1)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_gradients_of_the_parts_add_up_to_those_of_the_batch(network, lengths, weighted):
    model = NETWORKS[network]()
    cut = Cut.of(model, 3)
    whole = a_batch(lengths, weighted, cut.per_token)
    parts = cut(whole)
    assert len(parts) == 3 and all(len(part.lengths) and part.lengths.min() >= 1 for part in parts)
    expected, loss = gradients(model, whole)
    found = [gradients(model, part) for part in parts]
    assert sum(part_loss for _, part_loss in found) == pytest.approx(loss, rel=1e-5)
    for i, gradient in enumerate(expected):
        np.testing.assert_allclose(sum(own[i] for own, _ in found), gradient, atol=1e-6)


def test_a_part_has_the_distinct_tokens_of_its_own_sequences_alone():
    whole = a_batch((2, 2), weighted=False, per_token=True)
    for i, part in enumerate(Cut(2, frozenset({"words", "chars"}), per_token=True)(whole)):
        assert len(part.inputs["words"]) == len(np.unique(whole.inputs["index"][i]))
        for name in ("words", "chars"):
            laid_out = part.inputs[name][part.inputs["index"]]
            np.testing.assert_array_equal(laid_out, whole.inputs[name][whole.inputs["index"]][i : i + 1])


def test_a_part_without_sequences_is_one_token_that_does_not_count():
    cut = Cut(3, frozenset(), per_token=False)
    *_, nothing = cut(Batch({"lengths": np.array([4]), "frames": np.ones((1, 4, 2))}, np.array([1])))
    assert nothing.lengths.tolist() == [1] and nothing.weights.tolist() == [0]


# ---- whole runs, on two logical devices of a process of their own -------------------------------------------

SCRIPT = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from seqtag import SequenceTagger
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.datasets import make_tagging
from seqtag.nn.network import build_classifier, build_tagger
from seqtag.nn.stack import Stack
from seqtag.training import loop
from seqtag.training.devices import choose

sequences = list(make_tagging(sequences=30)["train"])
features = fit_encoders([{"words": None, "drop": 0}], sequences)
labels = sorted({label for sequence in sequences for label in sequence.labels})
kinds = sorted({sequence.label for sequence in sequences})
tags = [np.array([labels.index(label) for label in s.labels], np.int32) for s in sequences]
classes = np.array([kinds.index(s.label) for s in sequences], np.int32)
stack = Stack("simple_rnn", units=5)


def trained(strategy, build, n, targets):
    with choose(strategy=strategy).scope():
        model = build([feature.spec for feature in features], n, stack=stack, dropout=0.0, seed=1)
    # At most 3 sequences a batch: uneven parts, and where it is one, a replica without any.
    settings = loop.Settings(epochs=2, batch_tokens=40, batch_sequences=3, warmup_steps=1, clip_norm=0.1)
    loop.fit(model, EncodedCorpus(features, sequences, targets), settings)
    return [weights.tolist() for weights in model.get_weights()]


found = {"replicas": choose(strategy="mirrored").replicas}
networks = {"tagger": (build_tagger, len(labels), tags), "classifier": (build_classifier, len(kinds), classes)}
for name, network in networks.items():
    found[name] = [trained(strategy, *network) for strategy in ("none", "mirrored")]

corpora = make_tagging(sequences=120)
tagger = SequenceTagger(
    encoders=["words"], cell="simple_rnn", units=16, epochs=20, learning_rate=0.02, batch_tokens=200, averaging=0.9,
    dropout=0.1, neighbour_weight=0.3, precision="mixed_float16", strategy="mirrored", random_state=0,
).fit(corpora["train"], validation_data=corpora["dev"])
found["compute"] = tagger.bundle_.json("metrics.json")["compute"]
found["score"], found["history"] = tagger.score(corpora["test"]), tagger.history_
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def two_devices():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("network", ["tagger", "classifier"])
def test_two_replicas_train_the_same_model_as_one(two_devices, network):
    assert two_devices["replicas"] == 2
    alone, together = two_devices[network]
    for expected, found in zip(alone, together, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_replicas_learn_with_everything_switched_on(two_devices):
    assert two_devices["compute"] == {"device": "cpu", "precision": "mixed_float16", "replicas": 2}
    assert two_devices["score"] > 0.8
    assert two_devices["history"]["loss"][-1] < two_devices["history"]["loss"][0] / 2


def test_the_cut_follows_from_the_network():
    tagger, classifier = NETWORKS["crf"](), NETWORKS["classes"]()
    assert Cut.of(tagger, 2) == Cut(2, frozenset({"words", "chars"}), per_token=True)
    assert not Cut.of(classifier, 4).per_token
    assert isinstance(tagger, keras.Model)
