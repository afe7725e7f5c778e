"""Training: schedule, optimiser, averaged weights, the fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.errors import TrainingError
from seqtag.nn._tensorflow import LazyAdam
from seqtag.nn.network import SequenceModel, build_tagger
from seqtag.nn.stack import Stack
from seqtag.training import averaging, loop
from seqtag.training.averaging import AveragedWeights
from seqtag.training.feed import BatchStream, as_dataset, as_tuple
from seqtag.training.loop import Settings
from seqtag.training.optimizer import make_optimizer
from seqtag.training.progress import ProgressBar
from seqtag.training.schedule import WarmupLinear, auto_epochs

# ---- how long and how fast ---------------------------------------------------------------------------------


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    rate = WarmupLinear(0.1, warmup=4, total=10)
    expected = [0.025, 0.05, 0.075, 0.1, *(0.1 * left / 7 for left in (6, 5, 4, 3, 2, 1)), 0, 0]
    np.testing.assert_allclose([float(rate(step)) for step in range(12)], expected, atol=1e-7)


@pytest.mark.parametrize(("warmup", "total"), [(0, 3), (1, 1), (3, 3), (5, 2), (0, 1)])
def test_the_rate_of_short_runs_is_positive_and_never_over_the_peak(warmup, total):
    rates = [float(WarmupLinear(0.1, warmup, total)(step)) for step in range(total)]
    assert all(0 < rate <= 0.1 + 1e-7 for rate in rates)
    again = WarmupLinear.from_config(WarmupLinear(0.1, warmup, total).get_config())
    assert [float(again(step)) for step in range(total)] == rates


@pytest.mark.parametrize(
    ("n_tokens", "epochs"), [(200_000, 8), (50_000, 16), (0, 60), (1, 60), (10**9, 3), (800_000, 4)]
)
def test_the_number_of_epochs_follows_from_the_size(n_tokens, epochs):
    assert auto_epochs(n_tokens) == epochs


def test_more_data_means_fewer_epochs_but_more_steps():
    sizes = [int(10**power) for power in np.arange(0, 9, 0.1)]
    epochs = [auto_epochs(size) for size in sizes]
    assert epochs == sorted(epochs, reverse=True) and set(epochs) <= set(range(3, 61))
    seen = [n * size for n, size in zip(epochs[::5], sizes[::5], strict=True)]
    assert seen == sorted(seen)


# ---- lazy Adam ---------------------------------------------------------------------------------------------


def sparse(indices, values, rows=6):
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(indices), tf.constant([rows, len(values[0])]))


def dense(gradient):
    return tf.convert_to_tensor(gradient)


def stepped(optimizer, table, gradients, initial):
    """The table after the gradients have been applied one after the other."""
    table.assign(initial)
    optimizer.build([table])
    for gradient in gradients:
        optimizer.apply([gradient], [table])
    return table.numpy()


def run_both(gradients, densify=False, **options):
    """The same start under LazyAdam and under Adam, whose gradients are dense."""
    initial = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    table = keras.Variable(initial)
    lazy = stepped(LazyAdam(0.1, **options), table, map(dense, gradients) if densify else gradients, initial)
    plain = stepped(keras.optimizers.Adam(0.1, **options), table, map(dense, gradients), initial)
    return initial, lazy, plain


GRADIENTS = [sparse([1, 4], [[0.5, -1.0], [2.0, 0.1]]), sparse([4], [[-1.0, 3.0]]), sparse([4, 0], [[1.0, 1.0]] * 2)]


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.5}, {"clipvalue": 0.2}, {"epsilon": 0.1}], ids=str)
def test_with_dense_gradients_it_is_adam(options):
    initial, lazy, plain = run_both(GRADIENTS, densify=True, **options)
    np.testing.assert_allclose(lazy, plain, rtol=1e-5)
    assert np.abs(lazy - initial).max() > 0.05


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.5}, {"epsilon": 0.1}], ids=str)
def test_the_first_step_of_a_row_is_that_of_adam_and_other_rows_stay(options):
    initial, lazy, plain = run_both(GRADIENTS[:1], **options)
    np.testing.assert_allclose(lazy[[1, 4]], plain[[1, 4]], rtol=1e-6)
    np.testing.assert_array_equal(lazy[[0, 2, 3, 5]], initial[[0, 2, 3, 5]])


def test_a_row_used_at_every_step_is_that_of_adam():
    _, lazy, plain = run_both(GRADIENTS)
    np.testing.assert_allclose(lazy[4], plain[4], rtol=1e-5)


def test_moments_of_a_row_wait_until_it_is_used_again():
    initial, lazy, plain = run_both(GRADIENTS)
    _, once, _ = run_both(GRADIENTS[:1])
    np.testing.assert_array_equal(lazy[1], once[1])  # used at the first step only
    assert np.abs(plain[1] - once[1]).max() > 0.01  # Adam goes on moving it
    np.testing.assert_array_equal(lazy[2], initial[2])


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.5}], ids=str)
def test_gradients_of_one_row_are_summed(options):
    twice = sparse([3, 1, 3], [[0.5, -1.0], [1.0, 1.0], [0.25, 2.0]])
    summed = sparse([1, 3], [[1.0, 1.0], [0.75, 1.0]])
    _, lazy, plain = run_both([twice], **options)
    np.testing.assert_array_equal(lazy, run_both([summed], **options)[1])
    np.testing.assert_allclose(lazy[[1, 3]], plain[[1, 3]], rtol=1e-6)


def test_the_global_norm_counts_dense_and_sparse_gradients_alike():
    optimizer = LazyAdam(0.1, global_clipnorm=1.0)
    gradients = [tf.constant([[3.0, 0.0]]), sparse([2, 2], [[2.0, 0.0], [2.0, 0.0]])]  # norm 5, not sqrt(9 + 8)
    first, second = optimizer._clip_gradients(gradients)
    np.testing.assert_allclose(first, [[0.6, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(dense(second)[2], [0.8, 0.0], rtol=1e-6)
    first, second = LazyAdam(0.1, global_clipnorm=9.0)._clip_gradients(gradients)
    np.testing.assert_allclose(dense(second)[2], [4.0, 0.0], rtol=1e-6)


def test_the_optimiser_is_rebuilt_from_its_configuration():
    optimizer = make_optimizer(WarmupLinear(0.1, 2, 9), 5.0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(again) is LazyAdam and again.global_clipnorm == 5.0
    assert again.get_config() == optimizer.get_config()
    assert make_optimizer(0.1, 0).global_clipnorm is None


# ---- averaged weights --------------------------------------------------------------------------------------


class Weights:
    """A model as far as `AveragedWeights` knows one."""

    def __init__(self, *values):
        self.trainable_variables = [keras.Variable(np.float32(value)) for value in values]

    def assign(self, *values):
        for variable, value in zip(self.trainable_variables, values, strict=True):
            variable.assign(value)

    @property
    def values(self):
        return [variable.numpy().tolist() for variable in self.trainable_variables]


def mean_of(path, decay):
    """The mean after the weights went along a path, updated every fifth step and at the end."""
    mean, updated = path[0], 0
    for n in range(1, len(path)):
        if n % averaging.EVERY == 0 or n == len(path) - 1:
            share = min(decay, (1 + n) / (10 + n)) ** (n - updated)
            mean, updated = share * mean + (1 - share) * path[n], n
    return mean


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.998])
@pytest.mark.parametrize("steps", [0, 1, 4, 5, 23])
def test_the_mean_by_hand(steps, decay):
    path = np.random.default_rng(0).normal(size=steps + 1)
    model = Weights(path[0], [path[0], 0.0])
    average = AveragedWeights(model, decay)
    for value in path[1:]:
        model.assign(value, [value, 0.0])
        average.step()
    trained = model.values
    with average.swapped_in():
        scalar, vector = model.values
    assert scalar == pytest.approx(mean_of(path, decay), abs=1e-6) and vector == [scalar, 0.0]
    assert model.values == trained
    if decay == 0.0:
        assert scalar == np.float32(path[-1])
    with average.swapped_in():  # looking again changes nothing
        assert model.values == [scalar, vector]


def test_looking_at_the_mean_disturbs_nothing_but_when_it_is_updated():
    model = Weights(0.0)
    average = AveragedWeights(model, 0.9)
    for value in range(1, 4):
        model.assign(value)
        average.step()
    with pytest.raises(KeyboardInterrupt), average.swapped_in():
        assert model.values != [3.0]
        raise KeyboardInterrupt
    assert model.values == [3.0]


# ---- the fit -----------------------------------------------------------------------------------------------

WORDS = [f"w{i}" for i in range(30)]


def make_data(n=40, seed=0, longest=11, weights=False):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, len(WORDS), rng.integers(1, longest + 1)) for _ in range(n)]
    sequences = [Sequence(tuple(WORDS[i] for i in row)) for row in rows]
    features = fit_encoders([{"words": None, "dim": 6}, {"chars": None, "min_count": 1, "filters": 4}], sequences)
    given = [np.full(len(row), 0.5, np.float32) for row in rows] if weights else None
    return features, EncodedCorpus(features, sequences, [(row % 3).astype(np.int32) for row in rows], given)


def make_model(features, seed=0, decoder="crf", **stack):
    specs = [feature.spec for feature in features]
    return build_tagger(specs, 3, stack=Stack(units=8, **stack), decoder=decoder, neighbour_words=True, seed=seed)


def make_small():
    """A model and data on which an epoch is one step and takes no time."""
    features, data = make_data(4, longest=2)
    return make_model(features, cell="simple_rnn", decoder="softmax", direction="forward"), data


def settings(**options):
    defaults = {"epochs": 3, "batch_tokens": 60, "learning_rate": 0.02, "averaging": 0.5, "neighbour_weight": 0.3}
    return Settings(**(defaults | options))


class Recorder(keras.callbacks.Callback):
    """What a user's callback sees."""

    def __init__(self):
        super().__init__()
        self.events, self.logs, self.strengths, self.weights = [], [], [], []

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.strengths.append(float(self.model.get_layer("neighbour_words").strength))

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(epoch)
        self.logs.append(dict(logs))
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.events.append("end")


