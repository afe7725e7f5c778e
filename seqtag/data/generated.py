"""Made-up corpora for quick tests: small, the same every time, and impossible to label word by word."""

from __future__ import annotations

import random
from collections.abc import Iterator

from seqtag.data.corpus import Corpus, Sequence
from seqtag.errors import ParameterError

_TITLE, _COMPANY = "mr", "ltd"
_KINDS = {(True, False): "PER", (False, True): "LOC", (True, True): "ORG", (False, False): None}


def make_tagging(*, sequences: int = 200, vocabulary: int = 60, random_state: int = 0) -> dict[str, Corpus]:
    """Make sentences with names whose kind only their neighbours tell, for quick tests.

    A name is one to three words. After "mr" it is a ``PER``, before "ltd" a ``LOC``, between both an ``ORG``,
    and with neither none at all. The words are the same in all of them, so a tagger must read the left *and*
    the right of each word to be right.

    Parameters
    ----------
    sequences : int
        Size of ``train``; ``dev`` and ``test`` have a quarter of it each, at least one.
    vocabulary : int
        Number of words, at least 4; half of them occur in names.
    random_state : int
        Draws the sentences. The same one always gives the same corpora.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``, with ``labels`` in the scheme iob2 and as ``label`` the kind of the
        first name, or "none".
    """
    check_int("sequences", sequences, low=1)
    check_int("vocabulary", vocabulary, low=4)
    check_int("random_state", random_state, low=0)
    words = [_word(i) for i in range(vocabulary)]
    names, fillers = words[: vocabulary // 2], words[vocabulary // 2 :]
    corpora = {}
    for split, size, draw in draws("", sequences, random_state):
        made = tuple(_tagged_sentence(draw, names, fillers) for _ in range(size))
        corpora[split] = Corpus(made, f"tagging {split}")
    return corpora


def _tagged_sentence(draw: random.Random, names: list[str], fillers: list[str]) -> Sequence:
    pairs = [(draw.choice(fillers), "O")] * draw.randint(0, 1)
    kinds = []
    for _ in range(draw.randint(1, 3)):
        title, company = draw.random() < 0.5, draw.random() < 0.5
        kind = _KINDS[title, company]
        kinds += [kind] if kind else []
        pairs += [(_TITLE, "O")] * title
        for i in range(draw.randint(1, 3)):
            pairs.append((draw.choice(names), f"{'I' if i else 'B'}-{kind}" if kind else "O"))
        pairs += [(_COMPANY, "O")] * company
        pairs += [(draw.choice(fillers), "O") for _ in range(draw.randint(1, 2))]
    tokens, labels = zip(*pairs, strict=True)
    return Sequence(tokens, labels, kinds[0] if kinds else "none")


def _word(number: int) -> str:
    """Return the pronounceable word of a number: "baba", "caba", "daba"."""
    syllables = [consonant + vowel for vowel in "aeiou" for consonant in "bcdfgklmnprstvz"]
    word = ""
    while number or len(word) < 4:
        number, syllable = divmod(number, len(syllables))
        word += syllables[syllable]
    return word


def draws(name: str, sequences: int, random_state: int) -> Iterator[tuple[str, int, random.Random]]:
    """Yield each split of a made-up corpus with its size and what draws it."""
    smaller = max(1, sequences // 4)
    for split, size in {"train": sequences, "dev": smaller, "test": smaller}.items():
        yield split, size, random.Random(f"{name} {split} {random_state}".strip())


def check_int(name: str, value: object, low: int) -> None:
    """Refuse a parameter that is no int of at least ``low``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ParameterError(f"{name} must be an int of at least {low}; got {value!r}.")
