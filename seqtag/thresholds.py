"""How sure a span must be to be given: one threshold for all, or one for each label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, TypeAlias

from seqtag.data import schemes
from seqtag.errors import ParameterError, SeqtagError, near_name

Threshold: TypeAlias = float | Mapping[str, float]
"""A probability from 0 to 1; or such by label, where a label that is not named keeps all its spans."""


def resolve(threshold: Threshold, labels: Iterable[str], scheme: str) -> dict[str, float]:
    """Return the least probability of the spans of each label.

    Parameters
    ----------
    threshold : float or mapping of str to float
        What was asked for.
    labels : iterable of str
        The labels of a tagger: its tags.
    scheme : str
        How they write spans.

    Returns
    -------
    dict of str to float
        An entry for each label of spans.

    Raises
    ------
    ParameterError
        If a threshold is no number from 0 to 1, or is for a label that the model does not know.
    SeqtagError
        If the labels write no spans, or none of them says that a token is outside.
    """
    labels = tuple(labels)
    if not schemes.SCHEMES[scheme].has_spans:
        raise SeqtagError("a threshold is for spans; the labels of this model write none. Use predict_proba.")
    if schemes.OUTSIDE not in labels:
        raise SeqtagError(f"a threshold needs the label {schemes.OUTSIDE} for what it drops; this model has none.")
    types = span_labels(labels, scheme)
    if not isinstance(threshold, Mapping):
        return dict.fromkeys(types, _checked(threshold, "threshold"))
    for name in threshold:
        if name not in types:
            raise ParameterError(
                f"threshold must name labels of spans ({', '.join(types)}); got {name!r}.{near_name(str(name), types)}"
            )
    return {name: _checked(threshold.get(name, 0.0), f"threshold of {name}") for name in types}


def span_labels(labels: Iterable[str], scheme: str) -> list[str]:
    """Return what the spans that tags write are called, in the order of the tags."""
    return list(dict.fromkeys(span.label for tag in labels for span in schemes.spans([tag], scheme)))


def _checked(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ParameterError(f"{name} must be a number from 0 to 1; got {value!r}.")
    return float(value)
