"""Networks: blocks against NumPy, the whole against its promises to a Keras user."""

import json
from dataclasses import asdict

import keras
import numpy as np
import pytest
from combinations import pairwise, title

from seqtag.choices.cells import CELLS, DIRECTIONS
from seqtag.choices.decoders import DECODERS
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus, bucket
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import FeatureSpec, fit_encoders
from seqtag.data.lookup import UNKNOWN
from seqtag.errors import BundleError, ConfigError
from seqtag.nn.heads import NeighbourWords
from seqtag.nn.inputs import CharacterCNN, CharacterRNN, Place, RareDropout
from seqtag.nn.network import SequenceModel, build_classifier, build_tagger, named_weights, restore
from seqtag.nn.stack import Stack

WORDS = ["ada", "moved", "to", "Paris", "in", "May", "2024", "한국", "x", "extraordinarily", "👍🏽", "café"]
K = 4
ENCODERS = {
    "words, affixes": ["words", {"affixes": None, "min_count": 1, "dim": 3}],
    "words, cnn": ["words", {"chars": "cnn", "min_count": 1, "filters": 5}],
    "words, rnn": [{"words": None, "dim": 7}, {"chars": "lstm", "min_count": 1, "filters": 6}],
    "words, column": ["words", {"column": "pos", "dim": 4}],
    "words, vectors": ["words", {"vectors": "two"}],
    "column": [{"column": "pos"}],
}


def make_sequences(seed=0, n=12, longest=7):
    """Random words, each with its own label and no label twice in a row, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    steps = [rng.choice([1, 2, 3, 5, 6, 7, 9], rng.integers(1, longest + 1)) for _ in range(n)]
    drawn = [np.cumsum(row) % len(WORDS) for row in steps]
    return [
        Sequence(
            tuple(WORDS[i] for i in row),
            tuple(str(i % K) for i in row),
            columns={"pos": tuple(map(str, row % 3))},
            vectors={"two": rng.normal(size=(len(row), 2))},
        )
        for row in drawn
    ]


def make_data(encoders="words, affixes", seed=0, **options):
    """Specs, and the encoded corpus with its targets."""
    sequences = make_sequences(seed, **options)
    features = fit_encoders(ENCODERS[encoders], sequences)
    targets = [np.array(list(map(int, sequence.labels)), np.int32) for sequence in sequences]
    return [feature.spec for feature in features], EncodedCorpus(features, sequences, targets)


def make_model(specs, **options):
    """Build a tagger; what `Stack` knows of the options is the stack's."""
    stack = {name: options.pop(name) for name in Stack.__dataclass_fields__ if name in options and name != "dropout"}
    return build_tagger(specs, K, stack=Stack(**{"units": 6} | stack), **options)


def whole(encoded):
    return encoded.batch(np.arange(len(encoded)))


def examples(encoded, batch_tokens=30):
    """Batches as a Keras user feeds them, for ever."""
    while True:
        for group in bucket(encoded.lengths, batch_tokens):
            batch = encoded.batch(group)
            yield batch.inputs, batch.targets


def emissions(model, inputs):
    return np.array(model(inputs, training=False))


def within(lengths, width):
    return np.arange(width) < np.array(lengths)[:, None]


# ---- blocks ------------------------------------------------------------------------------------------------


def test_the_character_cnn_by_hand():
    layer = CharacterCNN(size=6, dim=3, filters=4)
    ids = np.array([[2, 3, 4, 5, 2], [5, 0, 0, 0, 0], [3, 1, 0, 0, 0]], np.int32)
    layer.build(ids.shape)
    rng = np.random.default_rng(0)
    embeddings, kernel, bias = (rng.normal(size=weight.shape) for weight in layer.weights)
    layer.set_weights([embeddings, kernel, bias])
    expected = []
    for row in ids:
        vectors = np.pad(embeddings[row[row > 0]], ((1, 1), (0, 0)))
        responses = [np.einsum("td,tdf->f", vectors[i : i + 3], kernel) for i in range(len(vectors) - 2)]
        expected.append(np.max(responses, axis=0) + bias)
    np.testing.assert_allclose(layer(ids), expected, atol=1e-5)
    np.testing.assert_allclose(layer(np.pad(ids, ((0, 0), (0, 3)))), expected, atol=1e-5)


