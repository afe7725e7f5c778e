"""What stands beside a ``.keras`` file for those who go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqtag.data.features import Feature
from seqtag.export._litert_readme import example, table

_PAGE = """# {title} for Keras

`model.keras` is the network with its weights; `import seqtag.nn` registers its layers, so that `load_model` needs no
`custom_objects` and stays in its safe mode. It owns its loss: compile it with an optimizer alone.

{inputs}

{outputs}

{n_labels} labels, in the order of the output's last axis: {labels}

```python
import json

import keras
import numpy as np
import seqtag.nn
from seqtag import Sequence
from seqtag.data.batching import EncodedCorpus
from seqtag.data.features import Feature

model = keras.models.load_model("model.keras")
with open("vocabulary.json", encoding="utf-8") as file:
    features = tuple(map(Feature.from_dict, json.load(file)))
with open("signature.json", encoding="utf-8") as file:
    labels = json.load(file)["labels"]

sequences = [{example}]
batch = EncodedCorpus(features, sequences).batch(np.arange(len(sequences)))
scores = model.predict_on_batch(batch.inputs)
{decode}
```

To train on, give it batches, each with the ids of the labels, 0 beyond a length:

```python
targets = {targets}


def batches():
    while True:
        yield batch.inputs, targets


model.compile(keras.optimizers.Adam(1e-4))
model.fit(batches(), steps_per_epoch=1, shuffle=False)
```

A model that was trained on is not read back by seqtag, which opens no `.keras` file.
"""


def readme(signature: Mapping[str, Any], features: tuple[Feature, ...]) -> str:
    """Word what a folder holds and how one goes on, from its ``signature.json`` and the encoders."""
    labels = [str(label) for label in signature["labels"]]
    return _PAGE.format(
        title="A tagger" if signature["task"] == "tagging" else "A classifier",
        inputs=table("input", signature["inputs"]),
        outputs=table("output", signature["outputs"]),
        n_labels=len(labels),
        labels=", ".join(labels[:40]) + (" …" if len(labels) > 40 else ""),
        example=example(features),
        decode=_decode(signature),
        targets=_targets(signature),
    )


def _decode(signature: Mapping[str, Any]) -> str:
    if signature["task"] == "tagging":
        if signature["decoder"] == "crf":
            return (
                'path, _ = model.head.viterbi(scores, batch.inputs["lengths"])\n'
                "print([labels[i] for i in keras.ops.convert_to_numpy(path)[0]])"
            )
        return "print([labels[i] for i in scores[0].argmax(axis=-1)])"
    if signature["multi_label"]:
        return "print([label for label, score in zip(labels, scores[0]) if score > 0])"
    return "print(labels[scores[0].argmax()])"


def _targets(signature: Mapping[str, Any]) -> str:
    if signature["task"] == "tagging":
        return 'np.zeros((1, batch.inputs["lengths"].max()), "int32")'
    return 'np.zeros((1, len(labels)), "float32")' if signature["multi_label"] else 'np.zeros(1, "int32")'
