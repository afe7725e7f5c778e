"""What stands beside a LiteRT model for those who use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seqtag.data.features import Feature

_TAGS = '''

def viterbi(scores, transitions, start, end):
    """Return the best labels of emissions (T, K)."""
    best, back = scores[0] + start, []
    for row in scores[1:]:
        paths = best[:, None] + transitions
        back.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + row
    path = [int((best + end).argmax())]
    for before in reversed(back):
        path.append(int(before[path[-1]]))
    return path[::-1]


scores = {name: np.array(signature["decoder"][name]) for name in ("transitions", "start", "end")}
path = viterbi(found["emissions"][0, : inputs["lengths"][0]], **scores)
'''

_SHOW_TAGS = """print([signature["labels"][i] for i in path])
"""

_SHOW_BOTH = """intent = signature["intents"][int(found["intent_probabilities"][0].argmax())]
print(([signature["labels"][i] for i in path], intent))
"""

_CLASS = """print(signature["labels"][int(found["probabilities"][0].argmax())])
"""

_CLASSES = """print([label for label, p in zip(signature["labels"], found["probabilities"][0]) if p > 0.5])
"""

_PAGE = """# {title} for LiteRT

`model.tflite` takes {batch} of at most {length} {unit} a call and gives scores. It holds builtin operators alone (no
Flex), and keeps nothing from one call to the next. `signature.json` says the same as this page, for programs.

{inputs}

{outputs}

A shorter sequence is padded with 0 at the right, and `lengths` says how long it is; what stands beyond does not matter.
A longer one must be cut.
{text}
{labels}

In Python (`pip install ai-edge-litert`; on a phone the calls are the same), with ids made by seqtag:

```python
import json

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from seqtag import Sequence
from seqtag.export.litert_inputs import Encoder

with open("signature.json", encoding="utf-8") as file:
    signature = json.load(file)
inputs = Encoder(signature).encode([{example}])
network = Interpreter("model.tflite").get_signature_runner()
found = network(**inputs)
{decode}
```
"""

TITLES = {"tagging": "A tagger", "classification": "A classifier", "joint": "A tagger with intents"}

_TEXT = """
Text is put into Unicode normalization form C and folded by the host, as `signature.json` says: each entry of `columns`
folds the token, takes a part of it, and looks that up in a table, whose entry `i` is the number `first + i`; any other
is `unknown`.
"""


def readme(signature: Mapping[str, Any], features: tuple[Feature, ...]) -> str:
    """Word what a folder holds and how it is used, from its ``signature.json`` and the encoders."""
    reads = [entry["reads"] for entry in signature["inputs"] if "reads" in entry]
    is_numeric = reads[0]["from"] == "frames"
    return _PAGE.format(
        title=TITLES[signature["task"]],
        batch="a sequence" if signature["batch"] == 1 else f"{signature['batch']} sequences",
        length=signature["length"],
        unit="frames" if is_numeric else "tokens",
        inputs=table("input", signature["inputs"]),
        outputs=table("output", signature["outputs"]),
        text="" if is_numeric else _TEXT,
        labels=listed(signature),
        example=example(features, signature["length"]),
        decode=_decode(signature).rstrip(),
    )


def _decode(signature: Mapping[str, Any]) -> str:
    if signature["task"] == "classification":
        return _CLASSES if signature["multi_label"] else _CLASS
    return _TAGS + (_SHOW_BOTH if signature["task"] == "joint" else _SHOW_TAGS)


def listed(signature: Mapping[str, Any]) -> str:
    """Write the labels, and the intents if there are any, in lines of text."""
    found = []
    for name in ("labels", "intents"):
        if name in signature:
            shown = ", ".join(map(str, signature[name][:40])) + (" …" if len(signature[name]) > 40 else "")
            found.append(f"{len(signature[name])} {name}, in the order of the output's last axis: {shown}")
    return "\n\n".join(found)


def example(features: Iterable[Feature], length: int = 3) -> str:
    """Write a sequence that has whatever encoders read, as Python."""
    tokens = ("Ada", "in", "Paris")[:length]
    columns, vectors = [], []
    for feature in features:
        if feature.column is not None:
            columns.append(f"{feature.column!r}: {tokens!r}")
        elif feature.scaler is not None:
            zeros = f"np.zeros(({len(tokens)}, {feature.scaler.features}))"
            if feature.vectors is None:
                return f"Sequence(frames={zeros})"
            vectors.append(f"{feature.vectors!r}: {zeros}")
    given = {"columns": columns, "vectors": vectors}
    more = [f", {name}={{{', '.join(values)}}}" for name, values in given.items() if values]
    return f"Sequence({tokens!r}{''.join(more)})"


def table(title: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """Write inputs or outputs as a table in Markdown."""
    lines = [f"| {title} | type | shape | what it is |", "| --- | --- | --- | --- |"]
    for entry in entries:
        shape = ", ".join(map(str, entry["shape"]))
        lines.append(f"| `{entry['name']}` | {entry['dtype']} | ({shape}) | {entry['meaning']} |")
    return "\n".join(lines)
