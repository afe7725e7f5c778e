"""How far the answers for files are, on standard error if it is a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtag.documents import Reached


@contextlib.contextmanager
def shown_progress(quiet: bool) -> Iterator[Callable[[Reached], None] | None]:
    """Show a bar: the share of the inputs that is read, what is answered, and tokens a second.

    Parameters
    ----------
    quiet : bool
        Whether to show nothing.

    Yields
    ------
    callable or None
        To be called with what is reached; None where nothing is shown, since nobody sees it.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0)
        first: Reached | None = None
        begun = time.monotonic()

        def show(reached: Reached) -> None:
            nonlocal first, begun
            if first is None:  # what an earlier run did, or the first chunk, in whose time the model warmed up
                first, begun = reached, time.monotonic()
            seconds = time.monotonic() - begun
            rate = f", {(reached.tokens - first.tokens) / seconds:,.0f} tokens/s" if seconds > 1 else ""
            bar.update(task, completed=reached.share, description=f"{reached.sequences:,} sequences{rate}")

        yield show
