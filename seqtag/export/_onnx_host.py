"""Answers with an exported model.onnx through NumPy and ONNX Runtime alone: an example to use, or to port.

python host.py FOLDER "Ada moved to Paris ."

It interprets signature.json, which says how a token becomes each input.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

HANGUL = re.compile("[\uac00-\ud7a3]+")

FOLDS = {
    "nfc": lambda token: unicodedata.normalize("NFC", token),
    "lower": str.lower,
    "digits": lambda token: re.sub(r"\d", "0", token),
    "jamo": lambda token: HANGUL.sub(lambda run: unicodedata.normalize("NFD", run[0]), token),
}


def shape(token: str) -> str:
    """X for upper case, x for other letters, 0 for digits, other characters as they are; runs cut to two."""
    marks: list[str] = []
    for char in token:
        mark = "X" if char.isupper() else "x" if char.isalpha() else "0" if char.isdigit() else char
        if marks[-2:] != [mark, mark]:
            marks.append(mark)
    return "".join(marks)


PARTS = {
    "word": lambda token, length: token,
    "prefix": lambda token, length: token[:length],
    "suffix": lambda token, length: token[-length:],
    "shape": lambda token, length: shape(token),
}


class Model:
    """An exported model.

    Parameters
    ----------
    folder : path
        Holds model.onnx and signature.json.
    """

    def __init__(self, folder: str | Path) -> None:
        self.signature = json.loads((Path(folder) / "signature.json").read_text("utf-8", "surrogatepass"))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it would warn that an input may be left out
        self.session = onnxruntime.InferenceSession(
            Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.tables, self.phrases = {}, {}
        for entry in self.signature["inputs"]:
            self.phrases[entry["name"]] = list(map(set, entry.get("reads", {}).get("phrases", [])))
            for piece in [*entry.get("columns", []), *filter(None, [entry.get("characters")])]:
                if "table" in piece:
                    self.tables[id(piece)] = {key: i + piece["first"] for i, key in enumerate(piece["table"])}

    def run(self, sequences: list[Any], **more: np.ndarray) -> dict[str, np.ndarray]:
        """Return all outputs for sequences: lists of tokens, arrays of frames, or dicts.

        A dict has "tokens" or "frames", and what else the model reads: "columns", lists of strings by name, and
        "vectors", arrays (tokens, numbers) by name. Further inputs, such as ``state``, are given by name.
        """
        read = [sequence if isinstance(sequence, dict) else _plain(sequence) for sequence in sequences]
        lengths = [len(sequence["tokens"] if "tokens" in sequence else sequence["frames"]) for sequence in read]
        inputs = {"lengths": np.array(lengths, np.int32), **more}
        for entry in self.signature["inputs"]:
            if "reads" in entry:
                inputs[entry["name"]] = self._padded(entry, [self._rows(entry, sequence) for sequence in read])
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, inputs), strict=True))

    def predict(self, sequences: list[Any]) -> list[Any]:
        """Return the labels of each sequence's tokens, in a pair with its intent if it has one; or its classes."""
        outputs, labels = self.run(sequences), self.signature["labels"]
        if "tags" in outputs:
            tags = [[labels[tag] for tag in row if tag >= 0] for row in outputs["tags"]]
            if "intent" not in outputs:
                return tags
            return [(row, self.signature["intents"][i]) for row, i in zip(tags, outputs["intent"], strict=True)]
        if "class" in outputs:
            return [labels[best] for best in outputs["class"]]
        return [tuple(labels[i] for i in np.flatnonzero(row)) for row in outputs["classes"]]

    def _rows(self, entry: dict[str, Any], sequence: dict[str, Any]) -> list[Any]:
        """Return what stands at each place of a sequence."""
        reads = entry["reads"]
        if reads["from"] == "frames":
            return list(sequence["frames"])
        if reads["from"] == "vectors":
            return list(sequence["vectors"][reads["name"]])
        if reads["from"] == "gazetteer":
            marks = _marks(reads, self.phrases[entry["name"]], sequence["tokens"])
            return [list(map(self._piece, entry["columns"], row)) for row in marks]
        tokens = sequence["columns"][reads["name"]] if reads["from"] == "column" else sequence["tokens"]
        if reads["from"] == "ngrams":
            tokens = [reads["joiner"].join(tokens[i : i + reads["n"]]) for i in range(len(tokens))]
        if "characters" in entry:
            return [self._spelled(entry["characters"], token) for token in tokens]
        return [[self._piece(piece, token) for piece in entry["columns"]] for token in tokens]

    def _piece(self, piece: dict[str, Any], token: str) -> Any:
        part = PARTS[piece["part"]](_folded(piece, token), piece["length"])
        return self.tables[id(piece)].get(part, piece["unknown"]) if "table" in piece else part

    def _spelled(self, spelling: dict[str, Any], token: str) -> list[Any]:
        chars = list(_folded(spelling, token)[: spelling["length"]])
        if "table" in spelling:
            chars = [self.tables[id(spelling)].get(char, spelling["unknown"]) for char in chars]
        return chars or [spelling["empty"]]

    def _padded(self, entry: dict[str, Any], rows: list[list[Any]]) -> np.ndarray:
        """Lay rows out as (batch, time, width), padded."""
        width = max((len(row) for sequence in rows for row in sequence), default=1)
        width = entry["shape"][2] if isinstance(entry["shape"][2], int) else width
        dtype = object if entry["dtype"] == "string" else entry["dtype"]
        out = np.full((len(rows), max(1, *map(len, rows)), width), entry["padding"], dtype)
        for block, sequence in zip(out, rows, strict=True):
            for place, row in zip(block, sequence, strict=False):
                place[: len(row)] = row
        return out


def _marks(reads: dict[str, Any], phrases: list[set[str]], tokens: list[str]) -> list[list[str]]:
    """Return for each token B, I, E or S for each type of phrase, the longest first and from the left, or nothing."""
    keys = [_folded({"folds": reads["fold"]}, token) for token in tokens]
    out = [[""] * len(phrases) for _ in keys]
    for number, (known, longest) in enumerate(zip(phrases, reads["longest"], strict=True)):
        start = 0
        while start < len(keys):
            ends = range(min(len(keys), start + longest), start, -1)
            end = next((end for end in ends if reads["joiner"].join(keys[start:end]) in known), start)
            marks = ["S"] if end == start + 1 else ["B", *"I" * (end - start - 2), "E"] if end > start else []
            for place, mark in enumerate(marks, start):
                out[place][number] = mark
            start = max(end, start + 1)
    return out


def _plain(sequence: Any) -> dict[str, Any]:
    return {"frames": sequence} if isinstance(sequence, np.ndarray) else {"tokens": sequence}


def _folded(rules: dict[str, Any], token: str) -> str:
    for name in rules["folds"]:
        token = FOLDS[name](token)
    return token


if __name__ == "__main__":
    model = Model(sys.argv[1])
    for text in sys.argv[2:]:
        sys.stdout.write(json.dumps(model.predict([text.split()])[0], ensure_ascii=False) + "\n")
