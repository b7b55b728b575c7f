"""A VectorFile gives what a tensor gives, holds nothing in memory, and refuses what it cannot read."""

import io
import os
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from cubelib.data.vectors import BLOCK, ConcatSubset, VectorFile, blocks, check_vectors, first_equals, take
from cubelib.errors import DataError

HALF = torch.zeros(3, 2, dtype=torch.float16)


def numbers(count: int, dim: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)) + 3


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> VectorFile:
    path = tmp_path_factory.mktemp("vectors") / "v.npy"
    np.save(path, numbers(50).astype(np.float32))
    return VectorFile(path)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4", "fortran", "bfloat16", "half", "double"])
def test_a_file_of_any_float_gives_float32_rows(tmp_path, kind):
    array = numbers(2500)
    if kind in ("bfloat16", "half", "double"):
        tensor = torch.from_numpy(array).to(getattr(torch, kind))
        save_file({"other": torch.zeros(3), "v": tensor}, tmp_path / "v.safetensors")
        vectors, expected = VectorFile(tmp_path / "v.safetensors", "v"), tensor.float()
    else:
        array = np.asfortranarray(array) if kind == "fortran" else array.astype(kind)
        np.save(tmp_path / "v.npy", array)
        vectors, expected = VectorFile(tmp_path / "v.npy"), torch.from_numpy(array.astype(np.float32))
    assert (len(vectors), vectors.shape, vectors.ndim, vectors.dtype) == (2500, (2500, 5), 2, torch.float32)
    assert torch.equal(vectors[:], expected)
    assert [len(block) for block in blocks(vectors)] == [BLOCK, BLOCK, 2500 - 2 * BLOCK]
    assert torch.equal(torch.cat(list(blocks(vectors, 7))), expected)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.one_of(
        st.lists(st.integers(-50, 49), max_size=60),
        st.slices(50),
        st.integers(-50, 49),
        st.lists(st.booleans(), min_size=50, max_size=50).map(torch.tensor),
    )
)
@example(rows=[3, 3, 4, 5, 5, 4])
def test_rows_are_what_a_tensor_would_give(file, rows):
    whole = numbers(50).astype(np.float32)
    plain = whole[rows if isinstance(rows, (int, slice)) else np.asarray(rows, None if len(rows) else int)]
    assert np.array_equal(file[rows].numpy(), plain)
    if not isinstance(rows, int):
        view = file.take(rows)
        assert np.array_equal(view[:].numpy(), plain) and len(view) == len(plain)
        again = view.take(slice(None, None, -2))
        assert np.array_equal(torch.cat([torch.empty(0, 5), *blocks(again, 3)]).numpy(), plain[::-2])
        assert torch.equal(take(file, rows)[:], view[:])


def test_rows_that_are_not_there_are_an_error(file):
    for rows in ([50], [-51], 50, torch.tensor([99])):
        with pytest.raises(IndexError):
            file[rows]


def test_views_and_pickles_hold_no_vectors_and_reads_are_copies(file, monkeypatch):
    file[3:5].zero_()
    copy = pickle.loads(pickle.dumps(file.take([4, 2])))  # noqa: S301 – made on the line itself
    assert torch.equal(copy[:], torch.from_numpy(numbers(50).astype(np.float32))[[4, 2]])
    monkeypatch.setattr(VectorFile, "_read", lambda *_: pytest.fail("read"))
    assert len(file.take(torch.arange(9)).take([3])) == 1