@pytest.mark.parametrize("cell", list(CELLS))
def test_the_character_rnn_reads_each_word_alone(cell):
    layer = CharacterRNN(size=6, dim=3, filters=8, cell=cell)
    ids = np.array([[2, 3, 4], [5, 0, 0], [3, 1, 0]], np.int32)
    found = np.array(layer(ids))
    for row, n, states in zip(ids, (3, 1, 2), found, strict=True):
        vectors = layer.embed(row[None, :n])
        ways = layer.read.ways
        expected = [np.array(ways[way](vectors[:, ::step]))[0, -1] for way, step in (("forward", 1), ("backward", -1))]
        np.testing.assert_allclose(states, np.concatenate(expected), atol=1e-6)
    np.testing.assert_allclose(layer(np.pad(ids, ((0, 0), (0, 2)))), found, atol=1e-6)


def test_rare_words_become_unknown_now_and_then_in_training():
    layer = RareDropout(rare_from=5, rate=0.25, seed=1)
    ids = np.repeat(np.arange(10, dtype=np.int32), 1000)[:, None]
    np.testing.assert_array_equal(layer(ids, training=False), ids)
    dropped = np.array(layer(ids, training=True))
    changed = dropped != ids
    assert (dropped[changed] == UNKNOWN).all() and not changed[:5000].any()
    assert changed[5000:].mean() == pytest.approx(0.25, abs=0.03)
    assert (np.array(layer(ids, training=True)) != dropped).any()  # another draw each time
    np.testing.assert_array_equal(RareDropout(5, 0.0)(ids, training=True), ids)


def test_vectors_are_laid_out_and_nothing_stands_beyond_the_end():
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    placed = np.array(Place()(vectors, np.array([[3, 1, 3], [2, 0, 0]]), np.array([3, 1])))
    np.testing.assert_array_equal(placed, [vectors[[3, 1, 3]], [vectors[2], np.zeros(3), np.zeros(3)]])


def test_a_vector_table_starts_with_variance_one_over_its_width():
    spec = FeatureSpec("words", "ids", "type", size=500, dim=20)
    table = make_model([spec]).get_layer("words_vectors").get_weights()[0]
    assert table.var() == pytest.approx(1 / 20, rel=0.05) and abs(table.mean()) < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstn"}, "cell must be one of .*'lstn'.*Did you mean 'lstm'"),
        ({"decoder": "crff"}, "decoder must be one of crf, softmax; got 'crff'.*Did you mean 'crf'"),
    ],
)
def test_unknown_parts_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        make_model(make_data()[0], **options)


@pytest.mark.parametrize(("model", "near"), [("lstn", "lstm"), ("cmn", "cnn")])
def test_an_unknown_reader_of_characters_is_named(model, near):
    spec = FeatureSpec("chars", "chars", "type", size=9, model=model)
    with pytest.raises(ConfigError, match=f"'chars'.*one of cnn, .*gru, lstm; got '{model}'.*mean '{near}'"):
        make_model([spec])


def test_a_direction_has_half_the_filters():
    spec = FeatureSpec("chars", "chars", "type", size=9, model="lstm", filters=7)
    with pytest.raises(ConfigError, match=r"'chars': filters must be even, half a direction; got 7\."):
        make_model([spec])


# ---- combinations ------------------------------------------------------------------------------------------

ALLOWED = {"start": [True] * K, "transitions": np.tri(K).astype(bool).tolist(), "end": [True] * K}
HEADS = {
    **{name: (build_tagger, {"decoder": name, "allowed": ALLOWED}) for name in DECODERS},
    **{name: (build_classifier, {"pooling": name, "multi_label": name == "mean"}) for name in POOLINGS},
}
STACKS = {"plain": {}, "rich": {"layers": 2, "merge": "sum", "residual": True, "layer_norm": True}}
FACTORS = {
    "head": list(HEADS),
    "encoders": list(ENCODERS),
    "direction": list(DIRECTIONS),
    "stack": list(STACKS),
    "neighbour_words": [False, True],
}


@pytest.mark.parametrize("options", list(pairwise(FACTORS)), ids=title)
def test_combinations(options):
    build, head = HEADS[options["head"]]
    specs, encoded = make_data(options["encoders"])
    stack = Stack(units=6, direction=options["direction"], **STACKS[options["stack"]])
    options = {"seed": 3, "dropout": 0.2, "neighbour_words": options["neighbour_words"], **head}
    model = build(specs, K, stack=stack, **options)
    batch = whole(encoded)
    found = emissions(model, batch.inputs)
    assert found.shape == ((*batch.targets.shape, K) if build is build_tagger else (len(encoded), K))
    assert np.isfinite(found).all() and found.std(axis=tuple(range(found.ndim - 1))).min() > 1e-3
    config = json.loads(json.dumps(model.get_config()))
    assert config == model.get_config() and config.items() >= options.items() and config["stack"] == asdict(stack)
    np.testing.assert_array_equal(emissions(SequenceModel.from_config(config), batch.inputs), found)


