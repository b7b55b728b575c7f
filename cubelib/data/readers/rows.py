"""The rows of a file, one at a time: text lines, delimited text, JSON, JSON Lines and Parquet.

Every format yields `(place, row)`: where the row begins, for messages ("line 4", "row 4"), and the row itself, column →
value. A row that cannot be used is given to the RowLog, which raises or counts it.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from cubelib.data.readers.columns import Columns, MissingColumn, is_alias
from cubelib.data.readers.delimited import QUOTING_ADVICE, Dialect, open_table
from cubelib.data.readers.hub_tables import hub_table, is_hub_name
from cubelib.data.readers.json_layouts import USUAL, rows_in
from cubelib.data.readers.lines import COMPRESSED, format_of, json_documents, text_lines
from cubelib.errors import DataError

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
BadRows = Literal["error", "skip"]
Source = str | Path | Sequence[str | Path]
Rows = Iterator[tuple[str, Any]]

_SHOWN = 3  # places named for each reason
_DIALECT_ADVICE = (
    "If this is wrong, set encoding, delimiter, header or quoting (data.encoding, …; in Python dialect=Dialect(…))."
)
_BATCH = 1024  # rows of a Parquet file in memory at a time


class FormatWarning(UserWarning):
    """How a file was read that is not plain UTF-8 with commas or tabs and a header, in one line.

    Attributes:
        found: what was found, each with what to set if that is wrong.

    Example:
        >>> print(FormatWarning("faq.csv", {"divided by semicolons": "Set delimiter (data.delimiter) if it is not."}))
        Reading faq.csv: divided by semicolons. Set delimiter (data.delimiter) if it is not.
    """

    def __init__(self, source: object, found: Mapping[str, str]) -> None:
        self.found = dict(found)
        remedies = dict.fromkeys(filter(None, found.values()))
        super().__init__(" ".join([f"Reading {source}: {', '.join(found)}.", *remedies]))


class SkippedRows(UserWarning):
    """Rows were left out because their reader was called with bad_rows="skip".

    Attributes:
        count: rows left out.
        total: rows in the file.
        reasons: reason → the places of its rows, such as "line 4".

    Example:
        >>> print(SkippedRows("faq.csv", 100, {"the column 'answer' is empty": ["line 4", "line 9"]}))
        Reading faq.csv: 2 of 100 rows are left out: the column 'answer' is empty (line 4, line 9).
    """

    what = "rows"

    def __init__(self, source: object, total: int, reasons: Mapping[str, Sequence[str]]) -> None:
        self.count = sum(map(len, reasons.values()))
        self.total = total
        self.reasons = {reason: list(places) for reason, places in reasons.items()}
        told = "; ".join(f"{reason} ({_some(places)})" for reason, places in self.reasons.items())
        super().__init__(f"Reading {source}: {self.count:,} of {total:,} {self.what} are left out: {told}.")


class SkippedTurns(SkippedRows):
    """Turns of conversations were left out because they instruct a model; the attributes count turns."""

    what = "turns"


def _some(places: Sequence[str]) -> str:
    more = f", and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else ""
    return ", ".join(places[:_SHOWN]) + more


SKIP = 'bad_rows="skip" (data.bad_rows: skip in a configuration)'


class RowLog:
    """Counts the rows of one or more files, and raises at a bad one or notes it down.

    Args:
        source: a path, several paths, or "hub:organization/name".
        bad_rows: "error" raises at the first bad row; "skip" leaves it out.
        dialect: how text files are written; by default it is found.
        skip: how the user asks for bad rows to be left out, for messages.

    Attributes:
        paths: the files; `path` is the one being read.
        total: rows so far, good and bad.
        columns: the names of all columns found, whether used or not.
        skips: whether bad rows are left out.

    Raises:
        DataError: no files, or another value of `bad_rows`.
    """

    def __init__(self, source: Source, bad_rows: BadRows, dialect: Dialect | None = None, *, skip: str = SKIP) -> None:
        self.paths = _files(source)
        if not self.paths:
            raise DataError("Reading a table: the list of files is empty. Give the path of at least one.")
        if bad_rows not in ("error", "skip"):
            raise DataError(f"Reading {self.paths[0]}: bad_rows is 'error' or 'skip'; got {bad_rows!r}.")
        self.path = self.paths[0]
        self.total = 0
        self.columns: dict[str, None] = {}
        self.dialect = dialect or Dialect()
        self.skips = bad_rows == "skip"
        self._how_to_skip = skip
        self._found: dict[str, str] = {}
        self._reasons: dict[str, list[str]] = {}
        self._first: DataError | None = None

    @property
    def source(self) -> str:
        """The file, or the first of several."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}"

    def bad(self, place: str, reason: str, advice: str) -> None:
        """Raises, or notes down a row that cannot be used.

        Args:
            place: where it begins, such as "line 4".
            reason: what is wrong, in the same words for all rows with this fault.
            advice: what was found there and what to do.
        """
        error = DataError(f"Reading {self.path}, {place}: {reason}. {advice}")
        if not self.skips:
            raise DataError(f"{error} Or leave such rows out with {self._how_to_skip}.")
        self._first = self._first or error
        self.leave_out(place, reason)

    def leave_out(self, place: str, reason: str) -> None:
        """Notes down a row that nobody wants, whatever becomes of bad ones."""
        prefix = f"{self.path.name}, " if len(self.paths) > 1 else ""
        self._reasons.setdefault(reason, []).append(prefix + place)

    def bad_line(self, place: str, reason: str, advice: str) -> None:
        """`bad`, for a row that was not counted yet."""
        self.total += 1
        self.bad(place, reason, advice)

    def note(self, found: str, remedy: str = "") -> None:
        """Notes down something about the file's format that the user should know, and what to set if it is wrong."""
        self._found[found] = remedy

    def finish(self, kept: int, what: str, advice: str, stacklevel: int = 3) -> None:
        """Tells how the file was read, and warns of the rows that were left out, `stacklevel` calls above.

        Raises:
            DataError: nothing remains.
        """
        if self._found:
            warnings.warn(FormatWarning(self.source, self._found), stacklevel=stacklevel)
        if not kept and not self._reasons:
            raise DataError(f"Reading {self.source}: the file holds no {what}. {advice}")
        if not kept:
            raise DataError(
                f"Reading {self.source}: none of its {self.total:,} rows can be used. "
                + (f"The first: {self._first}" if self._first else f"{'; '.join(self._reasons)}.")
            )
        if self._reasons:
            warnings.warn(SkippedRows(self.source, self.total, self._reasons), stacklevel=stacklevel)


