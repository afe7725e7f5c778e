"""Going on from a saved model: what was learned stays where it was, and what is new has a place beside it."""

from dataclasses import replace

import numpy as np
import pytest

from seqtag import Corpus, Sequence, SequenceTagger, load
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.lookup import FIRST, PADDING, UNKNOWN
from seqtag.errors import BundleError, ConfigError
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
    assert WarmStart.of(None) == WarmStart() and WarmStart().extend(features) is features
    WarmStart().copy_weights(None, features)  # no model is needed either


# --- weights ----------------------------------------------------------------------------------------------------

NETWORK = {"units": 6, "dropout": 0.0, "neighbour_words": True}


def network(features, n_labels, **options):
    from seqtag.nn.network import build_tagger

    return build_tagger([feature.spec for feature in features], n_labels, **NETWORK | options)


def old_model(encoders, labels=("A", "B"), **options):
    """A model with random weights throughout, and the start that a folder of it would give."""
    from seqtag.nn.network import named_weights

    features = fit_encoders(encoders, OLD)
    model = network(features, len(labels), **options)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model, WarmStart(features, labels, named_weights(model))


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
    start.copy_weights(wider, features)
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
    wider = network(features, 4, units=2, seed=1)
    start.copy_weights(wider, features)
    np.testing.assert_allclose(emissions(wider, features, OLD)[..., :2], emissions(model, start.old, OLD), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"units": 7},
        {"cell": "gru"},
        {"bidirectional": False},
        {"layers": 2},
        {"decoder": "softmax"},
        {"words": {"words": None, "dim": 30}},
    ],
    ids=str,
)
def test_another_network_is_refused(options):
    _, start = old_model(["words"])
    features = start.extend(fit_encoders([options.pop("words", "words")], NEW))
    with pytest.raises(ConfigError, match=r"init_from needs the same network; .*Give the parameters that the saved"):
        start.copy_weights(network(features, 4, **options), features)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_the_auxiliary_loss_may_come_and_go(before, after):
    model, start = old_model(["words"], neighbour_words=before)
    features = start.extend(fit_encoders(["words"], OLD))
    other = network(features, 2, seed=1, neighbour_words=after)
    start.copy_weights(other, features)
    np.testing.assert_allclose(emissions(other, features, OLD), emissions(model, start.old, OLD), rtol=1e-6)


# --- with the tagger --------------------------------------------------------------------------------------------


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
    return predictor.backend.emissions(batch.inputs)


@pytest.mark.slow
def test_a_bad_place_to_begin_is_named(tiny, eager, tmp_path):
    with pytest.raises(BundleError, match="nowhere is not a saved seqtag model"):
        SequenceTagger(init_from=str(tmp_path / "nowhere")).fit(NEW)
    path = tiny().fit(OLD).save(tmp_path / "old")
    with pytest.raises(ConfigError, match="same encoders"):
        tiny(init_from=str(path), encoders=["affixes"]).fit(NEW)
    with pytest.raises(ConfigError, match="same network"):
        tiny(init_from=str(path), units=9).fit(NEW)
