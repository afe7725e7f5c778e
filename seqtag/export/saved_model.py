"""A trained model as a TensorFlow SavedModel: strings in, tags out, for TensorFlow alone.

Everything is in the graph: the tokenizer, folds and tables of the encoders, the network, the decoder. The folder is
laid out as TensorFlow Serving wants it, ``name/version/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from seqtag.bundle import Bundle, dump_json
from seqtag.data.features import Feature
from seqtag.decoders import DECODERS, Decoder
from seqtag.errors import BundleError
from seqtag.export._tf_answers import ANSWERS, Answers
from seqtag.export._tf_inputs import LENGTHS, TOKENS, GraphEncoder, Input, inputs_of
from seqtag.export._tf_network import check_tensorflow, network_function
from seqtag.export._tf_text import tokenize
from seqtag.params import Param

CONTRACT = (
    "Text must be UTF-8 in Unicode's normal form NFC (Python: unicodedata.normalize('NFC', text)): TensorFlow has no "
    "operation that would bring it there. Starts and ends are counted from 0, ends are exclusive."
)
EXTRA = "assets.extra"  # what TensorFlow and its server leave alone
TEXT = "text"

OUTPUTS = {
    "tokens": "(batch, time) the tokens that the text was cut into; the empty string is padding",
    "start": "(batch, time) where each token starts in its text, in characters; -1 beyond the end",
    "end": "(batch, time) where each token ends in its text; -1 beyond the end",
    "tags": "(batch, time) the best tags together; the empty string beyond the end",
    "tag_probability": "(batch, time) p(this tag | sequence); 0 beyond the end",
    "probabilities": "(batch, time, labels) p(label | sequence), or (batch, classes), in the order of 'labels'",
    "span_sequence": "(spans,) the row of the batch that each span stands in, in the order of the rows",
    "span_start": "(spans,) its first token",
    "span_end": "(spans,) the token behind its last one",
    "span_label": "(spans,) its type",
    "span_score": "(spans,) p(the tags of these tokens together | sequence)",
    "span_text_start": "(spans,) where it starts in its text, in characters",
    "span_text_end": "(spans,) where it ends in its text",
    "intent": "(batch,) the intent",
    "intent_probability": "(batch,) p(this intent | sequence)",
    "intent_probabilities": "(batch, intents) p(intent | sequence), in the order of 'intents'",
    "class": "(batch,) the class",
    "probability": "(batch,) p(class | sequence)",
    "classes": "(batch, most of a row) the classes whose probability is above a half; the empty string is padding",
    "chosen": "(batch, classes) which classes these are, in the order of 'labels'",
}
"""What each output of a signature is; which there are depends on the model."""


def place_version(output: Path, options: Mapping[str, Any]) -> Path:
    """Return the folder of a version within that of a model.

    Raises
    ------
    BundleError
        If that version is there already.
    """
    version = int(options.get("version", 1))
    place = output / str(version)
    if place.exists():
        taken = [int(found.name) for found in output.iterdir() if found.name.isdecimal()]
        raise BundleError(
            f"{place} stands already, and a version that a server may have loaded is never replaced; write the next "
            f"one with --set version={max(taken) + 1}, or remove it."
        )
    return place


def write_saved_model(bundle: Bundle, folder: Path, *, version: Annotated[int, Param("export", low=1)] = 1) -> None:
    """Write a model as a SavedModel with the signatures ``serving_default`` and, where text is enough, ``text``.

    Parameters
    ----------
    bundle : Bundle
        The model; its ``weights.npz`` is what the network is rebuilt from.
    folder : Path
        Empty; the version's own.
    version : int
        The version, which TensorFlow Serving takes from the folder's name.

    Raises
    ------
    NotInstalledError
        If there is no TensorFlow.
    ConfigError
        If Keras computes with another backend.
    BundleError
        If the bundle's files do not fit together.
    """
    check_tensorflow("writing a SavedModel")
    import tensorflow as tf

    module, signatures, facts = build_module(bundle)
    # No gradient leaves with the graph: it is for answering.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with _quietly():
        tf.saved_model.save(module, str(folder), signatures, options)
    extra = folder / EXTRA
    extra.mkdir()
    (extra / "signature.json").write_bytes(dump_json({"version": version, **facts}))
    (extra / "README.md").write_text(_readme(facts), encoding="utf-8")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep TensorFlow from naming the folder that it writes, which is not where the model will stand."""
    import tensorflow as tf

    log = tf.get_logger()
    level = log.level
    log.setLevel("ERROR")
    try:
        yield
    finally:
        log.setLevel(level)


