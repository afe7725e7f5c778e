"""The CRF layer: every number, and every gradient, against the enumeration of all paths."""

import itertools
from functools import cache, partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtag import decoding
from seqtag.data.schemes import problems
from seqtag.data.transitions import allowed_transitions, complete_labels
from seqtag.nn.crf import CRF, FORBIDDEN
from seqtag.nn.heads import CRFHead, SoftmaxHead

NAMES = ("transitions", "start", "end")


def make_case(seed, B=3, T=4, K=3, scale=2.0):
    """Emissions, lengths from 1 to T with both among them, random gold labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, T + 1, B).astype(np.int32)
    lengths[: min(B, 2)] = [T, 1][: min(B, 2)]
    emissions = rng.normal(scale=scale, size=(B, T, K)).astype(np.float32)
    return emissions, lengths, rng.integers(0, K, (B, T)).astype(np.int32)


def make_crf(seed, K=3, allowed=None, scale=1.0):
    """A CRF with random scores; ``allowed="some"`` forbids a third of everything at random."""
    rng = np.random.default_rng(seed + 1000)
    if allowed == "some":
        allowed = {name: rng.random((K, K) if name == "transitions" else K) < 0.67 for name in NAMES}
        allowed = {name: np.where(table.any(), table, ~table).tolist() for name, table in allowed.items()}
    crf = CRF(**{f"allowed_{name}": table for name, table in (allowed or {}).items()})
    crf.build((None, None, K))
    crf.set_weights([rng.normal(scale=scale, size=weight.shape) for weight in crf.weights])
    return crf


def make_scheme(scheme):
    """The labels of two types, and which may begin, follow one another and end."""
    prefixes = {"iob1": "BI", "iob2": "BI", "bioes": "BIES"}[scheme]
    labels = complete_labels(["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in "xy")], scheme)
    tables = allowed_transitions(labels, scheme)
    return labels, {name: table.tolist() for name, table in zip(("start", "transitions", "end"), tables, strict=True)}


def enumerated(emissions, lengths, transitions, start, end):
    """All paths of each sequence and their scores, as tensors of float64."""
    emissions, transitions, start, end = (tf.cast(a, tf.float64) for a in (emissions, transitions, start, end))
    labels = np.eye(emissions.shape[-1])
    for row, n in zip(emissions, lengths, strict=True):
        paths = list(itertools.product(range(len(labels)), repeat=int(n)))
        one_hot = labels[np.array(paths)]  # (paths, n, K)
        pairs = np.einsum("pti,ptj->pij", one_hot[:, :-1], one_hot[:, 1:])
        scores = tf.einsum("ptk,tk->p", one_hot, row[:n]) + tf.einsum("pij,ij->p", pairs, transitions)
        yield paths, scores + tf.linalg.matvec(one_hot[:, 0], start) + tf.linalg.matvec(one_hot[:, -1], end)


def log_likelihoods(labels, found):
    """What the enumeration gives for gold labels."""
    out = []
    for row, (paths, scores) in zip(labels, found, strict=True):
        gold = paths.index(tuple(row[: len(paths[0])]))
        out.append(scores[gold] - tf.reduce_logsumexp(scores))
    return tf.stack(out)


cases = pytest.mark.parametrize(
    ("seed", "shape", "allowed"),
    [
        (0, (3, 4, 3), None),
        (1, (3, 4, 3), "some"),
        (2, (4, 5, 2), None),
        (3, (4, 5, 2), "some"),
        (4, (2, 3, 4), "some"),
        (5, (3, 1, 4), None),
        (6, (2, 4, 1), None),
        (7, (1, 2, 2), "some"),
    ],
    ids=str,
)


# ---- against the enumeration -------------------------------------------------------------------------------


@cases
def test_the_log_likelihood(seed, shape, allowed):
    emissions, lengths, labels = make_case(seed, *shape)
    crf = make_crf(seed, shape[-1], allowed)
    expected = log_likelihoods(labels, enumerated(emissions, lengths, *crf.scores()))
    np.testing.assert_allclose(crf.log_likelihood(emissions, labels, lengths), expected, rtol=1e-5, atol=1e-5)


@cases
def test_the_marginals(seed, shape, allowed):
    emissions, lengths, _ = make_case(seed, *shape)
    crf = make_crf(seed, shape[-1], allowed)
    expected = np.zeros(shape)
    for b, (paths, scores) in enumerate(enumerated(emissions, lengths, *crf.scores())):
        for path, probability in zip(paths, tf.nn.softmax(scores).numpy(), strict=True):
            expected[b, range(len(path)), path] += probability
    np.testing.assert_allclose(crf.marginals(emissions, lengths), expected, atol=1e-5)


@cases
def test_the_best_path_and_its_score(seed, shape, allowed):
    emissions, lengths, _ = make_case(seed, *shape)
    crf = make_crf(seed, shape[-1], allowed)
    labels, best = map(np.array, crf.viterbi(emissions, lengths))
    assert labels.dtype == np.int32
    for b, (paths, scores) in enumerate(enumerated(emissions, lengths, *crf.scores())):
        n = lengths[b]
        assert tuple(labels[b, :n]) == paths[np.argmax(scores)] and not labels[b, n:].any()
        assert best[b] == pytest.approx(np.max(scores), rel=1e-5, abs=1e-5)


@cases
def test_the_gradients(seed, shape, allowed):
    emissions, lengths, labels = make_case(seed, *shape)
    crf = make_crf(seed, shape[-1], allowed)
    emissions = tf.constant(emissions)
    shares = tf.constant(np.random.default_rng(seed).normal(size=shape[0]))  # of each sequence in the loss
    watched = [emissions, *(weight.value for weight in crf.weights)]
    found, expected = [], []
    for gradients in (found, expected):
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            if gradients is found:
                values = tf.cast(crf.log_likelihood(emissions, labels, lengths), tf.float64)
            else:
                values = log_likelihoods(labels, enumerated(emissions, lengths, *crf.scores()))
            loss = tf.reduce_sum(values * shares)
        gradients += tape.gradient(loss, watched, unconnected_gradients="zero")
    for name, one, other in zip(("emissions", *NAMES), found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("allowed", [None, "some"])
def test_equal_to_the_decoders_of_numpy(allowed):
    emissions, lengths, labels = make_case(8, 12, 30, 9)
    crf = make_crf(8, 9, allowed)
    scores = [np.asarray(score) for score in crf.scores()]
    paths, best = decoding.viterbi(emissions, lengths, *scores)
    np.testing.assert_array_equal(crf.viterbi(emissions, lengths)[0], paths)
    np.testing.assert_allclose(crf.viterbi(emissions, lengths)[1], best, rtol=1e-5)
    np.testing.assert_allclose(
        crf.marginals(emissions, lengths), decoding.marginals(emissions, lengths, *scores), atol=1e-4
    )
    gold = decoding.sequence_score(emissions, labels, lengths, *scores)
    expected = gold - decoding.log_partition(emissions, lengths, *scores)
    np.testing.assert_allclose(crf.log_likelihood(emissions, labels, lengths), expected, rtol=1e-5, atol=1e-3)
    assert FORBIDDEN == decoding.FORBIDDEN


@pytest.mark.parametrize("scale", [1.0, 10.0, 30.0])
def test_what_is_forbidden_leaves_the_rest_exact(scale):
    """Products of exponentials lose what is 85 below the best; under constraints it may come back as the best."""
    labels, allowed = make_scheme("bioes")
    crf = make_crf(0, len(labels), allowed)
    emissions, lengths, _ = make_case(3, 20, 20, len(labels), scale)
    scores = [np.asarray(score) for score in crf.scores()]
    gold, _ = decoding.viterbi(emissions + make_case(4, 20, 20, len(labels), scale)[0], lengths, *scores)
    expected = decoding.sequence_score(emissions, gold, lengths, *scores)
    expected -= decoding.log_partition(emissions, lengths, *scores)
    np.testing.assert_allclose(crf.log_likelihood(emissions, gold, lengths), expected, rtol=1e-5, atol=1e-3)


# ---- lengths and shapes ------------------------------------------------------------------------------------


def all_of(crf, emissions, labels, lengths):
    return {
        "log_likelihood": crf.log_likelihood(emissions, labels, lengths),
        "marginals": crf.marginals(emissions, lengths),
        "labels": crf.viterbi(emissions, lengths)[0],
        "score": crf.viterbi(emissions, lengths)[1],
    }


@cache
def traced(allowed):
    """All of a CRF as one function for every shape."""
    signature = [tf.TensorSpec((None, None, 3)), *(tf.TensorSpec((None,) * n, tf.int32) for n in (2, 1))]
    return tf.function(partial(all_of, make_crf(0, allowed=allowed)), input_signature=signature)


@pytest.mark.parametrize(("B", "T"), [(3, 4), (2, 1), (1, 1), (1, 7)])
def test_traced_for_any_shape(B, T):
    emissions, lengths, labels = make_case(B + T, B, T)
    found = traced("some")(emissions, labels, lengths)
    for name, expected in all_of(make_crf(0, allowed="some"), emissions, labels, lengths).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)


def test_the_gradient_in_a_traced_function():
    crf = make_crf(0)

    @tf.function(reduce_retracing=True)
    def gradient(emissions, labels, lengths):
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            values = crf.log_likelihood(emissions, labels, lengths)
        return tape.gradient(values, emissions)

    for B, T in [(3, 4), (2, 1), (1, 7)]:
        emissions, lengths, labels = make_case(B + T, B, T)
        one_hot = np.eye(3)[labels] * (np.arange(T) < lengths[:, None])[..., None]
        found = gradient(tf.constant(emissions), tf.constant(labels), tf.constant(lengths))
        np.testing.assert_allclose(found, one_hot - crf.marginals(emissions, lengths), atol=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(0, 3))
def test_padding_and_company_change_nothing(seed, more):
    emissions, lengths, labels = make_case(seed, 3, 5)
    expected = traced("some")(emissions, labels, lengths)
    rng = np.random.default_rng(seed)
    beyond = np.arange(5 + more) >= lengths[:, None]
    emissions = np.pad(emissions, ((0, 0), (0, more), (0, 0)))
    emissions[beyond] = rng.normal(scale=50, size=(beyond.sum(), 3))
    labels = np.where(beyond, rng.integers(0, 3, beyond.shape), np.pad(labels, ((0, 0), (0, more))))
    order = rng.permutation(3)
    found = traced("some")(emissions[order], labels[order].astype(np.int32), lengths[order])
    for name, values in expected.items():
        cut = found[name][:, :5] if len(values.shape) > 1 else found[name]
        np.testing.assert_allclose(cut, values.numpy()[order], rtol=1e-5, atol=1e-4, err_msg=name)


# ---- extremes ----------------------------------------------------------------------------------------------


def loss_and_gradients(crf, emissions, labels, lengths):
    emissions = tf.constant(emissions)
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        loss = crf.log_likelihood(emissions, labels, lengths)
    return loss, tape.gradient(loss, [emissions, *(weight.value for weight in crf.weights)])


@pytest.mark.parametrize("scale", [30.0, 1e3, 1e5])
@pytest.mark.parametrize("allowed", [None, "some"])
def test_huge_emissions_stay_finite(scale, allowed):
    emissions, lengths, labels = make_case(9, 8, 20, 5, scale)
    values, gradients = loss_and_gradients(make_crf(9, 5, allowed), emissions, labels, lengths)
    for array in (values, *gradients):
        assert np.isfinite(array).all()
    marginals = np.array(make_crf(9, 5, allowed).marginals(emissions, lengths))
    np.testing.assert_allclose(marginals.sum(axis=-1), np.arange(20) < lengths[:, None], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_gold_labels_that_are_forbidden_give_a_finite_loss(name):
    shape = (3, 3) if name == "transitions" else (3,)
    crf = make_crf(0, allowed={name: np.zeros(shape, bool).tolist()})
    emissions, lengths, labels = make_case(0)
    values, (gradient, *gradients) = loss_and_gradients(crf, emissions, labels, lengths)
    for array in (values, gradient, *gradients):
        assert np.isfinite(array).all()
    assert not np.array(gradients[NAMES.index(name)]).any()  # what is forbidden is not trained
    one = make_crf(0, allowed={"start": [True, False, True]})
    values, _ = loss_and_gradients(one, emissions, np.ones_like(labels), lengths)
    np.testing.assert_allclose(values, FORBIDDEN, rtol=1e-2)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("scheme", ["iob1", "iob2", "bioes"])
def test_constrained_paths_are_valid(scheme, scale):
    labels, allowed = make_scheme(scheme)
    emissions, lengths, _ = make_case(4, 50, 7, len(labels), scale)
    broken = []
    for tables in (None, allowed):
        paths = np.array(make_crf(0, len(labels), tables).viterbi(emissions, lengths)[0])
        tags = [[labels[i] for i in path[:n]] for path, n in zip(paths, lengths, strict=True)]
        broken.append(sum(bool(problems(row, scheme)) for row in tags))
    assert broken[0] > 10 and broken[1] == 0


# ---- heads -------------------------------------------------------------------------------------------------


def loss(head, *arguments):
    return float(head.loss(*arguments))


def test_the_loss_is_a_mean_over_tokens():
    emissions, lengths, labels = make_case(0)
    head = CRFHead()
    head.build((None, None, 3))
    head.set_weights(make_crf(0).get_weights())
    values = np.array(head.log_likelihood(emissions, labels, lengths))
    assert loss(head, emissions, labels, lengths, None) == pytest.approx(-values.sum() / lengths.sum(), rel=1e-5)
    weights = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    means = [row[:n].mean() for row, n in zip(weights, lengths, strict=True)]
    expected = -(values * means).sum() / lengths.sum()
    assert loss(head, emissions, labels, lengths, weights) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_a_softmax_head():
    emissions, lengths, labels = make_case(1)
    weights = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    log_p = np.log(np.take_along_axis(decoding.softmax(emissions), labels[..., None], -1))[..., 0]
    log_p *= np.arange(4) < lengths[:, None]
    for chosen, shares in ((None, 1.0), (weights, weights)):
        expected = -(log_p * shares).sum() / lengths.sum()
        assert loss(SoftmaxHead(), emissions, labels, lengths, chosen) == pytest.approx(expected, rel=1e-5)


def test_without_transitions_the_crf_is_a_softmax():
    emissions, lengths, labels = make_case(2)
    head = CRFHead()
    head.build((None, None, 3))
    expected = loss(SoftmaxHead(), emissions, labels, lengths, None)
    assert loss(head, emissions, labels, lengths, None) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [CRF, CRFHead, SoftmaxHead])
def test_a_layer_that_passes_emissions_on(kind):
    emissions, _, _ = make_case(0)
    options = {} if kind is SoftmaxHead else {"allowed_start": [True, False, True]}
    layer = kind(name="head", **options)
    np.testing.assert_array_equal(layer(emissions), emissions)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is kind and again.get_config() == layer.get_config()
