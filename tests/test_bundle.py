"""The model folder: what comes back is what went in, a broken or hostile one is refused by name, nothing is lost."""

import errno
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from seqtag.bundle import FORMAT, MANIFEST, Bundle, dump_arrays, dump_json
from seqtag.errors import BundleError

ARRAYS = {"b/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1, 2], np.int64)}
BUNDLE = Bundle(
    {"task": "tagging", "labels": ["O", "B-é"]},
    {"weights.npz": dump_arrays(ARRAYS), "vocabulary.json": dump_json(["Ä", "😀"]), "README.md": b"# A model\n"},
)
OLD = Bundle({"task": "old"}, {"README.md": b"# Old\n"})


@pytest.fixture
def folder(tmp_path):
    return BUNDLE.write(tmp_path / "model")


def edit_manifest(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- there and back ---------------------------------------------------------------------------------------------


def test_what_was_written_is_read(folder):
    again = Bundle.read(folder)
    assert again.files == BUNDLE.files
    assert again.manifest == BUNDLE.manifest | {"format": FORMAT}
    assert again.json("vocabulary.json") == ["Ä", "😀"]
    arrays = again.arrays("weights.npz")
    assert list(arrays) == list(ARRAYS)  # in the order given
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_a_bundle_that_was_read_can_be_written(folder, tmp_path):
    Bundle.read(folder).write(tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folder)


def test_two_writes_are_the_same_bytes(tmp_path):
    first, second = BUNDLE.write(tmp_path / "a"), BUNDLE.write(str(tmp_path / "deep" / "b"))
    assert contents(first) == contents(second)
    assert dump_arrays(ARRAYS) == dump_arrays(ARRAYS)


def test_the_folder_holds_the_files_and_their_list(folder):
    assert sorted(contents(folder)) == sorted([MANIFEST, *BUNDLE.files])
    listed = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    assert list(listed) == sorted(BUNDLE.files)
    assert {name: entry["bytes"] for name, entry in listed.items()} == {n: len(d) for n, d in BUNDLE.files.items()}
    assert folder.stat().st_mode & 0o777 == 0o755
    assert "B-é" in (folder / MANIFEST).read_text("utf-8")  # for people, not escaped


def test_half_a_character_survives():
    assert Bundle({}, {"a.json": dump_json(["\ud83d", "é"])}).json("a.json") == ["\ud83d", "é"]


def test_json_holds_no_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json({"loss": float("nan")})


# --- writing ----------------------------------------------------------------------------------------------------


def test_an_older_model_is_replaced_whole(tmp_path):
    OLD.write(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    BUNDLE.write(tmp_path / "model")
    assert sorted(contents(tmp_path / "model")) == sorted([MANIFEST, *BUNDLE.files])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # nothing is left beside it


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "model").mkdir()
    assert Bundle.read(BUNDLE.write(tmp_path / "model")).files == BUNDLE.files


@pytest.mark.parametrize("taken", ["folder", "file"])
def test_what_is_no_model_is_never_replaced(tmp_path, taken):
    path = tmp_path / "thesis"
    mine = path / "chapter.txt" if taken == "folder" else path
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("years of work")
    with pytest.raises(BundleError, match=r"thesis holds something that is not a seqtag model; choose another"):
        BUNDLE.write(path)
    assert mine.read_text() == "years of work" and len(list(tmp_path.iterdir())) == 1


def failing(function, fails):
    """The function, but raising "disk full" on the calls whose number is in ``fails``."""
    calls = iter(range(1000))

    def wrapped(*args, **kwargs):
        if next(calls) in fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize(
    ("owner", "name", "fails"),
    [
        (os, "fsync", {0}),  # the first file
        (os, "fsync", {3}),  # the manifest
        (Path, "rename", {0}),  # the old folder out of the way
        (Path, "rename", {1}),  # the new folder into its place
    ],
)
def test_the_old_model_stays_where_writing_fails(tmp_path, monkeypatch, owner, name, fails):
    before = contents(OLD.write(tmp_path / "model"))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(getattr(owner, name), fails))
        with pytest.raises(BundleError, match=r"model cannot be written: No space left .* is untouched"):
            BUNDLE.write(tmp_path / "model")
    assert contents(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_old_model_is_never_deleted_before_the_new_one_stands(tmp_path, monkeypatch):
    before = contents(OLD.write(tmp_path / "model"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing(Path.rename, {1, 2}))
        with pytest.raises(BundleError):
            BUNDLE.write(tmp_path / "model")
    (kept,) = tmp_path.glob("*/model")
    assert contents(kept) == before


def test_nothing_is_left_of_a_first_model_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rename", failing(Path.rename, {0}))
    with pytest.raises(BundleError, match="cannot be written"):
        BUNDLE.write(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match=r"file/model cannot be written: (File exists|Not a directory)"):
        BUNDLE.write(tmp_path / "file" / "model")


# --- reading what is broken -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "words"), [(False, "does not exist"), (True, "has no manifest.json")])
def test_a_folder_that_is_no_model_is_refused(tmp_path, make, words):
    if make:
        (tmp_path / "x").mkdir()
    with pytest.raises(BundleError, match=rf"x is not a saved seqtag model: it {words}\. Give the folder"):
        Bundle.read(tmp_path / "x")


@pytest.mark.parametrize("name", sorted(BUNDLE.files))
@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty"])
def test_a_changed_file_is_named(folder, name, damage):
    data = (folder / name).read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    (folder / name).write_bytes({"flip": flipped, "cut": data[:-1], "grow": data + b"x", "empty": b""}[damage])
    with pytest.raises(BundleError, match=rf"{name} is not what was saved \(size or sha256 differ\)"):
        Bundle.read(folder)


def test_a_missing_file_is_named(folder):
    (folder / "weights.npz").unlink()
    with pytest.raises(BundleError, match=r"weights.npz cannot be read: No such file"):
        Bundle.read(folder)


def test_a_file_beside_the_listed_ones_is_not_read(folder):
    (folder / "extra.py").write_text("raise SystemExit")
    assert Bundle.read(folder).files == BUNDLE.files


NAMES = ["../README.md", "..", ".", "", "a/../README.md", "a/b", "/README.md", "a\0b", "README.md/", "./README.md"]


@pytest.mark.parametrize("name", NAMES)
def test_a_listed_name_must_stay_in_the_folder(folder, name):
    (folder.parent / "README.md").write_bytes(b"outside")
    edit_manifest(folder, lambda m: m["files"].update({name: m["files"].pop("README.md")}))
    with pytest.raises(BundleError, match="must be the name of a plain file there"):
        Bundle.read(folder)


@pytest.mark.parametrize("target", ["a link", "a folder", "a pipe"])
def test_a_listed_file_must_be_a_plain_one(folder, tmp_path, target):
    file = folder / "README.md"
    file.rename(tmp_path / "moved")
    make = {
        "a link": lambda: file.symlink_to(tmp_path / "moved"),
        "a folder": file.mkdir,
        "a pipe": lambda: os.mkfifo(file),
    }
    make[target]()
    with pytest.raises(BundleError, match=r"'README.md', which must be the name of a plain file there"):
        Bundle.read(folder)


def test_a_later_format_says_what_to_do(folder):
    edit_manifest(folder, lambda m: m.update(format=FORMAT + 1, seqtag="9.0"))
    with pytest.raises(BundleError, match=rf"format {FORMAT + 1} by seqtag 9.0; .*reads up to {FORMAT}.*pip install"):
        Bundle.read(folder)


ENTRY = {"sha256": "0" * 64, "bytes": 1}


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"not json",
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "files": []}',
        b'{"format": 1, "files": {"a": 3}}',
        b'{"format": 1, "files": {"a": ["sha256", "bytes"]}}',
        b'{"format": 1, "files": {"a": {"sha256": ""}}}',
        json.dumps({"format": "1", "files": {}}).encode(),
        json.dumps({"format": 1, "files": {"a": ENTRY | {"mode": 1}}}).encode(),
    ],
)
def test_a_broken_manifest_is_named(folder, manifest):
    (folder / MANIFEST).write_bytes(manifest)
    with pytest.raises(
        BundleError, match=r"manifest.json (cannot be read|lists its files wrongly).* Save the model again"
    ):
        Bundle.read(folder)


