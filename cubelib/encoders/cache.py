"""The embedding cache: a text that was encoded once is never encoded again.

A vector is stored under a hash of the model's weights, of how the model pools and normalizes, and of the text. So one
cache serves many models, a changed model never gets old vectors, and the text itself is not stored. The cache is one
SQLite file; the read-only vectors of the built-in corpora are in `cubelib.encoders.bundled`.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from cubelib.errors import DataError, UserError

Vectors = npt.NDArray[np.float32]

KEY_BYTES = 16
FORMAT = 2


def cache_folder(cache_dir: Path | str | None = None) -> Path:
    """The folder of the cache: the argument, else the environment variable CUBELIB_CACHE, else the user's cache folder.

    Example:
        >>> cache_folder("somewhere").name
        'somewhere'
    """
    chosen = cache_dir or os.environ.get("CUBELIB_CACHE") or platformdirs.user_cache_dir("cubelib", appauthor=False)
    return Path(chosen).expanduser()


def embedding_key(sha256: str, tag: str, text: str) -> bytes:
    """The 16 bytes under which the vector of a text is stored.

    Args:
        sha256: SHA-256 of the model's weights.
        tag: how the model turns a text into one vector (tokenizer, pooling, normalization).
        text: the exact text.

    Example:
        >>> embedding_key("aa", "mean", "Hello").hex()
        'fee02d07428251fbad2f223d5074cfd5'
        >>> embedding_key("a", "amean", "Hello") == embedding_key("aa", "mean", "Hello")
        False
    """
    digest = hashlib.sha256()
    for field in (sha256.encode(), tag.encode(), text.encode()):
        digest.update(len(field).to_bytes(8, "big"))  # with its length in front, no field can run into the next
        digest.update(field)
    return digest.digest()[:KEY_BYTES]


def _checksum(key: bytes, vector: bytes) -> int:
    """CRC-32 of the key and the vector together, so that no vector can turn up under another key."""
    return zlib.crc32(vector, zlib.crc32(key))


class EmbeddingCache:
    """The user's cache: `embeddings.sqlite3` in the cache folder.

    Several processes may read and write it at once, and a process that is killed at any moment leaves it intact. A key
    keeps the first vector stored under it, so all readers see the same numbers. Each vector is stored with a checksum:
    one that changed on disk is refused.

    Args:
        cache_dir: the folder, see `cache_folder`; it is made if it is missing.

    Attributes:
        path: the file.

    Raises:
        DataError: the file is damaged, or another program wrote it; it is left as it is.
        UserError: the file cannot be opened, read or written.

    Example:
        >>> import tempfile
        >>> key, vector = bytes(16), np.array([0.6, 0.8], dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder, EmbeddingCache(folder) as cache:
        ...     _ = cache.put({key: vector})
        ...     print(cache.get([key])[key], len(cache))
        [0.6 0.8] 1
    """

    def __init__(self, cache_dir: Path | str | None = None) -> None:
        self.path = cache_folder(cache_dir) / "embeddings.sqlite3"
        with self._errors_named("open"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # No transaction starts by itself; a writer waits up to a minute for another one.
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """The stored vectors among the keys: key → read-only vector `(dim,)` float32."""
        vectors: dict[bytes, Vectors] = {}
        with self._errors_named("read"):
            for key, blob, checksum in self._rows("CAST(vector AS BLOB), checksum", keys):
                if blob is None or _checksum(key, blob) != checksum:
                    raise self._refusal(f"the vector of key {key.hex()} is not the one that was stored")
                vectors[key] = np.frombuffer(blob, np.float32)
        return vectors

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """The keys that have a vector; no vector is read."""
        with self._errors_named("read"):
            return {key for key, _ in self._rows("1", keys)}

    def put(self, vectors: Mapping[bytes, Vectors]) -> dict[bytes, Vectors]:
        """Stores vectors `(dim,)`, all or none. A key that is already there keeps its vector.

        Returns:
            The vectors now stored under the keys: those given, or those that another process stored first.
        """
        rows = []
        for key, vector in vectors.items():
            blob = np.asarray(vector, dtype=np.float32).tobytes()
            rows.append((key, blob, _checksum(key, blob)))
        with self._errors_named("write"), self._transaction():
            self._connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", rows)
            return self.get(list(vectors))  # in the same transaction: another process might clear the cache

    def put_cut(self, keys: Sequence[bytes], tokens: int) -> None:
        """Notes that the model read only so many tokens of the texts with these keys."""
        with self._errors_named("write"), self._transaction():
            self._connection.executemany("INSERT OR IGNORE INTO cut VALUES (?, ?)", [(key, tokens) for key in keys])

    def get_cut(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Key → tokens that the model read, for the texts among the keys that it did not read to their end."""
        with self._errors_named("read"):
            if not self._connection.execute("SELECT count(*) FROM cut").fetchone()[0]:
                return {}
            return dict(self._rows("tokens", keys, "cut"))

    def clear(self) -> int:
        """Removes all vectors and gives the disk space back.

        Returns:
            The number of vectors removed.
        """
        with self._errors_named("clear"):
            removed = self._connection.execute("DELETE FROM embeddings").rowcount
            self._connection.execute("DELETE FROM cut")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return removed

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __len__(self) -> int:
        with self._errors_named("read"):
            (count,) = self._connection.execute("SELECT count(*) FROM embeddings").fetchone()
        return int(count)

    def __repr__(self) -> str:
        size = sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))
        return f"EmbeddingCache({len(self):,} vectors, {size / 1e6:,.1f} MB on disk)"

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        execute = self._connection.execute
        # One statement, so that a table another process is just creating is seen completely or not at all.
        version, tables = execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version == 0 and tables == 0:
            execute("PRAGMA page_size = 32768")  # holds ten vectors of 768 numbers; the usual 4,096 hold one
            with self._transaction():
                execute(
                    "CREATE TABLE IF NOT EXISTS embeddings "
                    "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)"
                )
                execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise self._refusal(f"it has format {version}, this cubelib reads format {FORMAT}")
        execute("CREATE TABLE IF NOT EXISTS cut (key BLOB PRIMARY KEY, tokens INTEGER NOT NULL)")
        # In WAL mode, readers and a writer do not wait for each other. The switch fails while another process uses the
        # file; the old mode is as safe, only slower.
        with suppress(sqlite3.OperationalError):
            execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back on an exception
            yield

    def _rows(self, columns: str, keys: Sequence[bytes], table: str = "embeddings") -> Iterator[tuple[Any, ...]]:
        """The key and these columns for each of the keys that the table has."""
        for key in keys:
            row = self._connection.execute(f"SELECT {columns} FROM {table} WHERE key = ?", (key,)).fetchone()
            if row is not None:
                yield key, *row

    @contextmanager
    def _errors_named(self, task: str) -> Iterator[None]:
        """SQLite's errors with the name of the file and what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a mistake of the calling code, such as use after close(): nothing is wrong with the file
        except (sqlite3.OperationalError, OSError) as error:
            raise UserError(
                f"EmbeddingCache: cannot {task} {self.path} ({error}). Stored vectors are safe. Free the disk or the "
                "file, or choose another folder with cache_dir=... or CUBELIB_CACHE."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, problem: str) -> DataError:
        return DataError(
            f"EmbeddingCache: {self.path} is damaged or not a cache ({problem}). It was left as it is. Move it away to "
            "start anew, or choose another folder with cache_dir=... or CUBELIB_CACHE."
        )
