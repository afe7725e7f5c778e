"""Archives of numbers: read whole, or refused with the array that is wrong; never unpickled, never blown up."""

import gzip
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqtag.data.corpus import Sequence
from seqtag.data.readers import npz, read, read_npz
from seqtag.errors import ConfigError, DataError

X = np.arange(12.0).reshape(2, 3, 2)
X[0, 1, 0] = np.nan
ENDS = {"frames": X.reshape(6, 2), "lengths": np.array([1, 0, 5])}


@pytest.fixture
def write(tmp_path):
    """Write an archive and return its path."""

    def write(name="a.npz", packed=False, **contents):
        path = tmp_path / name
        (np.savez_compressed if packed else np.savez)(path, **contents)
        return path

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("contents", "options", "expected"),
    [
        ({"X": X}, {}, [Sequence(frames=X[0]), Sequence(frames=X[1])]),
        ({"X": X[:, :, 0]}, {}, [Sequence(frames=X[0, :, :1]), Sequence(frames=X[1, :, :1])]),
        (
            {"X": X, "y": np.array(["walk", "run"])},
            {},
            [Sequence(frames=X[0], label="walk"), Sequence(frames=X[1], label="run")],
        ),
        (
            {"X": X, "y": np.array([[1, 0, 1], [2, 2, 0]], np.uint8)},
            {},
            [Sequence(frames=X[0], labels=("1", "0", "1")), Sequence(frames=X[1], labels=("2", "2", "0"))],
        ),
        (
            {**ENDS, "y": np.array([True, False, True])},
            {},
            [
                Sequence(frames=X[0, :1], label="True"),
                Sequence(frames=np.zeros((0, 2)), label="False"),
                Sequence(frames=X.reshape(6, 2)[1:], label="True"),
            ],
        ),
        (
            {**ENDS, "y": np.array(list("abcdef"))},
            {},
            [
                Sequence(frames=X[0, :1], labels=("a",)),
                Sequence(frames=np.zeros((0, 2)), labels=()),
                Sequence(frames=X.reshape(6, 2)[1:], labels=tuple("bcdef")),
            ],
        ),
        (
            {"frames": [[1, 2], [3, 4]], "lengths": [1, 1], "y": ["a", "b"]},
            {},
            [
                Sequence(frames=[[1, 2]], labels=("a",), label="a"),  # one frame each: its label is that of the whole
                Sequence(frames=[[3, 4]], labels=("b",), label="b"),
            ],
        ),
        ({"frames": [1, 2, 3], "lengths": [2, 1]}, {}, [Sequence(frames=[[1], [2]]), Sequence(frames=[[3]])]),
        ({"X": X[:1], "y": ["a"]}, {"y": None}, [Sequence(frames=X[0])]),
        ({"signal": X[:1], "class": ["a"]}, {"X": "signal", "y": "class"}, [Sequence(frames=X[0], label="a")]),
        (
            {"values": X[0], "n": [3], "X_mean": X},
            {"frames": "values", "lengths": "n"},
            [Sequence(frames=X[0])],
        ),
        ({"X": np.zeros((0, 3, 2)), "y": np.zeros(0, int)}, {}, []),
        ({"X": np.zeros((0, 3)), "y": np.zeros((0, 3), "U1")}, {}, []),
        ({"X": np.zeros((1, 0, 2))}, {}, [Sequence(frames=np.zeros((0, 2)))]),
        ({"X": X[:1] > 3}, {}, [Sequence(frames=[[0, 0], [0, 0], [1, 1]])]),
        ({"X": X[:1], "other": np.array([{}], object)}, {}, [Sequence(frames=X[0])]),  # not looked at
    ],
)
def test_what_an_archive_holds(write, packed, contents, options, expected):
    path = write(packed=packed, **contents)
    corpus = read(path, options=options)
    assert list(corpus) == expected and corpus.name == str(path)
    packed_again = path.with_suffix(".npz.gz")
    packed_again.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed_again, options=options).sequences == corpus.sequences


INFINITE = X.copy()
INFINITE[1, 2, 1] = np.inf


