"""Reader of vectors: numbers come back as they were, and every file that could mislead is refused."""

import csv
import io
import json
import re
from itertools import count

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save, save_file
from test_readers import write

from cubelib.data.readers import SkippedRows, read_vectors
from cubelib.errors import DataError

GOOD = np.ones((3, 4), dtype=np.float32)
THOUSAND = torch.randn(1000, 7, generator=torch.Generator().manual_seed(0))


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def pickled(content) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def header_of(shape) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int64"])
@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray])
def test_arrays_of_any_real_type_come_back_as_float32(tmp_path, dtype, order):
    values = order(np.arange(1, 13).reshape(3, 4).astype(dtype))
    np.save(tmp_path / "v.npy", values)
    np.savez(tmp_path / "stored.npz", v=values)
    np.savez_compressed(tmp_path / "packed.npz", v=values, w=-values.astype(float))
    for path, key in [("v.npy", None), ("stored.npz", None), ("stored.npz", "v"), ("packed.npz", "v")]:
        vectors = read_vectors(tmp_path / path, key)
        assert vectors.dtype == torch.float32
        assert vectors.tolist() == values.tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32])
def test_tensors_of_any_real_type_come_back_as_float32(tmp_path, dtype):
    values = torch.arange(1, 13).reshape(3, 4).to(dtype)
    save_file({"a": values, "b": -values}, tmp_path / "v.safetensors")
    vectors = read_vectors(tmp_path / "v.safetensors", "b")
    (tmp_path / "v.safetensors").write_bytes(b"")
    assert vectors.dtype == torch.float32
    assert vectors.equal(-values.float())


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_a_thousand_vectors_come_back_from_tables(tmp_path, name):
    rows = [{"id": f"{i}", "embedding": row} for i, row in enumerate(THOUSAND.tolist())]
    path = tmp_path / name
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=300)
    elif name.endswith("json"):
        path.write_text(json.dumps({"object": "list", "data": rows}))
    elif name.endswith("jsonl"):
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if name.endswith("tsv") else ",")
            writer.writerows([["id", "embedding"], *([row["id"], json.dumps(row["embedding"])] for row in rows)])
    assert read_vectors(path).equal(THOUSAND)
    assert read_vectors([path, path], "embedding").equal(torch.cat([THOUSAND, THOUSAND]))


def test_other_columns_and_no_columns(tmp_path):
    assert read_vectors(write(tmp_path, "a.jsonl", '{"v": [1, 2]}\n{"v": [3, 4.5]}'), "v").tolist() == [
        [1, 2],
        [3, 4.5],
    ]
    assert read_vectors(write(tmp_path, "a.json", "[[1, 2], [3, 4.5]]")).tolist() == [[1, 2], [3, 4.5]]


