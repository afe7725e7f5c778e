"""Language models as encoders: opened once, their states attached to all that is trained on, kept with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seqtag.data.encoders import parse_choice, states_name
from seqtag.errors import ConfigError, DataError
from seqtag.language import TokenStates
from seqtag.language.states import attached


def language_models(choices: Any) -> dict[str, TokenStates]:
    """Open the language models that encoders name, by the names of their vectors.

    Raises
    ------
    BundleError
        If a folder holds none.
    ConfigError
        If two have the same name.
    """
    found: dict[str, TokenStates] = {}
    for choice in () if choices == "auto" else choices:
        encoder, arguments, _ = parse_choice(choice)
        if encoder != "lm" or not arguments:
            continue
        name = states_name(str(arguments[0]))
        if name in found:
            raise ConfigError(f"encoders 'lm' must name folders of different names; got {arguments[0]!r} twice.")
        found[name] = TokenStates.load(str(arguments[0]))
    return found


def with_states(data: Any, models: Mapping[str, TokenStates]) -> Any:
    """Return training data whose sequences have the states of language models at their tokens.

    Raises
    ------
    DataError
        If the data are read from disk in each pass, in which all states would be computed again.
    """
    if not models or data is None:
        return data
    if not isinstance(getattr(data, "sequences", None), tuple):
        raise DataError("encoder 'lm' needs training data in memory; got a CorpusStream. Read it as a Corpus.")
    return replace(data, sequences=tuple(attached(data.sequences, models)))
