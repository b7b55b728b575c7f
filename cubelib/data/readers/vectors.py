"""Vectors that were made elsewhere: arrays, tables, text files of numbers, and what APIs answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cubelib.data.readers.arrays import ARRAYS, REFUSED, check_kind, npz_texts, read_array, refuse_packed_bits
from cubelib.data.readers.columns import Columns, MissingColumn
from cubelib.data.readers.delimited import Dialect
from cubelib.data.readers.hub_tables import is_hub_name
from cubelib.data.readers.lines import format_of, json_documents, text_lines
from cubelib.data.readers.rows import TABLES, BadRows, RowLog, Source, all_rows, check_file
from cubelib.data.readers.vector_cells import is_meant_as_vector, parse_vector
from cubelib.data.readers.vector_layouts import (
    SIDES,
    VECTOR_NAME,
    WORD,
    NumberTable,
    batch_order,
    is_batch,
    is_comment,
    json_rows,
    number_columns,
    number_table,
)
from cubelib.data.vectors import Array, VectorFile, check_vectors, usable
from cubelib.errors import DataError

IN_MEMORY = 1_000_000_000  # bytes

_LINES = (".csv", ".tsv", ".txt", ".vec")
_JSON = (".json", ".jsonl", ".ndjson")
_HEAD = 20  # rows that show the layout
_WIDE = 8  # numbers in a row that are beyond doubt a vector
_TEXT_COLUMNS = (
    "text", "texts", "content", "sentence", "document", "documents", "chunk", "passage", "body", "input",
    "page_content", "inputtext",
)  # fmt: skip
_ADVICE = (
    'Name it with key="…" (data.vector_column in a configuration; for pairs data.question_column and '
    "data.answer_column)."
)
_TEXT_ADVICE = 'Name it with text_column="…" (data.text_column in a configuration).'
_NO_DIRECTION = "a vector that cannot be used (NaN, infinite, all zeros, or a length below 1e-6 or above 1e6)"


class _Layout(NamedTuple):
    """Which columns of a table hold what."""

    column: str  # of the vectors, or the name of several with a number each
    numbers: list[str]  # these
    text: str | None


def read_vectors(
    path: Source, key: str | None = None, *, bad_rows: BadRows = "error", dialect: Dialect | None = None
) -> Tensor:
    """Vectors from a file, in memory. For more than fit there, see `cubelib.data.vectors.VectorFile`.

    Args:
        path: one of these, recognized by its shape, or several tables, or the name of a data set on the hub:

            - an array `(n, dim)` of real numbers in a .npy, .npz, .safetensors or .pt file;
            - a .csv, .tsv, .json, .jsonl, .ndjson or .parquet file with a vector in each row: a list of numbers, a
              print of NumPy, base64 or bytes of float32, or a column for each number (dim_0, dim_1, …);
            - numbers without a header (np.savetxt, Embedding Projector), and words with numbers (GloVe, word2vec), also
              as .txt or .vec;
            - what APIs answer: responses in the order of their "index", batches in that of their "custom_id".
        key: the array's name in a .npz, .safetensors or .pt file; None if there is only one. The column in a table, or
            the name of several columns without their numbers; None: "embedding", or the only one with vectors. Beside a
            column of texts of this name, "…_embedding" is meant.
        bad_rows: "error" raises at the first vector that cannot be used, "skip" leaves such vectors out and warns. In a
            table the first vector sets the width of all.
        dialect: how text files are written; None: it is found.

    Returns:
        float32 `(n, dim)`, in the order of the file, or in that which the file states.

    Warns:
        SkippedRows: how many vectors were left out, and why.
        UserWarning: whole numbers of a byte are read, or the order of a batch is not known.

    Raises:
        DataError: the file, the array or a row cannot be used. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.savez(f"{folder.name}/v.npz", titles=np.eye(2), bodies=np.ones((2, 2)))
        >>> read_vectors(f"{folder.name}/v.npz", "titles")
        tensor([[1., 0.],
                [0., 1.]])
        >>> folder.cleanup()
    """
    return _read(RowLog(path, bad_rows, dialect), key, None)[0]


def read_vectors_and_texts(
    path: Source,
    key: str | None = None,
    text_column: str | None = None,
    *,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
) -> tuple[Tensor, list[str] | None]:
    """`read_vectors`, and the texts of the same rows.

    Args:
        path: see `read_vectors`.
        key: see `read_vectors`.
        text_column: the column with the texts; None: for vectors in "question_embedding" the column "question", else
            one of the usual, such as "text", the words of GloVe, or the only texts in a .npz file.
        bad_rows: see `read_vectors`.
        dialect: see `read_vectors`.

    Returns:
        float32 `(n, dim)`, and n texts, or None if there are none.

    Raises:
        DataError: as `read_vectors`; or there is no such column of texts.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "glove.txt"
        ...     _ = file.write_text("the 0.5 1.0\\nof 2.0 0.25")
        ...     read_vectors_and_texts(file)
        (tensor([[0.5000, 1.0000],
                [2.0000, 0.2500]]), ['the', 'of'])
    """
    return _read(RowLog(path, bad_rows, dialect), key, text_column)


def open_vectors(path: Source, key: str | None = None, *, bad_rows: BadRows = "error") -> Tensor | VectorFile:
    """`read_vectors`, but a .npy or .safetensors file larger than `IN_MEMORY` stays on the disk, as a VectorFile.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/v.npy", np.eye(2))
        ...     open_vectors(f"{folder}/v.npy")
        tensor([[1., 0.],
                [0., 1.]])
    """
    if isinstance(path, str | Path) and not is_hub_name(path):
        file = Path(path)
        if file.suffix.lower() in (".npy", ".safetensors") and file.is_file() and file.stat().st_size > IN_MEMORY:
            if bad_rows == "skip":
                raise DataError(
                    f"Reading {file}: vectors of a file above {IN_MEMORY / 1e9:g} GB, which stays on the disk, cannot "
                    "be skipped. Remove those that cannot be used, and leave bad_rows out."
                )
            return VectorFile(file, key)
    return _read(RowLog(path, bad_rows), key, None)[0]


def looks_like_vectors(path: str | Path) -> bool:
    """Whether a file unmistakably holds vectors: an array, lines of numbers, or a column that is named for them.

    Only its beginning is read, unless it is a .json file. False for what cannot be read at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "v.jsonl"
        ...     _ = file.write_text('{"text": "Hi.", "embedding": [1, 2, 3, 4, 5, 6, 7, 8]}')
        ...     looks_like_vectors(file)
        True
    """
    log = RowLog(path, "skip")
    if format_of(log.path) in (*ARRAYS, *REFUSED):
        return True
    try:
        check_file(log.path, (*_LINES, *_JSON, ".parquet"), "vectors")
        _, row = next(_rows(log), ("", None))
    except (DataError, ModuleNotFoundError):
        return False
    cells = [row]
    if isinstance(row, dict):
        cells = [cell for name, cell in row.items() if VECTOR_NAME.search(name) or name == "values"]
        if any(isinstance(parse_vector(cell), str) and is_meant_as_vector(cell) for cell in cells):
            return True
        cells.append([row[name] for name in number_columns(list(row))])
    vectors = map(parse_vector, cells)
    return any(not isinstance(vector, str) and len(vector) >= _WIDE for vector in vectors)


def _read(log: RowLog, key: str | None, text_column: str | None) -> tuple[Tensor, list[str] | None]:
    check_kind(log.path)
    check_file(log.path, (*ARRAYS, *TABLES, ".txt", ".vec"), "vectors")
    ending = format_of(log.path)
    texts: list[Any] | None = None
    if ending not in ARRAYS:
        vectors, texts, places = _tables(log, key, text_column)
    elif len(log.paths) > 1:
        raise DataError(
            f"Reading {log.source}: several arrays are not joined. Give one; or in dialogue mode two, those of the "
            "questions and those of the answers. In Python read each, and join them with torch.cat."
        )
    else:
        vectors = read_array(log.path, key)
        texts = npz_texts(log.path, text_column, len(vectors)) if ending == ".npz" else None
        if text_column and texts is None:
            raise DataError(f"Reading {log.path}: there is no array of {len(vectors)} texts {text_column!r}.")
        log.total = len(vectors)
        if not log.skips:
            check_vectors(vectors, f"Reading {log.path}")
            return vectors, texts
        places = [(log.path, f"vector {number} (counted from 0)") for number in range(len(vectors))]
    if len(vectors):
        good = usable(vectors)
        for number in (~good).nonzero()[:, 0].tolist():
            log.path, place = places[number]
            log.bad(place, _NO_DIRECTION, "It has no direction to learn from. Remove it, or encode its text again.")
        vectors = vectors[good]
        texts = None if texts is None else [text for text, is_good in zip(texts, good.tolist(), strict=True) if is_good]
    log.finish(len(vectors), "vectors", "Put a vector in each row.", stacklevel=4)
    return vectors, texts


def _tables(log: RowLog, key: str | None, text_column: str | None) -> tuple[Tensor, list[str] | None, list[Any]]:
    """The vectors `(n, dim)` of the rows, their texts, and the file and place of each."""
    vectors: list[Array] = []
    texts: list[Any] = []
    places: list[tuple[Path, str]] = []
    for path in log.paths:
        log.path = path
        check_file(path, (*TABLES, ".txt", ".vec"), "vectors")
        rows = _rows(log)
        head = list(islice(rows, _HEAD))
        try:
            layout = _find_layout([row for _, row in head], key, text_column)
        except MissingColumn as missing:
            raise DataError(f"Reading {path}: {missing}") from None
        for place, row in chain(head, rows):
            vector = _vector(row, layout)
            if isinstance(vector, str):
                remedy = _remedy(vector)
                log.bad(place, f"{_where(row, layout)}{vector}", remedy)
            elif vectors and len(vector) != len(vectors[0]):
                fault = f"{len(vector)} numbers where the vectors above have {len(vectors[0])}"
                log.bad(place, fault, "Vectors of one file come from one model; mend it, or remove the row.")
            else:
                vectors.append(vector)
                texts.append(row.get(layout.text) if layout and layout.text and isinstance(row, dict) else None)
                places.append((path, place))
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    refuse_packed_bits(log.source, stacked)
    return torch.from_numpy(stacked), _whole(log, texts, places), places


def _whole(log: RowLog, texts: list[Any], places: Sequence[tuple[Path, str]]) -> list[str] | None:
    """The texts if each vector has one."""
    missing = [place for text, (_, place) in zip(texts, places, strict=True) if not isinstance(text, str) or not text]
    if missing and len(missing) < len(texts):
        warnings.warn(
            f"Reading {log.source}: the texts beside the vectors are not used, because {len(missing):,} of "
            f"{len(texts):,} vectors have none, the first in {missing[0]}. Fill them in to have them in the report.",
            stacklevel=5,
        )
    return None if missing else texts


def _rows(log: RowLog) -> Iterator[tuple[str, Any]]:
    ending = format_of(log.path)
    lines = text_lines(log.path, log.dialect.encoding) if ending in _LINES else iter(())
    head = [line for line in islice(lines, _HEAD) if line.strip() and not is_comment(line)]
    plain = number_table(head) if head else None
    if plain:
        yield from _plain_rows(log, plain)
    elif ending in _JSON:
        yield from _json(log)
    else:
        check_file(log.path, TABLES, "vectors with texts beside them")
        yield from all_rows(log)


def _plain_rows(log: RowLog, table: NumberTable) -> Iterator[tuple[str, Any]]:
    skip = table.skip
    for number, line in enumerate(text_lines(log.path, log.dialect.encoding), start=1):
        if not line.strip() or is_comment(line):
            continue
        if skip:
            skip -= 1
            continue
        log.total += 1
        yield f"line {number}", table.row(line)


def _json(log: RowLog) -> Iterator[tuple[str, Any]]:
    documents = json_documents(log.path, log.dialect.encoding, log.bad_line)
    first = list(islice(documents, 2))
    alone = len(first) == 1
    rows = chain.from_iterable(json_rows(place, value, alone=alone) for place, value in chain(first, documents))
    in_order = _ordered(log, list(rows)) if first and is_batch(first[0][1]) else rows
    for place, row in in_order:
        log.total += 1
        yield place, row


def _ordered(log: RowLog, rows: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The rows of a batch in the order of their requests."""
    for place, row in rows:
        if not isinstance(row, dict):
            log.bad_line(place, "a request that failed", f"Its error: {row}. Send it again, or remove the row.")
    answered = [row for row in rows if isinstance(row[1], dict)]
    order = batch_order([str(row["custom_id"]) for _, row in answered])
    if order is None:
        warnings.warn(
            f"Reading {log.path}: the vectors of a batch come in any order, and its custom_id do not say in which. "
            "They are in the order of the file. Number the requests: r-0, r-1, …",
            stacklevel=6,
        )
        return answered
    return [answered[number] for number in order]


