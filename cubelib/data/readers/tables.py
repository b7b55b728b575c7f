"""The rows of a table, one at a time, from CSV, TSV, JSON, JSON Lines and Parquet.

Every reader yields `(place, row)`: where the row begins, for messages ("line 4", "row 4"), and the row itself, column →
value. A row that cannot be used is given to the RowLog, which raises or notes it down.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cubelib.data.readers.files import check_file, lines, listed, nearest
from cubelib.data.readers.hub_tables import hub_table, is_hub_name
from cubelib.data.readers.json_rows import json_rows, jsonl_rows
from cubelib.data.readers.problems import RowLog
from cubelib.errors import DataError

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
Source = str | Path | Sequence[str | Path]

_LONGEST_CELL = 1_000_000  # characters: where a double quote is not closed, this much is read before it is noticed
_BATCH = 1024  # rows of a Parquet file in memory at a time


def files_of(source: Source) -> list[Path]:
    """The files that a path, several paths or the name of a data set on the hub ("hub:organization/name") stand for."""
    if not isinstance(source, str | Path):
        return [file for part in source for file in files_of(part)]
    if is_hub_name(source):
        return hub_table(Path(source).as_posix())
    path = Path(source)
    return [path.expanduser() if path.parts[:1] == ("~",) else path]


def table_rows(
    log: RowLog,
    columns: Sequence[str],
    what: str,
    advice: str,
    *,
    endings: Sequence[str] = TABLES,
    bare: type | None = None,
) -> Iterator[tuple[str, Any]]:
    """Place and row for every row of the log's files that has these columns.

    Args:
        log: counts rows, and decides what becomes of the bad ones.
        columns: which must be there; others may be left out of the rows.
        what: what the rows are, for messages, such as "pairs".
        advice: how to name the columns.
        endings: the kinds of files that may be read.
        bare: a row of this type needs no columns: it is itself what would stand in the only one.

    Raises:
        DataError: a file cannot be used, or the log refuses a row.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.
    """
    missing = partial(_missing_column, columns=columns, advice=advice)
    for path in log.paths:
        log.path = path
        check_file(path, endings, what)
        read = _READERS[path.suffix.lower()]
        for place, row in read(log, columns, missing):
            if isinstance(row, dict):
                if fault := missing(list(row)):
                    log.bad(place, *fault)
                    continue
            elif bare is None or not isinstance(row, bare):
                log.bad(place, f"expected an object, such as {_example(columns)}", f"Got {row!r:.60}.")
                continue
            yield place, row


def _example(columns: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{column}": …' for column in columns) + "}"


def _missing_column(found: Sequence[Any], *, columns: Sequence[str], advice: str) -> tuple[str, str] | None:
    """What is wrong and what to do, where one of the columns is not among those found."""
    for column in columns:
        if column in found:
            continue
        names = [str(name) for name in found]
        told = f"Columns found: {listed(names)}.{nearest(column, names)}"
        for divider, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if len(names) == 1 and divider in names[0]:
                return f"there is no column {column!r}", (
                    f"{told} The columns seem to be divided by {name}. Save the file with commas"
                    + (", or rename it to .tsv." if divider == "\t" else ".")
                )
        return f"there is no column {column!r}", f"{told} {advice}"
    return None


Missing = Callable[[Sequence[Any]], tuple[str, str] | None]
Rows = Iterator[tuple[str, Any]]


def _text_rows(log: RowLog, *_: object) -> Rows:
    for number, line in enumerate(lines(log.path), start=1):
        if line.strip():
            log.total += 1
            yield f"line {number}", line


def _divided_rows(log: RowLog, columns: Sequence[str], missing: Missing, *, delimiter: str) -> Rows:
    path = log.path
    reader = csv.reader(lines(path, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        start = reader.line_num + 1
        limit = csv.field_size_limit(_LONGEST_CELL)  # a setting of the whole process: put back at once
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            log.total += 1
            if reader.line_num > start or header is None:
                raise DataError(
                    f"Reading {path}, line {start}: not valid CSV ({error}, noticed on line {reader.line_num}). Close "
                    'every double quote, and write one inside a text as two: "say ""yes"""'
                ) from None
            log.bad(f"line {start}", f"not valid CSV ({error})", 'Write a double quote inside a text as two: "".')
            continue
        finally:
            csv.field_size_limit(limit)
        if not cells:  # a blank line
            continue
        if header is None:
            header = cells
            _check_header(path, f", line {start}", header, missing)
            continue
        log.total += 1
        if len(cells) != len(header):
            log.bad(
                f"line {start}",
                f"{len(cells)} cell{'s' * (len(cells) > 1)} where the header has {len(header)}",
                "Put texts with commas, tabs or line breaks in double quotes.",
            )
            continue
        yield f"line {start}", dict(zip(header, cells, strict=True))


def _check_header(path: Path, place: str, header: Sequence[str], missing: Missing) -> None:
    if fault := missing(header):
        raise DataError(f"Reading {path}{place}: {'. '.join(fault)}")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(
            f"Reading {path}{place}: two columns have the same name, {twice[0]!r}. Rename or remove one of them. "
            f"Columns found: {listed(header)}."
        )


def _parquet_rows(log: RowLog, columns: Sequence[str], missing: Missing) -> Rows:
    path = log.path
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Reading {path}: Parquet files need the package pyarrow. Install it with: python -m pip install pyarrow"
        ) from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_header(path, "", file.schema_arrow.names, missing)
            for batch in file.iter_batches(_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    number += 1
                    log.total += 1
                    yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        after = f", after row {number}" if number else ""
        raise DataError(
            f"Reading {path}{after}: not a complete Parquet file ({str(error).splitlines()[0]}). Write it again."
        ) from None


_READERS: dict[str, Callable[[RowLog, Sequence[str], Missing], Rows]] = {
    ".txt": _text_rows,
    ".csv": partial(_divided_rows, delimiter=","),
    ".tsv": partial(_divided_rows, delimiter="\t"),
    ".json": json_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".parquet": _parquet_rows,
}