# ---- for a Keras user --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoders", "options"),
    [
        ("words, affixes", {"decoder": "crf", "neighbour_words": True}),
        ("words, rnn", {"decoder": "softmax", "cell": "gru", "layers": 2}),
        ("column", {"cell": "simple_rnn", "direction": "forward"}),
    ],
)
@pytest.mark.slow
def test_compile_fit_save_load(encoders, options, tmp_path):
    specs, encoded = make_data(encoders)
    allowed = {"start": [True] * K, "transitions": (1 - np.eye(K)).astype(bool).tolist(), "end": [True] * K}
    model = make_model(specs, units=16, allowed=allowed, dropout=0.1, **options)
    model.compile("adam")
    assert not model.supports_jit and model.jit_compile is False  # one XLA compilation a shape would be slower
    history = model.fit(examples(encoded), steps_per_epoch=30, epochs=2, shuffle=False, verbose=0).history
    assert history["loss"][1] < 0.95 * history["loss"][0]
    batch = whole(encoded)
    model.save(tmp_path / "tagger.keras")
    loaded = keras.saving.load_model(tmp_path / "tagger.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(emissions(loaded, batch.inputs), emissions(model, batch.inputs))


def test_token_weights_reach_the_loss():
    specs, encoded = make_data()
    batch = whole(encoded)
    model = make_model(specs, decoder="softmax", dropout=0.0)
    found = emissions(model, batch.inputs)
    weights = np.random.default_rng(0).random(batch.targets.shape).astype(np.float32)
    model.compile("adam", run_eagerly=True)
    loss = float(model.test_on_batch(batch.inputs, batch.targets, weights))
    expected = float(model.head.loss(found, batch.targets, batch.lengths, weights))
    assert loss == pytest.approx(expected, rel=1e-5)


# ---- what must not matter ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["words, cnn", "words, rnn", "words, column"])
def trained_like(request):
    """A model with random weights everywhere, biases too, and its data."""
    specs, encoded = make_data(request.param)
    model = make_model(specs, layers=2, neighbour_words=True)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.weights])
    return model, encoded


def test_padding_changes_nothing(trained_like):
    model, encoded = trained_like
    batch = whole(encoded)
    expected = emissions(model, batch.inputs)
    padded = {}
    for name, array in batch.inputs.items():
        by_place = array.shape[:2] == batch.targets.shape
        more = {1: [(0, 0)], 2: [(0, 0), (0, 3)], 3: [(0, 0), (0, 3), (0, 0)]}[array.ndim]
        padded[name] = np.pad(array, more) if by_place or name == "chars" else array
    found = emissions(model, padded)
    assert found.shape[1] == expected.shape[1] + 3
    mask = within(batch.lengths, expected.shape[1])
    np.testing.assert_allclose(found[:, : expected.shape[1]][mask], expected[mask], atol=1e-5)
    spoilt = {**padded, "index": np.where(within(batch.lengths, found.shape[1]), padded["index"], 1)}
    np.testing.assert_allclose(emissions(model, spoilt), found, atol=1e-5)


def test_company_and_order_change_nothing(trained_like):
    model, encoded = trained_like
    together = emissions(model, whole(encoded).inputs)
    order = np.random.default_rng(1).permutation(len(encoded))
    for group in (order, *np.split(order, [8]), [3]):
        for i, row in zip(group, emissions(model, encoded.batch(np.array(group)).inputs), strict=True):
            n = encoded.lengths[i]
            np.testing.assert_allclose(row[:n], together[i, :n], atol=1e-5)


