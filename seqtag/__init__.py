"""seqtag: sequence labeling on Keras 3.

The names below are imported when they are first used, so that ``import seqtag`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Corpus",
    "CorpusStream",
    "JointTagger",
    "LanguageModel",
    "LanguagePredictor",
    "Predictor",
    "SeqtagError",
    "Sequence",
    "SequenceClassifier",
    "SequenceTagger",
    "load",
    "read",
]

if TYPE_CHECKING:
    from seqtag.data.corpus import Corpus, Sequence
    from seqtag.data.readers import read
    from seqtag.data.streaming import CorpusStream
    from seqtag.errors import SeqtagError
    from seqtag.language import LanguagePredictor
    from seqtag.loading import load
    from seqtag.predictor import Predictor
    from seqtag.tasks.classifier import SequenceClassifier
    from seqtag.tasks.joint import JointTagger
    from seqtag.tasks.language_model import LanguageModel
    from seqtag.tasks.tagger import SequenceTagger

_HOMES = {
    "Corpus": "seqtag.data.corpus",
    "CorpusStream": "seqtag.data.streaming",
    "JointTagger": "seqtag.tasks.joint",
    "LanguageModel": "seqtag.tasks.language_model",
    "LanguagePredictor": "seqtag.language",
    "Predictor": "seqtag.predictor",
    "SeqtagError": "seqtag.errors",
    "Sequence": "seqtag.data.corpus",
    "SequenceClassifier": "seqtag.tasks.classifier",
    "SequenceTagger": "seqtag.tasks.tagger",
    "load": "seqtag.loading",
    "read": "seqtag.data.readers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqtag' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
