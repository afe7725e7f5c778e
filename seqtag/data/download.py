"""The files of a data set: from a local folder, from the cache, or from their public addresses. Always checked."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from seqtag.data.catalogue import Dataset, File
from seqtag.errors import DataError

FOLDER_VARIABLE = "SEQTAG_DATA"
"""The environment variable that names a folder of data sets, which is looked in first."""


def files_of(dataset: Dataset) -> dict[str, list[Path]]:
    """Return the files of a data set by split, each with the content that the catalogue says.

    A file is taken from the folder that ``SEQTAG_DATA`` names, packed with gzip or not; else from the user's
    cache; else it is downloaded to there. Before that, a data set whose source states no licence is announced
    in the log.

    Raises
    ------
    DataError
        If a file has another content, or is not there and cannot be downloaded.
    """
    found = {file: _local(file) or _cached(file) for file in dataset.files}
    if None in found.values() and not dataset.licence_stated:
        logging.getLogger("seqtag").warning(
            "%s is downloaded from %s. Its licence: %s. Please cite: %s",
            dataset.title,
            dataset.source,
            dataset.licence,
            dataset.citation,
        )
    splits: dict[str, list[Path]] = {}
    for file, path in found.items():
        splits.setdefault(file.split, []).append(path or _download(file))
    return splits


def file_of(file: File) -> Path:
    """Return one file: from the local folder, from the cache, or downloaded; errors as `files_of`."""
    return _local(file) or _cached(file) or _download(file)


def _local(file: File) -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise DataError(f"{FOLDER_VARIABLE} must name a folder; got {folder!r}. Correct it, or unset it to download.")
    for path in (Path(folder, file.path), Path(folder, f"{file.path}.gz")):
        if path.is_file():
            got = _sha256(path)
            if got != file.sha256:
                raise DataError(
                    f"{path}: the content must have the sha256 {file.sha256}; got {got}. "
                    f"Replace the file, or remove it to have {file.address} downloaded."
                )
            return path
    return None


def _cached(file: File) -> Path | None:
    path = _place(file)
    return path if path.is_file() and _sha256(path) == file.sha256 else None


def _place(file: File) -> Path:
    import pooch

    return Path(pooch.os_cache("seqtag"), file.path)


def _sha256(path: Path) -> str:
    """Return the hash of a file's content, unpacked."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the file must be readable, and whole; got {error}. Replace or remove it.") from error


def _download(file: File) -> Path:
    import pooch

    place = _place(file)
    try:
        return Path(
            pooch.retrieve(
                file.address,
                f"sha256:{file.sha256}",
                fname=place.name,
                path=place.parent,
                downloader=_member_downloader(file.member) if file.member else None,
            )
        )
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file.address} must be reachable and hold {file.path} with the sha256 {file.sha256}; got: {error}. "
            f"Without a network, set {FOLDER_VARIABLE} to a folder that holds {file.path}."
        ) from error


def _member_downloader(member: str) -> Callable[..., None]:
    """Return what `pooch` calls to download: here one member of a zip archive, in whatever folder it lies."""
    import pooch

    def download(url: str, output_file: str, registry: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "archive.zip")
            pooch.HTTPDownloader()(url, str(archive), registry)
            with zipfile.ZipFile(archive) as files:
                names = [name for name in files.namelist() if name.rpartition("/")[2] == member]
                if not names:
                    raise LookupError(f"an archive without {member}")
                Path(output_file).write_bytes(files.read(names[0]))

    return download
