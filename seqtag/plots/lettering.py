"""Text of any script on a picture: which fonts have its characters, and what stands for those that no font has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from seqtag.plots.style import load_matplotlib

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that it is always there."""

FALLBACKS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Yu Gothic",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "FreeSans",
    "Arial Unicode MS",
    "Unifont",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
)
"""Fonts that are looked in, where they are installed, for what `FONT` lacks."""

BOX = "□"
"""Stands for a character that no font has."""


@dataclass(frozen=True)
class Lettering:
    """How texts are written.

    Parameters
    ----------
    families : tuple of str
        The fonts to pass to matplotlib as ``fontfamily``, which looks for each character in one after the other.
    lacking : frozenset of str
        The characters that none of them has.
    """

    families: tuple[str, ...]
    lacking: frozenset[str]

    def write(self, text: str, longest: int | None = None) -> str:
        """Return a text as it can be drawn.

        Parameters
        ----------
        text : str
            It may hold any character; line breaks and the like are written as in Python.
        longest : int, optional
            What is longer is cut, and ends in an ellipsis.
        """
        if longest is not None and len(text) > longest:
            text = f"{text[: longest - 1]}…"
        return "".join(self._drawn(char) for char in text)

    def _drawn(self, char: str) -> str:
        if _is_control(char):
            return char.encode("unicode_escape").decode()
        if char not in self.lacking:
            return char
        return "" if _has_no_width(char) else BOX


def lettering(texts: Iterable[str]) -> Lettering:
    """Choose fonts for texts.

    Matplotlib warns of each character that it cannot draw and draws a box; here the box is chosen, and what it stands
    for can be told.

    Parameters
    ----------
    texts : iterable of str
        All that will be written.

    Raises
    ------
    NotInstalledError
        If there is no matplotlib.
    """
    load_matplotlib()
    from matplotlib import font_manager

    missing = {char for text in texts for char in text if not _is_control(char)}
    installed = set(font_manager.get_font_names())
    families = []
    for family in (FONT, *FALLBACKS):
        if family in installed and missing:
            characters = font_manager.get_font(font_manager.findfont(family)).get_charmap()
            found = {char for char in missing if ord(char) in characters}
            if found or family == FONT:
                families.append(family)
            missing -= found
    return Lettering(tuple(families) or (FONT,), frozenset(missing))


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs")  # half a character, too, which no font can have


def _has_no_width(char: str) -> bool:
    """Tell joiners, direction marks and variation selectors, for which nothing need stand."""
    return unicodedata.category(char) in ("Cf", "Mn")