def _find_layout(rows: Sequence[Any], key: str | None, text_column: str | None) -> _Layout | None:
    """Which columns hold the vectors and the texts; None where rows are bare lists of numbers.

    Raises:
        MissingColumn: there is no such column, or it is not clear which is meant.
    """
    tables = [row for row in rows if isinstance(row, dict)]
    if not tables:
        return None
    names = list(dict.fromkeys(name for row in tables for name in row))
    column, numbers = _find_vectors(tables, names, key)
    text = text_column or _text_beside(tables, names, column, key)
    if text is not None:
        text = Columns([text], _TEXT_ADVICE, content="vectors").find(names)[0]
    return _Layout(column, numbers, text)


def _find_vectors(rows: Sequence[dict[str, Any]], names: Sequence[str], key: str | None) -> tuple[str, list[str]]:
    holds = [name for name in names if any(not isinstance(parse_vector(row.get(name)), str) for row in rows)]
    if key is not None:
        sides = [side.format(key) for side in SIDES if side.format(key) in holds]
        if sides and key not in holds:
            return sides[0], []
        if key not in names and number_columns(names, key):
            return key, number_columns(names, key)
        return Columns([key], _ADVICE, content="vectors").find(names)[0], []
    if "embedding" in names:
        return "embedding", []
    numbers = number_columns(names)
    named = [name for name in holds if VECTOR_NAME.search(name)] or [name for name in holds if name not in numbers]
    if len(named) == 1:
        return named[0], []
    if numbers and not named:
        return f"{numbers[0]} … {numbers[-1]}", numbers
    if named:
        raise MissingColumn("it is not clear which column holds the vectors", f"Found: {', '.join(named)}. {_ADVICE}")
    return Columns(["embedding"], _ADVICE, content="vectors").find(names)[0], []


