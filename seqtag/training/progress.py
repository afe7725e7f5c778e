"""What a person sees while a model trains: a live bar on standard error, or a line an epoch."""

from __future__ import annotations

import logging
import sys
from typing import Any

import keras

logger = logging.getLogger("seqtag")


class LogEpochs(keras.callbacks.Callback):
    """Log one line an epoch at level INFO, for files and services."""

    def __init__(self, metric: str) -> None:
        super().__init__()
        self._metric = metric

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log loss, score and speed."""
        logger.info("%s", epoch_line(epoch, self.params["epochs"], logs, self._metric))


class ProgressBar(keras.callbacks.Callback):
    """Show a live bar with loss, dev score, tokens a second and time left; a lasting line an epoch.

    Parameters
    ----------
    metric : str
        What the score is called.
    """

    def __init__(self, metric: str) -> None:
        super().__init__()
        self._metric = metric
        self._bar: Any = None
        self._task: Any = None
        self._note = ""
        self._epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
        left = (TimeRemainingColumn(), TextColumn("left"))
        console = Console(file=sys.stderr)
        self._bar = Progress(*columns, *left, console=console, transient=True, disable=not console.is_terminal)
        self._bar.start()
        self._task = self._bar.add_task("training", total=self.params["steps"] * self.params["epochs"])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move on to the step that is done."""
        done = self._epoch * self.params["steps"] + batch + 1
        self._bar.update(self._task, completed=done, description=f"loss {logs['loss']:.4f}{self._note}")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count epochs."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Leave one line."""
        self._note = f"  {_score(logs, self._metric)}{logs['tokens_per_second']:,.0f} tokens/s"
        self._bar.console.print(epoch_line(epoch, self.params["epochs"], logs, self._metric), highlight=False)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the bar."""
        self._bar.stop()


def epoch_line(epoch: int, epochs: int, logs: Any, metric: str) -> str:
    """Word one epoch: number, loss, score, speed."""
    width = len(str(epochs))
    return (
        f"epoch {epoch + 1:>{width}}/{epochs}  loss {logs['loss']:.4f}  {_score(logs, metric)}"
        f"{logs['tokens_per_second']:>8,.0f} tokens/s"
    )


def _score(logs: Any, metric: str) -> str:
    return f"{metric} {logs['score']:.4f}  " if "score" in logs else ""
