"""The rows of a file, one at a time: text lines, CSV, TSV, JSON, JSON Lines and Parquet.

Every format yields `(place, row)`: where the row begins, for messages ("line 4", "row 4"), and the row itself, column →
value. A row that cannot be used is given to the RowLog, which raises or counts it.
"""

from __future__ import annotations

import csv
import difflib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cubelib.data.readers.hub_tables import hub_table, is_hub_name
from cubelib.errors import DataError
from cubelib.files import reason

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
BadRows = Literal["error", "skip"]
Source = str | Path | Sequence[str | Path]
Rows = Iterator[tuple[str, Any]]

_SHOWN = 3  # places named for each reason
_BATCH = 1024  # rows of a Parquet file in memory at a time


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


class RowLog:
    """Counts the rows of one or more files, and raises at a bad one or notes it down.

    Args:
        source: a path, several paths, or "hub:organization/name".
        bad_rows: "error" raises at the first bad row; "skip" leaves it out.

    Attributes:
        paths: the files; `path` is the one being read.
        total: rows so far, good and bad.

    Raises:
        DataError: no files, or another value of `bad_rows`.
    """

    def __init__(self, source: Source, bad_rows: BadRows) -> None:
        self.paths = _files(source)
        if not self.paths:
            raise DataError("Reading a table: the list of files is empty. Give the path of at least one.")
        if bad_rows not in ("error", "skip"):
            raise DataError(f"Reading {self.paths[0]}: bad_rows is 'error' or 'skip'; got {bad_rows!r}.")
        self.path = self.paths[0]
        self.total = 0
        self._skip = bad_rows == "skip"
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
        if not self._skip:
            raise DataError(
                f'{error} Or leave such rows out with bad_rows="skip" (data.bad_rows: skip in a configuration).'
            )
        self._first = self._first or error
        prefix = f"{self.path.name}, " if len(self.paths) > 1 else ""
        self._reasons.setdefault(reason, []).append(prefix + place)

    def bad_line(self, place: str, reason: str, advice: str) -> None:
        """`bad`, for a row that was not counted yet."""
        self.total += 1
        self.bad(place, reason, advice)

    def finish(self, kept: int, what: str, advice: str, stacklevel: int = 3) -> None:
        """Warns of the rows that were left out, at the caller `stacklevel` calls above.

        Raises:
            DataError: nothing remains.
        """
        if not kept and self._first is None:
            raise DataError(f"Reading {self.source}: the file holds no {what}. {advice}")
        if not kept:
            raise DataError(
                f"Reading {self.source}: none of its {self.total:,} rows can be used. The first: {self._first}"
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
) -> Rows:
    """Place and row for every row of the log's files that has these columns.

    Args:
        log: counts rows, and decides what becomes of the bad ones.
        columns: which must be there; others may be left out of the rows.
        what: what the rows are, for messages, such as "pairs".
        advice: how to name the columns.
        endings: the kinds of files that may be read.
        bare: a row of this type needs no columns: it is the value of the only one.

    Raises:
        DataError: a file cannot be used, or the log refuses a row.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.
    """
    for path in log.paths:
        log.path = path
        check_file(path, endings, what)
        read = _READERS[path.suffix.lower()]
        for place, row in read(log, columns, advice):
            log.total += 1
            if isinstance(row, dict):
                fault = _missing_column(list(row), columns, advice)
                if fault:
                    log.bad(place, *fault)
                    continue
            elif bare is None or not isinstance(row, bare):
                example = ", ".join(f'"{column}": …' for column in columns)
                log.bad(place, f"expected an object, such as {{{example}}}", f"Got {row!r:.60}.")
                continue
            yield place, row


def check_file(path: Path, endings: Sequence[str], what: str) -> None:
    """Refuses a file before anything is read from it.

    Raises:
        DataError: no such file, an empty one, or one of another kind.
    """
    if path.is_dir():
        raise DataError(f"Reading {path}: this is a folder. Give the path of one file.")
    if not path.is_file():
        names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"Reading {path}: there is no such file in {path.parent.resolve()}.{_nearest(path.name, names)} Give the "
            "path of a readable file."
        )
    if path.suffix.lower() not in endings:
        raise DataError(
            f"Reading {path}: {what} come from {', '.join(endings[:-1])} or {endings[-1]} files. Convert the file; a "
            "spreadsheet can be saved as CSV (UTF-8)."
        )
    if not path.stat().st_size:
        raise DataError(f"Reading {path}: the file is empty (0 bytes). Write it again.")


