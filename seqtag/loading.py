"""Opening a saved model with whatever answers for its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqtag.bundle import Bundle
from seqtag.language import TASK, LanguagePredictor
from seqtag.predictor import OVERLAP, WINDOW, Predictor


def load(path: str | Path, *, threads: int | None = None, window: int = WINDOW, overlap: int = OVERLAP) -> Any:
    """Open a saved model for answering; neither Keras nor TensorFlow is imported.

    Parameters
    ----------
    path : path
        The folder that `save` or ``seqtag train`` wrote.
    threads : int, optional
        How many batches to compute side by side where there are many sequences; by default a core each.
    window, overlap : int
        How a tagger reads what is longer than ``window`` tokens or frames, see `Predictor`.

    Returns
    -------
    Predictor or LanguagePredictor
        The latter for a language model.

    Raises
    ------
    BundleError
        If the folder is no model, or is broken.
    """
    return opened(Bundle.read(path), path=path, threads=threads, window=window, overlap=overlap)


def opened(
    bundle: Bundle,
    *,
    path: str | Path | None = None,
    threads: int | None = None,
    window: int = WINDOW,
    overlap: int = OVERLAP,
) -> Any:
    """Open a model that has been read, as `load` does.

    Parameters
    ----------
    bundle : Bundle
        The model.
    path : path, optional
        Where it was read.
    threads, window, overlap : int
        As for `load`.
    """
    if bundle.manifest.get("task") == TASK:
        return LanguagePredictor.from_bundle(bundle, threads=threads)
    return Predictor.from_bundle(bundle, path=path, threads=threads, window=window, overlap=overlap)
