"""Which labels may begin a sequence, follow one another and end it, as a decoder needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from seqtag.data.schemes import BEGINNING, END, OUTSIDE, SCHEMES, Scheme, join_tag, own_tag, split_tag


def complete_labels(labels: Iterable[str], scheme: str) -> list[str]:
    """Add the tags without which some label could stand in no valid sequence.

    A corpus may show I-LST only, or B-X and never E-X. After this every label lies on a valid path from the
    beginning of a sequence to its end, and there is a valid path of every length: an ``iob2`` set gets the B-
    of each I-, an ``iob1`` set the I- of each B-, a ``bioes`` set the B- and E- of each B-, I- and E-, and
    ``O`` too if nothing else can stand alone. Nothing more is added: a tag never seen cannot be learnt.

    Parameters
    ----------
    labels : iterable of str
        The labels known, in their order.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`.

    Returns
    -------
    list of str
        The labels in their order without repetition, then the added ones.

    Raises
    ------
    DataError
        If a label is no tag of the scheme.
    """
    table = SCHEMES[scheme]
    known = dict.fromkeys(labels)
    if not table.has_spans:
        return list(known)
    for label in list(known):
        prefix, type_ = own_tag(label, table)
        known.update(dict.fromkeys(join_tag(needed, type_) for needed in table.needs.get(prefix, "")))
    if not any(_stands_alone(split_tag(label)[0], table) for label in known):
        known[OUTSIDE] = None
    return list(known)


def _stands_alone(prefix: str, table: Scheme) -> bool:
    return table.allows(BEGINNING, prefix, False) and table.allows(prefix, END, False)


def allowed_transitions(labels: Sequence[str], scheme: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Say which labels may begin a sequence, follow one another and end it.

    Parameters
    ----------
    labels : sequence of str
        The K labels in the order of their numbers. Pass them through `complete_labels` first: then every label
        has an allowed successor or may end the sequence, and a valid path of every length exists.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`.

    Returns
    -------
    start : ndarray of bool, shape (K,)
    transitions : ndarray of bool, shape (K, K)
        Rows are the labels that a transition leaves, columns those that it enters.
    end : ndarray of bool, shape (K,)
        All three are true throughout for ``io`` and ``none``.

    Raises
    ------
    DataError
        If a label is no tag of the scheme.
    """
    table = SCHEMES[scheme]
    split = [own_tag(label, table) if table.has_spans else (OUTSIDE, label) for label in labels]
    letters = OUTSIDE + table.prefixes
    prefix = np.array([letters.index(letter) for letter, _ in split], dtype=int)  # (K,)
    numbers = {type_: number for number, type_ in enumerate({type_ for _, type_ in split})}
    type_id = np.array([numbers[type_] for _, type_ in split], dtype=int)  # (K,)
    follows = np.array([[[table.allows(a, b, same) for same in (False, True)] for b in letters] for a in letters])
    start = np.array([table.allows(BEGINNING, letter, False) for letter in letters])[prefix]
    end = np.array([table.allows(letter, END, False) for letter in letters])[prefix]
    same = type_id[:, None] == type_id[None, :]  # (K, K)
    return start, follows[prefix[:, None], prefix[None, :], same.astype(int)], end
