"""The user's cache and the bundled embeddings: what goes in comes out, and no damaged file is used or changed."""

import itertools
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cubelib.encoders.bundled import BUNDLED_FILE, bundled_vectors, write_bundled
from cubelib.encoders.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.errors import DataError, UserError


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def unit_vectors(count: int, dim: int = 24, seed: int = 0) -> dict[bytes, np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {key(number): row for number, row in enumerate(rows)}


def test_fields_of_a_key_cannot_run_into_each_other():
    triples = set(itertools.product(["abc|", "abc", "ab", "c", "", "\0", "|", "bc|"], repeat=3))
    assert len({embedding_key(*triple) for triple in triples}) == len(triples)


def test_the_folder_is_the_argument_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "from variable"))
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    assert cache_folder() == tmp_path / "from variable"
    monkeypatch.delenv("CUBELIB_CACHE")
    assert "cubelib" in cache_folder().parts[-1].lower()


def test_vectors_come_back_bit_by_bit_after_reopening(tmp_path):
    vectors = unit_vectors(2_500)  # more than one query can ask for
    with EmbeddingCache(tmp_path) as cache:
        cache.put(vectors)
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.sqlite3"]
    with EmbeddingCache(tmp_path) as cache:
        assert cache.known([*vectors, key(9_999)]) == set(vectors)
        stored = cache.get([*vectors, key(9_999)])
        assert repr(cache).startswith("EmbeddingCache(2,500 vectors, 0.")
    assert stored.keys() == vectors.keys()
    assert all(stored[k].tobytes() == vectors[k].tobytes() for k in vectors)


def test_a_key_keeps_its_first_vector_and_put_returns_it(tmp_path):
    first, second = unit_vectors(5, seed=1), unit_vectors(8, seed=2)
    with EmbeddingCache(tmp_path) as cache:
        assert cache.put({}) == {}
        cache.put(first)
        stored = cache.put(second)
    assert list(stored) == list(second)
    assert all((stored[k] == first.get(k, second[k])).all() for k in second)


