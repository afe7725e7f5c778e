"""What must stand before a command does its work: the log, the threads, TensorFlow's silence."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

from seqtag.machine import usable_cores
from seqtag.training.devices import THREADS

_FILTER = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
greeting = (
    b"oneDNN custom operations are on",
    b"All log messages before absl::InitializeLog()",
    b"Could not find cuda drivers on your machine",
)
for line in sys.stdin.buffer:
    if not any(known in line for known in greeting):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def tell(message: str) -> None:
    """Print what is no result."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


class _ToStderr(logging.Handler):
    """Prints on what standard error is when something is logged, not when the handler is made."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(f"{record.levelname.lower()}: {record.getMessage()}")


def log_to_stderr() -> None:
    """Show the warnings that the library logs."""
    logger = logging.getLogger("seqtag")
    if not any(isinstance(handler, _ToStderr) for handler in logger.handlers):
        logger.addHandler(_ToStderr(logging.WARNING))


def set_threads() -> None:
    """Set the threads that measured best for training, unless the environment says otherwise.

    They must be set before NumPy and TensorFlow start. One thread an operator and one operator a core let the two
    directions of a recurrent layer run side by side.
    """
    for name, value in zip(THREADS, (1, usable_cores()), strict=True):
        os.environ.setdefault(name, str(value))
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def start_keras() -> None:
    """Import Keras without TensorFlow's chatter; TF_CPP_MIN_LOG_LEVEL=0 lets it speak."""
    asked_for_chatter = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0"
    with contextlib.nullcontext() if asked_for_chatter else _without_greeting():
        import keras  # noqa: F401


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep off standard error the lines that TensorFlow writes before it has read its log level.

    They say that there is no GPU and that oneDNN is on, as it should be: without it training takes a third longer. A
    process of its own reads along, so that no other line is lost, even if TensorFlow ends this process.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with subprocess.Popen([sys.executable, "-S", "-E", "-c", _FILTER], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        os.dup2(reader.stdin.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