def build_module(bundle: Bundle) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Build what is saved.

    Returns
    -------
    module : tf.Module
        Holds the tables and variables, and ``about()``, which returns the facts as JSON.
    signatures : dict of str to ConcreteFunction
    facts : dict
        What the model is, its labels, the contract, and each signature's inputs and outputs.
    """
    import tensorflow as tf

    from seqtag.nn.stack import Stack

    try:
        features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
        manifest = bundle.manifest
        decoder = DECODERS[manifest["task"]](manifest, bundle.arrays("decoder.npz"))
        stack = Stack(**manifest["network"]["stack"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the model's files do not fit together ({error!r}). Save it again.") from error
    inputs = inputs_of(features, stack.initial_shape if stack.initial_state == "given" else None)
    graph = _Graph(bundle, features, decoder, inputs)
    signatures = {"serving_default": graph.trace(graph.answer, inputs)}
    named = {"serving_default": inputs}
    if [one.name for one in inputs] == [TOKENS]:
        named[TEXT] = (Input(TEXT, "string", (None,), "one text each, in UTF-8 and NFC"),)
        signatures[TEXT] = graph.trace(graph.answer_text, named[TEXT])
    facts = _facts(bundle, decoder, named, signatures)
    module = tf.Module(name="seqtag")
    module.kept = graph.kept
    module.about = tf.function(lambda: tf.constant(json.dumps(facts, ensure_ascii=False)), input_signature=[])
    return module, signatures, facts


class _Graph:
    """A model's parts, made once and traced into each signature."""

    def __init__(self, bundle: Bundle, features: tuple[Feature, ...], decoder: Decoder, inputs: tuple[Input, ...]):
        import tensorflow as tf

        self._tokenizer = bundle.manifest["tokenizer"]
        self._tagging = bundle.manifest["task"] != "classification"
        self._encode = GraphEncoder(features, inputs)
        compute, tables = network_function(bundle)
        # A function of its own, traced once, so that the signatures share one copy of the weights.
        self._compute = tf.function(compute, autograph=False).get_concrete_function(_batch_spec(features, inputs))
        self._decode = ANSWERS[type(decoder)](decoder)
        self.kept = [*self._encode.tables, *tables, self._compute]

    def trace(self, function: Any, inputs: tuple[Input, ...]) -> Any:
        """Trace one signature."""
        import tensorflow as tf

        def signature(**given: Any) -> Answers:
            return function(given)

        specs = {one.name: tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in inputs}
        return tf.function(signature, autograph=False).get_concrete_function(**specs)

    def answer(self, given: Mapping[str, Any]) -> Answers:
        """Answer tokens or frames, with what else the model reads."""
        import tensorflow as tf

        lengths = _lengths(given)
        sizes = tf.shape(given[TOKENS] if TOKENS in given else given["frames"])[:2]
        steps = tf.reduce_max(tf.concat([[1], lengths], 0))
        lengths = tf.pad(lengths, [[0, tf.cast(sizes[0] == 0, tf.int32)]])
        rows = {name: _whole(value, steps) for name, value in given.items() if name != LENGTHS}
        outputs = self._compute(self._encode(rows, tf.maximum(lengths, 1)))
        answers = self._decode(outputs, lengths)
        return {name: self._restored(name, value, sizes) for name, value in answers.items()}

    def _restored(self, name: str, value: Any, sizes: Any) -> Any:
        """Give an answer the rows and places that were asked for."""
        import tensorflow as tf

        if name.startswith("span_"):
            return value
        value = value[: sizes[0]]
        if not self._tagging or name.startswith("intent"):
            return value
        beyond = [[0, 0], [0, tf.maximum(sizes[1] - tf.shape(value)[1], 0)], [0, 0]][: value.shape.rank]
        filler = "" if value.dtype == tf.string else tf.zeros((), value.dtype)
        return tf.pad(value[:, : sizes[1]], beyond, constant_values=filler)

    def answer_text(self, given: Mapping[str, Any]) -> Answers:
        """Answer texts, cut into tokens first."""
        import tensorflow as tf

        tokens, starts, ends = tokenize(given[TEXT], self._tokenizer)
        cut = {"tokens": tokens.to_tensor(""), "start": starts.to_tensor(-1), "end": ends.to_tensor(-1)}
        answers = cut | self.answer({TOKENS: cut["tokens"]})
        if "span_start" in answers:
            first = tf.stack([answers["span_sequence"], answers["span_start"]], 1)
            last = tf.stack([answers["span_sequence"], answers["span_end"] - 1], 1)
            answers["span_text_start"] = tf.gather_nd(cut["start"], first)
            answers["span_text_end"] = tf.gather_nd(cut["end"], last)
        return answers


