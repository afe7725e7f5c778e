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


_COMMANDS = {
    "play": ("play {artist}", "{artist} to play", "play {artist} at {time}", "some {artist} songs at {time}"),
    "weather": ("forecast for {place}", "weather in {place} at {time}", "{place} at {time} any rain"),
    "call": ("call {person}", "ring {person} at {time}", "{person} on the phone"),
    "meet": ("meet {person} in {place}", "{person} at {time} in {place} please meet", "a meeting at {time}"),
    "alarm": ("alarm at {time}", "wake me at {time}", "at {time} an alarm"),
}
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MINUTES = ("ten", "twenty", "thirty", "forty", "fifty")


def make_commands(*, sequences: int = 400, vocabulary: int = 200, random_state: int = 0) -> dict[str, Corpus]:
    """Make commands with slots and an intent, for quick tests of both at once.

    The words that stand for an ``artist``, a ``place`` and a ``person`` are the same: which slot they fill follows from
    the command as a whole, which some sentences tell at their end. A ``time`` is an hour, with or without minutes.

    Parameters
    ----------
    sequences : int
        Size of ``train``; ``dev`` and ``test`` have a quarter of it each, at least one.
    vocabulary : int
        Number of words that fill slots, at least 1.
    random_state : int
        Draws the commands. The same one always gives the same corpora.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``, with ``labels`` in the scheme iob2 and the intent as ``label``.
    """
    check_int("sequences", sequences, low=1)
    check_int("vocabulary", vocabulary, low=1)
    check_int("random_state", random_state, low=0)
    names = [_word(i) for i in range(vocabulary)]
    return {
        split: Corpus(tuple(_command(draw, names) for _ in range(size)), f"commands {split}")
        for split, size, draw in draws("commands", sequences, random_state)
    }


def _command(draw: random.Random, names: list[str]) -> Sequence:
    intent = draw.choice(list(_COMMANDS))
    pairs = [(word, "O") for word in draw.choice(("", "", "please", "can you", "i want")).split()]
    for part in draw.choice(_COMMANDS[intent]).split():
        if not part.startswith("{"):
            pairs.append((part, "O"))
            continue
        slot = part.strip("{}")
        pairs += [(word, f"{'I' if i else 'B'}-{slot}") for i, word in enumerate(_filler(draw, slot, names))]
    tokens, labels = zip(*pairs, strict=True)
    return Sequence(tokens, labels, intent)


def _filler(draw: random.Random, slot: str, names: list[str]) -> list[str]:
    if slot == "time":
        return [draw.choice(_HOURS), *([draw.choice(_MINUTES)] if draw.random() < 0.5 else [])]
    return [draw.choice(names) for _ in range(draw.randint(1, 2))]


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
