"""The two caches: what goes in comes out, and no file is used or changed that is not whole."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from cubelib.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.errors import DataError, UserError
from cubelib.warm import WARM_CACHE, warm_vectors, write_warm_cache


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def unit_vectors(count: int, dim: int = 24, seed: int = 0) -> dict[bytes, np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {key(number): row for number, row in enumerate(rows)}


fields = st.tuples(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))


@given(fields, fields)
def test_keys_differ_where_any_field_differs(one, other):
    assert (embedding_key(*one) == embedding_key(*other)) == (one == other)


def test_fields_of_a_key_cannot_run_into_each_other():
    letters = ["abc|", "abc", "ab", "c", "", "\0", "|", "bc|"]
    triples = {(a, b, c) for a in letters for b in letters for c in letters}
    assert len({embedding_key(*triple) for triple in triples}) == len(triples)


def test_vectors_come_back_bit_by_bit_after_reopening(tmp_path):
    vectors = unit_vectors(2_500)  # more than one query can ask for
    with EmbeddingCache(tmp_path) as cache:
        cache.put_many(vectors)
    with EmbeddingCache(tmp_path) as cache:
        found = cache.get_many([*vectors, key(9_999)])
        assert (len(cache), cache.hits, cache.misses) == (2_500, 2_500, 1)
    assert found.keys() == vectors.keys()
    assert all(found[k].tobytes() == vectors[k].tobytes() for k in vectors)


def test_closing_leaves_one_file(tmp_path):
    with EmbeddingCache(tmp_path) as cache:
        cache.put_many(unit_vectors(3))
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.sqlite3"]


def test_a_key_keeps_its_first_vector(tmp_path):
    first, second = unit_vectors(5, seed=1), unit_vectors(5, seed=2)
    with EmbeddingCache(tmp_path) as cache:
        cache.put_many(first)
        cache.put_many(second)
        assert all((vector == first[k]).all() for k, vector in cache.get_many(list(first)).items())


@pytest.mark.parametrize(
    ("bad_key", "bad_vector"),
    [
        (b"short", np.array([1, 0], np.float32)),
        (key(1), np.array([1, 0], np.float64)),
        (key(1), np.array([1, 1], np.float32)),
        (key(1), np.array([np.nan, 1], np.float32)),
        (key(1), np.array([[1, 0]], np.float32)),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_stored(tmp_path, bad_key, bad_vector):
    with EmbeddingCache(tmp_path) as cache:
        with pytest.raises(DataError, match="cannot store a vector of shape"):
            cache.put_many({**unit_vectors(1), bad_key: bad_vector})
        assert len(cache) == 0


def _whole_file(folder: Path) -> bytes:
    with EmbeddingCache(folder) as cache:
        cache.put_many(unit_vectors(200))
    return (folder / "embeddings.sqlite3").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"this was never a cache\n" * 100,
        lambda whole: whole[:50],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-4096],
        lambda whole: whole[:4096] + bytes(4096) + whole[8192:],
    ],
    ids=["text", "cut in the header", "cut in the middle", "cut at the last page", "zeros in the second page"],
)
def test_a_damaged_file_is_named_and_left_in_place(tmp_path, damage):
    path = tmp_path / "embeddings.sqlite3"
    broken = damage(_whole_file(tmp_path))
    path.write_bytes(broken)
    with pytest.raises(DataError, match="is damaged or not a cache") as caught, EmbeddingCache(tmp_path) as cache:
        cache.get_many(list(unit_vectors(200)))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == broken


def test_a_vector_that_changed_on_disk_is_not_used(tmp_path):
    with EmbeddingCache(tmp_path) as cache:
        cache.put_many(unit_vectors(3))
    with sqlite3.connect(tmp_path / "embeddings.sqlite3") as connection:
        connection.execute("UPDATE embeddings SET vector = zeroblob(96) WHERE key = ?", (key(1),))
    connection.close()
    with EmbeddingCache(tmp_path) as cache:
        assert cache.get_many([key(0)])
        with pytest.raises(DataError, match=f"{key(1).hex()} is not of unit length"):
            cache.get_many([key(0), key(1)])


@pytest.mark.parametrize(("version", "table"), [(2, "embeddings"), (0, "somebody_elses")])
def test_a_file_of_another_format_is_refused_and_left(tmp_path, version, table):
    path = tmp_path / "embeddings.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (id)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"it has format {version}, this cubelib reads format 1"):
        EmbeddingCache(tmp_path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot open .*file.*CUBELIB_CACHE"):
        EmbeddingCache(tmp_path / "file" / "cache")


WRITER = """
import sys, time
import numpy as np
from cubelib.cache import EmbeddingCache
folder, me, start = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
time.sleep(max(0, start - time.time()))
for number in range(40):  # opened anew each time, so that opening races too
    vector = np.eye(3, dtype=np.float32)[me]
    with EmbeddingCache(folder) as cache:
        cache.put_many({number.to_bytes(16, "big"): vector, (1000 * me + number).to_bytes(16, "big"): vector})
