"""The embedding cache: a text that was encoded once is never encoded again.

A vector is filed under what made it: a key is a hash of the model's weights, of how the model pools and normalises, and
of the text. So one cache serves many models, a changed model never meets old vectors, and the text itself is not kept.

This is the user's cache, one SQLite file that grows. The read-only one of the default corpora is in `cubelib.warm`.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs

from cubelib.errors import DataError, UserError

FORMAT = 1
KEY_BYTES = 16

_KEYS_PER_QUERY = 900  # older SQLite libraries take at most 999 values in one statement


def cache_folder(cache_dir: Path | str | None = None) -> Path:
    """Where the caches lie: the argument, else the environment variable CUBELIB_CACHE, else the user's cache folder.

    Example:
        >>> cache_folder("somewhere").name
        'somewhere'
    """
    chosen = cache_dir or os.environ.get("CUBELIB_CACHE") or platformdirs.user_cache_dir("cubelib", appauthor=False)
    return Path(chosen).expanduser()


def embedding_key(sha256: str, tag: str, text: str) -> bytes:
    """The 16 bytes under which the vector of a text is filed.

    Args:
        sha256: SHA-256 of the model's weights.
        tag: how the model turns a text into one vector (tokenizer, pooling, normalisation).
        text: the text, to the letter.

    Example:
        >>> embedding_key("aa", "mean", "Hello").hex()
        'fee02d07428251fbad2f223d5074cfd5'
        >>> embedding_key("a", "amean", "Hello") == embedding_key("aa", "mean", "Hello")
        False
    """
    digest = hashlib.sha256()
    for field in (sha256.encode(), tag.encode(), text.encode()):
        digest.update(len(field).to_bytes(8, "big"))  # with its length before it, no field can run into the next
        digest.update(field)
    return digest.digest()[:KEY_BYTES]


def _is_unit(vector: np.ndarray) -> bool:
    return abs(float(vector @ vector) - 1) < 1e-4  # False for NaN and infinity too


class EmbeddingCache:
    """The user's cache: `embeddings.sqlite3` in the cache folder.

    Several processes may read and write it at once, and a process killed at any moment leaves it whole. A key keeps the
    first vector that was stored under it, so every reader sees the same numbers for ever.

    Args:
        cache_dir: the folder, see `cache_folder`; it is made if it is missing.

    Attributes:
        path: the file.
        hits, misses: keys found and not found since the cache was opened.

    Raises:
        DataError: the file is damaged, or was written by something else; it is left as it is.
        UserError: the file cannot be opened, read or written.

    Example:
        >>> import tempfile
        >>> key, vector = bytes(16), np.array([0.6, 0.8], dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder, EmbeddingCache(folder) as cache:
        ...     cache.put_many({key: vector})
        ...     print(cache.get_many([key])[key], cache)
        [0.6 0.8] EmbeddingCache(1 vectors; since it was opened 1 hits, 0 misses)
    """

    def __init__(self, cache_dir: Path | str | None = None) -> None:
        folder = cache_folder(cache_dir)
        self.path = folder / "embeddings.sqlite3"
        self.hits = self.misses = 0
        self._connection: sqlite3.Connection | None = None
        with self._errors_named("open"):
            folder.mkdir(parents=True, exist_ok=True)
            # isolation_level=None: no transaction starts by itself; the two there are stand written out below.
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._prepare(self._connection)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The stored vectors among the keys: key → read-only unit vector `(dim,)` float32, without the unknown keys."""
        found: dict[bytes, np.ndarray] = {}
        with self._errors_named("read"):
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                some = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(f"SELECT key, vector FROM embeddings WHERE key IN ({marks})", some)
                found.update((key, np.frombuffer(blob, np.float32)) for key, blob in rows)
        for key, vector in found.items():
            if not _is_unit(vector):
                raise self._refusal(f"the vector of key {key.hex()} is not of unit length")
        hits = sum(key in found for key in keys)
        self.hits += hits
        self.misses += len(keys) - hits
        return found

    def put_many(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Store unit vectors `(dim,)` float32, all or none. A key that is there already keeps its first vector.

        Raises:
            DataError: a key is not 16 bytes, or a vector is not float32 or not of unit length; nothing is stored.
        """
        for key, vector in vectors.items():
            if len(key) != KEY_BYTES or vector.dtype != np.float32 or vector.ndim != 1 or not _is_unit(vector):
                raise DataError(
                    f"EmbeddingCache: cannot store a vector of shape {vector.shape}, {vector.dtype}, length "
                    f"{np.linalg.norm(vector):.4f} under a key of {len(key)} bytes. It keeps unit vectors (dim,) "
                    f"float32 under keys of {KEY_BYTES} bytes: make keys with embedding_key, divide by the length."
                )
        rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
        with self._errors_named("write"), self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?)", rows)

    def __len__(self) -> int:
        with self._errors_named("read"):
            return self._connection.execute("SELECT count(*) FROM embeddings").fetchone()[0]

    def __repr__(self) -> str:
        return f"EmbeddingCache({len(self):,} vectors; since it was opened {self.hits:,} hits, {self.misses:,} misses)"

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # One statement, so that a process creating the table just now is seen wholly or not at all.
        version, tables = connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if tables == 0 and version == 0:
            with self._transaction():
                connection.execute("CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise self._refusal(f"it has format {version}, this cubelib reads format {FORMAT}")
        # In WAL mode readers and a writer do not wait for each other. The switch fails while another process is in the
        # file; the old mode is as safe, only slower.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back on an exception
            yield self._connection

    @contextmanager
    def _errors_named(self, doing: str) -> Iterator[None]:
        """Turn SQLite's errors into ones that name the file and say what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a mistake in the calling code, such as use after close(): the file is not to blame
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            raise UserError(
                f"EmbeddingCache: cannot {doing} {self.path} ({error}). Nothing in it was changed. Free the disk or "
                "the file, or choose another folder with cache_dir=... or the environment variable CUBELIB_CACHE."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, reason: str) -> DataError:
        self.close()
        return DataError(
            f"EmbeddingCache: {self.path} is damaged or not a cache of this cubelib: {reason}. It was left as it is. "
            "Move it away to start afresh, or choose another folder with cache_dir=... or CUBELIB_CACHE."
        )
