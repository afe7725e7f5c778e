"""A trained language model as an ONNX file for any host: ids and a state in, log-probabilities and a state out.

================  ============================================================================================
model.onnx        the graph
signature.json    inputs, outputs, and the symbols in the order of their ids
README.md         how to read a text and how to write on
================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqtag.bundle import Bundle, dump_json
from seqtag.data.lookup import UNKNOWN
from seqtag.data.symbols import END, SymbolTable
from seqtag.errors import ConfigError

MEANINGS = {
    "symbols": "ids of the symbols that have been read, after the end of the text before; what stands beyond a length "
    "is not read",
    "lengths": "number of symbols of each text",
    "state": "the state that the texts go on from, one for each or one for all (a state_out of before); left out, they "
    "begin anew",
    "log_probabilities": "natural logarithm of the probability of each symbol behind each that was read",
    "state_out": "the state behind the last symbol, to be given as state",
    "states": "the top layer's hidden state at each symbol",
}
SPLITS = {
    "words": "what stands between white space, after Unicode normalization form C",
    "characters": "code points, after Unicode normalization form C",
    "bytes": "the bytes of UTF-8; symbol b is written as the character of that number",
}


def write_language_model(bundle: Bundle, folder: Path, inputs: str) -> None:
    """Write ``model.onnx``, ``signature.json`` and ``README.md`` of a language model.

    Parameters
    ----------
    bundle : Bundle
        The model.
    folder : Path
        An empty folder.
    inputs : str
        As `seqtag.export.onnx_export.write_onnx` takes it.

    Raises
    ------
    ConfigError
        If strings are asked for, which a language model's graph does not take.
    """
    import onnx

    if inputs != "ids":
        raise ConfigError(f"export format 'onnx': inputs of a language model must be 'ids'; got {inputs!r}.")
    model = onnx.load_from_string(bundle.files["model.onnx"])
    facts = {"task": bundle.manifest["task"], "seqtag": bundle.manifest["seqtag"]}
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    described = _signature(bundle, model.graph)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_bytes(dump_json(described))
    (folder / "README.md").write_bytes(_read_me(described).encode())


def _signature(bundle: Bundle, graph: Any) -> dict[str, Any]:
    table = SymbolTable.from_dict(bundle.json("vocabulary.json"))
    params = bundle.manifest["params"]
    return {
        "task": bundle.manifest["task"],
        "seqtag": bundle.manifest["seqtag"],
        "level": table.level,
        "cut": SPLITS[table.level],
        "continuous": params["continuous"],
        "go_backwards": params["go_backwards"],
        "end": END,
        "unknown": UNKNOWN,
        "inputs": [_described(entry) for entry in graph.input],
        "outputs": [_described(entry) for entry in graph.output],
        "symbols": list(table.symbols),
    }


def _described(entry: Any) -> dict[str, Any]:
    import onnx

    kind = entry.type.tensor_type
    shape = [size.dim_param or size.dim_value for size in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return {"name": entry.name, "type": dtype, "shape": shape, "meaning": MEANINGS.get(entry.name, "")}


def _read_me(described: Mapping[str, Any]) -> str:
    rows = [
        f"| {way} | `{one['name']}` | {one['type']} {tuple(one['shape'])} | {one['meaning']} |"
        for way in ("inputs", "outputs")
        for one in described[way]
    ]
    table = "\n".join(rows)
    order = "from its end to its beginning" if described["go_backwards"] else "from its beginning to its end"
    return f"""# A language model of {described["level"]} in ONNX

| | name | type and shape | meaning |
| --- | --- | --- | --- |
{table}

A text is cut into symbols ({described["cut"]}) and read {order}.
`symbols` of `signature.json` are in the order of their ids: {described["end"]} ends a text and stands before each,
{described["unknown"]} is all that is not known.

To score a text, give the end and then the text's ids; row t of `log_probabilities` has the probability of each symbol
that may follow what has been read up to t, so that the text's own next id is looked up in it.

To write on, read the prompt once, draw an id from the last row, and give that id alone with `state_out` as `state`:
each further symbol costs the same.

```python
import json
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
described = json.load(open("signature.json", encoding="utf-8"))
ids = [described["end"]]  # and those of a prompt
inputs = {{"symbols": np.array(ids, np.int32)[None, :, None], "lengths": np.array([len(ids)], np.int32)}}
log_p, state = session.run(["log_probabilities", "state_out"], inputs)
print(described["symbols"][log_p[0, -1].argmax()])
```
"""
