"""Texts as lanes: nothing is lost, nothing is doubled, and the state goes from window to window."""

import keras
import numpy as np
import pytest

from seqtag import LanguageModel
from seqtag.data.lanes import Candidates, LaneBatches, stream_of
from seqtag.data.symbols import END, SymbolTable
from seqtag.nn.language import LaneScorer, build_language_model, symbols_spec
from seqtag.nn.stack import Stack

RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(2, 9, n).astype(np.int32) for n in (5, 0, 17, 1, 30, 8)]


def put_together(batches):
    """Return inputs, targets and weights of a pass, lane after lane."""
    parts = [(b.inputs["symbols"][..., 0], b.targets, b.weights) for b in batches]
    return [np.concatenate(arrays, axis=1).ravel() for arrays in zip(*parts, strict=True)]


@pytest.mark.parametrize("lanes", [1, 3, 4])
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_windows_put_together_are_the_stream(lanes, steps):
    data = LaneBatches(TEXTS, lanes, steps, True)
    batches = list(data.ordered())
    inputs, targets, weights = put_together(batches)
    stream = stream_of(TEXTS)
    n = len(stream) - 1
    assert n == data.n_tokens == weights.sum()
    np.testing.assert_array_equal(inputs[weights > 0], stream[:-1])
    np.testing.assert_array_equal(targets[weights > 0], stream[1:])
    assert len(batches) == data.plan(None).steps
    assert [b.inputs["keep"][0] for b in batches] == [0.0] + [1.0] * (len(batches) - 1)


@pytest.mark.parametrize("continuous", [True, False])
def test_a_shuffled_pass_has_the_same_symbols_behind_the_same(continuous):
    data = LaneBatches(TEXTS, 2, 5, continuous)
    rng = np.random.default_rng(1)
    passes = []
    for _ in range(6):
        batches = list(data.shuffled(None, rng))
        inputs, targets, weights = put_together(batches)
        passes.append(list(zip(inputs[weights > 0], targets[weights > 0], strict=True)))
    assert any(one != passes[0] for one in passes)
    ends = sum(after == END for _, after in passes[0])
    assert ends == len(TEXTS)
    if continuous:  # turned round, the pairs are the same
        assert all(sorted(one) == sorted(passes[0]) for one in passes)


def test_candidates_hold_all_targets_and_are_corrected_by_how_often_they_are_there():
    share = np.array([0.4, 0.3, 0.2, 0.05, 0.03, 0.02])
    candidates = Candidates(share, drawn=3)
    rng = np.random.default_rng(0)
    there = np.zeros(6)
    for _ in range(3000):
        targets = rng.choice(6, (2, 3), p=share)
        ids, correction, places = candidates.of(targets, rng)
        real = correction > -1e8
        np.testing.assert_array_equal(ids[real][places], targets)
        assert len(ids) % 256 == 0 and len(set(ids[real])) == real.sum()
        there[ids[real]] += 1
    np.testing.assert_allclose(np.exp(-correction[real]), (there / 3000)[ids[real]], atol=0.03)


def test_the_loss_over_candidates_is_nearly_that_over_all():
    share = np.full(400, 1 / 400)
    texts = [RNG.integers(2, 400, 600).astype(np.int32)]
    forward = Stack(units=6, direction="forward")
    model = build_language_model([symbols_spec(400, 6)], stack=forward, lanes=4, sampled=True)
    data = LaneBatches(texts, 4, 20, True, Candidates(share, 60))
    losses = [
        float(model.compute_loss(b.inputs, b.targets, model(b.inputs), b.weights))
        for _ in range(5)
        for b in data.ordered()
    ]
    whole = -LaneScorer(model)(LaneBatches(texts, 4, 20, True).ordered())
    assert np.mean(losses) == pytest.approx(whole, abs=0.05)


def test_windows_carry_the_state_as_the_answering_graph_does():
    texts = ["abcabcab", "cab", "", "bacbacbac"] * 6
    model = LanguageModel(
        level="characters",
        continuous=True,
        units=7,
        layers=2,
        cell="lstm",
        epochs=1,
        steps=4,
        random_state=0,
        dropout=0.3,
    ).fit(texts, validation_data=texts[:1])
    table = model.predictor_.table
    ids = [table.encode(text) for text in texts]
    network = build_language_model(
        [symbols_spec(len(table), 7)], stack=Stack(units=7, layers=2, direction="forward"), lanes=1, dropout=0.3
    )
    weights = model.bundle_.weights()
    for variable in network.trainable_variables:
        variable.assign(weights[variable.path])
    found = LaneScorer(network)(LaneBatches(ids, 1, 4, True).ordered())
    assert found == pytest.approx(model.score(texts), abs=1e-5)


def test_a_pass_begins_anew_whatever_was_read_before():
    model = build_language_model([symbols_spec(9, 6)], stack=Stack(units=6, direction="forward"), lanes=2)
    score, data = LaneScorer(model), LaneBatches(TEXTS, 2, 5, True)
    first = score(data.ordered())
    assert np.abs(np.asarray(model.get_layer("carried").state)).max() > 0
    assert score(data.ordered()) == first


def test_weights_are_left_out_in_training_alone_and_for_a_whole_window():
    stack = Stack(units=6, direction="forward", weight_dropout=0.5)
    model = build_language_model([symbols_spec(9, 6)], stack=stack, lanes=2, dropout=0.0)
    batch = LaneBatches(TEXTS, 2, 12, True).example()
    answers = [np.asarray(model(batch.inputs)) for _ in range(2)]
    np.testing.assert_array_equal(*answers)
    drawn = [np.asarray(model(batch.inputs, training=True)) for _ in range(2)]
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-4
    # The first step has no past: W does not matter there, whatever of it is left out.
    np.testing.assert_allclose(drawn[0][:, 0], drawn[1][:, 0], atol=1e-6)


def test_weight_dropout_is_the_same_with_keras_operations(monkeypatch):
    """The mask of a seed through the fused kernel, and through Keras's own layer that reads replaced weights."""
    stack = Stack(units=5, cell="gru", direction="forward", weight_dropout=0.4)
    batch = LaneBatches(TEXTS, 2, 12, True).example()

    def first_scores():
        model = build_language_model([symbols_spec(9, 5)], stack=stack, lanes=2, dropout=0.0, seed=3)
        return np.asarray(model(batch.inputs, training=True))

    fused = first_scores()
    monkeypatch.setattr("seqtag.nn.recurrent.fused_kernel", lambda cell: None)
    np.testing.assert_allclose(first_scores(), fused, atol=1e-5)


def test_the_carried_state_is_no_weight_of_the_model():
    model = build_language_model([symbols_spec(9, 6)], stack=Stack(units=6, direction="forward"), lanes=2)
    assert {v.path for v in model.non_trainable_variables if "seed" not in v.path} == {"carried/state"}
    assert isinstance(model, keras.Model)


def test_bytes_know_every_text_and_words_read_the_mark_of_the_unknown():
    table = SymbolTable.fit(["né"], "bytes")
    assert table.spell(table.encode("né 안녕 👋")) == "né 안녕 👋"
    words = SymbolTable.fit(["a <unk> b a b <eos>", "a <unk> <eos>"], "words")
    assert words.symbols == ("<eos>", "<unk>", "a", "<eos>", "b")
    assert words.encode("a <unk> zzz <eos>").tolist() == [2, 1, 1, 3]
    assert words.counts == (2, 2, 3, 2, 2)
    assert SymbolTable.from_dict(words.to_dict()) == words
