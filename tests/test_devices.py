"""Where a network is computed: device, precision, threads, and what a GPU's recurrent kernel asks for."""

import importlib
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtag import load
from seqtag.choices.cells import CELLS
from seqtag.data.batching import EncodedCorpus, Limits
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.errors import ParameterError
from seqtag.nn import recurrent
from seqtag.nn.heads import ClassHead, CRFHead, SoftmaxHead
from seqtag.nn.network import build_classifier, build_tagger, restore
from seqtag.nn.stack import Stack
from seqtag.training import devices
from seqtag.training.devices import Compute, choose, dtype_policy, mention_threads

rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")  # the package has a function of this name


@pytest.fixture(autouse=True)
def nothing_said_yet():
    devices._say_once.cache_clear()
    yield
    devices._say_once.cache_clear()


def with_gpus(monkeypatch, n):
    monkeypatch.setattr(devices, "visible_gpus", lambda backend: [f"GPU:{i}" for i in range(n)])


# ---- the device ----------------------------------------------------------------------------------------------


def test_auto_is_the_cpu_where_there_is_no_gpu():
    assert choose() == Compute("cpu") and choose().is_plain


def test_auto_is_a_gpu_where_one_is_visible(monkeypatch):
    with_gpus(monkeypatch, 2)
    assert choose() == choose("gpu") == Compute("gpu")


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do():
    with pytest.raises(ParameterError, match=r"sees none.*`seqtag doctor`.*'auto'"):
        choose("gpu")


def test_cpu_hides_the_gpus_from_tensorflow(monkeypatch):
    with_gpus(monkeypatch, 1)
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *arguments: hidden.append(arguments))
    assert choose("cpu") == Compute("cpu")
    assert hidden == [([], "GPU")]


def test_gpus_that_are_in_use_cannot_be_hidden_any_more(monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    with_gpus(monkeypatch, 1)
    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    with pytest.raises(ParameterError, match="in a new process, or set CUDA_VISIBLE_DEVICES=-1"):
        choose("cpu")


def test_mirrored_on_one_device_says_so_and_trains_there(caplog):
    assert choose(strategy="mirrored") == Compute("cpu")
    assert "one device, CPU:0" in caplog.text


def test_mirrored_needs_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(devices, "visible_gpus", lambda backend: [])
    with pytest.raises(ParameterError, match="needs Keras on TensorFlow; its backend is jax"):
        choose(strategy="mirrored")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("device", "tpu", "'auto'"), ("precision", "float16", "'mixed_float16'"), ("strategy", "horovod", "'mirrored'")],
)
def test_other_names_are_refused_with_those_that_are_known(tiny, name, value, allowed):
    with pytest.raises(ParameterError, match=f"{name} must be .*{allowed}"):
        tiny(**{name: value}).fit([["a"]], [["X"]])


# ---- the precision -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_policy_holds_inside_its_scope_alone(precision):
    before = keras.config.dtype_policy()
    with pytest.raises(ZeroDivisionError), dtype_policy(precision):
        assert keras.layers.Dense(1).compute_dtype == precision.removeprefix("mixed_")
        1 / 0  # noqa: B018
    assert keras.config.dtype_policy() == before


FEATURES = fit_encoders(["words", "affixes", "chars"], [Sequence(("Ada", "went", "to", "Paris"))] * 3)
SPECS = [feature.spec for feature in FEATURES]


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: build_tagger(SPECS, 3, stack=Stack(units=4, layers=2, layer_norm=True), neighbour_words=True),
        lambda: build_tagger(SPECS, 3, stack=Stack("gru", units=4), decoder="softmax"),
        *(lambda p=p: build_classifier(SPECS, 3, stack=Stack("gru", units=4), pooling=p) for p in ("max", "attention")),
    ],
    ids=["crf", "softmax", "max", "attention"],
)
def test_losses_are_float32_and_finite_in_mixed_precision(build, precision):
    with Compute("cpu", precision).scope():
        model = build()
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.get_layer("recurrent_0").compute_dtype == precision.removeprefix("mixed_")
    sequences = [Sequence(("Ada", "went")), Sequence(("to", "Paris", "went", "Ada", "to")), Sequence(("x",))]
    batch = EncodedCorpus(FEATURES, sequences).batch(np.arange(3))
    shape = (3, 5) if len(model.output.shape) == 3 else (3,)
    with tf.GradientTape() as tape:
        outputs = model(batch.inputs, training=True)
        loss = model.compute_loss(batch.inputs, np.ones(shape, np.int32), outputs)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables], unconnected_gradients="zero")
    assert outputs.dtype == loss.dtype == tf.float32 and np.isfinite(loss)
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)


