"""Texts whose symbols are shaded by their surprisal: for a terminal, for a web page, and as plain numbers."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

from seqtag.data.surprisal import Surprisal, as_written, visible
from seqtag.data.symbols import END_MARK, LEVELS
from seqtag.errors import ParameterError

STRONGEST = 12.0  # bits from which a shade is the strongest: one of 4,096
_BACKGROUNDS = (None, 230, 223, 216, 209, 203)  # of a terminal's 256 colours
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def surprisal_to_text(
    found: Sequence[Surprisal], *, level: str = "words", color: bool = False, strongest: float = STRONGEST
) -> str:
    """Write a text with the surprisal of its symbols, to be read by people.

    Parameters
    ----------
    found : sequence of Surprisal
        Of one text, see `LanguagePredictor.surprisal`.
    level : str
        What a symbol is: ``words``, ``characters`` or ``bytes``; bytes are put together to characters.
    color : bool
        Whether to shade the text for a terminal; an unknown symbol is underlined, and control characters are shown as
        U+FFFD, so that no text can command the terminal. Without it the bits stand behind each symbol, ``the/3.2``, and
        "?" behind those of an unknown one.
    strongest : float
        From how many bits on the shade is the strongest.

    Returns
    -------
    str
        Coloured, the text as it is with its end; else a list of symbols in one line.

    Raises
    ------
    ParameterError
        If ``strongest`` is not above 0, or there is no such level.
    """
    joiner = _check(level, strongest)
    symbols = as_written(found, level)
    if not color:
        return " ".join(f"{_seen(one.symbol)}/{one.bits:.1f}{'' if one.known else '?'}" for one in symbols)
    pieces = []
    for one in symbols:
        shade = _BACKGROUNDS[min(len(_BACKGROUNDS) - 1, int(_share(one, strongest) * len(_BACKGROUNDS)))]
        codes = [*(["4"] if not one.known else []), *([f"38;5;16;48;5;{shade}"] if shade else [])]
        mark = f"\x1b[{';'.join(codes)}m" if codes else ""
        text, tail = _lettered(_CONTROLS.sub("\ufffd", one.symbol))
        pieces.append(f"{mark}{text}{chr(27) + '[0m' if mark else ''}{tail}")
    return joiner.join(pieces)


def surprisal_to_html(found: Sequence[Surprisal], *, level: str = "words", strongest: float = STRONGEST) -> str:
    """Write a text as HTML whose symbols are shaded by their surprisal; pointing at one shows its bits.

    Parameters
    ----------
    found, level, strongest : as in `surprisal_to_text`
        What is shown.

    Returns
    -------
    str
        One ``div``, whose direction follows from its text, with a ``span`` a symbol. Everything is escaped.

    Raises
    ------
    ParameterError
        As `surprisal_to_text`.
    """
    joiner = _check(level, strongest)
    pieces = []
    for one in as_written(found, level):
        line = "" if one.known else ";border-bottom:2px dotted"
        style = f"background:rgba(213,94,0,{0.85 * _share(one, strongest):.2f}){line}"
        text, tail = _lettered(_CONTROLS.sub("\ufffd", one.symbol))
        title = f"{visible(one.symbol)}: {one.bits:.2f} bits" + ("" if one.known else ", unknown")
        escaped = html.escape(_CONTROLS.sub("\ufffd", title))
        pieces.append(f'<span style="{style}" title="{escaped}">{html.escape(text)}</span>{tail}')
    return f'<div dir="auto" style="white-space:pre-wrap;line-height:1.6">{joiner.join(pieces)}</div>'


def _check(level: str, strongest: float) -> str:
    """Return what stands between two symbols."""
    if not math.isfinite(strongest) or strongest <= 0:
        raise ParameterError(f"strongest must be a number of bits above 0; got {strongest!r}.")
    return LEVELS[level].joiner


def _share(one: Surprisal, strongest: float) -> float:
    """Return how strong a shade is, from 0 to 1."""
    return min(1.0, max(0.0, one.bits / strongest))


def _lettered(symbol: str) -> tuple[str, str]:
    """Return what is shaded, and what follows it: the break of a line, which is shown and made."""
    return (visible(symbol), "\n") if symbol == "\n" else (symbol, "")


def _seen(symbol: str) -> str:
    return symbol if symbol == END_MARK else _CONTROLS.sub("\ufffd", "".join(map(visible, symbol)))
