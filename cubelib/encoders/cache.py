"""The embedding cache: a text that was encoded once is never encoded again.

A vector is filed under what made it: a key is a hash of the model's weights, of how the model pools and normalizes, and
of the text. So one cache serves many models, a changed model never meets old vectors, and the text itself is not kept.

This is the user's cache, one SQLite file that grows, up to a limit if one is set. The read-only one of the default
corpora is in `cubelib.encoders.bundled`; how the file is kept whole is in `cubelib.encoders.cache_file`.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import platformdirs

from cubelib.encoders.cache_file import CacheFile, checksum
from cubelib.errors import ConfigError, DataError, UserError

KEY_BYTES = 16
LIMIT_VARIABLE = "CUBELIB_CACHE_LIMIT"

_KEYS_PER_QUERY = 900  # older SQLite libraries take at most 999 values in one statement
_KEPT_BY_TRIM = 0.9  # of the limit, so that the next few vectors do not trim again
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def cache_folder(cache_dir: Path | str | None = None) -> Path:
    """Where the caches lie: the argument, else the environment variable CUBELIB_CACHE, else the user's cache folder.

    Example:
        >>> cache_folder("somewhere").name
        'somewhere'
    """
    chosen = cache_dir or os.environ.get("CUBELIB_CACHE") or platformdirs.user_cache_dir("cubelib", appauthor=False)
    return Path(chosen).expanduser()


def read_size(size: int | str) -> int:
    """The bytes of a size as people write it.

    Raises:
        ConfigError: it is no size.

    Example:
        >>> read_size("2 GB"), read_size("1.5MiB"), read_size(4096)
        (2000000000, 1572864, 4096)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(size).lower())
    if match is None or match[2] not in _UNITS:
        raise ConfigError(
            f"EmbeddingCache: the limit {size!r} is no size. Write bytes, or a number with a unit such as 500 MB, "
            f"2.5 GB or 1 GiB, as the argument limit=... or in the environment variable {LIMIT_VARIABLE}."
        )
    return int(float(match[1]) * _UNITS[match[2]])


