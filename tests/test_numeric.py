"""Sequences of numbers: kept as they were given, scaled as they were learnt, laid out where they stand."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.encoders import Feature, Vocabulary, default_encoders, fit_encoders
from seqtag.data.scaling import Scaler, learn_scaler
from seqtag.errors import ConfigError, DataError

TABLE = np.array([[1.0, np.nan], [3.0, 4.0]])
sizes = st.floats(-1e6, 1e6, width=32)


def tables():
    """Some tables of one width, with missing values."""
    values = sizes | st.just(np.nan)
    return st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.integers(0, 6).flatmap(lambda rows: arrays.arrays(np.float32, (rows, width), elements=values)),
            min_size=1,
            max_size=5,
        )
    )


# ---- sequences ---------------------------------------------------------------------------------------------


def test_a_sequence_keeps_a_copy_that_nobody_can_change():
    given_, vectors = TABLE.copy(), {"glove": TABLE.copy()}
    sequence = Sequence(frames=given_, vectors=vectors)
    given_[0, 0] = vectors["glove"][0, 0] = 99
    for table in (sequence.frames, sequence.vectors["glove"]):
        assert table.dtype == np.float32 and table[0, 0] == 1 and np.isnan(table[0, 1])
        with pytest.raises(ValueError, match="read-only"):
            table[0, 0] = 2
        with pytest.raises(ValueError, match="WRITEABLE"):
            table.flags.writeable = True
    assert len(sequence) == 2 and sequence.tokens == ()
    assert dataclasses.replace(sequence, label="x").frames is sequence.frames  # copied once, not at every change


def test_what_only_looks_read_only_is_copied():
    given_ = TABLE.astype(np.float32)
    given_.flags.writeable = False
    sequence = Sequence(frames=given_)
    given_.flags.writeable = True
    given_[0, 0] = 99
    assert sequence.frames[0, 0] == 1


def test_equal_is_what_holds_the_same_and_nan_equals_nan():
    def make(frames=TABLE, **more):
        return Sequence(frames=frames, **{"vectors": {"v": TABLE}, "labels": ("a", "b"), **more})

    assert make() == make()
    others = [
        make(np.array([[1.0, 2.0], [3.0, 4.0]])),
        make(np.hstack([TABLE, TABLE])),
        make(vectors={"w": TABLE}),
        make(vectors={"v": TABLE[:, :1]}),
        make(vectors={}),
        make(labels=None),
        make(label="x"),
        make(label=("x",)),
        Sequence(("a", "b"), ("a", "b"), vectors={"v": TABLE}),
    ]
    for i, one in enumerate([make(), *others]):
        assert [one == other for other in [make(), *others]] == [j == i for j in range(len(others) + 1)]
    assert make() != "a sequence"
    assert Corpus((make(),)) == Corpus((make(),)) != Corpus((others[0],))


@pytest.mark.parametrize("again", [pickle.loads, lambda data: copy.deepcopy(pickle.loads(data))])
def test_a_sequence_survives_pickle_and_stays_closed(again):
    one = Sequence(frames=TABLE, label=("x", "y"), vectors={"v": TABLE}, id="i")
    other = again(pickle.dumps(one))
    assert other == one and not other.frames.flags.writeable and not other.vectors["v"].flags.writeable
    assert again(pickle.dumps(Sequence(("a",), ("O",), lines=(3,)))) == Sequence(("a",), ("O",), lines=(3,))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"tokens": ("a",), "frames": TABLE}, r"tokens or frames, not both; got 1 tokens and frames of shape \(2, 2\)"),
        ({"frames": [1.0, 2.0]}, r"frames must have the shape \(T, F\), with at least one feature; got \(2,\)"),
        ({"frames": np.zeros((3, 0))}, r"frames must have the shape .*; got \(3, 0\)"),
        ({"frames": "ab"}, r"frames must hold real numbers, NaN where one is missing; got the type <U2"),
        (
            {"frames": [[1.0], [2.0, 3.0]]},
            r"frames must be numbers in rows of one length; got \[\[1\.0\], \[2\.0, 3\.0",
        ),
        ({"frames": [[np.inf]]}, r"frames\[0, 0\] must be finite, or NaN where it is missing; got inf"),
        ({"frames": [[0, 0], [0, -1e300]]}, r"frames\[1, 1\] must be within float32, .*; got -1e\+300"),
        ({"frames": TABLE, "labels": ("a",)}, r"labels must have one entry a frame; got 1 for the 2 frames of the one"),
        ({"frames": TABLE, "lines": (1,), "id": "t"}, r"lines must have .* of the one with the id 't' \(line 1\)"),
        (
            {"frames": TABLE, "columns": {"c": ()}},
            r"c must have one entry a frame; got 0 for the 2 frames of .*\[1, nan",
        ),
        ({"frames": TABLE, "vectors": {"v": TABLE[:1]}}, "v must have one entry a frame; got 1"),
        ({"tokens": ("a",), "vectors": {"v": TABLE}}, "v must have one entry a token; got 2 for the 1 tokens of 'a'"),
        ({"vectors": {"v": [[np.inf]]}}, r"vectors\['v'\]\[0, 0\] must be finite"),
        ({"label": ["x"]}, r"label must be a string, or a tuple of strings for several labels; got \['x'\]"),
        ({"label": ("x", 1)}, r"label must be a string, or a tuple of strings .*; got \('x', 1\)"),
        ({"label": 3}, "label must be a string"),
    ],
)
def test_a_sequence_that_is_not_whole_is_refused(parts, message):
    with pytest.raises(DataError, match=message):
        Sequence(**parts)


def test_a_corpus_gives_its_frames():
    corpus = Corpus((Sequence(frames=TABLE), Sequence(frames=TABLE[:1])), "trips")
    assert [table.shape for table in corpus.frames] == [(2, 2), (1, 2)] and corpus.n_tokens == 3
    with pytest.raises(DataError, match="trips: sequence 1 has no frames; its data are tokens"):
        _ = Corpus((corpus[0], Sequence(("a",))), "trips").frames


# ---- scaling -----------------------------------------------------------------------------------------------


@given(tables())
def test_features_have_mean_0_and_deviation_1_with_the_missing_values_left_out(found):
    scaler = learn_scaler(found, standardize=True)
    rows = np.concatenate(found).astype(np.float64)
    out = np.concatenate([scaler.apply(table) for table in found])
    assert out.dtype == np.float32 and out.shape == (len(rows), scaler.width)
    assert scaler.missing == tuple(j for j in range(rows.shape[1]) if np.isnan(rows[:, j]).any())
    for j, values in enumerate(rows.T):
        known = ~np.isnan(values)
        assert not out[~known, j].any()
        if not known.any() or values[known].min() == values[known].max():
            expected = values[known][0] if known.any() else 0.0
            assert (scaler.mean[j], scaler.scale[j]) == (expected, 1.0) and not out[:, j].any()
            continue
        np.testing.assert_allclose(scaler.mean[j], values[known].mean(), rtol=1e-9, atol=1e-9 * np.ptp(values[known]))
        np.testing.assert_allclose(scaler.scale[j], values[known].std(), rtol=1e-6)
        np.testing.assert_allclose([out[known, j].mean(), out[known, j].std()], [0, 1], atol=1e-4)
    np.testing.assert_array_equal(out[:, rows.shape[1] :], np.isnan(rows)[:, list(scaler.missing)])


@given(tables(), st.booleans())
def test_a_scaler_from_json_scales_alike(found, standardize):
    scaler = learn_scaler(found, standardize)
    state = json.loads(json.dumps(dataclasses.asdict(scaler), allow_nan=False))
    assert Scaler(**{name: tuple(value) for name, value in state.items()}) == scaler


@given(tables())
def test_the_order_of_the_tables_does_not_matter_much(found):
    one, other = learn_scaler(found, True), learn_scaler(found[::-1], True)
    assert one.missing == other.missing
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-6, atol=1e-6 * max(one.scale))
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-6)


def test_constants_and_extremes_of_float32_are_scaled_in_float64():
    thirds = np.full((7, 1), 0.1, np.float32)
    assert learn_scaler([thirds], True) == Scaler((float(thirds[0, 0]),), (1.0,))
    far = np.float32([[1e8, -3e38, 1e-45], [1e8 + 8, 3e38, 0]])
    np.testing.assert_allclose(learn_scaler([far], True).apply(far), [[-1, -1, 1], [1, 1, -1]], rtol=1e-6)


def test_without_standardizing_only_the_missing_are_dealt_with():
    scaler = learn_scaler([np.float32(TABLE)], standardize=False)
    assert scaler == Scaler((0.0, 0.0), (1.0, 1.0), (1,))
    np.testing.assert_array_equal(scaler.apply(np.float32(TABLE)), [[1, 0, 1], [3, 4, 0]])


# ---- encoders ----------------------------------------------------------------------------------------------


def frames(*tables, **parts):
    return [Sequence(frames=table, **parts) for table in tables]


def fit(choice, sequences):
    (feature,) = fit_encoders([choice], sequences)
    return feature


def test_frames_are_standardised_and_the_missing_are_marked():
    feature = fit("frames", frames(TABLE, [[5.0, 8.0]]))
    assert feature.scaler.mean == (3.0, 6.0) and feature.scaler.missing == (1,)
    spec = feature.spec
    assert (spec.name, spec.kind, spec.level, spec.size, spec.width) == ("frames", "vectors", "token", 0, 3)
    (new,) = frames([[np.nan, 6.0], [3.0, np.nan]])
    found = feature.encode_places(new)
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 0, 1]])  # the first was never missing: it has no mark
    assert found.dtype == np.float32
    bare = fit({"frames": None, "standardize": False}, frames(TABLE))
    np.testing.assert_array_equal(bare.encode_places(new), [[0, 6, 0], [3, 0, 1]])


@pytest.mark.parametrize("standardize", [True, False])
def test_vectors_are_read_beside_tokens_and_beside_frames(standardize):
    for rest in ({"tokens": ("a", "b")}, {"frames": TABLE[:, :1]}):
        sequences = [Sequence(**rest, vectors={"a/b": [[1.0, 2.0], [3.0, 2.0]]})]
        feature = fit({"vectors": "a/b", "standardize": standardize}, sequences)
        assert (feature.spec.width, feature.vectors) == (2, "a/b") and feature.spec.name.startswith("vectors_a_b")
        expected = [[-1, 0], [1, 0]] if standardize else [[1, 2], [3, 2]]
        np.testing.assert_array_equal(feature.encode_places(sequences[0]), expected)
    assert fit({"vectors": "a/b"}, sequences).scaler == Scaler((0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize("choice", ["frames", {"vectors": "v"}, {"vectors": "v", "standardize": True}], ids=str)
@given(found=tables())
def test_a_numeric_feature_from_json_encodes_alike(choice, found):
    sequences = [Sequence(frames=table, vectors={"v": table}) for table in found]
    feature = fit(choice, sequences)
    again = Feature.from_dict(json.loads(json.dumps(feature.to_dict(), allow_nan=False)))
    assert again == feature
    for sequence in sequences:
        encoded = feature.encode_places(sequence)
        np.testing.assert_array_equal(again.encode_places(sequence), encoded)
        assert encoded.shape == (len(sequence), feature.spec.width) and np.isfinite(encoded).all()


def test_features_of_an_older_model_have_no_scaler():
    feature = fit("words", [Sequence(("a",))])
    state = feature.to_dict()
    del state["scaler"], state["vectors"]
    assert Feature.from_dict(state) == feature


@pytest.mark.parametrize(
    ("choice", "sequences", "error", "message"),
    [
        (
            "words",
            frames(TABLE),
            ConfigError,
            "encoder 'words' reads tokens, and these .* frames .*Use 'frames' instead",
        ),
        ("affixes", frames(TABLE), ConfigError, "encoder 'affixes' reads tokens"),
        ("chars", frames(TABLE), ConfigError, "encoder 'chars' reads tokens"),
        ("frames", [Sequence(("a",))], ConfigError, "encoder 'frames' reads numbers, and these .* tokens. Use 'words'"),
        ("frames", [], ConfigError, "encoder 'frames' reads numbers"),
        (
            "frames",
            [*frames(TABLE), Sequence(("a",))],
            DataError,
            r"all sequences must have tokens, or all frames; .*'a'",
        ),
        ("words", [*frames(TABLE, id="t"), Sequence(("a",))], DataError, "has tokens, the one with the id 't' frames"),
        (
            "frames",
            frames(TABLE, np.full((3, 9), 0.5)),
            DataError,
            r"frames must have 2 features, as those .*; the one of 3 frames that begins \[0\.5, .*, \.\.\.\] has 9",
        ),
        ({"vectors": "v"}, frames(TABLE), DataError, r"must have the vectors 'v'; the one of 2 frames .* has none\."),
        ({"vectors": "gluve"}, frames(TABLE, vectors={"glove": TABLE}), DataError, "has glove. Did you mean 'glove'"),
        ({"vectors": "v"}, [], DataError, "at least one sequence with the vectors 'v'; got none"),
        (
            {"vectors": "v"},
            [Sequence(("a",), vectors={"v": [[1.0]]}), Sequence(("b",), vectors={"v": [[1.0, 2.0]]}, lines=(7,))],
            DataError,
            r"the vectors 'v' must have 1 features, .*; the one that begins 'b' \(line 7\) has 2",
        ),
        ("vectors", frames(TABLE), ConfigError, "encoder 'vectors' needs its name; write it as {vectors: ...}"),
        ({"frames": 3}, frames(TABLE), ConfigError, "encoder 'frames' takes no main argument; got 3"),
        ({"frames": None, "standardise": True}, frames(TABLE), ConfigError, "Did you mean 'standardize'"),
        ({"frames": None, "standardize": 1}, frames(TABLE), ConfigError, "standardize must be true or false; got 1"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(choice, sequences, error, message):
    with pytest.raises(error, match=message):
        fit_encoders([choice], sequences)


@pytest.mark.parametrize(
    ("choice", "sequence", "message"),
    [
        ("frames", Sequence(frames=[[1.0]], id="t"), "frames must have 2 features, .*; the one with the id 't' has 1"),
        ("frames", Sequence(("a",)), r"every sequence must have frames; the one that begins 'a' has tokens\. Give"),
        ("frames", Sequence(frames=[[3e38, 0.0]]), r"frames must be about .* feature 0 is 1e-30 .* has 3e\+38 there"),
        ("words", Sequence(frames=TABLE), "every sequence must have tokens, .*; the one of 2 frames .* has frames"),
        ({"vectors": "v"}, Sequence(("a",)), "every sequence must have the vectors 'v'; the one that begins 'a' has n"),
        ({"vectors": "v"}, Sequence(("a",), vectors={"v": [[1.0]]}), "the vectors 'v' must have 2 features, .*has 1"),
    ],
)
def test_what_cannot_be_answered_is_named(choice, sequence, message):
    table = [[0.0, 1.0], [2e-30, 2.0]]
    seen = [Sequence(**({"tokens": ("a", "b")} if choice == "words" else {"frames": table}), vectors={"v": table})]
    features = fit_encoders([choice], seen)
    with pytest.raises(DataError, match=message):
        EncodedCorpus(features, [sequence])


def test_empty_sequences_go_with_either():
    empty = Sequence(())
    feature = fit("frames", [empty, *frames(TABLE, np.zeros((0, 2)))])
    assert feature.scaler.features == 2
    assert feature.encode_places(empty).shape == (0, 3)
    assert fit("words", [empty, Sequence(("a",))]).lookups[0].table == ("a",)
    assert not Vocabulary.of([empty]).is_numeric and Vocabulary.of(frames(TABLE)).is_numeric


def test_what_is_read_by_default():
    assert default_encoders(frames(TABLE)) == ("frames",)
    assert default_encoders(iter([Sequence(()), *frames(TABLE)])) == ("frames",)
    assert default_encoders([Sequence(("a",), vectors={"v": [[1.0]]})]) == ("words", "affixes", "chars")
    assert default_encoders([]) == ("words", "affixes", "chars")


# ---- batches -----------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 99))
def test_numbers_stand_where_their_frame_does(seed):
    rng = np.random.default_rng(seed)
    made = [
        Sequence(
            frames=np.where(rng.random((n, 3)) < 0.2, np.nan, rng.normal(size=(n, 3))),
            columns={"room": tuple(rng.choice(["a", "b"], n).tolist())},
            vectors={"v": rng.normal(size=(n, 2))},
        )
        for n in rng.integers(1, 9, 12)
    ]
    features = fit_encoders(["frames", {"vectors": "v"}, {"column": "room"}], made)
    encoded = EncodedCorpus(features, made)
    indices = rng.permutation(len(made))[:5]
    inputs = encoded.batch(indices).inputs
    assert set(inputs) == {"lengths", "frames", "vectors_v", "column_room"}  # no token, so no index
    longest = max(len(made[i]) for i in indices)
    for feature in features:
        found = inputs[feature.spec.name]
        assert found.shape == (5, longest, feature.spec.width)
        assert found.dtype == (np.float32 if feature.spec.kind == "vectors" else np.int32)
        for row, i in zip(found, indices, strict=True):
            np.testing.assert_array_equal(row[: len(made[i])], feature.encode_places(made[i]))
            assert not row[len(made[i]) :].any()
    assert encoded.n_tokens == sum(map(len, made)) and len(encoded) == 12


def test_tokens_need_an_index_only_where_a_feature_is_given_by_type():
    made = [Sequence(("a", "b"), vectors={"v": [[1.0], [2.0]]}), Sequence(("c",), vectors={"v": [[3.0]]})]
    both = EncodedCorpus(fit_encoders(["words", {"vectors": "v"}], made), made).batch(np.array([1, 0])).inputs
    assert set(both) == {"index", "lengths", "words", "vectors_v"}
    alone = EncodedCorpus(fit_encoders([{"vectors": "v"}], made), made).batch(np.array([1, 0])).inputs
    assert set(alone) == {"lengths", "vectors_v"}
    np.testing.assert_array_equal(alone["vectors_v"], [[[3], [0]], [[1], [2]]])


@pytest.mark.parametrize("targets", [np.array([3, 1, 2]), np.eye(3, dtype=np.float32)])
def test_one_target_a_sequence_comes_as_a_row(targets):
    made = frames([[1.0]] * 3, [[2.0]], [[3.0]] * 2)
    weights = np.array([0.5, 1.0, 2.0], np.float32)
    batch = EncodedCorpus(fit_encoders(["frames"], made), made, targets, weights).batch(np.array([2, 0]))
    np.testing.assert_array_equal(batch.targets, targets[[2, 0]])
    np.testing.assert_array_equal(batch.weights, [2.0, 0.5])
    assert batch.targets.dtype == targets.dtype and batch.inputs["frames"].shape == (2, 3, 1)