def _lengths(given: Mapping[str, Any]) -> Any:
    """Return how long each sequence is, shape (B,): up to its last token that is not empty."""
    import tensorflow as tf

    if LENGTHS in given:
        return tf.clip_by_value(given[LENGTHS], 0, tf.shape(given["frames"])[1])
    places = tf.range(1, tf.shape(given[TOKENS])[1] + 1)
    ends = tf.where(given[TOKENS] != "", places, 0)
    return tf.reduce_max(tf.pad(ends, [[0, 0], [0, 1]]), axis=1)


def _whole(value: Any, steps: Any) -> Any:
    """Cut what stands beyond the longest sequence, and have at least one row and one place: no operation meets none."""
    import tensorflow as tf

    value = value[:, :steps] if value.shape[1] is None else value
    none = tf.cast(tf.shape(value) == 0, tf.int32)
    filler = "" if value.dtype == tf.string else tf.zeros((), value.dtype)
    return tf.pad(value, tf.stack([tf.zeros_like(none), none], 1), constant_values=filler)


def _batch_spec(features: tuple[Feature, ...], inputs: tuple[Input, ...]) -> dict[str, Any]:
    """Return what the network takes: the arrays of a `seqtag.data.batching.Batch`."""
    import tensorflow as tf

    specs = {"lengths": tf.TensorSpec([None], tf.int32)}
    if any(feature.spec.level == "type" for feature in features):
        specs["index"] = tf.TensorSpec([None, None], tf.int32)
    for spec in (feature.spec for feature in features):
        shape = [None] if spec.level == "type" else [None, None]
        width = None if spec.kind == "chars" else spec.width
        specs[spec.name] = tf.TensorSpec([*shape, width], tf.float32 if spec.kind == "vectors" else tf.int32)
    specs |= {one.name: tf.TensorSpec(one.shape, one.dtype) for one in inputs if one.name == "initial"}
    return specs


def _facts(
    bundle: Bundle, decoder: Decoder, named: Mapping[str, tuple[Input, ...]], signatures: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "seqtag": bundle.manifest["seqtag"],
        "task": bundle.manifest["task"],
        "contract": CONTRACT,
        "labels": list(decoder.labels),
        **({"intents": list(bundle.manifest["intents"])} if "intents" in bundle.manifest else {}),
        "scheme": decoder.scheme,
        "tokenizer": bundle.manifest["tokenizer"],
        "signatures": {
            name: {
                "inputs": [asdict(one) for one in inputs],
                "outputs": {key: OUTPUTS[key] for key in OUTPUTS if key in signatures[name].structured_outputs},
            }
            for name, inputs in named.items()
        },
    }


def _readme(facts: Mapping[str, Any]) -> str:
    """Word the facts for people."""
    what = "labels and intents" if facts["task"] == "joint" else facts["task"]
    lines = [f"# A seqtag model for {what}, as a TensorFlow SavedModel", "", facts["contract"], ""]
    for name, signature in facts["signatures"].items():
        lines += [f"## Signature `{name}`", "", "Inputs:", ""]
        lines += [
            f"* `{one['name']}`, {one['dtype']} {_drawn(one['shape'])}: {one['says']}" for one in signature["inputs"]
        ]
        lines += ["", "Outputs:", "", *(f"* `{key}` {says}" for key, says in signature["outputs"].items()), ""]
    labels = ", ".join(map(str, facts["labels"]))
    lines += [f"Labels, in the order of `probabilities`: {labels}", ""]
    if "intents" in facts:
        lines += [f"Intents, in the order of `intent_probabilities`: {', '.join(facts['intents'])}", ""]
    return "\n".join(lines)


def _drawn(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