def test_clearing_gives_the_disk_back_while_another_has_the_file_open(tmp_path):
    vectors = unit_vectors(1_000, dim=384)
    with EmbeddingCache(tmp_path) as other:
        other.put(vectors)
        with EmbeddingCache(tmp_path) as cache:
            assert cache.clear() == 1_000
        assert (tmp_path / "embeddings.sqlite3").stat().st_size <= 200_000
        assert (len(other), len(other.put(vectors))) == (0, 1_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The file of a cache of 200 vectors."""
    folder = tmp_path_factory.mktemp("whole")
    with EmbeddingCache(folder) as cache:
        cache.put(unit_vectors(200, dim=384))
    return (folder / "embeddings.sqlite3").read_bytes()


DAMAGES = {
    "text": lambda whole: b"this was never a cache\n" * 100,
    "cut in the header": lambda whole: whole[:50],
    "cut in the middle": lambda whole: whole[: len(whole) // 2],
    "cut before the last page": lambda whole: whole[:-32768],
    "no schema": lambda whole: whole[:100] + bytes(32768 - 100) + whole[32768:],
    "zeros": lambda whole: whole[:98304] + bytes(98304) + whole[2 * 98304 :],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_and_left_in_place(tmp_path, whole, damage):
    path = tmp_path / "embeddings.sqlite3"
    broken = damage(whole)
    path.write_bytes(broken)
    with pytest.raises(DataError, match="is damaged or not a cache") as caught, EmbeddingCache(tmp_path) as cache:
        cache.get(list(unit_vectors(200)))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == broken


def test_a_single_changed_bit_never_gives_another_vector(tmp_path, whole):
    """In a vector it is refused. Elsewhere at most a vector is not found, and its text is encoded again."""
    vectors = unit_vectors(200, dim=384)
    path = tmp_path / "embeddings.sqlite3"
    chooser = random.Random(0)
    inside = [whole.index(vectors[key(number)].tobytes()) + chooser.randrange(1536) for number in range(100)]
    for position in inside + [chooser.randrange(len(whole)) for _ in range(200)]:
        broken = bytearray(whole)
        broken[position] ^= 1 << chooser.randrange(8)
        path.write_bytes(broken)
        try:
            with EmbeddingCache(tmp_path) as cache:
                stored = cache.get(list(vectors))
        except DataError:
            assert path.read_bytes() == broken
        else:
            assert position not in inside
            assert all(vector.tobytes() == vectors[k].tobytes() for k, vector in stored.items())


@pytest.mark.parametrize(("version", "table"), [(3, "embeddings (key, vector, checksum)"), (0, "other (id)")])
def test_a_file_of_another_format_is_refused_and_left(tmp_path, version, table):
    path = tmp_path / "embeddings.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"it has format {version}, this cubelib reads format 2"):
        EmbeddingCache(tmp_path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot open .*file.*CUBELIB_CACHE"):
        EmbeddingCache(tmp_path / "file" / "cache")


WRITER = """
import sys
from cubelib.encoders.cache import EmbeddingCache
from test_cache import ten
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    with EmbeddingCache(sys.argv[1]) as cache:  # opened anew each time, so that opening races too
        cache.put(ten(number))
    print(number, flush=True)
"""


def ten(number: int) -> dict[bytes, np.ndarray]:
    """Ten vectors, the same for the same number."""
    return {key(10 * number + place): row for place, row in enumerate(unit_vectors(10, 384, number).values())}


def writer(folder: Path, first: int, end: int) -> subprocess.Popen:
    """A process that stores ten vectors for each number, and prints it then."""
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", WRITER, folder, str(first), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def stored_numbers(folder: Path, numbers: range) -> set[int]:
    """The numbers whose ten vectors are there, as they were stored; of no other number there is one."""
    with EmbeddingCache(folder) as cache:
        there = set()
        for number in numbers:
            stored = cache.get(list(ten(number)))
            assert len(stored) in (0, 10), "a part of what was stored at once"
            assert all((stored[k] == vector).all() for k, vector in ten(number).items() if k in stored)
            if stored:
                there.add(number)
        assert len(cache) == 10 * len(there)
    connection = sqlite3.connect(folder / "embeddings.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return there


def test_what_was_stored_survives_a_kill(tmp_path):
    promised = set()
    for first in (0, 1_000, 2_000):
        process = writer(tmp_path, first, first + 1_000)
        promised |= {int(process.stdout.readline()) for _ in range(10)}
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        promised |= {int(line) for line in process.communicate()[0].split()}
    assert stored_numbers(tmp_path, range(3_000)) >= promised


def test_three_processes_that_write_at_once_leave_one_valid_cache(tmp_path):
    processes = [writer(tmp_path, first, first + 60) for first in (0, 20, 40)]
    assert [len(process.communicate()[0].split()) for process in processes] == [60, 60, 60]
    assert stored_numbers(tmp_path, range(200)) == set(range(100))


@pytest.mark.skipif(os.name != "posix", reason="needs limits")
def test_a_full_disk_is_named_and_harms_nothing(tmp_path):
    """The largest file that this process may write stands for the disk."""
    import resource

    with EmbeddingCache(tmp_path) as cache:
        cache.put(ten(0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
        with pytest.raises(UserError, match="cannot write"), EmbeddingCache(tmp_path) as cache:
            cache.put(unit_vectors(900, 384))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert stored_numbers(tmp_path, range(90)) == {0}


def test_bundled_vectors_come_back_as_unit_vectors_and_make_the_same_file(tmp_path):
    vectors = unit_vectors(50, dim=768)
    write_bundled(tmp_path / "one", vectors, sha256="aa", tag="mean")
    write_bundled(tmp_path / "two", dict(reversed(vectors.items())), sha256="aa", tag="mean")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    stored = bundled_vectors(tmp_path / "one")
    assert stored.keys() == vectors.keys()
    for k, vector in stored.items():
        assert vector.dtype == np.float32
        assert abs(np.linalg.norm(vector) - 1) < 1e-6
        assert vector @ vectors[k] > 0.9999
        assert not vector.flags.writeable


def other_format(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, facts=np.array('{"format": 7}'))


def flipped_bit(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1  # in the numbers
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (Path.unlink, "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:1_000]), "not a zip file"),
        (other_format, "it has format 7, this cubelib reads 2"),
        (flipped_bit, "CRC"),
    ],
)
def test_a_damaged_bundled_file_is_named_with_the_remedy(tmp_path, damage, problem):
    path = tmp_path / "bundled"
    write_bundled(path, unit_vectors(50), sha256="aa", tag="mean")
    damage(path)
    with pytest.raises(DataError, match=f"bundled is missing or damaged .*{problem}.*build_bundled_embeddings"):
        bundled_vectors(path)


def test_the_packages_file_is_small_and_holds_no_text():
    assert BUNDLED_FILE.stat().st_size <= 16_000_000
    with np.load(BUNDLED_FILE, allow_pickle=False) as file:
        assert sorted(file) == ["facts", "keys", "numbers", "offset", "scale"]
        keys, numbers = file["keys"], file["numbers"]
    assert (keys.dtype, numbers.dtype, numbers.shape) == (np.uint8, np.uint8, (len(keys), 768))
