"""What stands before a bundle's graph in an exported one: per place, from ids or strings, to what the network reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.data.features import Feature
from seqtag.data.lookup import FIRST, JOINER, PADDING, UNKNOWN

if TYPE_CHECKING:
    from seqtag.export.onnx import GraphBuilder

FLOAT, INT32, STRING = 1, 6, 8  # of onnx.TensorProto
LOOKUPS = "ai.onnx.ml"


def prepared(graph: GraphBuilder, feature: Feature, strings: bool) -> str:
    """Add what makes a feature's rows of the input of its name, (B, T, width), and return where they are."""
    name = feature.spec.name
    if feature.scaler is not None:
        return _scaled(graph, feature)
    rows = name
    if strings and feature.spelling is not None:
        rows = _looked_up(graph, name, feature.spelling.table, 0, padding=True)
    elif strings:
        rows = _pieces(graph, feature)
    if feature.spelling is not None:
        rows = _never_empty(graph, rows, np.int64 if strings else np.int32)
    return graph.add("Flatten", [rows], axis=2) if feature.spec.level == "type" else rows


def numbered(graph: GraphBuilder, name: str) -> str:
    """Add the number of each place of an input (B, T, ...), shape (B, T): every place has a row of its own."""
    shape = graph.add("Shape", [name], start=0, end=2)
    places = graph.add("Range", [graph.scalar(0), graph.add("ReduceProd", [shape], keepdims=0), graph.scalar(1)])
    return graph.add("Reshape", [places, shape])


def input_type(feature: Feature, strings: bool) -> int:
    """Return the element type of a feature's input."""
    return FLOAT if feature.scaler is not None else STRING if strings else INT32


def input_width(feature: Feature) -> int | str:
    """Return the last axis of a feature's input: ids, strings or numbers a place, or a varying number of characters."""
    if feature.scaler is not None:
        return feature.scaler.features
    return "chars" if feature.spelling is not None else feature.spec.width


def _never_empty(graph: GraphBuilder, rows: str, dtype: Any) -> str:
    """Let a place without characters have an unknown one, as a token without any has.

    Of no character, the greatest value of a convolution is far below all others: in whole numbers (int8), where inputs
    share a scale, the padding of one sequence would take the places of all.
    """
    first = graph.add("Slice", [rows, graph.ints(0), graph.ints(1), graph.ints(2)])
    others = graph.add("Slice", [rows, graph.ints(1), graph.ints(2**31), graph.ints(2)])
    return graph.add("Concat", [graph.add("Max", [first, graph.constant(UNKNOWN, dtype)]), others], axis=2)


def _pieces(graph: GraphBuilder, feature: Feature) -> str:
    """Look the pieces of each token up, each in its own table."""
    columns, offset = [], 0
    for i, lookup in enumerate(feature.lookups):
        piece = graph.add("Gather", [feature.spec.name, graph.ints(i)], axis=2)
        columns.append(_looked_up(graph, piece, lookup.table, offset))
        offset += lookup.size
    return columns[0] if len(columns) == 1 else graph.add("Concat", columns, axis=2)


def _looked_up(graph: GraphBuilder, pieces: str, table: Sequence[str], offset: int, padding: bool = False) -> str:
    """Add a dictionary; what no host can send, since it is no Unicode, has no entry."""
    entries = [(entry, i + FIRST + offset) for i, entry in enumerate(table) if entry.isascii() or _is_text(entry)]
    if padding:
        entries.append(("", PADDING))
    if not entries:  # ONNX has no empty dictionary
        entries.append((JOINER, UNKNOWN + offset))
    return graph.add(
        "LabelEncoder",
        [pieces],
        domain=LOOKUPS,
        keys_strings=[entry for entry, _ in entries],
        values_int64s=[id for _, id in entries],
        default_int64=UNKNOWN + offset,
    )


def _is_text(entry: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in entry)


def _scaled(graph: GraphBuilder, feature: Feature) -> str:
    """Centre and scale numbers, put 0 for NaN, and mark it where the scaler has a column for that."""
    scaler, name = feature.scaler, feature.spec.name
    assert scaler is not None
    scaled = name
    if any(scaler.mean) or any(scale != 1.0 for scale in scaler.scale):
        # In two parts a mean loses nothing in float32, however far it lies from 0.
        mean = np.array(scaler.mean)
        whole = mean.astype(np.float32)
        centred = graph.add("Sub", [name, graph.constant(whole)])
        centred = graph.add("Sub", [centred, graph.constant(mean - whole)])
        scaled = graph.add("Div", [centred, graph.constant(scaler.scale)])
    absent = graph.add("IsNaN", [name])
    known = graph.add("Where", [absent, graph.constant(0.0), scaled])
    if not scaler.missing:
        return known
    marks = graph.add("Gather", [graph.add("Cast", [absent], to=FLOAT), graph.ints(*scaler.missing)], axis=2)
    return graph.add("Concat", [known, marks], axis=2)
