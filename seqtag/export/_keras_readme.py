"""What stands beside a ``.keras`` file for those who go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqtag.data.features import Feature
from seqtag.export._litert_readme import TITLES, example, listed, table

_PAGE = """# {title} for Keras

`model.keras` is the network with its weights; `import seqtag.nn` registers its layers, so that `load_model` needs no
`custom_objects` and stays in its safe mode. It owns its loss: compile it with an optimizer alone.

{inputs}

{outputs}

{labels}

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
    signature = json.load(file)
labels = signature["labels"]

sequences = [{example}]
batch = EncodedCorpus(features, sequences).batch(np.arange(len(sequences)))
scores = model.predict_on_batch(batch.inputs)
{decode}
```

To train on, give it batches, each with the ids of the labels, 0 beyond a length{several}:

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
    return _PAGE.format(
        title=TITLES[signature["task"]],
        inputs=table("input", signature["inputs"]),
        outputs=table("output", signature["outputs"]),
        labels=listed(signature),
        example=example(features),
        decode=_decode(signature),
        targets=_targets(signature),
        several=" (at each token `intent * len(labels) + label`)" if signature["task"] == "joint" else "",
    )


def _decode(signature: Mapping[str, Any]) -> str:
    if signature["task"] != "classification":
        is_joint = signature["task"] == "joint"
        head, emissions = ("model.head.slots", "scores[..., : len(labels)]") if is_joint else ("model.head", "scores")
        path = f"path = {emissions}.argmax(axis=-1)\n"
        if signature["decoder"] == "crf":
            path = f'path, _ = {head}.viterbi({emissions}, batch.inputs["lengths"])\n'
            path += "path = keras.ops.convert_to_numpy(path)\n"
        tags = "[labels[i] for i in path[0]]"
        intent = 'signature["intents"][scores[0, 0, len(labels) :].argmax()]'
        return path + (f"print(({tags}, {intent}))" if is_joint else f"print({tags})")
    if signature["multi_label"]:
        return "print([label for label, score in zip(labels, scores[0]) if score > 0])"
    return "print(labels[scores[0].argmax()])"


def _targets(signature: Mapping[str, Any]) -> str:
    if signature["task"] != "classification":
        return 'np.zeros((1, batch.inputs["lengths"].max()), "int32")'
    return 'np.zeros((1, len(labels)), "float32")' if signature["multi_label"] else 'np.zeros(1, "int32")'
