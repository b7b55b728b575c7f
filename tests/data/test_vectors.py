"""A VectorFile gives what a tensor gives, holds nothing in memory, and refuses what it cannot read."""

import os
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cubelib.data.vectors import BLOCK, VectorFile, blocks, check_vectors, take
from cubelib.errors import DataError

KINDS = ("float16", "float32", "float64", ">f4", ">f8")


def numbers(count: int, dim: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)) + 3


def write(path, array: np.ndarray) -> VectorFile:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        save_file({"other": torch.zeros(3), "v": torch.from_numpy(array)}, path)
    return VectorFile(path, None if path.suffix == ".npy" else "v")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> VectorFile:
    return write(tmp_path_factory.mktemp("vectors") / "v.npy", numbers(50).astype(np.float32))


@pytest.mark.parametrize("ending", [".npy", ".safetensors"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_float_gives_float32_rows(tmp_path, ending, kind):
    if ending == ".safetensors" and kind.startswith(">"):
        kind = kind[1:]
    array = numbers(2500).astype(kind)
    found = write(tmp_path / f"v{ending}", array)
    expected = torch.from_numpy(array.astype(np.float32))
    assert (len(found), found.shape, found.ndim, found.dtype) == (2500, (2500, 5), 2, torch.float32)
    assert torch.equal(found[:], expected) and found[:].dtype == torch.float32
    assert [len(block) for block in blocks(found)] == [BLOCK, BLOCK, 2500 - 2 * BLOCK]
    assert torch.equal(torch.cat(list(blocks(found, 7))), expected)
    assert f"5 numbers, {np.dtype(kind)})" in repr(found) and "2,500 vectors" in repr(found)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.one_of(
        st.lists(st.integers(-50, 49), max_size=60),
        st.slices(50),
        st.integers(-50, 49),
        st.lists(st.booleans(), min_size=50, max_size=50).map(torch.tensor),
    )
)
@example(rows=[3, 3, 4, 5, 5, 4])
@example(rows=[7, 7, 7])
def test_rows_are_what_a_tensor_would_give(file, rows):
    whole = torch.from_numpy(numbers(50).astype(np.float32))
    plain = whole.numpy()[rows if isinstance(rows, (int, slice)) else np.asarray(rows, None if len(rows) else int)]
    given_rows = torch.tensor(rows) if isinstance(rows, list) and len(rows) % 2 else rows
    assert np.array_equal(file[given_rows].numpy(), plain)
    if not isinstance(rows, int):
        view = file.take(given_rows)
        assert np.array_equal(view[:].numpy(), plain) and len(view) == len(plain)
        again = view.take(slice(None, None, -2))
        assert np.array_equal(torch.cat([torch.empty(0, 5), *blocks(again, 3)]).numpy(), plain[::-2])
        assert torch.equal(take(file, rows)[:], view[:])


def test_rows_that_are_not_there_are_an_error(file):
    for rows in ([50], [-51], 50, torch.tensor([99])):
        with pytest.raises(IndexError):
            file[rows]
        with pytest.raises(IndexError):
            file.take([0, 1])[[2]]


def test_what_is_given_out_is_the_reader_s_own(file):
    first = file[3:5]
    first.zero_()
    assert torch.equal(file[3:5], torch.from_numpy(numbers(50).astype(np.float32))[3:5])


def test_a_view_reads_nothing_and_a_pickle_holds_no_vectors(file, monkeypatch):
    copy = pickle.loads(pickle.dumps(file.take([4, 2])))  # noqa: S301 – made on the line itself
    assert torch.equal(copy[:], file[[4, 2]])
    monkeypatch.setattr(VectorFile, "_read", lambda *_: pytest.fail("read"))
    assert len(file.take(torch.arange(9)).take([3])) == 1


def npy(array: np.ndarray, tail: bytes = b"", cut: int = 0):
    def make(folder):
        np.save(folder / "v.npy", array)
        data = (folder / "v.npy").read_bytes()
        (folder / "v.npy").write_bytes(data[: len(data) - cut] + tail)
        return folder / "v.npy"

    return make


def safe(tensors: dict, cut: int = 0, change=None):
    def make(folder):
        save_file(tensors, folder / "v.safetensors")
        data = (folder / "v.safetensors").read_bytes()
        data = data[: len(data) - cut] if change is None else change(data)
        (folder / "v.safetensors").write_bytes(data)
        return folder / "v.safetensors"

    return make


def plain(name: str, data: bytes):
    def make(folder):
        (folder / name).write_bytes(data)
        return folder / name

    return make


HALF = torch.zeros(3, 2, dtype=torch.float16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (npy(np.zeros((4, 3)), cut=1), "the file has 223 bytes, its header speaks of 224. It was cut short"),
        (npy(np.zeros((4, 3)), tail=b"x"), "the file has 225 bytes, its header speaks of 224. It was cut short"),
        (npy(np.zeros((4, 3)), cut=130), "not a complete .npy array of numbers"),
        (npy(np.zeros((4, 3), int)), "found an array of int64, shape (4, 3); expected float16, float32 or float64"),
        (npy(np.zeros((4, 3), np.longdouble)), "expected float16, float32 or float64"),
        (npy(np.zeros(4)), "found an array of float64, shape (4,); expected"),
        (npy(np.zeros((4, 3, 2))), "shape (4, 3, 2); expected"),
        (npy(np.asfortranarray(np.zeros((4, 3)))), "stored column by column (Fortran order)"),
        (npy(np.array([["a", None]], object)), "found an array of object"),
        (plain("v.npy", b""), "not a complete .npy array"),
        (plain("v.npy", b"PK\3\4 this is no array"), "not a complete .npy array"),
        (plain("v.csv", b"1,2"), "vectors come from .npy or .safetensors files"),
        (lambda folder: folder / "none.npy", "No such file or directory. Give the path of a readable file."),
        (safe({"a": HALF, "b": HALF + 1}), "which tensor holds the vectors? Tensors found: a, b. Name one wit"),
        (safe({"a": torch.zeros(3, 2, dtype=torch.bfloat16)}), "the tensor 'a' is of type BF16; expected F16, F32 or"),
        (safe({"a": torch.zeros(3, dtype=torch.float32)}), "found an array of float32, shape (3,)"),
        (safe({"a": HALF}, cut=1), "It was cut short or added to"),
        (safe({"a": HALF}, change=lambda data: data + b"x"), "It was cut short or added to"),
        (safe({"a": HALF}, change=lambda data: data.replace(b"[3,2]", b"[4,2]")), "contradicts itself about 'a'"),
        (safe({"a": HALF}, change=lambda data: data.replace(b"dtype", b"dtyqe")), "not a complete .safetensors file"),
        (safe({"a": HALF}, change=lambda data: data[:20]), "not a complete .safetensors file"),
        (plain("v.safetensors", b""), "not a complete .safetensors file"),
        (plain("v.safetensors", b"\2\0\0\0\0\0\0\0[]"), "not a complete .safetensors file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, make, message):
    path = make(tmp_path)
    with pytest.raises(DataError, match=re.escape(message)) as error:
        VectorFile(path)
    assert str(path) in str(error.value)


def test_a_key_must_be_there_and_make_sense(tmp_path):
    path = safe({"a": HALF, "b": HALF + 1})(tmp_path)
    assert len(VectorFile(path, "b")) == 3
    with pytest.raises(DataError, match=re.escape("there is no tensor 'c'. Tensors found: a, b.")):
        VectorFile(path, "c")
    with pytest.raises(DataError, match=re.escape("Leave out key='a'")):
        VectorFile(npy(np.zeros((4, 3)))(tmp_path), "a")


@pytest.mark.parametrize("change", ["longer", "shorter", "written", "removed"])
def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path, change):
    path = tmp_path / "v.npy"
    file = write(path, numbers(50))
    view = file.take([3, 4])
    assert file[0].shape == (5,)
    if change == "removed":
        path.unlink()
    elif change == "written":
        before = path.stat()
        write(path, numbers(50, seed=1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert path.stat().st_size == before.st_size
    else:
        before = path.stat()
        data = path.read_bytes()
        path.write_bytes(data + b"x" if change == "longer" else data[:-1])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    message = "No such file" if change == "removed" else "has changed since it was first read"
    for read in (lambda: file[0], lambda: view[:], lambda: list(blocks(file)), lambda: check_vectors(file, "x")):
        with pytest.raises(DataError, match=message):
            read()


def spoilt(count: int, **places: list[int]) -> np.ndarray:
    array = np.ones((count, 3))
    for name, rows in places.items():
        array[rows] = {"nan": np.nan, "infinite": np.inf, "zero": 0, "small": 1e-9, "large": 1e9}[name]
    return array


@pytest.mark.parametrize("kind", ["tensor", "file"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (spoilt(3000, nan=[1500, 2999], infinite=[2100]), "3 of 3,000 vectors hold NaN or infinite numbers, the first"),
        (spoilt(3000, nan=[1500, 2999], zero=[0]), "2 of 3,000 vectors hold NaN or infinite numbers, the first is"),
        (
            spoilt(3000, zero=[2047, 2048], small=[0]),
            "2 of 3,000 vectors hold nothing but zeros, the first is number 2",
        ),
        (
            spoilt(3000, small=[1024], large=[2500, 2999]),
            "3 of 3,000 vectors hold numbers too small or too large to wor",
        ),
        (np.full((2, 2), 1e300), "2 of 2 vectors hold NaN or infinite numbers, the first is number 0 (counted from 0)"),
        (np.ones((0, 3)), "An example: vectors must be (n, dim) with n at least 1; got shape (0, 3)."),
    ],
)
def test_vectors_without_a_direction_are_counted_and_the_first_is_named(tmp_path, kind, array, message):
    vectors = torch.from_numpy(array) if kind == "tensor" else write(tmp_path / "v.npy", array)
    with pytest.raises(DataError, match=re.escape(message)):
        check_vectors(vectors, "An example")


def test_the_first_bad_vector_is_named_exactly():
    with pytest.raises(DataError, match="the first is number 1500 "):
        check_vectors(torch.from_numpy(spoilt(3000, nan=[1500, 2999])), "An example")


def test_good_vectors_come_back_as_they_are(file):
    tensor = torch.ones(2, 3)
    assert check_vectors(tensor, "x") is tensor and check_vectors(file, "x") is file
    assert check_vectors(torch.ones(2, 3, dtype=torch.float64), "x").dtype == torch.float32
