"""The command line: each command is a thin shell over a function of the library.

Results go to standard output, everything else to standard error. An error of seqtag ends a command with status 1,
one of usage or configuration with 2. What is heavy is imported inside the command that needs it.
"""

from __future__ import annotations

from seqtag.cli import _training, _using, _writing  # noqa: F401 - each adds its commands to the application
from seqtag.cli._app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
