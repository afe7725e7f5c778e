import dataclasses
import json
import random
import re
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.tokenizers import SPACES, TOKENIZERS, tokenize
from seqtag.errors import ConfigError

WORDS = [
    ("", ""),
    (" \t\u00a0\u3000\n", ""),
    ("Ada moved to Paris.", "Ada|moved|to|Paris|."),
    ("don't O’Neill rock'n'roll 'n'", "don't|O’Neill|rock'n'roll|'|n|'"),
    ("state-of-the-art a--b -x- non\u2011break", "state-of-the-art|a|-|-|b|-|x|-|non\u2011break"),
    ("3.14, 1,000,000. 1. .5 5, v1.2.3 12.5kg", "3.14|,|1,000,000|.|1|.|.|5|5|,|v1.2.3|12.5kg"),
    ("2024-01-02 10:30 50% $5", "2024-01-02|10|:|30|50|%|$|5"),
    ("@user_name #tag __init__", "@|user_name|#|tag|_|_|init|_|_"),
    ("wow!!! ... (-LRB-)", "wow|!|!|!|.|.|.|(|-|LRB|-|)"),
    ("a\u00adb x\u200by \ufeffz", "a\u00adb|x|\u200b|y|\ufeff|z"),
    ("nul\0l \x07", "nul|\0|l|\x07"),
    # marks stay with their word, in whatever normal form
    ("cafe\u0301s café s\u0323\u0307", "cafe\u0301s|café|s\u0323\u0307"),
    ("हिन्दी में क्\u200dष", "हिन्दी|में|क्\u200dष"),
    ("می\u200cخواهم العربية، ٣٫١٤", "می\u200cخواهم|العربية|،|٣٫١٤"),
    ("한국어로 말해요. ㅋㅋ", "한국어로|말해요|.|ㅋㅋ"),
    ("\u1112\u1161\u11ab", "\u1112\u1161\u11ab"),
    ("日本語。中文，字 々〆", "日本語|。|中文|，|字|々〆"),
    ("ไทย col·lecció צה״ל ד'", "ไทย|col·lecció|צה״ל|ד|'"),
    ("x² ½ Ⅷ ℃ ™", "x²|½|Ⅷ|℃|™"),
    # an emoji goes with what modifies it
    ("👍👍🏽☺☺️", "👍|👍🏽|☺|☺️"),
    ("👩\u200d❤️\u200d👨👨\u200d👩\u200d👧\u200d👦", "👩\u200d❤️\u200d👨|👨\u200d👩\u200d👧\u200d👦"),
    ("🏃🏿\u200d♀️ 🏳️\u200d🌈", "🏃🏿\u200d♀️|🏳️\u200d🌈"),
    ("🇰🇷🇺🇸🇫", "🇰🇷|🇺🇸|🇫"),
    ("1️⃣#️⃣ 🏴\U000e0067\U000e0062\U000e007f", "1️⃣|#️⃣|🏴\U000e0067\U000e0062\U000e007f"),
]


@pytest.mark.parametrize(("text", "tokens"), WORDS)
def test_words(text, tokens):
    assert tokenize(text, "words")[0] == tuple(filter(None, tokens.split("|")))


def test_whitespace_is_str_split():
    assert sorted(SPACES) == [chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()]
    assert tokenize("a\u00a0b\u2028c d\x1ee ") == (("a", "b", "c", "d", "e"), ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9)))


@given(st.text() | st.text(alphabet="a1 .,'-é\u0301\u200d\u00a0👍🏽🇰한_"))
def test_tokens_cover_all_but_white_space(text):
    assert tokenize(text)[0] == tuple(text.split())
    tokens, offsets = tokenize(text, "words")
    assert tokens == tuple(text[start:end] for start, end in offsets)
    edges = [(0, 0), *offsets, (len(text), len(text))]
    assert all(not text[end:start].strip(SPACES) for (_, end), (start, _) in pairwise(edges))
    assert not any(set(token) & set(SPACES) for token in tokens)


def test_words_are_letters_marks_and_numbers():
    """The tables say what Unicode says, of every character that was in Unicode 14."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip(f"the tables are those of Unicode 14; this Python has {unicodedata.unidata_version}")
    inside = re.compile(TOKENIZERS["words"].pattern.partition("(?:['")[0]).fullmatch  # the part without what joins
    for char in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(char)
        if category != "Cn":
            assert bool(inside(char)) == (category[0] in "LMN" or char in "\u200c\u200d"), hex(ord(char))


@pytest.mark.parametrize("piece", ["1", "a", "1,", "a-", "'", "☺\u200d", "1a", "\u0301", "🇰"])
def test_long_input_takes_linear_time(piece):
    """A pattern that backtracked would need hours here."""
    tokens, _ = tokenize(piece * 100_000, "words")
    assert "".join(tokens) == piece * 100_000


def test_table():
    assert TOKENIZERS.names() == ("whitespace", "words", "characters")
    with pytest.raises(
        ConfigError, match=r"tokenizer must be one of whitespace, words, characters; got 'word'. Did you mean 'words'"
    ):
        tokenize("a", "word")
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOKENIZERS["words"].pattern = "x"


@pytest.mark.parametrize("name", TOKENIZERS.names())
def test_pattern_is_in_both_dialects(name):
    """No capturing group, look-around, back-reference or class that Python and RE2 read in two ways."""
    pattern = TOKENIZERS[name].pattern
    assert re.compile(pattern).groups == 0
    assert not re.search(r"\\[^-]|\(\?[^:]|\[:|[*+?}][+?]", pattern)


@pytest.mark.slow
def test_tensorflow_splits_the_same():
    """In a process of its own, for TensorFlow changes warnings and logging where it is imported."""
    texts = json.dumps(list(hard_texts()))
    subprocess.run([sys.executable, "-c", IN_TENSORFLOW], input=texts, text=True, check=True, timeout=120)


def hard_texts():
    draw = random.Random(0)
    alphabets = ["ab1.,'- \u00a0", "é\u0301\u200d👍🏽🇰🇷️⃣#1 ", "한글ㅋ日。अ्\u200cع٣٫ \u2028\x85\x1c", SPACES + "ab"]
    for alphabet in alphabets:
        yield from ("".join(draw.choices(alphabet, k=30)) for _ in range(200))
    # every 7th character that a text can hold, each between letters
    chars = [chr(c) for c in range(0, sys.maxunicode, 7) if not 0xD800 <= c < 0xE000]
    yield "x".join(chars)
    yield from (text for text, _ in WORDS)


IN_TENSORFLOW = """
import json, sys
import tensorflow as tf
from seqtag.data.tokenizers import SPACES, TOKENIZERS

texts = json.load(sys.stdin)
for tokenizer in TOKENIZERS:
    marked = tf.strings.regex_replace(texts, f"({TOKENIZERS[tokenizer].pattern})", "\\n\\\\1\\n").numpy()
    for text, line in zip(texts, marked, strict=True):
        # no token holds a line end, and between tokens is white space alone
        pieces = [piece for piece in line.decode().split("\\n") if piece.strip(SPACES)]
        assert tuple(pieces) == TOKENIZERS[tokenizer].tokenize(text)[0], (tokenizer, text)
"""


def test_characters_are_single_symbols_without_spaces():
    tokens, offsets = tokenize("아 더빙.. cafe\u0301 👩‍🚀🇰🇷", "characters")
    assert tokens == ("아", "더", "빙", ".", ".", "c", "a", "f", "e\u0301", "👩‍🚀", "🇰🇷")
    assert offsets[:3] == ((0, 1), (2, 3), (3, 4))
