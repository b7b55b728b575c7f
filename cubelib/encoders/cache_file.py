"""The file behind the user's cache: SQLite, shared by processes, whole after a kill, and no longer than it must be.

Format 2: a table `embeddings` of keys, vectors and checksums. Format 1 had no checksums; it is brought up when it is
opened.

Taught in notebook 01.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cubelib.errors import DataError, UserError

FORMAT = 2

_PAGE = 32768  # bytes; vectors of 768 float32 numbers fill it to 93 %, SQLite's usual 4,096 to 75 %
_PAGES_ASIDE = 128  # 4 MB: so much is collected in the file beside the cache before it is moved in
_WAIT = 60  # seconds, for a process that is writing just now


def checksum(key: bytes, vector: bytes) -> int:
    """CRC-32 of a key and its vector together, so that no vector can turn up under another's key.

    Example:
        >>> checksum(b"key", b"vector") == checksum(b"kez", b"vector")
        False
    """
    return zlib.crc32(vector, zlib.crc32(key))


class CacheFile:
    """An open file of the cache; after an error it is closed.

    Args:
        path: the file; it and its folder are made if they are missing.

    Attributes:
        connection: to SQLite; no transaction starts by itself, see `transaction`.
        is_open: whether it has not been closed yet.

    Raises:
        DataError: the file is damaged, or was written by something else; it is left as it is.
        UserError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_open = False
        with self.errors_named("open"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            self.is_open = True
            self._prepare()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or none of what happens inside."""
        self.connection.execute("BEGIN IMMEDIATE")
        with self.connection:  # commits, or rolls back on an exception
            yield self.connection

    @contextmanager
    def errors_named(self, doing: str) -> Iterator[None]:
        """Turn SQLite's errors into ones that name the file and say what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a mistake in the calling code, such as use after close(): the file is not to blame
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            raise UserError(
                f"EmbeddingCache: cannot {doing} {self.path} ({error}). What was stored before is not harmed. Free the "
                "disk or the file, or choose another folder with cache_dir=... or the environment variable "
                "CUBELIB_CACHE."
            ) from error
        except sqlite3.DatabaseError as error:
            self.close()
            raise self.refusal(str(error)) from error
        except DataError:
            self.close()
            raise

    def refusal(self, reason: str) -> DataError:
        return DataError(
            f"EmbeddingCache: {self.path} is damaged or not a cache of this cubelib: {reason}. It was left as it is. "
            "Move it away to start afresh, or choose another folder with cache_dir=... or CUBELIB_CACHE."
        )

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.connection.close()

    def length(self) -> int:
        """Bytes of the file when all that was stored is moved into it."""
        (pages,), (page,) = (self.connection.execute(f"PRAGMA page_{what}").fetchone() for what in ("count", "size"))
        return pages * page

    def is_alone(self) -> bool:
        """Whether no other process, and no other cache of this one, has the file open."""
        alone = self._leave_wal()
        self._enter_wal()
        return alone

    def give_back_space(self) -> None:
        """Move what stands in the file beside the cache into it, and shorten both."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.path, self._beside("-wal")) if path.exists())

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _prepare(self) -> None:
        # One statement, so that a process creating the table just now is seen wholly or not at all.
        version, tables, columns = self.connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master), "
            "(SELECT count(*) FROM pragma_table_info('embeddings')) FROM pragma_user_version"
        ).fetchone()
        if version == 0 and tables == 0:
            self._shape_pages()
            with self.transaction():
                self.connection.execute(
                    "CREATE TABLE IF NOT EXISTS embeddings "
                    "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)"
                )
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif (version, columns) == (1, 2):
            self._bring_from_format_1()
        elif (version, columns) != (FORMAT, 3):
            raise self.refusal(f"it has format {version}.{columns}, this cubelib reads format {FORMAT}.3")
        if self._is_cut() and self._is_cut():  # twice, since another process may be writing between two looks
            raise self.refusal("its end is missing")
        self._enter_wal()
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_ASIDE}")

    def _is_cut(self) -> bool:
        # Inside the last page, where SQLite does not look. A page may be half there while it is moved in from beside.
        half = self.path.stat().st_size % self.connection.execute("PRAGMA page_size").fetchone()[0]
        beside = [self._beside(ending) for ending in ("-wal", "-journal")]
        return half > 0 and not any(path.exists() and path.stat().st_size for path in beside)

    def _bring_from_format_1(self) -> None:
        """Give the table checksums and the file larger pages: every vector stays, and a kill leaves a whole file."""
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise self.refusal(found)
        self._leave_wal()  # in which the size of pages cannot change; while others use the file it stays as it is
        self._shape_pages()
        self.connection.execute("VACUUM")
        self.connection.create_function("checksum_of", 2, checksum)
        with self.transaction():
            if self.connection.execute("PRAGMA user_version").fetchone()[0] == 1:  # else another process was faster
                self.connection.execute("ALTER TABLE embeddings ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
                self.connection.execute("UPDATE embeddings SET checksum = checksum_of(key, vector)")
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _shape_pages(self) -> None:
        # FULL: what is removed makes the file shorter, by itself. Both hold from the first page or the next VACUUM on.
        self.connection.execute(f"PRAGMA page_size = {_PAGE}")
        self.connection.execute("PRAGMA auto_vacuum = FULL")

    def _enter_wal(self) -> None:
        # In WAL mode readers and a writer do not wait for each other. The switch fails while another process is in the
        # file; the old mode is as safe, only slower.
        with suppress(sqlite3.OperationalError):
            self.connection.execute("PRAGMA journal_mode = WAL")

    def _leave_wal(self) -> bool:
        # SQLite allows it only while nobody else has the file open.
        with suppress(sqlite3.OperationalError):
            self.connection.execute("PRAGMA journal_mode = DELETE")
            return True
        return False