def test_a_fit_learns_and_tells_what_happened(monkeypatch):
    traces = []
    loss = SequenceModel.compute_loss
    monkeypatch.setattr(SequenceModel, "compute_loss", lambda *args: traces.append(1) or loss(*args))
    features, data = make_data()
    model = make_model(features)
    recorder = Recorder()
    history = loop.fit(model, data, settings(epochs=6, neighbour_weight=0.4), callbacks=[recorder])
    assert history.loss[-1] < 0.6 * history.loss[0]
    assert history.score == [] and history.best_epoch == 5
    assert recorder.events == ["begin", *range(6), "end"]
    for epoch, logs in enumerate(recorder.logs):
        assert set(logs) == {"loss", "tokens_per_second"}
        assert (logs["loss"], logs["tokens_per_second"]) == (history.loss[epoch], history.tokens_per_second[epoch])
        assert logs["tokens_per_second"] == pytest.approx(data.n_tokens / history.seconds[epoch])
    steps = len(recorder.strengths)
    assert steps == 6 * BatchStream(data, settings()).steps
    expected = 0.4 * (1 - np.arange(1, steps + 1) / steps)
    np.testing.assert_allclose(recorder.strengths, expected, atol=1e-6)
    assert len(traces) == 1  # whatever the shapes of the batches


