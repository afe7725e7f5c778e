"""A trained network as the files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqtag.bundle import WEIGHTS, Bundle, dump_arrays, dump_json
from seqtag.data.embeddings.coverage import Coverage
from seqtag.data.encoders import Feature
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder
from seqtag.export.onnx import can_export, network_graph
from seqtag.language import TokenStates
from seqtag.tasks._facts import environment, plain

if TYPE_CHECKING:
    from seqtag.tasks._base import SequenceEstimator


def make_bundle(
    estimator: SequenceEstimator,
    model: Any,
    features: tuple[Feature, ...],
    decoder: TagDecoder | ClassDecoder | JointDecoder,
    history: Any,
    facts: Mapping[str, Any],
    models: Mapping[str, TokenStates] | None = None,
) -> Bundle:
    """Put what was learned into a bundle.

    Parameters
    ----------
    estimator : SequenceEstimator
        Its parameters are kept.
    model : keras.Model
        Trained.
    features : tuple of Feature
        The fitted encoders.
    decoder : TagDecoder, ClassDecoder or JointDecoder
        Labels and what goes with them.
    history : History
        How training went.
    facts : mapping
        ``seconds``, ``train_tokens``, ``train_sequences``, ``development_sequences``, ``metric``, ``seed`` and
        ``coverage``.
    models : mapping of str to TokenStates, optional
        The language models whose states are read, by name; they are kept, too.

    Returns
    -------
    Bundle
    """
    from seqtag.nn.network import named_weights

    params = {name: plain(value) for name, value in estimator.get_params(deep=False).items()}
    manifest = {
        "seqtag": environment()["seqtag"],
        "task": estimator.task,
        "labels": list(decoder.labels),
        **decoder.facts(),
        "tokenizer": params["tokenizer"],
        "params": params,
        "network": model.get_config(),
        "environment": environment(),
    }
    trained = {**facts, "history": asdict(history)}
    files = {
        "vocabulary.json": dump_json([feature.to_dict() for feature in features]),
        "decoder.npz": dump_arrays(decoder.arrays()),
        WEIGHTS: dump_arrays(named_weights(model)),
        "metrics.json": dump_json(trained),
        "README.md": model_card(manifest, trained).encode(),
    }
    if can_export(manifest["network"]):
        files["model.onnx"] = network_graph(model)
    for name, states in (models or {}).items():
        files |= states.files(name)
    return Bundle(manifest, files)


def model_card(manifest: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Word what a model is, how it was made and how to use it."""
    network, history = manifest["network"], trained["history"]
    stack = network["stack"]
    reached = "No development data"
    if history["score"]:
        best = history["best_epoch"]
        reached = f"Best development {trained['metric']}: {history['score'][best]:.4f} (epoch {best + 1})"
    told_apart = "".join(_listed(name, manifest[name]) for name in ("labels", "intents") if name in manifest)
    way = {"both": "bidirectional ", "forward": "", "backward": "backward "}[stack["direction"]]
    is_numeric = all(spec["kind"] == "vectors" for spec in network["features"])
    top = ", ".join(f"{name} {network[name]}" for name in ("decoder", "pooling") if name in network)
    covered = "".join(f"* Pretrained {Coverage.from_dict(state).to_text()}\n" for state in trained.get("coverage", ()))
    example = "numpy.zeros((8, width), 'float32')" if is_numeric else '["A", "list", "of", "tokens"]'
    context = manifest["params"].get("context", 0)
    reads = "" if not context else f"* Reads {context} tokens of its document on each side of a sentence\n"
    if context == "document":
        reads = "* Labels each document as one sequence\n"
    return f"""# A seqtag model: {manifest["task"]}

{stack["layers"]} {way}{stack["cell"]} layer(s) of {stack["units"]} units, {top}.

{told_apart}* Trained on {trained["train_sequences"]:,} sequences, {trained["train_tokens"]:,} tokens, in \
{trained["seconds"]:.0f} s
* {len(history["loss"])} epochs, seed {trained["seed"]}
* {reached}
{reads}{covered}* Made with seqtag {manifest["seqtag"]}

```python
from seqtag import load
load("this/folder").predict([{example}])
```
"""


def _listed(name: str, labels: list[Any]) -> str:
    shown = ", ".join(map(str, labels[:40])) + (" …" if len(labels) > 40 else "")
    return f"* {len(labels)} {name}: {shown}\n"
