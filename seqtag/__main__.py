"""``python -m seqtag``, and the command ``seqtag``."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line, or say what it needs: a slim install has the library alone."""
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        sys.exit(
            f"error: the command line needs {' and '.join(missing)}; run: pip install {' '.join(missing)}\n"
            "Without it a saved model answers in Python: seqtag.load(folder).predict(sentences)"
        )
    from seqtag.cli import main as run

    run()


if __name__ == "__main__":
    main()
