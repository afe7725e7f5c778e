"""Word vectors by name: where they are published, under which licence, and a copy of them on this machine."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from seqtag.data.catalogue import File
from seqtag.data.download import FOLDER_VARIABLE, file_of
from seqtag.errors import DataError, near_name
from seqtag.registry import Registry


@dataclass(frozen=True)
class Vectors:
    """Word vectors that can be loaded by name.

    Parameters
    ----------
    name, licence, citation : str
        What they are called, as their source licenses them, and the publication to cite.
    address : str
        Where they are published.
    member : str, optional
        The file in the zip archive that is there.
    sha256 : str
        Of the archive or, where there is none, of the file.
    megabytes : int
        What is downloaded.
    """

    name: str
    licence: str
    citation: str
    address: str
    member: str | None
    sha256: str
    megabytes: int


VECTORS: Registry[Vectors] = Registry("word vectors")
"""What can be named in place of a file."""

_PDDL = "Open Data Commons Public Domain Dedication and License 1.0 (PDDL)"
_GLOVE = "Pennington, Socher, Manning (2014). GloVe: Global Vectors for Word Representation. EMNLP 2014."

GLOVE_DIMS = (50, 100, 200, 300)
"""The widths of GloVe's vectors of Wikipedia and Gigaword."""

for _dim in GLOVE_DIMS:
    VECTORS.add(
        f"glove.6B.{_dim}d",
        Vectors(
            f"glove.6B.{_dim}d",
            _PDDL,
            _GLOVE,
            "https://nlp.stanford.edu/data/glove.6B.zip",
            f"glove.6B.{_dim}d.txt",
            "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            862,
        ),
    )
VECTORS.add(
    "glove.6B.50d-relativized",
    Vectors(
        "glove.6B.50d-relativized",
        f"{_PDDL}; the repository that holds this part of them is MIT",
        _GLOVE,
        "https://raw.githubusercontent.com/bernovie/political-polarization/"
        "38a61f2d21b327c7a7d23b0b3745eecc186a7c90/data/glove.6B.50d-relativized.txt",
        None,
        "a23ec4752dc4f254ae1487950c532a2db95baafe88c5d311806653eea11cb9c1",
        4,
    ),
)


def locate(source: str | Path) -> Path:
    """Return the file that a path or a name stands for.

    A path is looked for as it is, then in the folder that ``SEQTAG_DATA`` names. What is no file there can be a name in
    `VECTORS`, which is fetched once.

    Raises
    ------
    DataError
        If there is neither such a file nor such a name.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    for path in (Path(source), *([Path(folder, source)] if folder else [])):
        if path.is_file():
            return path
    if source in VECTORS:
        return fetch(str(source))
    path = Path(source)
    neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    advice = near_name(path.name, [*neighbours, *VECTORS]) or f" Check the path, or name one of {', '.join(VECTORS)}."
    raise DataError(f"{source}: there is no such file of word vectors.{advice}")


def fetch(name: str) -> Path:
    """Return the file of published word vectors, downloaded to the user's cache unless it is there.

    Raises
    ------
    ConfigError
        If there are no vectors of this name.
    DataError
        If they cannot be downloaded, or are not those that were published.
    """
    about = VECTORS[name]
    if about.member is None:
        return file_of(File(f"embeddings/{name}.txt", "all", about.sha256, about.address))
    local = Path(os.environ.get(FOLDER_VARIABLE, ""), "embeddings", about.member)
    for path in (local, local.with_name(f"{local.name}.gz")):
        if FOLDER_VARIABLE in os.environ and path.is_file():
            return path
    return _from_archive(about, about.member)


def _from_archive(about: Vectors, member: str) -> Path:
    """Fetch an archive, whose content its sha256 vouches for, and unpack one member beside it."""
    import pooch

    folder = Path(pooch.os_cache("seqtag"), "embeddings")
    unpacked = folder / member
    try:
        archive = pooch.retrieve(
            about.address, f"sha256:{about.sha256}", fname=about.address.rpartition("/")[2], path=folder
        )
        if not unpacked.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as part, zipfile.ZipFile(archive) as members:
                os.replace(members.extract(member, part), unpacked)  # whole or not at all
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{about.address} must be reachable and have the sha256 {about.sha256} ({about.megabytes} MB); got: "
            f"{error}. Without a network give the path of {member}, or put it into the folder embeddings of "
            f"{FOLDER_VARIABLE}."
        ) from error
    return unpacked
