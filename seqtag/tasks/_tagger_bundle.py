"""A trained tagger as the files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seqtag.bundle import Bundle, dump_arrays, dump_json
from seqtag.data.encoders import Feature
from seqtag.data.schemes import SCHEMES
from seqtag.export.onnx import tagger_graph
from seqtag.nn.cells import CELLS
from seqtag.predictor import Decoder
from seqtag.tasks._base import SequenceEstimator, environment, plain


def make_bundle(
    estimator: SequenceEstimator,
    model: Any,
    features: tuple[Feature, ...],
    decoder: Decoder,
    history: Any,
    facts: Mapping[str, Any],
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
    decoder : Decoder
        Labels, scheme, scores.
    history : History
        How training went.
    facts : mapping
        ``seconds``, ``train_tokens``, ``development_sequences`` and ``seed``.

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
        "scheme": decoder.scheme,
        "tokenizer": params["tokenizer"],
        "params": params,
        "network": model.get_config(),
        "environment": environment(),
    }
    scores = {name: getattr(decoder, name) for name in ("transitions", "start", "end")}
    trained = {**facts, "history": asdict(history)}
    files = {
        "vocabulary.json": dump_json([feature.to_dict() for feature in features]),
        "decoder.npz": dump_arrays(scores),
        "weights.npz": dump_arrays(named_weights(model)),
        "metrics.json": dump_json(trained),
        "README.md": model_card(manifest, trained).encode(),
    }
    if _can_export(manifest["network"]):
        files["model.onnx"] = tagger_graph(model)
    return Bundle(manifest, files)


def model_card(manifest: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Word what a model is, how it was made and how to use it."""
    params, history = manifest["params"], trained["history"]
    metric = "span F1" if SCHEMES[manifest["scheme"]].has_spans else "accuracy"
    reached = "No development data"
    if history["score"]:
        best = history["best_epoch"]
        reached = f"Best development {metric}: {history['score'][best]:.4f} (epoch {best + 1})"
    labels = ", ".join(manifest["labels"][:40]) + (" …" if len(manifest["labels"]) > 40 else "")
    way = "bidirectional " if params["bidirectional"] else ""
    return f"""# A seqtag tagger

{params["layers"]} {way}{params["cell"]} layer(s) of {params["units"]} units, decoder {params["decoder"]}.

* Labels ({len(manifest["labels"])}, scheme {manifest["scheme"]}): {labels}
* Trained on {trained["train_tokens"]:,} tokens in {trained["seconds"]:.0f} s
* {len(history["loss"])} epochs, seed {trained["seed"]}
* {reached}
* Made with seqtag {manifest["seqtag"]}

```python
from seqtag import load
load("this/folder").predict([["A", "list", "of", "tokens"]])
```
"""


def _can_export(network: Mapping[str, Any]) -> bool:
    """Tell whether ONNX has an operator for every cell of a network, those that read characters included."""
    readers = {spec["model"] for spec in network["features"] if spec["kind"] == "chars"} - {"cnn"}
    return all(CELLS[cell].onnx for cell in {network["cell"], *readers})
