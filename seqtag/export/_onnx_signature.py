"""What an exported ONNX graph takes and gives, as data for programs and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seqtag.data.features import Feature
from seqtag.data.lookup import FIRST, JOINER, PADDING, UNKNOWN, Lookup, Spelling
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder

FOLD_WORDS = {
    "nfc": "Unicode normalization form C",
    "lower": "lower case, by Unicode's full mapping",
    "digits": "each decimal digit (Unicode category Nd) becomes 0",
    "jamo": "each Hangul syllable (U+AC00 to U+D7A3) becomes its jamo, as in normalization form D",
}
PART_WORDS = {
    "word": "the whole token",
    "prefix": "its first characters (code points), as many as length says; all if it has fewer",
    "suffix": "its last characters (code points), as many as length says; all if it has fewer",
    "shape": "each character as a mark: X upper case, x other letters, 0 digits, others as they are; of a run of equal "
    "marks only two are kept",
}
MEANINGS = {
    "lengths": "number of tokens or frames of each sequence; 0 is allowed",
    "initial": "the state before the first step of each direction",
    "state": "the state that the sequences go on from, one for each or one for all (a state_out of before); left out, "
    "they begin anew",
    "emissions": "score of each label at each token; what stands beyond a length means nothing",
    "tags": "number of the label of each token, of the best sequence of labels; -1 beyond a length",
    "probabilities of tags": "probability of the label that tags names; 0 beyond a length",
    "tag_probabilities": "probability of each label at the token, given the whole sequence; 0 beyond a length",
    "logits": "score of each class; of an empty sequence how often the class was seen in training",
    "probabilities": "probability of each class",
    "class": "number of the most probable class",
    "intent_logits": "score of each intent; of an empty sequence how often the intent was seen in training",
    "intent_probabilities": "probability of each intent",
    "intent": "number of the most probable intent",
    "classes": "which classes are more probable than not",
    "state_out": "the state after the last token, to be given as state (where initial states are an input: as initial)",
}


def signature(
    manifest: Mapping[str, Any],
    features: tuple[Feature, ...],
    decoder: TagDecoder | ClassDecoder | JointDecoder,
    model: Any,
) -> dict[str, Any]:
    """Describe a graph in JSON's types.

    Parameters
    ----------
    manifest : mapping
        The bundle's.
    features : tuple of Feature
        The encoders.
    decoder : TagDecoder, ClassDecoder or JointDecoder
        The labels.
    model : onnx.ModelProto
        The graph itself, which is asked for shapes and types.
    """
    by_name = {feature.spec.name: feature for feature in features}
    optional = {constant.name for constant in model.graph.initializer}
    inputs = []
    for value in model.graph.input:
        entry = _described(value)
        if value.name in by_name:
            entry |= reading(by_name[value.name], entry["dtype"] == "string")
        inputs.append(entry | ({"optional": True} if value.name in optional else {}))
    is_tagger = not isinstance(decoder, ClassDecoder)
    outputs = [_described(value, " of tags" if is_tagger else "") for value in model.graph.output]
    return {
        "model": "model.onnx",
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "ir_version": model.ir_version,
        "task": manifest["task"],
        "scheme": decoder.scheme,
        "labels": list(decoder.labels),
        **({"intents": list(decoder.intents.labels)} if isinstance(decoder, JointDecoder) else {}),
        "tokenizer": manifest["tokenizer"],
        "inputs": inputs,
        "outputs": outputs,
        "folds": FOLD_WORDS,
        "parts": PART_WORDS,
        "seqtag": manifest["seqtag"],
    }


def _described(value: Any, suffix: str = "") -> dict[str, Any]:
    """Give name, type, shape and meaning of an input or output."""
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    entry = {
        "name": value.name,
        "dtype": "string" if kind.elem_type == onnx.TensorProto.STRING else str(dtype),
        "shape": [axis.dim_param or axis.dim_value for axis in kind.shape.dim],
    }
    meaning = MEANINGS.get(value.name + suffix) or MEANINGS.get(value.name)
    return entry | ({"meaning": meaning} if meaning else {})


def reading(feature: Feature, strings: bool) -> dict[str, Any]:
    """Say how a place of a sequence becomes a row of an input."""
    reads, what = _source(feature)
    if feature.scaler is not None:
        meaning = f"{what} as they are; NaN is a missing value. They are centred and scaled in the graph"
        return {"meaning": meaning, "reads": reads, "padding": 0.0}
    if feature.spelling is not None:
        characters = _piece(feature.spelling, 0, strings) | {"empty": JOINER if strings else UNKNOWN}
        kind = "characters" if strings else "numbers of the characters"
        meaning = f"{kind} of {what}, at most {feature.spelling.length}; empty stands for a token without any"
        return {"meaning": meaning, "reads": reads, "padding": "" if strings else PADDING, "characters": characters}
    columns, offset = [], 0
    for lookup in feature.lookups:
        part = {"part": lookup.part, "length": lookup.length}
        columns.append(part | _piece(lookup, offset, strings))
        offset += lookup.size
    meaning = f"{'pieces' if strings else 'numbers of the pieces'} of {what}, in the order of columns"
    return {"meaning": meaning, "reads": reads, "padding": "" if strings else PADDING, "columns": columns}


def _source(feature: Feature) -> tuple[dict[str, Any], str]:
    """Say what of a sequence a feature reads, as data and in words."""
    if feature.scaler is not None:
        if feature.vectors is None:
            return {"from": "frames"}, "the numbers of each frame"
        return {"from": "vectors", "name": feature.vectors}, f"the numbers of {feature.vectors!r} beside each token"
    if feature.column is not None:
        return {"from": "column", "name": feature.column}, f"the value of the column {feature.column!r} at each token"
    if feature.gazetteer is not None:
        longest = [max(phrase.count(JOINER) + 1 for phrase in phrases) for phrases in feature.gazetteer.phrases]
        reads = {"from": "gazetteer", "joiner": JOINER, "longest": longest, **asdict(feature.gazetteer)}
        return reads, "the mark of each type (B, I, E or S in the longest phrase found from the left; else none)"
    if feature.ngram > 1:
        several = f"each token joined with the {feature.ngram - 1} that follow it, by U+001F"
        return {"from": "ngrams", "n": feature.ngram, "joiner": JOINER}, several
    return {"from": "tokens"}, "each token"


def _piece(rules: Lookup | Spelling, offset: int, strings: bool) -> dict[str, Any]:
    """Say how text is folded and, where the graph does not do it, looked up."""
    entry: dict[str, Any] = {"folds": list(rules.fold)}
    if isinstance(rules, Spelling):
        entry["length"] = rules.length
    if strings:
        return entry
    return entry | {"first": FIRST + offset, "unknown": UNKNOWN + offset, "table": list(rules.table)}


def read_me(described: Mapping[str, Any]) -> str:
    """Word how a graph is used, from its signature."""
    strings = any(entry["dtype"] == "string" for entry in described["inputs"])
    texts = strings or any("columns" in entry or "characters" in entry for entry in described["inputs"])
    opset = ", ".join(f"{name} {version}" for name, version in described["opset"].items())
    listed = "\n\n".join(_listed(name, described[name]) for name in ("labels", "intents") if name in described)
    how = "Text is put into Unicode normalization form C and folded by the host, as `signature.json` says. "
    if strings:
        how += "The graph looks the pieces up."
    else:
        how += "Each piece is looked up in a table there: entry `i` is the number `first + i`, any other is `unknown`."
    what = "Labels and intents" if described["task"] == "joint" else described["task"].capitalize()
    return f"""# {what} with ONNX

