"""Going on from a saved model: what was learned stays where it was, and what is new has a place beside it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from seqtag import Corpus, Sequence, SequenceTagger, load
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.lookup import FIRST, PADDING, UNKNOWN
from seqtag.errors import BundleError, ConfigError, DataError
from seqtag.tasks._warm_start import WarmStart

OLD = [Sequence(("Ada", "saw", "Ada", "and", "Ada"), ("A", "B", "A", "B", "A"), columns={"pos": tuple("NVNCN")})] * 3
NEW = [
    Sequence(("Bob", "saw", "zebras", "and", "Bob"), ("A", "B", "Z", "B", "A"), columns={"pos": tuple("NVXCN")}),
    Sequence(("quickly",), ("Y",), columns={"pos": ("R",)}),
]
ENCODERS = {
    "words": "words",
    "affixes": {"affixes": None, "min_count": 1},
    "chars": {"chars": None, "min_count": 1},
    "chars read by an LSTM": {"chars": "lstm", "min_count": 1},
    "column": {"column": "pos"},
}


def warm(encoders, sequences=OLD, labels=("A", "B"), weights=None):
    return WarmStart(fit_encoders(encoders, sequences), labels, weights if weights is not None else {})


# --- tables -----------------------------------------------------------------------------------------------------


def test_old_labels_come_first():
    start = warm(["words"], labels=("O", "B-X"))
    assert start.labels(["B-X", "A", "O", "Z"]) == ("O", "B-X", "A", "Z")
    assert WarmStart().labels(["b", "a"]) == ("b", "a")


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_old_entries_keep_their_ids_and_new_ones_follow(encoder):
    start, new = warm([encoder]), fit_encoders([encoder], NEW)
    (old,), (extended,) = start.old, start.extend(new)

    def encoded(feature, sequences):
        return feature.encode([v for s in sequences for v in (s.columns["pos"] if feature.column else s.tokens)])

    before, after = map(first_ids, (old, extended))
    expected = encoded(old, OLD)
    np.testing.assert_array_equal(encoded(extended, OLD), expected + (after - before) * (expected != PADDING))
    for lookup, longer in zip(old.lookups, extended.lookups, strict=True):
        assert longer.table[: len(lookup.table)] == lookup.table
    fresh = encoded(extended, NEW)
    assert (fresh != UNKNOWN + after).all() and fresh.max() < extended.spec.size
    assert extended.spec == replace(new[0].spec, size=extended.spec.size, rare_from=extended.spec.rare_from)


def first_ids(feature):
    """Where the ids of each part of a token begin."""
    return np.cumsum([0, *(lookup.size for lookup in feature.lookups)])[:-1] if feature.lookups else np.zeros(1, int)


def test_counts_and_rare_words_follow_the_new_data():
    start = warm(["words"])
    (words,) = start.extend(fit_encoders(["words"], [*NEW, NEW[0]]))
    assert words.lookups[0].table[:3] == start.old[0].lookups[0].table
    counts = dict(zip(words.lookups[0].table, words.counts[FIRST:], strict=True))
    assert counts == {"ada": 0, "and": 2, "saw": 2, "bob": 4, "zebras": 2, "quickly": 1}
    assert words.spec.rare_from == FIRST + words.lookups[0].table.index("quickly")
    (again,) = start.extend(fit_encoders(["words"], OLD))
    assert again.lookups == start.old[0].lookups and again.spec.rare_from == again.spec.size


@pytest.mark.parametrize(
    "other",
    [
        ["affixes"],
        ["words", "affixes"],
        [{"words": None, "lowercase": False}],
        [{"affixes": None, "prefixes": 2}],
    ],
)
def test_other_encoders_are_refused(other):
    for first, second in ((["words"], other), (other, ["words"])):
        if first != second:
            with pytest.raises(ConfigError, match="init_from needs the same encoders"):
                warm(first).extend(fit_encoders(second, NEW))


def test_encoders_that_read_otherwise_are_refused():
    for first, second in (
        ({"chars": None, "jamo": True}, {"chars": None}),
        ({"chars": None, "length": 9}, {"chars": None}),
        ({"affixes": None, "suffixes": 1}, {"affixes": None}),
        ({"column": "pos"}, {"column": "xpos"}),
    ):
        sequences = [replace(s, columns={"pos": s.labels, "xpos": s.labels}) for s in NEW]
        with pytest.raises(ConfigError, match=r"the same encoders; the saved model has .*, got "):
            warm([first], sequences).extend(fit_encoders([second], sequences))


def test_nothing_to_begin_with_changes_nothing():
    features = fit_encoders(["words"], NEW)
    assert WarmStart().extend(features) is features
    WarmStart().copy_weights(None, features, ())  # no model is needed either


# --- weights ----------------------------------------------------------------------------------------------------

NETWORK = {"units": 6, "dropout": 0.0, "neighbour_words": True}


def network(features, n_labels, **options):
    """A tagger, or with a pooling a classifier."""
    from seqtag.nn.network import build_classifier, build_tagger
    from seqtag.nn.stack import Stack

    options = NETWORK | options
    names = [name for name in Stack.__dataclass_fields__ if name in options and name != "dropout"]
    stack = Stack(**{name: options.pop(name) for name in names})
    build = build_classifier if "pooling" in options else build_tagger
    return build([feature.spec for feature in features], n_labels, stack=stack, **options)


def old_model(encoders, labels=("A", "B"), **options):
    """A model with random weights throughout, and the start that a folder of it would give."""
    from seqtag.nn.network import named_weights

    features = fit_encoders(encoders, OLD)
    model = network(features, len(labels), **options)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model, WarmStart(features, labels, named_weights(model), model.get_config())


def emissions(model, features, sequences):
    batch = EncodedCorpus(features, sequences).batch(np.arange(len(sequences)))
    return np.asarray(model(batch.inputs))


@pytest.mark.slow
@pytest.mark.parametrize("encoders", [[e] for e in ENCODERS.values()] + [list(ENCODERS.values())[:3]], ids=str)
def test_what_was_learned_gives_the_same_emissions(encoders):
    model, start = old_model(encoders)
    features = start.extend(fit_encoders(encoders, NEW))
    labels = start.labels(["A", "B", "Y", "Z"])
    wider = network(features, len(labels), seed=1)
    start.copy_weights(wider, features, labels)
    old = emissions(model, start.old, OLD)
    np.testing.assert_allclose(emissions(wider, features, OLD)[..., :2], old, rtol=1e-5, atol=1e-6)
    for name in ("transitions", "start", "end"):
        here, there = (np.asarray(getattr(m.head, name)) for m in (model, wider))
        np.testing.assert_array_equal(there[(slice(2),) * there.ndim], here)
    seen, unseen = (emissions(m, f, NEW) for m, f in ((model, start.old), (wider, features)))
    assert not np.allclose(seen, unseen[..., :2])  # its words were unknown there and are known here


@pytest.mark.slow
def test_labels_as_many_as_states_are_not_taken_for_them():
    """A matrix of states by labels is square here: only its columns are labels."""
    model, start = old_model(["words"], units=2)
    features = start.extend(fit_encoders(["words"], OLD))
    labels = ("A", "B", "Y", "Z")
    wider = network(features, 4, units=2, seed=1)
    start.copy_weights(wider, features, labels)
    np.testing.assert_allclose(emissions(wider, features, OLD)[..., :2], emissions(model, start.old, OLD), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 7}, "units is 6 in the saved model and 7 here"),
        ({"cell": "gru"}, "cell is 'lstm' in the saved model and 'gru' here"),
        ({"direction": "backward"}, "direction is 'both' in the saved model and 'backward' here"),
        ({"layers": 2}, "layers is 1 in the saved model and 2 here"),
        ({"merge": "mean"}, "merge is 'concat' in"),
        ({"residual": True}, "residual is False in"),  # its weights would be none the wiser
        ({"layer_norm": True}, "layer_norm is False in"),
        ({"initial_state": "learned"}, "initial_state is 'zero' in"),
        ({"decoder": "softmax"}, "decoder is 'crf' in the saved model and 'softmax' here"),
        ({"words": {"words": None, "dim": 30}}, r"words_vectors/.*embeddings has the shape \(5, 100\) in"),
    ],
    ids=str,
)
def test_another_network_is_refused(options, message):
    _, start = old_model(["words"])
    features = start.extend(fit_encoders([options.pop("words", "words")], NEW))
    with pytest.raises(ConfigError, match=rf"init_from needs the same network; {message}.*Give the parameters that"):
        start.copy_weights(network(features, 4, **options), features, ("A", "B", "C", "D"))


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_the_auxiliary_loss_may_come_and_go(before, after):
    model, start = old_model(["words"], neighbour_words=before)
    features = start.extend(fit_encoders(["words"], OLD))
    other = network(features, 2, seed=1, neighbour_words=after)
    start.copy_weights(other, features, ("A", "B"))
    np.testing.assert_allclose(emissions(other, features, OLD), emissions(model, start.old, OLD), rtol=1e-6)


@pytest.mark.slow
def test_a_weight_that_only_one_of_the_two_has_is_named():
    _, start = old_model(["words"])
    features = start.extend(fit_encoders(["words"], NEW))
    with pytest.raises(ConfigError, match="only one of the two has the weight recurrent_1/"):
        replace(start, network={}).copy_weights(network(features, 2, layers=2), features, ("A", "B"))


@pytest.mark.slow
@pytest.mark.parametrize("pooling", POOLINGS.names())
def test_classes_keep_their_logits_wherever_they_stand(pooling):
    old, start = old_model(["words"], ("B", "D"), pooling=pooling)
    features = start.extend(fit_encoders(["words"], NEW))
    wider = network(features, 4, pooling=pooling, seed=1)
    start.copy_weights(wider, features, ("A", "B", "C", "D"))
    np.testing.assert_allclose(emissions(wider, features, OLD)[:, [1, 3]], emissions(old, start.old, OLD), rtol=1e-5)
    other = next(name for name in POOLINGS if name != pooling)
    with pytest.raises(ConfigError, match=f"needs the same network; pooling is '{pooling}' in the saved model"):
        start.copy_weights(network(features, 4, pooling=other), features, ("A", "B", "C", "D"))


# --- numbers ----------------------------------------------------------------------------------------------------


def numbers(shift=0.0, width=2, missing=False, seed=0):
    """Tables of four lengths, about 0 or elsewhere."""
    rng = np.random.default_rng(seed)
    tables = [rng.normal(shift, 1 + shift, (n, width)).astype(np.float32) for n in (3, 1, 5, 2)]
    if missing:
        tables[0][0, 1] = np.nan
    return tables


def with_frames(tables):
    return [Sequence(frames=table) for table in tables]


def with_vectors(tables):
    return [Sequence(("a",) * len(table), vectors={"glove": table}) for table in tables]


NUMERIC = [(["frames"], with_frames), (["words", {"vectors": "glove", "standardize": True}], with_vectors)]


@pytest.mark.parametrize(("encoders", "make"), NUMERIC, ids=["frames", "vectors"])
def test_numbers_stay_scaled_as_the_weights_know_them(encoders, make):
    old, new = make(numbers(missing=True)), make(numbers(9.0))
    start = warm(encoders, old)
    fresh, extended = fit_encoders(encoders, new)[-1], start.extend(fit_encoders(encoders, new))[-1]
    assert extended == start.old[-1] and extended.scaler != fresh.scaler
    assert extended.spec.width == 3 and fresh.spec.width == 2  # the column that marks missing values is still there
    for sequence in (*old, *new):
        np.testing.assert_array_equal(extended.encode_places(sequence), start.old[-1].encode_places(sequence))


@pytest.mark.parametrize(("encoders", "make"), NUMERIC, ids=["frames", "vectors"])
def test_numbers_of_another_width_are_refused(encoders, make):
    wider = fit_encoders(encoders, make(numbers(width=5)))
    with pytest.raises(ConfigError, match=r"init_from needs the same encoders; .*\(2 numbers\).* got .*\(5 numbers\)"):
        warm(encoders, make(numbers())).extend(wider)


# --- with the estimators ----------------------------------------------------------------------------------------

WORDS = [list(sequence.tokens) for sequence in OLD], [list(sequence.tokens) for sequence in NEW]
TAGS = [list(sequence.labels) for sequence in OLD], [list(sequence.labels) for sequence in NEW]
FRAMES = numbers(missing=True), numbers(3.0, seed=1)
TASKS = {
    # estimator, X and y of the first fit and of the second, parameters
    "tagger": ("tiny", WORDS, TAGS, {"cell": "simple_rnn"}),
    "tagger of numbers": (
        "tiny",
        FRAMES,
        ([["A"] * len(table) for table in FRAMES[0]], [["Z"] * len(table) for table in FRAMES[1]]),
        {"encoders": "auto", "decoder": "softmax", "cell": "simple_rnn"},
    ),
    "classifier": ("small", WORDS, (["y", "b", "y"], ["a", "y"]), {}),
    "classifier of numbers": ("small", FRAMES, ([3, 1, 3, 1], [0, 2, 1, 4]), {"encoders": "auto"}),
    "several labels": ("small", WORDS, ([["y"], ["b", "y"], []], [["a"], ["y"]]), {}),
    "indicator": ("small", WORDS, ([[1, 0], [1, 1], [0, 0]], [[0, 0, 1], [1, 0, 0]]), {}),
}


@pytest.fixture(params=TASKS.values(), ids=TASKS)
def task(request, eager):
    """What makes the estimator; X and y of two fits."""
    fixture, X, y, params = request.param
    make = request.getfixturevalue(fixture)
    return lambda **more: make(**params | {"validation_fraction": 0, "warm_start": True} | more), X, y


def labels_of(estimator):
    return list(estimator.predictor_.labels)


def outputs(estimator, X):
    """What the network gives for each sequence alone."""
    predictor = estimator.predictor_
    return [
        predictor.backend.compute(EncodedCorpus(predictor.features, [sequence]).batch(np.array([0])).inputs)[0]
        for sequence in estimator._sequences(X)
    ]


@pytest.mark.slow
def test_a_further_fit_goes_on(task):
    make, X, y = task
    estimator = make(epochs=3, learning_rate=0.05).fit(X[0], y[0])
    cold = make(epochs=3, learning_rate=0.05, warm_start=False).fit(X[0], y[0])
    assert estimator.bundle_.files["weights.npz"] == cold.bundle_.files["weights.npz"]
    labels, before = labels_of(estimator), outputs(estimator, X[0])
    assert estimator.set_params(learning_rate=0, random_state=9).fit(X[1], y[1]) is estimator
    known = labels_of(estimator)
    assert set(labels) < set(known) and len(known) == len(set(known))
    kept = [known.index(label) for label in labels]
    for one, other in zip(outputs(estimator, X[0]), before, strict=True):
        np.testing.assert_allclose(one[..., kept], other, rtol=1e-4, atol=1e-5)
    if estimator.task == "classification":
        assert known == sorted(known)  # as scikit-learn takes columns to be
    learned = estimator.set_params(learning_rate=0.2, epochs=12, averaging=0, dropout=0.0, batch_tokens=4000)
    assert learned.fit(X[1], y[1]).score(X[1], y[1]) == 1
    assert labels_of(learned) == known


@pytest.mark.slow
def test_what_was_put_away_goes_on_too(task, tmp_path):
    make, X, y = task
    first = make().fit(X[0], y[0])
    path = first.save(tmp_path / "model")
    again = {
        "pickled": pickle.loads(pickle.dumps(first)),
        "loaded": type(first).load(path),
        "init_from": make(init_from=str(path), warm_start=False),
    }
    fresh = make(warm_start=False).fit(X[1], y[1])
    expected = first.fit(X[1], y[1])
    assert fresh.bundle_.files["weights.npz"] != expected.bundle_.files["weights.npz"]
    for way, estimator in again.items():
        found = estimator.fit(X[1], y[1])
        assert found.bundle_.files["weights.npz"] == expected.bundle_.files["weights.npz"], way
        assert labels_of(found) == labels_of(expected), way
    assert labels_of(clone(expected).fit(X[1], y[1])) == labels_of(fresh)  # a clone has learned nothing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "y", "error", "message"),
    [
        ({"pooling": "mean"}, ["a", "y"], ConfigError, "warm_start needs the same network; pooling is 'max' in"),
        ({"encoders": ["affixes"]}, ["a", "y"], ConfigError, "warm_start needs the same encoders"),
        ({"units": 3}, ["a", "y"], ConfigError, "warm_start needs the same network; units is 8 in"),
        ({}, [["a"], ["y"]], ConfigError, "needs the same network; multi_label is False in the saved model and True"),
        ({}, [1, 2], DataError, "classes must be all strings or all numbers"),
    ],
)
def test_what_cannot_go_on_is_refused_and_nothing_is_lost(small, eager, change, y, error, message):
    estimator = small(warm_start=True).fit(WORDS[0], ["y", "b", "y"])
    before = estimator.bundle_
    with pytest.raises(error, match=message):
        estimator.set_params(**change).fit(WORDS[1], y)
    assert estimator.bundle_ is before and estimator.predict(WORDS[1]).shape == (2,)


@pytest.mark.slow
def test_a_model_of_another_task_is_no_beginning(tiny, small, eager, tmp_path):
    tagger = tiny().fit(OLD).save(tmp_path / "tagger")
    with pytest.raises(ConfigError, match=r"init_from needs a saved model of the task 'classification'; .* 'tagging'"):
        small(init_from=str(tagger)).fit(WORDS[0], ["y", "b", "y"])


@pytest.mark.slow
def test_a_tagger_goes_on_from_a_saved_one(tiny, eager, tmp_path):
    """At a learning rate of 0 the new model is the old one, with places for what is new."""
    path = tiny().fit(OLD).save(tmp_path / "old")
    still = tiny(init_from=str(path), learning_rate=0, averaging=0, validation_fraction=0, random_state=9).fit(NEW)
    old, new = load(path), still.predictor_
    assert new.labels == ("A", "B", "Y", "Z") and set(new.labels[:2]) == set(old.labels)
    for before, after in zip(*(run_emissions(p, OLD) for p in (old, new)), strict=True):
        np.testing.assert_allclose(after[..., :2], before, rtol=1e-5, atol=1e-6)
    learning = tiny(init_from=str(path), epochs=8, learning_rate=0.1, averaging=0, dropout=0, patience=0)
    assert learning.fit(NEW, validation_data=Corpus(tuple(NEW))).score(NEW) == 1


def run_emissions(predictor, sequences):
    batch = EncodedCorpus(predictor.features, sequences).batch(np.arange(len(sequences)))
    return predictor.backend.compute(batch.inputs)


@pytest.mark.slow
def test_a_bad_place_to_begin_is_named(tiny, eager, tmp_path):
    with pytest.raises(BundleError, match="nowhere is not a saved seqtag model"):
        SequenceTagger(init_from=str(tmp_path / "nowhere")).fit(NEW)
    path = tiny().fit(OLD).save(tmp_path / "old")
    with pytest.raises(ConfigError, match="same encoders"):
        tiny(init_from=str(path), encoders=["affixes"]).fit(NEW)
    with pytest.raises(ConfigError, match="same network"):
        tiny(init_from=str(path), units=9).fit(NEW)