def _text_beside(rows: Sequence[dict[str, Any]], names: Sequence[str], column: str, key: str | None) -> str | None:
    suffixes = [side.format("") for side in SIDES]
    stems = [column.removesuffix(suffix) for suffix in suffixes if column.endswith(suffix)]
    if key and key != column:
        stems.insert(0, key)
    usual = [name for wanted in (*_TEXT_COLUMNS, WORD) for name in names if name.lower() == wanted]
    for name in (*stems, *usual):
        if name in names and name != column and all(isinstance(row.get(name), str | None) for row in rows):
            return name
    return None


def _vector(row: Any, layout: _Layout | None) -> Array | str:
    """The vector of a row, or what it holds instead, in words."""
    if not isinstance(row, dict) or layout is None:
        return parse_vector(row)
    return parse_vector([row.get(name) for name in layout.numbers] if layout.numbers else row.get(layout.column))


def _where(row: Any, layout: _Layout | None) -> str:
    if layout is None or not isinstance(row, dict):
        return "the row holds "
    if not layout.numbers and layout.column not in row:
        return f"there is no column {layout.column!r}; it holds "
    return f"the column {layout.column!r} holds "


def _remedy(fault: str) -> str:
    if "'...'" in fault:
        return "Encode the texts again, and save the vectors as an array: np.save(path, vectors)."
    if "sparse" in fault:
        return "Sparse vectors have no directions to learn; encode the texts with a model of dense vectors."
    if fault == "a list with a list in it":
        return "If these are the vectors of a text's tokens, write their mean; expected one list of numbers."
    return "Expected a list of numbers, such as [0.12, -0.5]; mend it, or remove the row."