`model.onnx` (opset {opset}; IR version {described["ir_version"]}) needs nothing but an ONNX host. It holds the network
and the decoder: its outputs are answers. `signature.json` says the same as this page, for programs.

{_table("Input", described["inputs"])}
{chr(10) + how + chr(10) if texts else ""}
{_table("Output", described["outputs"])}

{listed}

`host.py` is a host in NumPy and ONNX Runtime (`pip install numpy onnxruntime`), to be used or to be ported:

```python
import numpy
from host import Model

model = Model(".")
sequence = {_example(described)}
print(model.predict([sequence]))
print({{name: output.shape for name, output in model.run([sequence]).items()}})
```
"""


def _listed(name: str, labels: list[Any]) -> str:
    shown = ", ".join(map(str, labels[:40])) + (" …" if len(labels) > 40 else "")
    return f"{len(labels)} {name}, in order: {shown}"


def _example(described: Mapping[str, Any]) -> str:
    """Write a sequence with all that the model reads, in Python."""
    columns, vectors = {}, []
    for entry in described["inputs"]:
        reads = entry.get("reads", {"from": "nothing"})
        if reads["from"] == "frames":
            return f'numpy.zeros((8, {entry["shape"][2]}), "float32")'
        if reads["from"] == "column":
            columns[reads["name"]] = ["x"] * 4
        if reads["from"] == "vectors":
            vectors.append(f'{json.dumps(reads["name"])}: numpy.zeros((4, {entry["shape"][2]}), "float32")')
    tokens = '["A", "list", "of", "tokens"]'
    parts = [f'"tokens": {tokens}']
    parts += [f'"columns": {json.dumps(columns)}'] if columns else []
    parts += [f'"vectors": {{{", ".join(vectors)}}}'] if vectors else []
    return tokens if len(parts) == 1 else f"{{{', '.join(parts)}}}"


def _table(title: str, entries: list[dict[str, Any]]) -> str:
    lines = [f"| {title} | type | shape | what it is |", "| --- | --- | --- | --- |"]
    for entry in entries:
        name = f"`{entry['name']}`" + (" (may be left out)" if entry.get("optional") else "")
        shape = ", ".join(map(str, entry["shape"]))
        lines.append(f"| {name} | {entry['dtype']} | ({shape}) | {entry.get('meaning', '')} |")
    return "\n".join(lines)