@pytest.mark.parametrize(
    ("contents", "options", "message"),
    [
        ({"x": X}, {}, r"expected an array 'X', or 'frames' and 'lengths', and not both; got the arrays \['x'\]"),
        ({"X": X, **ENDS}, {}, "expected an array 'X', or 'frames' and 'lengths', and not both; got"),
        ({"speed": X}, {"X": "sped"}, "Did you mean 'speed'"),
        ({"frames": X[0]}, {}, r"expected an array 'lengths'; got the arrays \['frames'\]"),
        ({"X": X}, {"y": "class"}, r"expected an array 'class'; got the arrays \['X'\]"),
        ({"X": X * 1j}, {}, "expected real numbers in the array 'X'; got the type complex128"),
        ({"X": np.array(["a"])}, {}, "expected real numbers in the array 'X'; got the type <U1"),
        ({"X": X.astype(object)}, {}, "expected an array under 'X'; got Object arrays cannot be loaded .* never read"),
        ({"X": X, "y": np.array(["a", 1], object)}, {}, "expected an array under 'y'; got Object arrays"),
        ({"X": X[0, 0]}, {}, r"expected an array 'X' of shape \(N, T, F\) .*; got the shape \(2,\)"),
        ({"X": X[None]}, {}, r"expected an array 'X' of shape .*; got the shape \(1, 2, 3, 2\)"),
        ({"X": np.zeros((2, 3, 0))}, {}, r"with at least one feature, or \(N, T\); got the shape \(2, 3, 0\)"),
        ({"X": INFINITE}, {}, r"X\[1\]\[2, 1\] must be finite, or NaN where it is missing; got inf"),
        ({"frames": INFINITE[1], "lengths": [1, 2]}, {}, r"frames\[1:3\]\[1, 1\] must be finite"),
        ({"frames": X, "lengths": [2]}, {}, r"expected an array 'frames' of shape \(frames, F\) .*; got the shape"),
        ({**ENDS, "lengths": [1, 4]}, {}, r"'lengths' of shape \(N,\) that adds up to the 6 frames; .* the sum 5"),
        ({**ENDS, "lengths": [-1, 7]}, {}, "that adds up to the 6 frames"),
        ({**ENDS, "lengths": [[6]]}, {}, r"got the shape \(1, 1\) with the sum 6"),
        ({**ENDS, "lengths": 6}, {}, r"got the shape \(\) with the sum 6"),
        ({**ENDS, "lengths": [1.0, 5.0]}, {}, "expected integers in the array 'lengths'; got the type float64"),
        ({"frames": [1, 2], "lengths": np.array([2**63, 2**63 + 2], np.uint64)}, {}, "adds up to the 2 frames"),
        ({"X": X, "y": [1, 2, 3]}, {}, r"'y' of shape \(2,\), one a sequence, or \(2, 3\), one a frame; got .* \(3,\)"),
        ({"X": X, "y": [[1], [2]]}, {}, r"got the shape \(2, 1\)"),
        ({"X": X, "y": 1}, {}, r"got the shape \(\)"),
        ({**ENDS, "y": [1, 2]}, {}, r"of shape \(3,\), one a sequence, or \(6,\), one a frame; got the shape \(2,\)"),
        ({"frames": [1, 2], "lengths": [0, 2], "y": [1, 2]}, {}, "tells sequences from frames; got 2 of either. Leave"),
        ({"X": X, "y": [0.0, 1.0]}, {}, "expected strings or integers in the array 'y'; got the type float64"),
        ({"X": X, "y": np.array([b"a", b"b"])}, {}, "expected strings or integers in the array 'y'; got the type |S1"),
        ({"X": X, "y": ["a", "b "]}, {}, "expected labels without white space around them in the array 'y'; got 'b '"),
        ({"X": X, "y": ["", "b"]}, {}, "got ''"),
    ],
)
def test_wrong_arrays_are_named(write, contents, options, message):
    path = write(**contents)
    with pytest.raises(DataError, match=message) as error:
        read_npz(path, **options)
    assert str(error.value).startswith(f"{path}: ")


def test_wrong_options_are_refused(write):
    with pytest.raises(ConfigError, match="options of format 'npz' must be among X, y, frames, lengths; got 'x'"):
        read(write(X=X), options={"x": "X"})
    with pytest.raises(ConfigError, match="option y of format 'npz' must be a string or None; got 3"):
        read(write(X=X), options={"y": 3})


# ---- files that are broken, and files that mean harm -------------------------------------------------------------