def test_heads_by_themselves_follow_the_policy_like_any_layer():
    for head in (CRFHead(), SoftmaxHead(), ClassHead()):
        assert head.compute_dtype == keras.config.dtype_policy().compute_dtype


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_and_the_model_that_is_kept_is_in_float32(corpora, tmp_path, caplog, precision):
    from seqtag import SequenceTagger

    training = {"epochs": 16, "learning_rate": 0.02, "batch_tokens": 200, "averaging": 0.9}
    tagger = SequenceTagger(encoders=["words"], units=16, dropout=0, precision=precision, random_state=0, **training)
    tagger.fit(corpora["train"], validation_data=corpora["dev"])
    assert caplog.text.count("slower than float32 on a CPU") == 1
    assert max(tagger.history_["score"]) > 0.8
    assert tagger.bundle_.json("metrics.json")["compute"] == {"device": "cpu", "precision": precision, "replicas": 1}
    assert {value.dtype.name for value in tagger.bundle_.arrays("weights.npz").values()} == {"float32"}
    model = restore(tagger.bundle_.manifest["network"], tagger.bundle_.arrays("weights.npz"))
    for network in (model, tagger.model_):
        assert {layer.dtype_policy.name for layer in network.layers if layer.dtype_policy} == {"float32"}
    X = [sequence.tokens for sequence in corpora["test"]]
    assert load(tagger.save(tmp_path / "model")).predict(X) == list(tagger.predict(X))
    batch = EncodedCorpus(tagger.predictor_.features, list(corpora["test"])[:3]).batch(np.arange(3))
    np.testing.assert_allclose(
        tagger.predictor_.backend.compute(batch.inputs), model.predict_on_batch(batch.inputs), atol=1e-4
    )


# ---- threads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "cores", "device", "says"),
    [
        ({}, 4, "cpu", True),
        ({"TF_NUM_INTRAOP_THREADS": "1"}, 4, "cpu", False),
        ({"TF_NUM_INTEROP_THREADS": "2"}, 4, "cpu", False),
        ({}, 1, "cpu", False),
        ({}, 4, "gpu", False),
    ],
)
def test_threads_that_nobody_set_are_mentioned_once(monkeypatch, caplog, environment, cores, device, says):
    for name in devices.THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices, "usable_cores", lambda: cores)
    for _ in range(3):
        mention_threads(Compute(device))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * says
    assert not says or "TF_NUM_INTRAOP_THREADS=1 and TF_NUM_INTEROP_THREADS=4" in caplog.text


# ---- what cuDNN asks for -------------------------------------------------------------------------------------


@pytest.fixture
def seen_by_cudnn(monkeypatch):
    """Have Keras believe in a GPU, and record what would go to its kernel."""
    calls = []

    def record(name):
        def kernel(inputs, *arguments, **named):
            calls.append((name, np.asarray(inputs)))
            raise tf.errors.NotFoundError(None, None, "no such device")  # Keras then computes by itself

        return kernel

    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    for name in ("lstm", "gru"):
        monkeypatch.setattr(rnn, f"_cudnn_{name}", record(name))
    monkeypatch.setattr(recurrent, "fused_kernel", lambda cell: None)  # as where a GPU is seen
    return calls


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("initial", ["zero", "learned"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_cudnn_computes_the_gated_cells(seen_by_cudnn, cell, direction, initial):
    layer = recurrent.Recurrent(cell, 4, direction, initial_state=initial)
    layer(np.ones((2, 3, 5), np.float32), np.array([3, 1], np.int32))
    assert [name for name, _ in seen_by_cudnn] == [cell] * (2 if direction == "both" else 1)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_gated_cells_are_what_keras_lets_cudnn_compute(monkeypatch, cell):
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    layer = CELLS[cell].layer(4)
    rules = {name: getattr(layer, name) for name in ("activation", "recurrent_activation", "unroll", "use_bias")}
    rules |= {"reset_after": layer.reset_after} if cell == "gru" else {}
    assert rnn.cudnn_ok(**rules) and layer.use_cudnn == "auto" and not layer.recurrent_dropout
    broken = [{"activation": keras.activations.relu}, {"recurrent_activation": keras.activations.tanh}]
    broken += [{"unroll": True}, {"use_bias": False}, *([{"reset_after": False}] if cell == "gru" else [])]
    assert not any(rnn.cudnn_ok(**rules | change) for change in broken)


def test_unrolled_loops_and_the_plain_cells_do_not_reach_cudnn(seen_by_cudnn):
    inputs, lengths = np.ones((2, 3, 5), np.float32), np.array([3, 1], np.int32)
    recurrent.Recurrent("lstm", 4, unroll=True)(inputs, lengths)
    recurrent.Recurrent("simple_rnn", 4)(inputs, lengths)
    assert not seen_by_cudnn


@pytest.mark.parametrize("limits", [Limits(12), Limits(100, 3), Limits(1)])
def test_batches_are_padded_on_the_right_and_have_no_empty_row(limits):
    rng = np.random.default_rng(0)
    sequences = [Sequence(("w",) * int(n)) for n in rng.integers(1, 15, 40)]
    corpus = EncodedCorpus(fit_encoders(["words"], sequences), sequences)
    for batch in corpus.shuffled(limits, rng):
        mask = recurrent.sequence_mask(batch.lengths, batch.inputs["index"].shape[1])
        assert rnn._is_sequence_right_padded(mask) and not rnn._has_fully_masked_sequence(mask)
        rnn._assert_valid_mask(mask)
