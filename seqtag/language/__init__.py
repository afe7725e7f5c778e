"""Answering with trained language models: how probable texts are, what comes next, and writing on."""

from seqtag.data.surprisal import Surprisal
from seqtag.language.generation import Sampling
from seqtag.language.predictor import TASK, LanguagePredictor, Ranked
from seqtag.language.states import TokenStates

__all__ = ["TASK", "LanguagePredictor", "Ranked", "Sampling", "Surprisal", "TokenStates"]