def _lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """The lines of a UTF-8 text file, with their ends, as `open` divides them with this `newline`."""
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise DataError(
                        f"Reading {path}, line {number}: a NUL byte. The file is damaged, no text, or encoded as "
                        "UTF-16. Save it as UTF-8."
                    )
                yield line
    except UnicodeDecodeError:
        raise DataError(
            f"Reading {path}, line {_undecodable_line(path)}: not UTF-8 text. Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"Reading {path}: {reason(error)}. Give the path of a readable file.") from None


def _undecodable_line(path: Path) -> int:
    """Where the first byte is that is not UTF-8; `open` decodes ahead of the line it returns."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if any("\udc80" <= letter <= "\udcff" for letter in line):
                return number
    return 1


def _text_rows(log: RowLog, columns: Sequence[str], advice: str) -> Rows:
    for number, line in enumerate(_lines(log.path), start=1):
        if line.strip():
            yield f"line {number}", line


def _delimited_rows(log: RowLog, columns: Sequence[str], advice: str) -> Rows:
    delimiter = "\t" if log.path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(_lines(log.path, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    start = 1  # the line on which the next row begins
    try:
        for cells in reader:
            if not header:
                header = cells
                if header:
                    _check_header(log.path, f", line {start}", header, columns, advice)
            elif len(cells) == len(header):
                yield f"line {start}", dict(zip(header, cells, strict=True))
            elif cells:
                count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
                log.total += 1
                remedy = "Put texts with commas, tabs or line breaks in double quotes."
                log.bad(f"line {start}", f"{count} where the header has {len(header)}", remedy)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"Reading {log.path}, line {start}: not valid CSV ({error}, noticed on line {reader.line_num}). Close "
            'every double quote, and write one inside a text as two: "say ""yes""".'
        ) from None


def _check_header(path: Path, place: str, header: Sequence[str], columns: Sequence[str], advice: str) -> None:
    fault = _missing_column(header, columns, advice)
    if fault:
        raise DataError(f"Reading {path}{place}: {'. '.join(fault)}")
    for name in header:
        if name and header.count(name) > 1:
            raise DataError(f"Reading {path}{place}: two columns have the same name, {name!r}. Rename or remove one.")


def _missing_column(header: Sequence[str], columns: Sequence[str], advice: str) -> tuple[str, str] | None:
    """What is wrong and what to do, if one of the columns is not in the header."""
    for column in columns:
        if column not in header:
            names = ", ".join(header) or "none"
            if len(header) == 1 and (";" in names or "\t" in names or "|" in names):
                advice = "The columns are not divided by commas: save the file with commas, or with tabs as .tsv."
            return f"there is no column {column!r}", f"Columns found: {names}.{_nearest(column, header)} {advice}"
    return None


def _nearest(name: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def _jsonl_rows(log: RowLog, columns: Sequence[str], advice: str) -> Rows:
    for place, line in _text_rows(log, columns, advice):
        try:
            row = json.loads(line, object_pairs_hook=_unique_keys)
        except (ValueError, RecursionError) as error:
            log.total += 1
            remedy = "Write one JSON object on each line; a file that holds a single value is a .json file."
            log.bad(place, f"not valid JSON ({getattr(error, 'msg', error)})", remedy)
        else:
            yield place, row


def _json_rows(log: RowLog, columns: Sequence[str], advice: str) -> Rows:
    """The items of a list, or of the one list that an object has."""
    try:
        rows = json.loads("".join(_lines(log.path)), object_pairs_hook=_unique_keys)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # JSON's own errors name the line
        raise DataError(
            f"Reading {log.path}: not valid JSON ({error}). Write it again; if each line is an object of its own, "
            "rename the file to .jsonl."
        ) from None
    if isinstance(rows, dict):
        lists = [value for value in rows.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else rows
    if not isinstance(rows, list):
        raise DataError(
            f"Reading {log.path}: expected a list of objects, such as [{{…}}, {{…}}], or an object with one list in "
            f"it; the file holds {rows!r:.60}."
        )
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; json itself would silently keep the last of two values with one key."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {max(names, key=names.count)!r} occurs twice in an object")
    return row


def _parquet_rows(log: RowLog, columns: Sequence[str], advice: str) -> Rows:
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
            _check_header(log.path, "", file.schema_arrow.names, columns, advice)
            for batch in file.iter_batches(_BATCH, columns=list(columns) or None):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"Reading {log.path}: not a complete Parquet file ({str(error).splitlines()[0]}). Write it again."
        ) from None


_READERS: dict[str, Callable[[RowLog, Sequence[str], str], Rows]] = {
    ".txt": _text_rows,
    ".csv": _delimited_rows,
    ".tsv": _delimited_rows,
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".parquet": _parquet_rows,
}