def test_a_huge_claimed_size_is_not_believed(folder):
    edit_manifest(folder, lambda m: m["files"]["README.md"].update(bytes=1 << 60))
    with pytest.raises(BundleError, match=r"README.md is not what was saved"):
        Bundle.read(folder)


# --- files that fit their hash and are still not to be trusted --------------------------------------------------


class Explosive:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def npz(name, data, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def npy(array, allow_pickle=False):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def claim(shape):
    """The header of a float64 array of that shape, and no data."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


BAD_ARRAYS = {
    "no archive": b"weights",
    "empty": b"",
    "one array": npy(np.zeros(2)),
    "a pickle": pickle.dumps([1]),
    "an explosive": pickle.dumps(Explosive()),
    "an object array": npz("a.npy", npy(np.array([Explosive()], object), allow_pickle=True)),
    "cut off": dump_arrays(ARRAYS)[:-30],
    "a bomb": npz("a.npy", npy(np.zeros(100_000)), zipfile.ZIP_DEFLATED),
    "too little": npz("a.npy", claim((1000,))),
    "a claim of petabytes": npz("a.npy", claim((1 << 50,))),
    "an impossible claim": npz("a.npy", claim((1 << 40, 1 << 40))),
    "no header": npz("a.npy", b"\x93NUMPY\x01\x00"),
}


@pytest.mark.parametrize("data", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_are_refused_that_are_none(data):
    with pytest.raises(BundleError, match=r"weights.npz cannot be read as arrays"):
        Bundle({}, {"weights.npz": data}).arrays("weights.npz")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xff", b"[" * 100_000])
def test_json_is_refused_that_is_none(data):
    with pytest.raises(BundleError, match=r"metrics.json cannot be read as JSON"):
        Bundle({}, {"metrics.json": data}).json("metrics.json")


def test_an_absent_file_is_named():
    with pytest.raises(BundleError, match=r"has no file decoder.npz; it holds README.md, vocabulary.json, weights.npz"):
        BUNDLE.arrays("decoder.npz")
