"""Tables of named parts."""

import pytest

from seqtag.errors import ConfigError
from seqtag.registry import Registry


@pytest.fixture
def shapes() -> Registry[int]:
    shapes: Registry[int] = Registry("shape")
    shapes.add("round", 1)
    shapes.add("square", 4)
    return shapes


def test_entries_keep_their_order_and_are_found_by_name(shapes):
    assert shapes.names() == tuple(shapes) == ("round", "square")
    assert shapes["square"] == 4
    assert "round" in shapes
    assert "oval" not in shapes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sqare", "shape must be one of round, square; got 'sqare'. Did you mean 'square'?"),
        ("oval", "shape must be one of round, square; got 'oval'."),
        (None, "shape must be one of round, square; got None."),
        (["round"], "shape must be one of round, square; got ['round']. Did you mean 'round'?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_near_one(shapes, name, message):
    with pytest.raises(ConfigError) as caught:
        shapes[name]
    assert str(caught.value) == message


def test_an_entry_never_replaces_another(shapes):
    with pytest.raises(ConfigError, match="shape 'round' is registered already"):
        shapes.add("round", 2)
    assert shapes["round"] == 1


def test_a_decorator_adds_what_it_decorates_and_returns_it():
    makers: Registry = Registry("maker")

    @makers.register("one")
    def make_one():
        return 1

    assert makers["one"] is make_one
    assert make_one() == 1