def fit_one_by_one(n):
    """Two passes over n sequences, each a batch: the model, what a callback sees, the history, the tokens."""
    features, data = make_data(n, longest=3)
    model, recorder = make_model(features, cell="simple_rnn", decoder="softmax"), Recorder()
    history = loop.fit(model, data, settings(epochs=2, batch_sequences=1, averaging=0.9), callbacks=[recorder])
    return model, recorder, history, data.n_tokens


@pytest.mark.parametrize(("n", "steps", "calls"), [(49, 49, 49), (62, 60, 12), (63, 65, 13)])
def test_a_long_epoch_takes_five_steps_a_call(n, steps, calls):
    model, recorder, history, n_tokens = fit_one_by_one(n)
    assert int(model.optimizer.iterations) == 2 * steps and len(recorder.strengths) == 2 * calls
    left = 1 - np.arange(1, 2 * calls + 1) / (2 * calls)
    np.testing.assert_allclose(recorder.strengths, 0.3 * left, atol=1e-6)
    assert history.tokens_per_second[0] == pytest.approx(n_tokens * steps / n / history.seconds[0])


def test_the_bar_shows_the_step_that_is_done():
    bar = ProgressBar("accuracy")
    bar.set_params({"steps": 15, "epochs": 2})
    bar.on_train_begin()
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in (4, 9, 14):
            bar.on_train_batch_end(batch, {"loss": 0.5})
            assert bar._bar.tasks[0].completed == 15 * epoch + batch + 1
    bar.on_train_end()