def embedding_key(sha256: str, tag: str, text: str) -> bytes:
    """The 16 bytes under which the vector of a text is filed.

    Args:
        sha256: SHA-256 of the model's weights.
        tag: how the model turns a text into one vector (tokenizer, pooling, normalization).
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
    first vector that was stored under it until it is removed, so all readers see the same numbers. Each vector is kept
    with a checksum: one that changed on disk is refused, not used.

    With a limit the file is trimmed when the last one who has it open closes it; until then whatever was stored can be
    read. The vectors stored first go first, and a warning says how many went.

    Args:
        cache_dir: the folder, see `cache_folder`; it is made if it is missing.
        limit: the most the file may take on disk when it is closed, in bytes or as in "2 GB"; else the environment
            variable CUBELIB_CACHE_LIMIT; else there is no limit.

    Attributes:
        path: the file.
        limit: in bytes, or None.
        hits, misses: keys found and not found by `get_many` since the cache was opened.

    Raises:
        ConfigError: the limit is no size.
        DataError: the file is damaged, or was written by something else; it is left as it is.
        UserError: the file cannot be opened, read or written.

    Example:
        >>> import tempfile
        >>> key, vector = bytes(16), np.array([0.6, 0.8], dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder, EmbeddingCache(folder) as cache:
        ...     _ = cache.put_many({key: vector})
        ...     print(cache.get_many([key])[key], cache)  # doctest: +ELLIPSIS
        [0.6 0.8] EmbeddingCache(1 vectors, ... MB on disk, no limit; since it was opened 1 hits, 0 misses)
    """

    def __init__(self, cache_dir: Path | str | None = None, limit: int | str | None = None) -> None:
        chosen = os.environ.get(LIMIT_VARIABLE) or None if limit is None else limit
        self.limit = None if chosen is None else read_size(chosen)
        self.path = cache_folder(cache_dir) / "embeddings.sqlite3"
        self.hits = self.misses = 0
        self._file = CacheFile(self.path)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The stored vectors among the keys: key → read-only unit vector `(dim,)` float32, without the unknown keys."""
        with self._file.errors_named("read"):
            found = self._read(keys)
        hits = sum(key in found for key in keys)
        self.hits += hits
        self.misses += len(keys) - hits
        return found

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that have a vector; no vector is read."""
        with self._file.errors_named("read"):
            return {row[0] for row in self._rows("key", keys)}

    def put_many(self, vectors: Mapping[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
        """Store unit vectors `(dim,)` float32, all or none. A key that is there already keeps its first vector.

        Returns:
            What now stands under the keys: the vectors given, or those that another process stored first.

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
        blobs = [(key, vector.tobytes()) for key, vector in vectors.items()]
        rows = [(key, blob, checksum(key, blob)) for key, blob in blobs]
        with self._file.errors_named("write"), self._file.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", rows)
            return self._read(list(vectors))  # in the same transaction, or another process might clear it in between

    def trim(self, limit: int | str | None = None) -> int:
        """Make the file smaller than a limit now, even while other processes have it open.

        What they stored may go too; they encode such a text again when they need it.

        Args:
            limit: in bytes or as in "2 GB"; else the limit of this cache; without either nothing is removed.

        Returns:
            How many vectors went, those stored first; a warning says so too.
        """
        limit = self.limit if limit is None else read_size(limit)
        removed = 0
        try:
            with self._file.errors_named("trim"):
                before = self._file.length()
                if limit is None or before <= limit:
                    return 0
                count = step = max(1, len(self) // 100)  # small steps, each a transaction: nobody waits long
                while count and self._file.length() > limit * _KEPT_BY_TRIM:
                    count = self._remove("WHERE rowid IN (SELECT rowid FROM embeddings ORDER BY rowid LIMIT ?)", step)
                    removed += count
                self._file.give_back_space()
        finally:
            if removed:
                warnings.warn(
                    f"EmbeddingCache: {self.path} took {before / 1e6:,.1f} MB, its limit is {limit / 1e6:,.1f} MB. "
                    f"The {removed:,} vectors stored first were removed; their texts will be encoded again when they "
                    f"are asked for. To keep more, raise the limit ({LIMIT_VARIABLE}).",
                    stacklevel=2,
                )
        return removed

    def clear(self) -> int:
        """Remove all vectors and give the disk space back, even while other processes have the file open.

        Returns:
            How many vectors went.
        """
        with self._file.errors_named("clear"):
            removed = self._remove()
            self._file.give_back_space()
        return removed

    @property
    def disk_bytes(self) -> int:
        """What the cache takes on disk now, with the file beside it that holds what was stored last."""
        return self._file.disk_bytes()

    def __len__(self) -> int:
        with self._file.errors_named("read"):
            return self._file.connection.execute("SELECT count(*) FROM embeddings").fetchone()[0]

    def __repr__(self) -> str:
        content = f"{len(self):,} vectors" if self._file.is_open else "closed"
        limit = "no limit" if self.limit is None else f"limit {self.limit / 1e6:,.1f} MB"
        return (
            f"EmbeddingCache({content}, {self.disk_bytes / 1e6:,.1f} MB on disk, {limit}; "
            f"since it was opened {self.hits:,} hits, {self.misses:,} misses)"
        )

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()  # something went wrong: no moment to remove anything

    def close(self) -> None:
        """Close the file; with a limit trim it before, unless somebody else has it open: then the last one does."""
        if not self._file.is_open:
            return
        try:
            with self._file.errors_named("trim"):
                too_large = self.limit is not None and self._file.length() > self.limit and self._file.is_alone()
            if too_large:
                self.trim()
        except UserError as error:  # all vectors are there, so this is no reason to stop
            warnings.warn(f"{error} The cache is closed, larger than its limit.", stacklevel=2)
        finally:
            self._file.close()

    def _remove(self, which: str = "", *values: int) -> int:
        with self._file.transaction() as connection:
            return connection.execute(f"DELETE FROM embeddings {which}", values).rowcount

    def _rows(self, columns: str, keys: Sequence[bytes]) -> Iterator[tuple]:
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            query = f"SELECT {columns} FROM embeddings WHERE key IN ({','.join('?' * len(some))})"
            yield from self._file.connection.execute(query, some).fetchall()

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        for key, blob, stored in self._rows("key, CAST(vector AS BLOB), checksum", keys):
            whole = blob and len(blob) % 4 == 0 and checksum(key, blob) == stored
            vector = np.frombuffer(blob, np.float32) if whole else None
            if vector is None or not _is_unit(vector):  # format 1 has let in what it had let change
                raise self._file.refusal(f"the vector of key {key.hex()} is not what was stored")
            found[key] = vector
        return found
