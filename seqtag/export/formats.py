"""The forms in which a trained model leaves seqtag: a table of writers, and one function that calls them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqtag.bundle import Bundle
from seqtag.errors import BundleError, ConfigError, near_name
from seqtag.export.keras import write_keras
from seqtag.export.litert import write_litert
from seqtag.export.onnx_export import write_onnx
from seqtag.export.quantize import write_bundle
from seqtag.export.saved_model import place_version, write_saved_model
from seqtag.params import fields
from seqtag.registry import Registry


@dataclass(frozen=True)
class Format:
    """One form of a model.

    Parameters
    ----------
    title : str
        What it is for, in a line.
    write : callable
        ``write(bundle, folder, *, option=..., ...)`` fills an empty folder. Its options are declared by `Param` as an
        estimator's are.
    place : callable
        ``place(output, options)`` gives the folder that is filled, where that is not the output itself.
    language : bool
        Whether it holds language models, too.
    """

    title: str
    write: Callable[..., None]
    place: Callable[[Path, Mapping[str, Any]], Path] = field(default=lambda output, options: output)
    language: bool = False


FORMATS: Registry[Format] = Registry("export format")
"""The forms by name; each imports what it needs when it is called."""


def export(
    model: str | Path | Bundle, format: str, output: str | Path, options: Mapping[str, Any] | None = None
) -> Path:
    """Write a trained model in another form.

    Parameters
    ----------
    model : path or Bundle
        The folder that ``save`` or ``seqtag train`` wrote, or what is read from it.
    format : str
        A name in `FORMATS`.
    output : path
        The folder to write; it is there when it is complete, and an older one of the same name is never mixed with it.
    options : mapping, optional
        Options of the format, by name.

    Returns
    -------
    Path
        The folder that was written.

    Raises
    ------
    ConfigError
        If there is no such format or option, a value is not what it must be, or the format cannot hold this model.
    BundleError
        If the model cannot be read, or something stands where the output is to be.
    NotInstalledError
        If the format needs a library that is absent.
    """
    chosen = FORMATS[format]
    given = checked_options(format, options or {})
    place = chosen.place(Path(output), given)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BundleError(f"{place} must not exist yet, or be an empty folder; choose another output, or remove it.")
    bundle = model if isinstance(model, Bundle) else Bundle.read(model)
    if bundle.manifest.get("task") == "language_modelling" and not chosen.language:
        able = " and ".join(name for name in FORMATS if FORMATS[name].language)
        raise ConfigError(
            f"export format {format!r} holds taggers and classifiers; this is a language model, which {able} hold."
        )
    if format != "bundle" and bundle.manifest.get("params", {}).get("context"):
        raise ConfigError(
            f"export format {format!r} holds a network that reads one sequence at a time; this model reads its "
            "document around each sentence (context), and would answer otherwise. Answer with seqtag.load, which needs "
            "NumPy and ONNX Runtime alone, or train with context=0."
        )
    if format != "bundle" and any(state.get("are_states") for state in _encoders(bundle)):
        raise ConfigError(
            f"export format {format!r} holds one network; this model reads the states of a language model beside it "
            "(encoder 'lm'). Answer with seqtag.load, which needs NumPy and ONNX Runtime alone."
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise BundleError(f"{place} cannot be written: {error.strerror}.") from error
    try:
        chosen.write(bundle, fresh, **given)
        fresh.chmod(0o755)
        fresh.replace(place)
    except OSError as error:
        raise BundleError(f"{place} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def _encoders(bundle: Bundle) -> list[dict[str, Any]]:
    """Return the encoders of a model; a language model has a table of symbols instead."""
    found = bundle.json("vocabulary.json")
    return found if isinstance(found, list) else []


def checked_options(format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a format's options if each is known and has a value that it can have.

    Raises
    ------
    ConfigError
        Naming the first that is wrong.
    """
    rules = fields(FORMATS[format].write, skip=2)
    for name, value in options.items():
        if name not in rules:
            have = f"has the options {', '.join(rules)}" if rules else "has no options"
            raise ConfigError(f"export format {format!r} {have}; got {name!r}.{near_name(name, rules)}")
        if why := rules[name].problem(value):
            raise ConfigError(f"export format {format!r}: {name} {why}")
    return dict(options)


FORMATS.add("bundle", Format("a seqtag model that only answers, with smaller weights", write_bundle, language=True))
FORMATS.add(
    "onnx", Format("ids or strings in, tags and probabilities out, for any ONNX host", write_onnx, language=True)
)
FORMATS.add("saved_model", Format("strings in, tags out, for TensorFlow alone", write_saved_model, place_version))
FORMATS.add("litert", Format("ids of a fixed length in, scores out, for phones", write_litert))
FORMATS.add("keras", Format("the network with its weights, for those who go on in Keras", write_keras))
