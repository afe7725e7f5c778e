"""A tagger's spans over a threshold on their probability: as a file, and chosen for a wanted precision."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from seqtag import metrics, render
from seqtag.errors import ConfigError, DataError
from seqtag.experiment._scores import Evaluation

_PICTURES = (".png", ".svg", ".pdf")


def check_curve_file(path: Path) -> None:
    """Refuse a file that a curve cannot be written to, before anything is computed.

    Raises
    ------
    ConfigError
        If its suffix tells no form.
    """
    if path.suffix.lower() not in (".csv", *_PICTURES):
        raise ConfigError(f"--curve must be a .csv file or a picture ({', '.join(_PICTURES)}); got {path}.")


def save_curve(evaluation: Evaluation, path: Path) -> None:
    """Write precision and recall over the threshold.

    Parameters
    ----------
    evaluation : Evaluation
        Of a tagger.
    path : Path
        A ``.csv`` file has the columns ``threshold, precision, recall, f1, kept``; any other is a picture.

    Raises
    ------
    ConfigError
        If the model has no spans.
    DataError
        If it found none, or the file cannot be written.
    """
    curve = _spans(evaluation).curve()
    if path.suffix.lower() in _PICTURES:
        from seqtag.plots import plot_threshold_curve, save_figure

        save_figure(plot_threshold_curve(curve, f"Spans of {evaluation.name} by their probability"), path)
        return
    names = ("threshold", "precision", "recall", "f1", "kept")
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {name: f"{value:.6f}" if isinstance(value, float) else value for name, value in row.items()}
                for row in curve.to_rows()
            )
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error


def thresholds(evaluation: Evaluation, precision: float) -> dict[str, float]:
    """Choose a threshold for each label, see `seqtag.metrics.SpanConfidence.thresholds`.

    Raises
    ------
    ConfigError
        If the model has no spans.
    """
    return _spans(evaluation).thresholds(precision)


def threshold_table(evaluation: Evaluation, chosen: Mapping[str, float]) -> str:
    """Return thresholds by label, with what they do on the data they were chosen on."""
    spans = _spans(evaluation)
    rows = []
    for label, least in chosen.items():
        curve = spans.curve(label)
        at = next((row for row in curve.to_rows() if row["threshold"] >= least), None)
        shares = [100 * at["precision"], 100 * at["recall"], int(at["kept"])] if at else [None, None, 0]
        rows.append([label, f"{least:.6f}", *shares])
    return render.table(rows, ["label", "threshold", "precision", "recall", "kept"])


def _spans(evaluation: Evaluation) -> metrics.SpanConfidence:
    if evaluation.spans is None:
        raise ConfigError("thresholds are for the spans of a tagger; this model has none.")
    return evaluation.spans
