"""The folder a trained model is saved in: a manifest, arrays, a graph; hashed, written at once, never executed.

================  ====================================================================================
manifest.json     format version, task, parameters, what the network is, sha256 and size of every file
vocabulary.json   the fitted encoders
decoder.npz       transitions, start and end scores; a classifier's prior; the temperature
weights.npz       the Keras weights by name (absent where they were made smaller, see `seqtag.export.quantize`)
model.onnx        emissions as a graph of native nodes (absent for a network that has no export)
metrics.json      how training went
README.md         the model card
config.yaml       what ``seqtag train`` was given, every default written out
scores.json       what it reached on dev and test
================  ====================================================================================
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.errors import BundleError

FORMAT = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.npz"


@dataclass(frozen=True)
class Bundle:
    """A saved model in memory.

    Parameters
    ----------
    manifest : dict
        What the model is; the list of files is added when it is written.
    files : dict of str to bytes
        The other files by name.
    """

    manifest: dict[str, Any]
    files: dict[str, bytes] = field(repr=False)  # megabytes

    def json(self, name: str) -> Any:
        """Return a JSON file's content.

        Raises
        ------
        BundleError
            If there is no such file, or it is no JSON.
        """
        try:
            return json.loads(self._file(name))
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{name} cannot be read as JSON ({error}). Save the model again.") from error

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of an ``.npz`` file, in order; nothing is ever unpickled.

        Raises
        ------
        BundleError
            If there is no such file, it holds anything but arrays of numbers, or it is compressed (as `dump_arrays`
            never does, and a file would that unpacks to a thousand times its size).
        """
        data = self._file(name)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise ValueError("it is compressed")
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except (ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise BundleError(f"{name} cannot be read as arrays ({error}). Save the model again.") from error

    def weights(self) -> dict[str, np.ndarray]:
        """Return the network's weights by their Keras paths.

        Raises
        ------
        BundleError
            If there are none, as in a model that was made smaller, or they cannot be read.
        """
        if WEIGHTS not in self.files:
            raise BundleError(
                f"a model must hold {WEIGHTS} to be opened in Keras or traced; this one only answers, with "
                f"{self.manifest.get('weights', 'other')} weights in its graph. Use the model that it was made from."
            )
        return self.arrays(WEIGHTS)

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise BundleError(f"the model has no file {name}; it holds {', '.join(sorted(self.files))}.")
        return self.files[name]

    def write(self, path: str | Path) -> Path:
        """Write the folder whole, then move it into place: a reader never sees a part of a model.

        Where an older model stands it is moved aside first, so that for an instant there is none.

        Parameters
        ----------
        path : path
            The folder; an older model there is replaced, anything else is refused.

        Raises
        ------
        BundleError
            If something else stands there, or it cannot be written.
        """
        path = Path(path)
        check_replaceable(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        except OSError as error:
            raise BundleError(f"{path} cannot be written: {error.strerror}.") from error
        try:
            self._fill(fresh)
            _exchange(fresh, path)
        except OSError as error:
            raise BundleError(f"{path} cannot be written: {error.strerror}. What stood there is untouched.") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return path

    def _fill(self, folder: Path) -> None:
        listed = {name: {"sha256": _digest(data), "bytes": len(data)} for name, data in sorted(self.files.items())}
        manifest = dump_json(self.manifest | {"format": FORMAT, "files": listed})
        for name, data in (*self.files.items(), (MANIFEST, manifest)):
            with open(folder / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        folder.chmod(0o755)

    @classmethod
    def read(cls, path: str | Path) -> Bundle:
        """Read a folder and check every file against the manifest.

        Raises
        ------
        BundleError
            If the folder is no model, is of a later format, or a file is missing, changed or misnamed.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        files = {}
        for name, listed in manifest.pop("files").items():
            if not _is_plain(path, name):
                raise BundleError(f"{path}: the manifest names {name!r}, which must be the name of a plain file there.")
            try:
                data = (path / name).read_bytes()
            except OSError as error:
                raise BundleError(f"{path / name} cannot be read: {error.strerror}. Save the model again.") from error
            if len(data) != listed["bytes"] or _digest(data) != listed["sha256"]:
                raise BundleError(f"{path / name} is not what was saved (size or sha256 differ). Save the model again.")
            files[name] = data
        return cls(manifest, files)


def same_bundle(path: Path, manifest: bytes) -> Bundle:
    """Read a model again; refuse another one that has taken its place, whose manifest lists other hashes.

    Parameters
    ----------
    path : Path
        The folder that it was read from.
    manifest : bytes
        What its manifest was then.

    Raises
    ------
    BundleError
    """
    bundle = Bundle.read(path)
    if (path / MANIFEST).read_bytes() != manifest:
        raise BundleError(f"{path} holds another model than the one that was loaded from there. Load it again.")
    return bundle


def reopened(bundle: Bundle, path: str | Path | None) -> Callable[[], Bundle]:
    """Return what gives a model again, to worker processes; of one in a folder, no file is held on to until then.

    Parameters
    ----------
    bundle : Bundle
        The model.
    path : path, optional
        The folder that it was read from.
    """
    if path is None:
        return lambda: bundle
    folder = Path(path).absolute()
    return partial(same_bundle, folder, (folder / MANIFEST).read_bytes())


def check_replaceable(path: Path) -> None:
    """Refuse a place that holds something other than a model.

    Parameters
    ----------
    path : Path
        Where a model is to be written.

    Raises
    ------
    BundleError
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise BundleError(f"{path} holds something that is not a seqtag model; choose another output folder.")


def dump_json(value: Any) -> bytes:
    """Write JSON that is stable and can be read by people."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return text.encode("utf-8", "surrogatepass")  # a token may hold half a character; `json.loads` reads it back


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Write arrays as ``.npz``."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _read_manifest(path: Path) -> dict[str, Any]:
    if not (path / MANIFEST).is_file():
        what = "does not exist" if not path.exists() else f"has no {MANIFEST}"
        raise BundleError(f"{path} is not a saved seqtag model: it {what}. Give the folder that `save` wrote.")
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        version, listed = manifest["format"], manifest["files"]
        entries = listed.values()
        whole = isinstance(version, int) and all(
            isinstance(entry, dict) and set(entry) == {"sha256", "bytes"} for entry in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{path / MANIFEST} cannot be read as a manifest ({error!r}). Save the model again."
        ) from error
    if not whole:
        raise BundleError(f"{path / MANIFEST} lists its files wrongly. Save the model again.")
    if version > FORMAT:
        raise BundleError(
            f"{path} was written in format {version} by seqtag {manifest.get('seqtag')}; this one reads up to "
            f"{FORMAT}. Run: pip install --upgrade seqtag"
        )
    return manifest


def _is_plain(folder: Path, name: str) -> bool:
    """Tell whether a name stays in the folder and stands for no link, device or folder there; it may be missing."""
    file = folder / name
    stays = Path(name).name == name != ".." and "\0" not in name
    return stays and not file.is_symlink() and (file.is_file() or not file.exists())


def _exchange(fresh: Path, path: Path) -> None:
    """Put the fresh folder where the old one stands, and remove the old one."""
    if not path.exists():
        fresh.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent)) / path.name
    try:
        path.rename(old)
        fresh.rename(path)
    finally:
        if not path.exists():
            old.rename(path)  # should this fail too, the old model stays where it is now
        shutil.rmtree(old.parent, ignore_errors=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
