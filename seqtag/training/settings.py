"""How to train, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from seqtag.data.batching import MAX_SEQUENCES, Limits


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the data; the rate's decay is planned over them.
    batch_tokens : int
        Tokens a batch, padding counted.
    batch_sequences : int
        Sequences a batch, at most.
    learning_rate : float
        Peak rate of Adam.
    warmup_steps : int
        Steps until the peak; at most a tenth of all.
    clip_norm : float
        Greatest global norm of a gradient; 0 does not clip.
    averaging : float
        Decay of the averaged weights.
    patience : int
        Stop after so many epochs without a better score; 0 never stops.
    neighbour_weight : float
        Strength of the neighbouring-words loss at the start; it falls linearly to zero.
    seed : int
        Seeds the order of the batches.
    """

    epochs: int
    batch_tokens: int = 800
    batch_sequences: int = MAX_SEQUENCES
    learning_rate: float = 8e-3
    warmup_steps: int = 100
    clip_norm: float = 5.0
    averaging: float = 0.998
    patience: int = 0
    neighbour_weight: float = 0.0
    seed: int = 0

    @property
    def limits(self) -> Limits:
        """How large a batch may be."""
        return Limits(self.batch_tokens, self.batch_sequences)
