"""Text to tokens: one regular expression a tokenizer, read the same way by Python and by RE2.

A saved model splits raw text inside its graph, where TensorFlow's RE2 reads the pattern. A pattern
therefore has no look-around and no back-reference, and writes its characters out as ranges: the
shorthands for words, digits and space are ASCII in RE2 and Unicode in Python, and the Unicode
properties follow whichever Unicode version a library was built with.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from seqtag.registry import Registry

SPACES = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What separates tokens: the Unicode property White_Space and U+001C to U+001F, as ``str.split()`` has it."""


@dataclass(frozen=True)
class Tokenizer:
    """A way to cut text into tokens.

    Parameters
    ----------
    name : str
        What it is called in a configuration.
    pattern : str
        A regular expression that matches one token, valid in Python and in RE2 alike, without
        capturing groups. What it leaves unmatched is white space only.
    """

    name: str
    pattern: str

    def tokenize(self, text: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
        """Return the tokens of a text, and where each starts and ends in it, in characters."""
        matches = list(_compiled(self.pattern).finditer(text))
        return tuple(match.group() for match in matches), tuple(match.span() for match in matches)


def tokenize(text: str, name: str = "whitespace") -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Cut a text into tokens.

    Parameters
    ----------
    text : str
        Any text, over one line or more.
    name : str
        A name in `TOKENIZERS`.

    Returns
    -------
    (tuple of str, tuple of (int, int))
        The tokens, and the start and end of each in ``text``, in characters.

    Raises
    ------
    ConfigError
        If there is no such tokenizer.
    """
    return TOKENIZERS[name].tokenize(text)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _ranges(table: str) -> str:
    """Write a table of hexadecimal code points and ranges as the inside of a character class."""
    bounds = [item.partition("-")[::2] for item in table.split()]
    return "".join(chr(int(low, 16)) + (f"-{chr(int(high, 16))}" if high else "") for low, high in bounds)


# Letters, marks and numbers that are no decimal digits (the categories L, M, Nl and No of Unicode 14), with
# the two joiners U+200C and U+200D. Ranges run on over code points not yet assigned, which keeps the table
# short and lets most letters of later versions in.
_WORD_RANGES = """
41-5A 61-7A AA B2-B3 B5 B9-BA BC-BE C0-D6 D8-F6 F8-2C1 2C6-2D1 2E0-2E4 2EC 2EE 300-374 376-37D 37F 386 388-3F5
3F7-481 483-559 560-588 591-5BD 5BF 5C1-5C2 5C4-5C5 5C7-5F2 610-61A 620-65F 66E-6D3 6D5-6DC 6DF-6E8 6EA-6EF 6FA-6FC
6FF 710-7B1 7CA-7F5 7FA-7FD 800-82D 840-85B 860-887 889-88E 898-8E1 8E3-963 971-9E3 9F0-9F1 9F4-9F9 9FC 9FE-A5E
A70-A75 A81-AE3 AF9-B63 B71-BD7 BF0-BF2 C00-C63 C78-C7E C80-C83 C85-CE3 CF1-D4E D54-D63 D70-D78 D7A-DDF DF2-DF3
E01-E3A E40-E4E E81-ECD EDC-F00 F18-F19 F2A-F33 F35 F37 F39 F3E-F84 F86-FBC FC6 1000-103F 1050-108F 109A-109D
10A0-10FA 10FC-135F 1369-138F 13A0-13FD 1401-166C 166F-167F 1681-169A 16A0-16EA 16EE-1734 1740-17D3 17D7 17DC-17DD
17F0-17F9 180B-180D 180F 1820-193B 1950-19C9 19DA 1A00-1A1B 1A20-1A7F 1AA7 1AB0-1B4C 1B6B-1B73 1B80-1BAF 1BBA-1BF3
1C00-1C37 1C4D-1C4F 1C5A-1C7D 1C80-1CBF 1CD0-1CD2 1CD4-1FBC 1FBE 1FC2-1FCC 1FD0-1FDB 1FE0-1FEC 1FF2-1FFC 200C-200D
2070-2079 207F-2089 2090-209C 20D0-20F0 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2139
213C-213F 2145-2149 214E 2150-2189 2460-249B 24EA-24FF 2776-2793 2C00-2CE4 2CEB-2CF3 2CFD 2D00-2D6F 2D7F-2DFF 2E2F
3005-3007 3021-302F 3031-3035 3038-303C 3041-309A 309D-309F 30A1-30FA 30FC-318E 3192-3195 31A0-31BF 31F0-31FF
3220-3229 3248-324F 3251-325F 3280-3289 32B1-32BF 3400-4DBF 4E00-A48C A4D0-A4FD A500-A60C A610-A61F A62A-A672
A674-A67D A67F-A6F1 A717-A71F A722-A788 A78B-A827 A82C-A835 A840-A873 A880-A8C5 A8E0-A8F7 A8FB A8FD-A8FF A90A-A92D
A930-A953 A960-A9C0 A9CF A9E0-A9EF A9FA-AA4D AA60-AA76 AA7A-AADD AAE0-AAEF AAF2-AB5A AB5C-AB69 AB70-ABEA ABEC-ABED
AC00-D7FB F900-FB28 FB2A-FBB1 FBD3-FD3D FD50-FDC7 FDF0-FDFB FE00-FE0F FE20-FE2F FE70-FEFC FF21-FF3A FF41-FF5A
FF66-FFDC 10000-100FA 10107-10133 10140-10178 1018A-1018B 101FD-1039D 103A0-103CF 103D1-1049D 104B0-10563
10570-10855 10858-10876 10879-1091B 10920-10939 10980-10A48 10A60-10A7E 10A80-10AC7 10AC9-10AEF 10B00-10B35
10B40-10B91 10BA9-10D27 10E60-10EAC 10EB0-10F54 10F70-10F85 10FB0-11046 11052-11065 11070-110BA 110C2 110D0-110E8
11100-11134 11144-11173 11176-111C4 111C9-111CC 111CE-111CF 111DA 111DC 111E1-11237 1123E-112A8 112B0-112EA
11300-1144A 1145E-114C5 114C7 11580-115C0 115D8-11640 11644 11680-116B8 11700-1172B 1173A-1173B 11740-1183A
118A0-118DF 118EA-11943 119A0-119E1 119E3-11A3E 11A47-11A99 11A9D 11AB0-11C40 11C5A-11C6C 11C72-11D47 11D60-11D98
11EE0-11EF6 11FB0-11FD4 12000-1246E 12480-12FF0 13000-1342E 14400-16A5E 16A70-16ABE 16AD0-16AF4 16B00-16B36
16B40-16B43 16B5B-16E96 16F00-16FE1 16FE3-1BC99 1BC9D-1BC9E 1CF00-1CF46 1D165-1D169 1D16D-1D172 1D17B-1D182
1D185-1D18B 1D1AA-1D1AD 1D242-1D244 1D2E0-1D2F3 1D360-1D6C0 1D6C2-1D6DA 1D6DC-1D6FA 1D6FC-1D714 1D716-1D734
1D736-1D74E 1D750-1D76E 1D770-1D788 1D78A-1D7A8 1D7AA-1D7C2 1D7C4-1D7CB 1DA00-1DA36 1DA3B-1DA6C 1DA75 1DA84
1DA9B-1E13D 1E14E 1E290-1E2EF 1E7E0-1E94B 1EC71-1ECAB 1ECAD-1ECAF 1ECB1-1ED2D 1ED2F-1EEBB 1F100-1F10C 20000-3134A
E0100-E01EF
"""

# The zero of each script's decimal digits; one to nine follow it (category Nd of Unicode 14).
_DIGIT_ZEROS = """
30 660 6F0 7C0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 DE6 E50 ED0 F20 1040 1090 17E0 1810 1946 19D0 1A80 1A90 1B50 1BB0
1C40 1C50 A620 A8D0 A900 A9D0 A9F0 AA50 ABF0 FF10 104A0 10D30 11066 110F0 11136 111D0 112F0 11450 114D0 11650 116C0
11730 118E0 11950 11C50 11D50 11DA0 16A60 16AC0 16B50 1D7CE 1D7D8 1D7E2 1D7EC 1D7F6 1E140 1E2F0 1E950 1FBF0
"""

_DIGIT = "".join(f"{chr(zero)}-{chr(zero + 9)}" for zero in (int(item, 16) for item in _DIGIT_ZEROS.split()))

# Inside a word: apostrophes, hyphens, the low line, the soft hyphen, the Catalan middle dot, the Hebrew
# maqaf, geresh and gershayim.
_INNER = "'\u2019_\u00ad\u00b7\u2010\u2011\u05be\u05f3\u05f4\\-"

# Inside a number: full stop, comma and their Arabic counterparts.
_DECIMAL = ".,\u066b\u066c"

# What stays with the symbol before it: combining marks, variation selectors, skin tones and emoji tags.
_TRAILING = "\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef"

# What a zero-width joiner may tie to an emoji before it: arrows, signs, dingbats and pictographs.
_PICTOGRAPH = "\u2190-\u2bff\U0001f000-\U0001faff"


def _words() -> str:
    # No alternative can fail after its first character, so matching never backtracks and long input stays linear.
    number = f"[{_DIGIT}]+(?:[{_DECIMAL}][{_DIGIT}]+)*"
    part = f"(?:{number}|[{_ranges(_WORD_RANGES)}]+)+"
    word = f"{part}(?:[{_INNER}]{part})*"
    return f"{word}|{_symbol()}"


def _symbol() -> str:
    flag = "[\U0001f1e6-\U0001f1ff]{2}"
    return f"{flag}|[^{SPACES}][{_TRAILING}]*(?:\u200d[{_PICTOGRAPH}][{_TRAILING}]*)*"


TOKENIZERS: Registry[Tokenizer] = Registry("tokenizer")
"""The tokenizers by name.

``whitespace`` splits as ``str.split()`` does. ``words`` keeps words whole with their inner apostrophes
and hyphens, and numbers with their inner separators; every other symbol is a token of its own, an emoji
together with what modifies it. ``characters`` makes every symbol but spaces a token.
"""
TOKENIZERS.add("whitespace", Tokenizer("whitespace", f"[^{SPACES}]+"))
TOKENIZERS.add("words", Tokenizer("words", _words()))
TOKENIZERS.add("characters", Tokenizer("characters", _symbol()))