"""


def test_processes_that_write_at_once_leave_one_valid_cache(tmp_path):
    start = str(time.time() + 1.5)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(me), start], stderr=subprocess.PIPE, text=True)
        for me in (1, 2)
    ]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0), ("", 0)]
    with EmbeddingCache(tmp_path) as cache:
        assert len(cache) == 120
        own = [cache.get_many([key(1000 * me + number) for number in range(40)]) for me in (1, 2)]
        shared = cache.get_many([key(number) for number in range(40)])
    assert [{vector.argmax() for vector in vectors.values()} for vectors in own] == [{1}, {2}]
    assert {vector.argmax() for vector in shared.values()} <= {1, 2}
    connection = sqlite3.connect(tmp_path / "embeddings.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_the_folder_is_the_argument_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "from variable"))
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    assert cache_folder() == tmp_path / "from variable"
    monkeypatch.delenv("CUBELIB_CACHE")
    assert "cubelib" in cache_folder().parts[-1].lower()


def test_warm_vectors_come_back_as_unit_vectors(tmp_path):
    vectors = unit_vectors(50, dim=768)
    write_warm_cache(tmp_path / "warm", vectors, sha256="aa", tag="mean")
    found = warm_vectors(tmp_path / "warm")
    assert found.keys() == vectors.keys()
    for k, vector in found.items():
        assert vector.dtype == np.float32
        assert abs(np.linalg.norm(vector) - 1) < 1e-6
        np.testing.assert_allclose(vector, vectors[k], atol=1e-4)
        assert not vector.flags.writeable


def test_the_same_vectors_give_the_same_warm_file(tmp_path):
    vectors = unit_vectors(20)
    write_warm_cache(tmp_path / "one", vectors, sha256="aa", tag="mean")
    write_warm_cache(tmp_path / "two", dict(reversed(vectors.items())), sha256="aa", tag="mean")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


@pytest.mark.parametrize("kept", [0, 5, 100, 1_000, -1])
def test_a_warm_file_cut_short_is_named(tmp_path, kept):
    path = tmp_path / "warm"
    write_warm_cache(path, unit_vectors(50), sha256="aa", tag="mean")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"damaged or cut short.*build_warm_cache") as caught:
        warm_vectors(path)
    assert str(path) in str(caught.value)


def test_a_warm_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "warm"
    write_warm_cache(path, unit_vectors(2), sha256="aa", tag="mean")
    path.write_bytes(path.read_bytes().replace(rb"\"format\": 1", rb"\"format\": 7"))
    with pytest.raises(DataError, match="has format 7, this cubelib reads 1"):
        warm_vectors(path)


def test_a_missing_warm_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"warm is missing"):
        warm_vectors(tmp_path / "warm")


def test_the_packages_warm_file_is_small_and_holds_no_text():
    assert WARM_CACHE.stat().st_size <= 16_000_000
    with safe_open(WARM_CACHE, framework="numpy") as file:
        assert sorted(file.keys()) == ["keys", "vectors"]
        keys, vectors = file.get_tensor("keys"), file.get_tensor("vectors")
    assert (keys.dtype, vectors.dtype, vectors.shape) == (np.uint8, np.float16, (len(keys), 768))
    rows = [row.tobytes() for row in keys]
    assert rows == sorted(set(rows))