def _files(source: Source) -> list[Path]:
    if is_hub_name(source):
        return hub_table(Path(str(source)).as_posix())
    if isinstance(source, str | Path):
        return [Path(source).expanduser()]
    return [file for part in source for file in _files(part)]


def table_rows(
    log: RowLog,
    columns: Sequence[str],
    what: str,
    advice: str,
    *,
    endings: Sequence[str] = TABLES,
    bare: type | None = None,
    spellings: Sequence[Sequence[str]] = (),
    extra: Sequence[str] = (),
) -> Rows:
    """Place and row for every row of the log's files that has these columns.

    Args:
        log: counts rows, and decides what becomes of the bad ones; gets the names of all columns.
        columns: which must be there, by name or by number, counted from 0; others may be left out of the rows.
        what: what the rows are, for messages, such as "pairs".
        advice: how to name the columns.
        endings: the kinds of files that may be read.
        bare: a row of this type needs no columns: it is the value of the only one.
        spellings: other names that may stand for the first columns, see `Columns`.
        extra: names of columns that are in the rows where a file has them.

    Raises:
        DataError: a file cannot be used, or the log refuses a row.
        ModuleNotFoundError: a .parquet or .zst file, and pyarrow is not installed.
    """
    wanted = Columns(columns, advice, spellings)
    for path in log.paths:
        log.path = path
        check_file(path, endings, what)
        ending = format_of(path)
        if ending == ".parquet":
            yield from _parquet_rows(log, wanted, extra)
        elif ending in (".json", ".jsonl", ".ndjson"):
            yield from _json_rows(log, wanted, bare)
        elif ending == ".txt" and bare is str and not _is_table(log.dialect, wanted):
            yield from _text_rows(log)
        else:
            yield from _delimited_rows(log, wanted)


def all_rows(log: RowLog) -> Rows:
    """Place and row for every row of the delimited or Parquet file that is being read, with all its columns."""
    read = partial(_parquet_rows, extra=()) if format_of(log.path) == ".parquet" else _delimited_rows
    return read(log, Columns((), ""))


def check_file(path: Path, endings: Sequence[str], what: str) -> None:
    """Refuses a file before anything is read from it.

    Raises:
        DataError: no such file, an empty one, or one of another kind.
    """
    if path.is_dir():
        raise DataError(f"Reading {path}: this is a folder. Give the path of one file.")
    if not path.is_file():
        names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        matches = difflib.get_close_matches(path.name, names, n=1)
        nearest = f" Did you mean {matches[0]!r}?" if matches else ""
        raise DataError(
            f"Reading {path}: there is no such file in {path.parent.resolve()}.{nearest} Give the path of a readable "
            "file."
        )
    if format_of(path) not in endings:
        raise DataError(
            f"Reading {path}: {what} come from {', '.join(endings[:-1])} or {endings[-1]} files; text files may be "
            f"packed ({', '.join(COMPRESSED)}). Convert the file; a spreadsheet can be saved as CSV."
        )
    if not path.stat().st_size:
        raise DataError(f"Reading {path}: the file is empty (0 bytes). Write it again.")


def _is_table(dialect: Dialect, wanted: Columns) -> bool:
    """Whether a .txt file is meant as a table: otherwise each line is a text."""
    return dialect.delimiter is not None or wanted.are_numbers


