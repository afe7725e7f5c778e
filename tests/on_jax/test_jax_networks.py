"""Every network under JAX: against the equations in NumPy, its loss, gradients and padding; the CRF by enumeration."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from networks import LABELS, UNITS, _fitted, make_sequences

from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES, MERGES
from seqtag.choices.decoders import DECODERS
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.nn.crf import CRF
from seqtag.nn.network import build_classifier, build_tagger, named_weights
from seqtag.nn.shapes import grid_of
from seqtag.nn.stack import Stack
from seqtag.reference_network import run_network

# Every cell, direction, merge, initial state, head and encoder at least once.
ROWS = [
    ("lstm", "both", "concat", "zero", "crf", "affixes and cnn", {"neighbour_words": True}),
    ("gru", "forward", "concat", "learned", "softmax", "words", {"neighbour_words": True}),
    ("simple_rnn", "backward", "concat", "given", "last", "column and lstm", {}),
    ("simple_rnn_relu", "both", "sum", "learned", "mean", "vectors", {"label_smoothing": 0.1}),
    ("lstm", "both", "mean", "given", "max", "frames", {"multi_label": True}),
    ("gru", "both", "concat", "zero", "attention", "gru", {"layers": 2, "residual": True, "layer_norm": True}),
]
STACK = ("layers", "residual", "layer_norm")


def make(cell, direction, merge, initial_state, head, encoders, options):
    """A network without dropout and with random weights, and a batch for it."""
    features = _fitted(encoders)
    specs = [replace(feature.spec, drop=0.0) for feature in features]
    deep = {name: options[name] for name in STACK if name in options}
    rest = {name: value for name, value in options.items() if name not in STACK}
    stack = Stack(cell, UNITS, direction=direction, merge=merge, initial_state=initial_state, **deep)
    if head in POOLINGS:
        model = build_classifier(specs, len(LABELS), stack=stack, pooling=head, dropout=0.0, **rest)
    else:
        model = build_tagger(specs, len(LABELS), stack=stack, decoder=head, dropout=0.0, **rest)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.01, 0.5, weight.shape) for weight in model.weights])
    return model, batch_of(features, encoders, head, stack, rng, rest.get("multi_label", False))


def batch_of(features, encoders, head, stack, rng, multi_label):
    sequences = make_sequences(encoders)
    sequences = [*sequences, sequences[0]]  # nine, which become ten
    if head in DECODERS:
        targets = [rng.integers(len(LABELS), size=len(s)).astype(np.int32) for s in sequences]
        weights = [rng.uniform(0, 2, len(s)).astype(np.float32) for s in sequences]
    else:
        shape = (len(sequences), len(LABELS))
        targets = rng.integers(2, size=shape).astype(np.float32) if multi_label else rng.integers(4, size=shape[0])
        weights = rng.uniform(0, 2, len(sequences)).astype(np.float32)
    batch = EncodedCorpus(features, sequences, targets, weights).batch(np.arange(len(sequences)))
    if stack.initial_state == "given":
        initial = rng.normal(size=(len(sequences), *stack.initial_shape)).astype(np.float32)
        batch = replace(batch, inputs=batch.inputs | {"initial": initial})
    return batch


def compiled(model):
    """Loss, outputs and gradients as a compiled function of weights and a batch, as Keras's trainer asks for them."""
    import jax

    fixed = [variable.value for variable in model.non_trainable_variables]

    def loss(trainable, inputs, targets, weights):
        outputs, _, added = model.stateless_call(trainable, fixed, inputs, training=True, return_losses=True)
        mapping = list(zip(model.trainable_variables, trainable, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            own = model.head.loss(outputs, targets, inputs["lengths"], weights)
        return own + sum(added), outputs

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:-1]))
def test_a_network_its_gradients_and_its_padding(row):
    model, batch = make(*row)
    function = compiled(model)
    trainable = [variable.value for variable in model.trainable_variables]

    def ask(weights, asked):
        (loss, outputs), gradients = function(weights, asked.inputs, asked.targets, asked.weights)
        return float(loss), np.asarray(outputs), [np.asarray(gradient) for gradient in gradients]

    padded = grid_of(model).pad(batch)
    assert len(padded.lengths) > len(batch.lengths)
    loss, outputs, gradients = ask(trainable, padded)

    # the forward pass is that of the equations
    expected = [run.output for run in run_network(model.get_config(), named_weights(model), batch.inputs)]
    for found, correct in zip(outputs, expected, strict=False):
        np.testing.assert_allclose(found[: len(correct)] if outputs.ndim == 3 else found, correct, atol=2e-5)

    # padding changed neither loss nor gradients
    plain_loss, _, plain = ask(trainable, batch)
    assert loss == pytest.approx(plain_loss, rel=1e-5)
    for variable, one, other in zip(model.trainable_variables, plain, gradients, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=variable.path)

    # along the gradient the loss rises as the gradient says
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    step = 0.02 / norm
    ends = [ask([w + way * step * g for w, g in zip(trainable, gradients, strict=True)], padded)[0] for way in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step * norm**2) == pytest.approx(1.0, rel=0.02)


def test_all_choices_are_among_the_networks():
    columns = list(zip(*ROWS, strict=True))
    assert set(columns[0]) == set(CELLS) and set(columns[1]) == set(DIRECTIONS) and set(columns[2]) == set(MERGES)
    assert set(columns[3]) == set(INITIAL_STATES) and set(columns[4]) == {*POOLINGS, *DECODERS}


def log_likelihood(emissions, labels, length, transitions, start, end):
    """In float64, over all paths; and the best of them."""

    def score(path):
        total = start[path[0]] + end[path[-1]] + sum(emissions[t, y] for t, y in enumerate(path))
        return total + sum(transitions[a, b] for a, b in itertools.pairwise(path))

    every = {path: score(path) for path in itertools.product(range(len(start)), repeat=int(length))}
    return score(tuple(labels[:length])) - np.logaddexp.reduce(list(every.values())), max(every, key=every.get)


def test_the_crf_is_that_of_all_paths_enumerated():
    import jax

    rng = np.random.default_rng(0)
    k, lengths = 3, np.array([4, 1, 2])
    layer = CRF(allowed_transitions=[[True, True, False], [True, True, True], [True, False, True]])
    layer.build((None, None, k))
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    emissions = rng.normal(size=(3, 4, k))
    labels = np.array([[0, 1, 1, 2], [2, 0, 0, 0], [1, 1, 0, 0]])
    scores = [np.asarray(part, np.float64) for part in layer.scores()]

    def total(emissions):
        return sum(log_likelihood(emissions[b], labels[b], lengths[b], *scores)[0] for b in range(3))

    @jax.jit
    def found(emissions):
        return layer.log_likelihood(emissions, labels, lengths).sum()

    single = emissions.astype(np.float32)
    loss, gradient = jax.jit(jax.value_and_grad(found))(single)
    assert float(loss) == pytest.approx(total(emissions), abs=1e-4)
    for place in np.ndindex(emissions.shape):
        step = np.zeros(emissions.shape)
        step[place] = 1e-5
        expected = (total(emissions + step) - total(emissions - step)) / 2e-5
        assert float(gradient[place]) == pytest.approx(expected, abs=1e-4)
    paths, _ = jax.jit(layer.viterbi)(single, lengths)
    for b, length in enumerate(lengths):
        assert tuple(np.asarray(paths)[b, :length]) == log_likelihood(emissions[b], labels[b], length, *scores)[1]