def test_five_steps_in_one_call_train_the_model_of_five_calls(monkeypatch):
    in_one, recorder, *_ = fit_one_by_one(60)
    monkeypatch.setattr(loop, "_together", lambda *_: 1)
    by_one, other, *_ = fit_one_by_one(60)
    assert (len(recorder.strengths), len(other.strengths)) == (24, 120)
    for mine, theirs in zip(in_one.get_weights(), by_one.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_batches_go_on_pass_after_pass():
    _, data = make_data(weights=True)
    stream = BatchStream(data, settings())
    seen = 0
    for batch in stream:
        seen += len(batch.lengths)
        if seen == len(data):
            break
    first, again = ([next(it).inputs["index"] for _ in range(5)] for it in (iter(stream), iter(stream)))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    inputs, targets, weights = as_tuple(batch)
    assert inputs is batch.inputs and targets is batch.targets and weights is batch.weights
    assert len(as_tuple(make_data()[1].batch(np.array([0])))) == 2


def test_batches_hold_no_more_sequences_than_asked_for():
    _, data = make_data()
    sizes = {limit: [len(batch.lengths) for batch, _ in zip(BatchStream(data, settings(
        batch_tokens=10_000, batch_sequences=limit)), range(20), strict=False)] for limit in (1, 7, 40)}  # fmt: skip
    assert {limit: max(found) for limit, found in sizes.items()} == {1: 1, 7: 7, 40: 40}
    assert BatchStream(data, settings(batch_tokens=10_000, batch_sequences=1)).steps == 40


@pytest.mark.parametrize(
    "targets", [np.arange(40, dtype=np.int32), np.eye(40, 3, dtype=np.float32)], ids=["ids", "hot"]
)
def test_what_is_said_of_a_whole_sequence_goes_with_it(targets):
    features, data = make_data()
    weights = np.arange(40, dtype=np.float32)
    whole = EncodedCorpus(features, [Sequence(("ada",) * n) for n in data.lengths], targets, weights)
    stream = BatchStream(whole, settings())
    dataset = as_dataset(make_model(features), stream)
    for (inputs, found, held), batch in zip(dataset.take(9), stream, strict=False):
        np.testing.assert_array_equal(found, batch.targets)
        np.testing.assert_array_equal(found, targets[held.numpy().astype(int)])
        np.testing.assert_array_equal(inputs["lengths"], data.lengths[held.numpy().astype(int)])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model_bit_by_bit():
    features, data = make_data(weights=True)
    found = []
    for run in range(2):
        keras.utils.set_random_seed(run)  # no part may draw from the global generators
        model = make_model(features)
        history = loop.fit(model, data, settings(epochs=2), score=lambda: (0.0, 0.0))
        found.append((history.loss, model.get_weights()))
    (loss, weights), (loss_again, weights_again) = found
    assert loss == loss_again
    for one, other in zip(weights, weights_again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_averaged_weights_are_left_in_the_model(eager):
    model, data = make_small()
    scores, weights = iter([(0.1, 0.0), (0.7, -3.0), (0.7, -2.0), (0.7, -2.0), (0.7, -2.5)]), []

    def score():
        weights.append(model.get_weights())
        return next(scores)

    recorder = Recorder()
    history = loop.fit(model, data, settings(epochs=5), score=score, callbacks=[recorder])
    assert history.score == [0.1, 0.7, 0.7, 0.7, 0.7]
    assert history.best_epoch == 3  # of equal scores the one that wins the tie, of equal ties the later
    for found, expected in zip(model.get_weights(), weights[3], strict=True):
        np.testing.assert_array_equal(found, expected)
    # callbacks see the trained weights, the score is that of their mean
    assert any((a != b).any() for a, b in zip(recorder.weights[3], weights[3], strict=True))


def test_without_a_score_the_last_averaged_weights_stay(eager):
    model, data = make_small()
    recorder = Recorder()
    loop.fit(model, data, settings(epochs=2, averaging=0.0, patience=1), callbacks=[recorder])
    for found, expected in zip(model.get_weights(), recorder.weights[1], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_single_step_trains(eager):
    model, data = make_small()
    before = model.get_weights()
    loop.fit(model, data, settings(epochs=1, averaging=0.998))
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (2, [0.5, 0.4, 0.5, 0.9], 3),
        (2, [0.1, 0.0, 0.2, 0.1, 0.1, 0.9], 5),
        (0, [0.5, 0.4, 0.3, 0.2], 4),
        (1, [1, 2, 3], 3),
        (1, [0.0, 0.0, 0.0, 0.2, 0.2], 5),  # what has not begun to learn is not stalled
    ],
)
def test_a_stalled_run_is_stopped(eager, patience, scores, epochs):
    model, data = make_small()
    left = iter(scores)
    history = loop.fit(model, data, settings(epochs=len(scores), patience=patience), score=lambda: (next(left), 0.0))
    assert history.score == scores[:epochs]


def test_a_run_that_wins_ties_is_not_stalled(eager):
    model, data = make_small()
    left = iter([-0.5, -0.4, -0.3, -0.3, -0.2])
    history = loop.fit(model, data, settings(epochs=5, patience=1), score=lambda: (0.9, next(left)))
    assert len(history.score) == 4


def test_a_callback_can_stop_the_run(eager):
    model, data = make_small()
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True))
    assert len(loop.fit(model, data, settings(epochs=5), callbacks=[stop]).loss) == 1


def test_a_loss_that_is_no_number_is_an_error(eager):
    model, data = make_small()
    scored = []

    def poison(epoch, logs):
        if epoch == 1:
            model.get_layer("emissions").bias.assign([np.nan] * 3)

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=poison)
    with pytest.raises(TrainingError, match=r"it became nan in epoch 2\. Lower learning_rate \(now 0\.02\)"):
        loop.fit(model, data, settings(), score=lambda: scored.append(1) or (0.0, 0.0), callbacks=[callback])
    assert scored == [1]  # the broken weights are never scored, so never the best


def test_nothing_to_train_on_is_an_error():
    model, _ = make_small()
    with pytest.raises(TrainingError, match="at least one sequence"):
        loop.fit(model, EncodedCorpus((), [], []), settings())
