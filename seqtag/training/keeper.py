"""What is done between steps and epochs: average, score, keep the best, stop; and the record of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from seqtag.errors import TrainingError
from seqtag.training.averaging import AveragedWeights
from seqtag.training.settings import Settings

Score = tuple[float, float]
"""A score, and what decides between equal ones: greater is better."""


@dataclass
class History:
    """What happened: one entry an epoch in each list; no scores where there was no development data."""

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens_per_second: list[float] = field(default_factory=list)
    best_epoch: int = 0


class Keeper(keras.callbacks.Callback):
    """Average the weights, score them after each epoch, keep the best, stop a stalled run."""

    def __init__(
        self,
        average: AveragedWeights,
        n_tokens: float,
        settings: Settings,
        total: int,
        score: Callable[[], Score] | None,
        warmup_epochs: int = 0,
    ) -> None:
        super().__init__()
        self.average = average
        self.history = History()
        self._n_tokens = n_tokens
        self._settings = settings
        self._total = total
        self._score = score
        self._warmup_epochs = warmup_epochs
        self._best: list[np.ndarray] | None = None
        self._scores: list[Score] = []
        self._auxiliary: Any = None
        self._began = 0.0
        self._batch = -1  # of this epoch, the last one that is known to be done

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the auxiliary loss, if the model has one, and say how fast it falls before the step is compiled."""
        self._auxiliary = getattr(self.model, "auxiliary", None)
        if self._auxiliary is not None:
            self._auxiliary.fall = self._settings.neighbour_weight / self._total

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock; set the auxiliary loss's strength, since a sum of many small float32 steps drifts."""
        self._began = time.perf_counter()
        self._batch = -1
        if self._auxiliary is not None:
            left = max(0.0, 1.0 - self.average.steps / self._total)
            self._auxiliary.strength.assign(self._settings.neighbour_weight * left)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Average; ``batch`` may be several steps after the last one."""
        self.average.step(batch - self._batch)
        self._batch = batch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score the averaged weights and keep the best."""
        logs = logs if logs is not None else {}
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss must stay a number; it became {logs['loss']} in epoch {epoch + 1}. Lower learning_rate "
                f"(now {self._settings.learning_rate:g}) or clip_norm (now {self._settings.clip_norm:g})."
            )
        seconds = time.perf_counter() - self._began
        with self.average.swapped_in():
            if self._score is not None:
                self._scores.append(self._score())
                logs["score"] = float(self._scores[-1][0])
                self.history.score.append(logs["score"])
            # Of equal scores the later stands: its loss is the lower. Without scores the last epoch stands.
            if self._score is None or self._scores[-1] >= max(self._scores):
                self._best = self.model.get_weights()
                self.history.best_epoch = epoch
        logs["tokens_per_second"] = self._n_tokens / seconds
        self.history.loss.append(float(logs["loss"]))
        self.history.seconds.append(seconds)
        self.history.tokens_per_second.append(logs["tokens_per_second"])
        self.model.stop_training = self.model.stop_training or self._stalled()

    def _stalled(self) -> bool:
        """Tell whether the score has not risen for as long as the patience lasts.

        A score of 0 is a run that has not begun to learn, as small corpora take a while to, and not a stalled one; nor
        is one that is still warming up.
        """
        scores, patience = self._scores, self._settings.patience
        if not patience or len(scores) <= max(patience, self._warmup_epochs + patience - 1) or max(scores)[0] == 0:
            return False
        return max(scores[-patience:]) <= max(scores[:-patience])

    def restore(self) -> None:
        """Put the best averaged weights into the model."""
        if self._best is not None:
            self.model.set_weights(self._best)