def test_a_subset_of_several_sets_is_read_in_order(file):
    parts = [torch.eye(5), file, 2 * torch.eye(5)]
    whole = torch.cat([parts[0], file[:], parts[2]])
    rows = np.array([59, 0, 7, 7, 56, 4])
    assert torch.equal(ConcatSubset(parts, rows)[:], whole[rows])
    assert torch.equal(ConcatSubset(parts, rows).take([4, 0])[:], whole[rows[[4, 0]]])


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.npy", npy(np.zeros((4, 3)))[:-1], "not a complete .npy array of numbers"),
        ("v.npy", b"", "not a complete .npy array"),
        ("v.npy", npy(np.array([["a", None]], object)), "Python objects"),
        ("v.npy", npy(np.zeros((4, 3), int)), "found an array of int64, shape (4, 3); expected one of float16,"),
        ("v.npy", npy(np.zeros(4)), "found an array of float64, shape (4,); expected"),
        ("v.csv", b"1,2", "vectors come from .npy or .safetensors files"),
        ("v.safetensors", save({"a": HALF, "b": HALF + 1}), 'which tensor holds the vectors? Found: a, b. Name one'),
        ("v.safetensors", save({"a": torch.zeros(3)}), "found an array of float32, shape (3,)"),
        ("v.safetensors", save({"a": torch.zeros(3, 2, dtype=torch.int8)}), "found an array of int8, shape (3, 2)"),
        ("v.safetensors", save({"a": HALF})[:-1], "not a complete .safetensors file"),
        ("v.safetensors", save({"a": HALF}).replace(b"[3,2]", b"[4,2]"), "not a complete .safetensors file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as error:
        VectorFile(path)
    assert str(path) in str(error.value)


def test_a_file_or_key_must_be_there(tmp_path):
    with pytest.raises(DataError, match=r"No such file or directory\. Give the path of a readable file"):
        VectorFile(tmp_path / "none.npy")
    save_file({"a": HALF, "b": HALF + 1}, tmp_path / "v.safetensors")
    with pytest.raises(DataError, match=re.escape("there is no tensor 'c'. Found: a, b.")):
        VectorFile(tmp_path / "v.safetensors", "c")
    np.save(tmp_path / "v.npy", np.zeros((4, 3)))
    with pytest.raises(DataError, match=re.escape("Leave out key='a'")):
        VectorFile(tmp_path / "v.npy", "a")


@pytest.mark.parametrize("change", ["shorter", "written", "removed"])
def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path, change):
    path = tmp_path / "v.npy"
    np.save(path, numbers(50))
    file, before = VectorFile(path), path.stat()
    view = file.take([3, 4])
    if change == "removed":
        path.unlink()
    elif change == "written":
        np.save(path, numbers(50, seed=1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    else:
        path.write_bytes(path.read_bytes()[:-1])
    for read in (lambda: file[0], lambda: view[:], lambda: check_vectors(file, "x")):
        with pytest.raises(DataError, match="No such file" if change == "removed" else "has changed since"):
            read()


def spoilt(**rows: list[int]) -> np.ndarray:
    array = np.ones((3000, 3))
    for name, which in rows.items():
        array[which] = {"nan": np.nan, "infinite": np.inf, "zero": 0, "small": 1e-9, "large": 1e9}[name]
    return array


@pytest.mark.parametrize("kind", ["tensor", "file"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            spoilt(nan=[1500, 2999], infinite=[2100]),
            "3 of 3,000 vectors hold NaN or infinite numbers, the first is num",
        ),
        (spoilt(zero=[2047, 2048], small=[0]), "2 of 3,000 vectors hold nothing but zeros, the first is number 2047 "),
        (spoilt(small=[1024], large=[2500]), "2 of 3,000 vectors hold numbers too small or too large to work with"),
        (np.full((2, 2), 1e300), "2 of 2 vectors hold NaN or infinite numbers, the first is number 0"),
        (np.ones((0, 3)), "An example: vectors must be (n, dim) with n at least 1; got shape (0, 3)."),
    ],
)
def test_vectors_without_a_direction_are_counted_and_the_first_is_named(tmp_path, kind, array, message):
    np.save(tmp_path / "v.npy", array)
    vectors = torch.from_numpy(array) if kind == "tensor" else VectorFile(tmp_path / "v.npy")
    with pytest.raises(DataError, match=re.escape(message)):
        check_vectors(vectors, "An example")


def test_good_vectors_come_back_as_they_are(file):
    tensor = torch.ones(2, 3)
    assert check_vectors(tensor, "x") is tensor and check_vectors(file, "x") is file
    assert check_vectors(torch.ones(2, 3, dtype=torch.float64), "x").dtype == torch.float32


def test_equal_vectors_are_found_across_parts():
    vectors = torch.ones(5000, 3)
    vectors[::2, 1] = -0.0
    vectors[1::2, 1] = 0.0
    assert first_equals([vectors, 2 * vectors[:5]]).tolist() == [0] * 5000 + [5000] * 5
    assert first_equals([torch.tensor([[1.0, 2, 1], [3, 4, 3]]).T]).tolist() == [0, 1, 0]
