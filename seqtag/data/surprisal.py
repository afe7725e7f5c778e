"""How unexpected each symbol of a text was, and how symbols are written where each must be seen."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from seqtag.data.symbols import END_MARK

SEEN = {" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"}
"""What is drawn for symbols that are not seen."""


class Surprisal(NamedTuple):
    """How unexpected a symbol of a text was.

    Parameters
    ----------
    symbol : str
        The word, character or byte; ``<eos>`` where the text ends.
    bits : float
        -log2 p(symbol | what came before).
    known : bool
        Whether the model knows the symbol; if not, the bits are those of "something unknown".
    """

    symbol: str
    bits: float
    known: bool


def as_written(found: Iterable[Surprisal], level: str) -> list[Surprisal]:
    """Return what can be written symbol by symbol: bytes are put together to characters, and their bits are added.

    Parameters
    ----------
    found : iterable of Surprisal
        In the order of the text.
    level : str
        What a symbol is: a name of `seqtag.data.symbols.LEVELS`. Words and characters stay as they are.
    """
    if level != "bytes":
        return list(found)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    out, bits = [], 0.0
    for one in found:
        if one.symbol == END_MARK:
            out += _rest(decoder, bits)
            out.append(one)
            bits = 0.0
            continue
        bits += one.bits
        if char := decoder.decode(one.symbol.encode("latin-1")):
            out.append(Surprisal(char, bits, one.known))
            bits = 0.0
    return out + _rest(decoder, bits)


def _rest(decoder: codecs.IncrementalDecoder, bits: float) -> list[Surprisal]:
    """Return what stands for bytes that begin a character and do not end it."""
    char = decoder.decode(b"", final=True)
    return [Surprisal(char, bits, True)] if char else []


def visible(symbol: str) -> str:
    """Return a symbol as something seen: ␣ for a space, ↵ for a line break, ◌ below a mark that stands alone."""
    if symbol in SEEN:
        return SEEN[symbol]
    return f"◌{symbol}" if symbol and unicodedata.category(symbol[0]) in ("Mn", "Me") else symbol
