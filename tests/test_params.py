"""The constructor signature as the schema: types, ranges, names, sentences, and how a wrong value is refused."""

import math
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from seqtag.errors import ParameterError
from seqtag.params import Param, check_params, fields, parameter_docs, schema
from seqtag.registry import Registry
from seqtag.tasks.tagger import SequenceTagger

SHAPES: Registry[int] = Registry("shape")
SHAPES.add("round", 1)
SHAPES.add("square", 4)


class Toy:
    """A class with one parameter of each kind.

    Text before the section, with a line - like - this.

    Parameters
    ----------
    size : int
        How large it is,
        in two lines.
    rate, share : float
        Two at once.
    shape : str
        Its shape.
    epochs : int or 'auto'
        How often.
    names : list
        A list.
    weights : dict, 'balanced' or None
        A mapping.
    flag : bool
        Yes or no.
    path : str or None
        Any string.

    Returns
    -------
    nothing : of note
        Not a parameter.
    """

    def __init__(
        self,
        *,
        size: Annotated[int, Param("model", low=1, high=9)] = 2,
        rate: Annotated[float, Param("model", low=0, below=1)] = 0.5,
        share: Annotated[float, Param("model", low=0)] = 0.5,
        shape: Annotated[str, Param("model", choices=SHAPES.names)] = "round",
        epochs: Annotated[int | Literal["auto"], Param("training", low=1)] = "auto",
        names: Annotated[list, Param("training")] = ("a",),
        weights: Annotated[dict | Literal["balanced"] | None, Param("training")] = None,
        flag: Annotated[bool, Param("run")] = False,
        path: Annotated[str | None, Param("run")] = None,
    ) -> None:
        vars(self).update({name: value for name, value in locals().items() if name != "self"})


SIZE = "must be an int of at least 1 and at most 9; got {}."
RATE = "must be a number of at least 0 and less than 1; got {}."
SHAPE = "must be 'round' or 'square'; got {}."
EPOCHS = "must be an int of at least 1 or 'auto'; got {}."

RIGHT = [
    ("size", 1),
    ("size", 9),
    ("size", np.int64(3)),
    ("size", np.uint8(3)),
    ("rate", 0),
    ("rate", 0.999),
    ("rate", np.float32(0.5)),
    ("rate", np.int64(0)),
    ("share", 10**400),
    ("shape", "square"),
    ("epochs", "auto"),
    ("epochs", 3),
    ("names", []),
    ("names", ("a", "b")),
    ("weights", {"O": 1.0}),
    ("weights", "balanced"),
    ("weights", None),
    ("flag", True),
    ("path", "anything"),
    ("path", None),
]

WRONG = [
    ("size", 0, SIZE.format(0)),
    ("size", 10, SIZE.format(10)),
    ("size", 10**400, SIZE.format(10**400)),
    ("size", np.int64(0), SIZE.format("np.int64(0)")),
    ("size", 2.0, SIZE.format("2.0")),
    ("size", True, SIZE.format(True)),
    ("size", "2", SIZE.format("'2'")),
    ("size", None, SIZE.format(None)),
    ("rate", 1, RATE.format(1)),
    ("rate", -0.1, RATE.format(-0.1)),
    ("rate", np.float32(5), RATE.format("np.float32(5.0)")),
    ("rate", math.nan, RATE.format("nan")),
    ("share", math.inf, "must be a number of at least 0; got inf."),
    ("shape", "sqare", SHAPE.format("'sqare'") + " Did you mean 'square'?"),
    ("shape", "oval", SHAPE.format("'oval'")),
    ("shape", None, SHAPE.format(None)),
    ("epochs", 0, EPOCHS.format(0)),
    ("epochs", "atuo", EPOCHS.format("'atuo'") + " Did you mean 'auto'?"),
    ("names", "a", "must be a list; got 'a'."),
    ("weights", [1], "must be a mapping or None or 'balanced'; got [1]."),
    ("flag", 1, "must be true or false; got 1."),
    ("path", 1, "must be a string or None; got 1."),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_right_values_pass(name, value):
    assert schema(Toy)[name].problem(value) is None
    check_params(Toy(**{name: value}))


@pytest.mark.parametrize(("name", "value", "message"), WRONG, ids=lambda value: str(value)[:20])
def test_wrong_values_are_refused_in_words(name, value, message):
    assert schema(Toy)[name].problem(value) == message
    with pytest.raises(ParameterError) as caught:
        check_params(Toy(**{name: value}))
    assert str(caught.value) == f"Toy: {name} {message}"


def test_the_schema_reads_order_groups_defaults_and_sentences():
    found = schema(Toy)
    assert list(found) == ["size", "rate", "share", "shape", "epochs", "names", "weights", "flag", "path"]
    assert {name: field.group for name, field in found.items() if field.group != "model"} == {
        "epochs": "training",
        "names": "training",
        "weights": "training",
        "flag": "run",
        "path": "run",
    }
    assert found["size"].default == 2
    assert found["size"].doc == "How large it is, in two lines."
    assert found["rate"].doc == found["share"].doc == "Two at once."


def test_docs_end_where_the_section_ends():
    assert set(parameter_docs(Toy)) == set(schema(Toy))
    assert parameter_docs(int) == {}


def test_choices_are_asked_for_when_they_are_needed():
    shape = schema(Toy)["shape"]
    assert shape.problem("star") is not None
    SHAPES.add("star", 5)
    try:
        assert shape.problem("star") is None
    finally:
        del SHAPES._entries["star"]


def test_a_parameter_without_a_declaration_is_a_mistake_of_the_programmer():
    def make(data: Any, size: int = 3) -> None: ...

    with pytest.raises(TypeError, match="'size' is not declared"):
        fields(make)


@pytest.mark.parametrize("name", list(schema(SequenceTagger)))
def test_every_parameter_of_the_tagger_is_declared_in_full(name):
    field = schema(SequenceTagger)[name]
    assert field.doc.endswith("."), "no parameter without a sentence"
    assert field.group in ("model", "training", "run")
    assert field.problem(field.default) is None, "a default is a right value"
    assert field.expectation()


def test_the_documented_parameters_are_those_of_the_signature():
    assert list(parameter_docs(SequenceTagger)) == list(schema(SequenceTagger))