TRUTH = npy(GOOD)
TWO = npz(titles=GOOD, bodies=GOOD)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.npy", npy(np.ones(4)), ": found an array of float64, shape (4,); expected real numbers, shape (n, dim). O"),
        ("v.npy", npy(np.ones((4, 1, 2))), ": found an array of float64, shape (4, 1, 2); expected real numbers, shap"),
        ("v.npy", npy(GOOD.astype(bool)), ": found an array of bool"),
        ("v.npy", npy(np.array([[None] * 4])), ": an array of Python objects, such as a list of vectors with holes"),
        ("v.npy", npy(np.array([[1.0] * 4, [1e300] * 4])), ": 1 of 2 vectors hold NaN or infinite numbers, the first"),
        ("v.npy", header_of((10**12, 10**6)), ": not a complete .npy file of numbers ("),
        ("v.npy", b"1.0, 2.0", ": not a complete .npy file of numbers ("),
        ("v.npy", b"", ": the file is empty (0 bytes)."),
        *(("v.npy", TRUTH[:length], ": not a complete .npy file of numbers") for length in (5, 60, 128, 175)),
        ("v.npz", TWO, ": which array holds the vectors? Found: titles, bodies. Name one with key="),
        ("v.npz", TRUTH, ": not a complete .npz file of numbers (not a zip archive)."),
        ("v.npz", npz(v=np.array([[None]])), ": an array of Python objects, such as a list"),
        ("v.npz", npz(v=np.zeros((3_000, 3_000))), ": v.npy unpacks from "),
        ("v.safetensors", save({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}), ": which tensor holds the vectors? Fo"),
        ("v.safetensors", save({"a": torch.ones(2)}), ": found an array of torch.float32, shape (2,); expected real"),
        ("v.safetensors", save({"a": torch.ones(2, 2, dtype=torch.bool)}), ": found an array of torch.bool"),
        ("v.safetensors", save({"a": torch.ones(2, 2)})[:-1], ": not a complete .safetensors file ("),
        ("v.pkl", b"0", ": a pickle runs code when it is opened, so it is not read here. If you trust it, save "),
        ("v.h5", b"0", ": such files need a package of their own. List what it holds, and save the vectors: import h5"),
        ("v.docx", b"0", ": vectors come from .npy, .npz, .safetensors, .pt, .pth, .csv, .tsv, .json, .jsonl, .ndjson"),
        ("v.pt", pickled([GOOD]), ": not a file of tensors alone ("),
        ("v.pt", pickled(5), ": found int, expected a tensor (n, dim)."),
        ("v.csv", "text,embedding\na,[0.1 ... 0.2]\n", ", line 2: the column 'embedding' holds numbers that were cut "),
        ("v.csv", "a_vec,b_vec\n1 2,3 4\n", ": it is not clear which column holds the vectors. Found: a_vec, b_vec. N"),
        ("v.jsonl", '{"embedding": [1, 2]}\n{"embedding": [1, 2, 3]}', ", line 2: 3 numbers where the vectors above h"),
        ("v.jsonl", '{"embedding": [1, "2"]}', ", line 1: the column 'embedding' holds a list with text in it. Expect"),
        ("v.jsonl", '{"embedding": null}', ", line 1: the column 'embedding' holds null."),
        ("v.jsonl", '{"embedding": [1, 1' + "0" * 400 + "]}", ", line 1: the column 'embedding' holds a number too la"),
        ("v.jsonl", "[1, 2]\n\n[0, 0]", ", line 3: a vector that cannot be used (NaN, infinite, all zeros"),
        ("v.csv", "embedding\n0.1 x\n", ", line 2: the column 'embedding' holds text that is no list."),
        ("v.json", "[]", ": the file holds no vectors. Put a vector in each row."),
    ],
    ids=count(),
)  # fmt: skip
def test_bad_vectors_are_named(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
        read_vectors(path)


def test_keys_that_are_not_there_are_named(tmp_path):
    for name, content, message in [
        ("v.npz", TWO, ": there is no array 'title'. Found: titles, bodies."),
        ("v.safetensors", save({"a": torch.ones(2, 2)}), ": there is no tensor 'title'. Found: a."),
        ("v.npy", TRUTH, ": a .npy file holds one array without a name. Leave out key='title'."),
    ]:
        path = write(tmp_path, name, content)
        with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
            read_vectors(path, "title")


def test_arrays_damaged_inside_an_archive_are_named(tmp_path):
    content = bytearray(npz(v=THOUSAND.numpy()))
    content[len(content) // 2] ^= 255
    with pytest.raises(DataError, match=r"v\.npz: not a complete \.npz file"):
        read_vectors(write(tmp_path, "v.npz", bytes(content)))


def test_several_arrays_are_not_joined(tmp_path):
    files = [write(tmp_path, name, TRUTH) for name in ("v.npy", "w.npy")]
    with pytest.raises(DataError, match=re.escape("v.npy and 1 more: several arrays are not joined.")):
        read_vectors(files)


BAD = [[1, 2], [0, 0], [3, float("nan")], [4, 5], [1e300, 0], [1e-9, 0], [6, 7]]


@pytest.mark.parametrize("name", ["v.npy", "v.jsonl"])
def test_vectors_without_a_direction_can_be_left_out(tmp_path, name):
    many = [[1, 1]] * 2000  # the bad ones lie in the second block
    rows = many + BAD
    path = write(tmp_path, name, npy(np.array(rows)) if name == "v.npy" else "\n".join(map(json.dumps, rows)))
    with pytest.warns(SkippedRows) as warned:
        vectors = read_vectors(path, bad_rows="skip")
    assert vectors.tolist() == [*many, [1, 2], [4, 5], [6, 7]]
    message = warned[0].message
    assert warned[0].filename == __file__
    assert (message.count, message.total) == (4, 2007)
    places = [f"line {i}" for i in (2002, 2003, 2005, 2006)]
    if name == "v.npy":
        places = [f"vector {i} (counted from 0)" for i in (2001, 2002, 2004, 2005)]
    assert list(message.reasons.values()) == [places]


def test_other_bad_rows_can_be_left_out_too(tmp_path):
    rows = ['{"embedding": [1, 2]}', '{"embedding": [1]}', '{"embedding": "x"}', '{"v": 1}', "[0, 0]", "[3, 4]"]
    with pytest.warns(SkippedRows) as warned:
        vectors = read_vectors(write(tmp_path, "v.jsonl", "\n".join(rows)), bad_rows="skip")
    assert vectors.tolist() == [[1, 2], [3, 4]]
    assert (warned[0].message.count, warned[0].message.total) == (4, 6)