def test_a_seed_fixes_the_initial_weights():
    specs, _ = make_data("words, rnn")
    one, again, other = (make_model(specs, layers=2, neighbour_words=True, seed=seed) for seed in (3, 3, 4))
    random = 0
    for a, b, c in zip(one.weights, again.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        random += not np.array_equal(a.numpy(), c.numpy())
        drawn = any(word in a.path for word in ("kernel", "embeddings"))
        assert drawn != np.array_equal(a.numpy(), c.numpy()) or "seed" in a.path, a.path


def test_weights_by_name_restore_the_model():
    specs, encoded = make_data()
    model = make_model(specs, seed=1)
    weights = named_weights(model)
    inputs = whole(encoded).inputs
    config = model.get_config() | {"seed": 2}
    np.testing.assert_array_equal(emissions(restore(config, weights), inputs), emissions(model, inputs))
    bias = "emissions/bias"
    for broken, found in (({**weights, bias: np.zeros(9)}, r"holds \(9,\)"), ({}, "holds nothing")):
        with pytest.raises(BundleError, match=found):
            restore(config, broken)


# ---- the neighbouring words --------------------------------------------------------------------------------


def neighbour_loss(ways, states, ids, vectors, index, lengths, kernel, bias, frequencies):
    """The loss of each direction, one prediction after the other."""
    n_tokens = lengths.sum()
    correction = []
    for word in ids:
        held = 1.0 - (1.0 - frequencies[word]) ** n_tokens
        correction.append(-np.log(held) - np.log((ids == word).sum()))
    units = kernel.shape[1]
    losses = []
    for b, n in enumerate(lengths):
        for i, way in enumerate(ways):
            step = {"forward": 1, "backward": -1}[way]
            for t in range(n):
                if not 0 <= t + step < n:
                    continue
                state = states[b, t, i * units : (i + 1) * units]
                logits = vectors @ (state @ kernel[i] + bias[i, 0]) + correction
                losses.append(np.log(np.exp(logits).sum()) - logits[index[b, t + step]])
    return np.mean(losses)


@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_the_loss_of_neighbouring_words_by_hand(direction):
    rng = np.random.default_rng(0)
    ids = np.array([2, 5, 1, 1, 3], np.int32)  # two distinct tokens are unknown words
    index = np.array([[0, 1, 4, 2], [3, 1, 0, 0], [2, 0, 0, 0]], np.int32)
    lengths = np.array([4, 2, 1], np.int32)
    vectors = rng.normal(size=(5, 3)).astype(np.float32)
    states = rng.normal(size=(3, 4, 4 * len(DIRECTIONS[direction]))).astype(np.float32)
    layer = NeighbourWords(size=7, direction=direction)
    np.testing.assert_array_equal(layer(states, ids[:, None], vectors, index, lengths), states)
    assert layer.losses == []
    kernel, bias = rng.normal(size=layer.kernel.shape), rng.normal(size=layer.bias.shape)
    frequencies = rng.dirichlet(np.ones(7))
    for weight, value in ((layer.kernel, kernel), (layer.bias, bias), (layer.frequencies, frequencies)):
        weight.assign(value)
    layer.strength.assign(0.5)
    expected = neighbour_loss(DIRECTIONS[direction], states, ids, vectors, index, lengths, kernel, bias, frequencies)
    assert float(layer.loss(states, ids, vectors, index, lengths)) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(layer(states, ids[:, None], vectors, index, lengths, training=True), states)
    assert [float(loss) for loss in layer.losses] == pytest.approx([0.5 * expected], rel=1e-4)


@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_the_auxiliary_loss_is_there_in_training_only(direction):
    specs, encoded = make_data()
    batch = whole(encoded)
    model = make_model(specs, neighbour_words=True, direction=direction, dropout=0.0)
    layer = model.get_layer("neighbour_words")
    layer.strength.assign(0.5)
    head, total = [], []
    for training in (True, False, True):
        outputs = model(batch.inputs, training=training)
        assert len(model.losses) == int(training)
        head.append(float(model.head.loss(outputs, batch.targets, batch.lengths, None)))
        total.append(float(model.compute_loss(batch.inputs, batch.targets, outputs)))
    assert head[1] == total[1] and total[0] > head[0] + 0.1
    model.compile("adam", run_eagerly=True)
    assert model.test_on_batch(batch.inputs, batch.targets) == pytest.approx(total[1], rel=1e-5)


def test_single_tokens_have_no_neighbours():
    layer = NeighbourWords(size=4)
    arguments = np.ones((2, 1, 4), np.float32), np.array([[2], [3]]), np.ones((2, 3), np.float32), np.array([[0], [1]])
    layer(*arguments, np.array([1, 1]), training=True)
    assert [float(loss) for loss in layer.losses] == [0.0]


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_no_state_has_seen_the_word_it_predicts(merge):
    specs, _ = make_data()
    model = make_model(specs, neighbour_words=True, layers=2, merge=merge)
    states_of = keras.Model(model.inputs, model.get_layer("neighbour_words").input[0])
    rng = np.random.default_rng(0)
    inputs = {"index": np.array([[0, 1, 2, 3, 4]], np.int32), "lengths": np.array([5], np.int32)}
    for spec in specs:
        inputs[spec.name] = rng.integers(0, spec.size, (5, spec.width)).astype(np.int32)
    before = np.array(states_of(inputs))
    for spec in specs:
        inputs[spec.name][2] = (inputs[spec.name][2] + 1) % spec.size
    changed = (np.array(states_of(inputs)) != before)[0]
    assert changed[:, :6].any(axis=1).tolist() == [False, False, True, True, True]
    assert changed[:, 6:].any(axis=1).tolist() == [True, True, True, False, False]
