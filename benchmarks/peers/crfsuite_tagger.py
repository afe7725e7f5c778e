"""sklearn-crfsuite: a linear-chain CRF on hand-made features, trained by L-BFGS on one thread.

An iteration of L-BFGS reads all data once: tokens times iterations, over the time of ``fit`` without the features.
"""

from __future__ import annotations

import time
from typing import Any

from peers.protocol import Job, Result, main

ITERATIONS = 100  # of a full training
SHARE_OF_TRAINING = 20  # iterations that are timed


def run(job: Job) -> Result:
    import sklearn_crfsuite

    corpus = job.load_corpus()
    words, tags = corpus["train"]
    began = time.perf_counter()
    features = [sentence_features(row) for row in words]
    feature_seconds = time.perf_counter() - began
    iterations = ITERATIONS if job.mode == "score" else SHARE_OF_TRAINING
    model = sklearn_crfsuite.CRF(
        algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=iterations, all_possible_transitions=True
    )
    began = time.perf_counter()
    model.fit(features, tags)
    seconds = time.perf_counter() - began
    predicted = [list(row) for row in model.predict([sentence_features(row) for row in corpus["dev"][0]])]
    if job.mode == "score":
        return {"curve": [{"seconds": feature_seconds + seconds, "predicted": predicted}]}
    log = model.training_log_.iterations
    tokens = sum(map(len, words)) * len(log)
    return {
        "tokens_per_second": tokens / seconds,
        "tokens": tokens,
        "seconds": seconds,
        "steps": len(log),
        "first_loss": log[0]["loss"] / sum(map(len, words)),
        "last_loss": log[-1]["loss"] / sum(map(len, words)),
        "predicted": predicted,
    }


def sentence_features(words: list[str]) -> list[dict[str, Any]]:
    """Return the features of each token: itself in full, its neighbours in part."""
    own = [word_features(word) for word in words]
    found = []
    for place in range(len(words)):
        features: dict[str, Any] = {"bias": 1.0}
        for distance in range(-2, 3):
            if not 0 <= place + distance < len(words):
                features[f"{distance}:edge"] = True
                continue
            there = own[place + distance]
            names = ("lower", "shape", "suffix3") if abs(distance) == 2 else there
            features |= {f"{distance}:{name}": there[name] for name in names}
        found.append(features)
    return found


def word_features(word: str) -> dict[str, Any]:
    """Return what a word looks like."""
    lower = word.lower()
    marks = ("X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word)
    shape = ""
    for mark in marks:
        shape += "" if shape.endswith(mark) else mark
    affixes = {f"prefix{n}": lower[:n] for n in (1, 2, 3)} | {f"suffix{n}": lower[-n:] for n in (1, 2, 3)}
    return {"lower": lower, "shape": shape, "title": word.istitle(), "digit": any(map(str.isdigit, word)), **affixes}


if __name__ == "__main__":
    main(run)