def _text_rows(log: RowLog) -> Rows:
    for number, line in enumerate(text_lines(log.path, log.dialect.encoding), start=1):
        if not line.isspace():
            log.total += 1
            yield f"line {number}", line


def _delimited_rows(log: RowLog, wanted: Columns) -> Rows:
    table = open_table(log.path, log.dialect, wanted)
    if not table.header:
        return
    header = table.header
    for found in table.found:
        log.note(found, _DIALECT_ADVICE)
    aliases = _find_in_header(log, f", line {table.line}", header, wanted)
    for number, cells in table.rows:
        log.total += 1
        if isinstance(cells, str):
            log.bad(f"line {number}", cells, QUOTING_ADVICE)
        elif len(cells) == len(header):
            row = dict(zip(header, cells, strict=True))
            for name, alias in aliases.items():
                row[name] = row[alias]
            yield f"line {number}", row
        else:
            count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            remedy = "Put texts with the delimiter or line breaks in double quotes."
            log.bad(f"line {number}", f"{count} where the header has {len(header)}", remedy)
    if table.unsure:
        log.note(f"a quoted cell spans {_some(table.unsure)}, where each line could be a row", _DIALECT_ADVICE)


def _find_in_header(log: RowLog, place: str, header: Sequence[str], wanted: Columns) -> dict[str, str]:
    """The wanted columns that have another name in the header → that name."""
    try:
        found = wanted.find(header)
    except MissingColumn as fault:
        raise DataError(f"Reading {log.path}{place}: {fault}") from None
    for name in found:
        if header.count(name) > 1:
            raise DataError(
                f"Reading {log.path}{place}: two columns have the same name, {name!r}. Give one of them another name, "
                "or remove it."
            )
    log.columns.update(dict.fromkeys(header))
    return _aliases(log, wanted, found)


def _aliases(log: RowLog, wanted: Columns, found: Sequence[str]) -> dict[str, str]:
    aliases = {name: match for name, match in zip(wanted.wanted, found, strict=True) if name != match}
    for name, match in aliases.items():
        if is_alias(name, match):
            log.note(f"{name!r} is the column {match!r}", wanted.advice)
    return aliases


def _json_rows(log: RowLog, wanted: Columns, bare: type | None) -> Rows:
    """The rows of all values of a file, in any of the known layouts."""

    @lru_cache(maxsize=1024)
    def find(names: tuple[str, ...]) -> tuple[list[str], dict[str, str]] | MissingColumn:
        try:
            found = wanted.find(names, by_number=False)
        except MissingColumn as fault:
            return fault
        log.columns.update(dict.fromkeys(names))
        return found, _aliases(log, wanted, found)

    def pick(row: dict[str, Any]) -> list[Any] | None:
        found = find(tuple(row))
        return None if isinstance(found, MissingColumn) else [row[name] for name in found[0]]

    example = ", ".join(f'"{column}": …' for column in wanted.wanted)
    used: set[str] = set()
    documents = json_documents(log.path, log.dialect.encoding, log.bad_line)
    start = list(islice(documents, 2))
    whole = len(start) == 1
    for place, document in chain(start, documents):
        try:
            for number, row in enumerate(rows_in(document, pick, bare, used, whole=whole), start=1):
                where = place
                if row is not document:
                    where = f"row {number}" if whole else f"{place}, row {number}"
                if isinstance(row, dict):
                    found = find(tuple(row))
                    if isinstance(found, MissingColumn):
                        if not log.total and not log.skips:  # then all rows will lack it
                            raise DataError(f"Reading {log.path}, {where}: {found}")
                        log.bad_line(where, found.reason, found.advice)
                        continue
                    for name, alias in found[1].items():
                        row[name] = row[alias]
                elif bare is None or not isinstance(row, bare):
                    log.bad_line(where, f"expected an object, such as {{{example}}}", f"Got {row!r:.60}.")
                    continue
                log.total += 1
                yield where, row
        except MissingColumn as fault:
            log.bad_line(place, fault.reason, fault.advice)
    for name in sorted(used - USUAL):
        log.note(f"laid out as {name}")


def _parquet_rows(log: RowLog, wanted: Columns, extra: Sequence[str]) -> Rows:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Reading {log.path}: Parquet files need the package pyarrow. Install it with: "
            "python -m pip install pyarrow"
        ) from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(log.path) as file:
            header = file.schema_arrow.names
            aliases = _find_in_header(log, "", header, wanted)
            needed = {aliases.get(name, name): name for name in wanted.wanted}
            needed |= {name: name for name in extra if name in header and name not in needed}
            for batch in file.iter_batches(_BATCH, columns=list(needed) or None):
                for row in batch.to_pylist():
                    number += 1
                    log.total += 1
                    yield f"row {number}", {needed.get(name, name): value for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"Reading {log.path}: not a complete Parquet file ({str(error).splitlines()[0]}). Write it again."
        ) from None