def entry(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def archive(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


class Harm:
    def __reduce__(self):
        return os.abort, ()


def test_no_pickle_is_ever_opened(tmp_path):
    for content in (entry(np.array([Harm()], object)), pickle.dumps(Harm())):
        with pytest.raises(DataError, match="expected an array under 'X'"):
            read_npz(archive(tmp_path / "a.npz", [("X.npy", content)]))
    path = tmp_path / "b.npz"
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(DataError, match=r"expected an \.npz archive; got one that begins with b"):
        read_npz(path)


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(DataError, match=r"got a single array \(\.npy\)\. Write the array with numpy\.savez"):
        read(tmp_path / "a.npy", "npz")


def test_an_array_that_unpacks_to_hundreds_of_times_its_size_is_refused(tmp_path, write, monkeypatch):
    path = write(packed=True, X=np.zeros((100, 100, 10)))
    assert len(read_npz(path)) == 100  # small enough to be harmless
    monkeypatch.setattr(npz, "FREE", 1000)
    with pytest.raises(
        DataError, match=r"packed at most 200 times; got one of [\d,]+ bytes that unpack to 800,128\. W"
    ):
        read_npz(path)
    assert len(read_npz(write(X=np.zeros((100, 100, 10))))) == 100  # not packed
    bomb = archive(tmp_path / "b.npz", [("y.npy", b"\0" * 10**6)], zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(bomb, "a") as file:
        file.writestr("X.npy", entry(X))
    assert len(read_npz(bomb, y=None)) == 2  # what is not asked for is not unpacked


@pytest.mark.parametrize("size", [10**12, 2**60, 2**63])
def test_a_shape_that_the_file_cannot_fill_is_refused(tmp_path, size):
    honest = entry(X.reshape(-1, 3, 2))
    header = honest.replace(b"(2, 3, 2)", str((size, 3, 2)).encode())
    start = len(honest) - X.nbytes
    size_of_header = struct.pack("<H", len(header) - X.nbytes - 10)
    content = honest[:8] + size_of_header + header[10:]
    assert start and content != honest
    with pytest.raises(DataError, match="expected an array under 'X'"):
        read_npz(archive(tmp_path / "a.npz", [("X.npy", content)]))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("X.npy", entry(X)[:-8])], "expected an array under 'X'; got"),
        ([("X.npy", entry(X) + b"\0")], "expected an array under 'X'; got more bytes than its shape says"),
        ([("X.npy", b"")], "expected an array under 'X'; got"),
        ([("X.npy", entry(X)[:20])], "expected an array under 'X'; got"),
        ([("X.npy", entry(X).replace(b"(2, 3, 2)", b"(2, -3,2)"))], "expected an array under 'X'; got"),
        ([("X.npy", entry(X).replace(b"fortran", b"fortrab"))], "expected an array under 'X'; got"),
        ([("X.npy", entry(X).replace(b"'<f8'", b"'<z8'"))], "expected an array under 'X'; got"),
        ([("X.npy", entry(X)), ("X", entry(X))], "expected a name for each array; got one twice among"),
    ],
)
def test_broken_entries_are_refused(tmp_path, entries, message):
    with pytest.raises(DataError, match=message):
        read_npz(archive(tmp_path / "a.npz", entries))


def test_a_changed_byte_is_seen_by_the_sum(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", entry(X))])
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(5).tobytes()) + 6] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="expected an array under 'X'; got Bad CRC-32"):
        read_npz(path)


every_reason = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing:UserWarning")
@every_reason
@given(data=st.data(), packed=st.booleans())
def test_whatever_is_changed_in_a_file_it_is_read_whole_or_refused(write, data, packed):
    path = write(packed=packed, X=X, y=np.array(["a", "b"]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    path.write_bytes(bytes(content[:end]))
    try:
        corpus = read_npz(path)
    except DataError as error:
        assert str(error).startswith(str(path))
    else:
        assert all(sequence.frames is not None for sequence in corpus)


@every_reason
@given(
    tables=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.integers(0, 4).flatmap(
                lambda rows: arrays.arrays(
                    np.float32, (rows, width), elements=st.floats(width=32, allow_infinity=False)
                )
            ),
            min_size=1,
        )
    )
)
def test_sequences_of_several_lengths_round_trip(write, tables):
    path = write(frames=np.concatenate(tables), lengths=[len(table) for table in tables])
    assert read_npz(path).sequences == tuple(Sequence(frames=table) for table in tables)
