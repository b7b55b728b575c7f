"""The ways in which vectors are written: the cells of tables, tables of numbers, and what APIs answer.

parse_vector      a cell: a list, a print of NumPy, base64 or bytes
number_columns    a column for each number: dim_0, dim_1, …
number_table      lines of numbers without a header, and GloVe's and word2vec's, which begin with a word
json_rows         the rows of a JSON value: lists, columns, responses and batches of OpenAI
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubelib.data.readers.texts import kind_of
from cubelib.data.vectors import Array

VECTOR_NAME = re.compile(r"(?:^|[_\W])(?:emb|embedd?ings?|vec|vectors?)(?:$|[_\W])|embedding", re.IGNORECASE)
SIDES = ("{}_embedding", "{}_embeddings", "{}_vector", "{}_emb", "{}_vec")  # columns beside a column of texts
WORD = "word"

_ARRAY = re.compile(r"^(?:\w+\.)?(?:array|tensor|Tensor|Array|vector)\(\s*(\[.*?\])[^\]]*\)$", re.DOTALL)
_SCALAR = re.compile(r"np\.float\d+\(([^()]*)\)")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{8,}={0,2}\s*")
_COUNTED = re.compile(r"(.*?)(\d+)")
_LISTS = ("embeddings", "vectors", "embedding", "vector")
_TEXTS = ("texts", "documents", "document", "text", "inputs", "input", "sentences")
_FEWEST = 2  # numbers in a vector

Row = tuple[str, Any]  # place; an object, or a list of numbers


def parse_vector(cell: Any) -> Array | str:
    """A cell as float32 `(dim,)`, or what it holds instead, in words.

    Example:
        >>> parse_vector("[ 0.5 -2.\\n  1e-1]").tolist()[:2], parse_vector("[0.5 ... 1.]")
        ([0.5, -2.0], "numbers that were cut to '...' when they were printed, and are lost")
    """
    if isinstance(cell, bytes):
        vector = _from_bytes(cell)
        return "bytes that are no float32, float64 or float16" if vector is None else vector
    if isinstance(cell, str):
        return _from_text(cell.strip())
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if not isinstance(cell, list):
        return kind_of(cell)
    if not cell:
        return "an empty list"
    if all(isinstance(number, str) for number in cell):  # a column for each, in a table of text
        cell = _floats(cell) or cell
    for number in cell:
        if isinstance(number, bool) or not isinstance(number, int | float | np.floating):
            return f"a list with {kind_of(number)} in it"
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
            return np.array(cell, dtype=np.float32)
    except OverflowError:
        return "a number too large to work with"


def _from_text(text: str) -> Array | str:
    if "..." in text or "…" in text:
        return "numbers that were cut to '...' when they were printed, and are lost"
    try:
        return parse_vector(json.loads(text)) if text[:1] == "[" else _from_print(text)
    except (ValueError, RecursionError):
        return _from_print(text)


def _from_print(text: str) -> Array | str:
    """What NumPy, torch, Postgres and people print: brackets or none, commas or blanks."""
    array = _ARRAY.match(text)
    inner = _SCALAR.sub(r"\1", array[1] if array else text)
    if inner[:1] + inner[-1:] in ("[]", "()", "{}"):
        inner = inner[1:-1]
    cells = inner.strip().strip(",").split("," if "," in inner else None)
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = []
    if len(numbers) >= _FEWEST:
        return parse_vector(numbers)
    if _BASE64.fullmatch(text):
        try:
            vector = _from_bytes(base64.b64decode(text, validate=False), ["<f4"])
        except ValueError:
            vector = None
        if vector is not None:
            return vector
    return "text that is no list"


def _from_bytes(data: bytes, kinds: Sequence[str] = ("<f4", "<f8", "<f2")) -> Array | None:
    """Little-endian float32, float64 or float16: the first of these in which the numbers are those of vectors."""
    for kind in kinds:
        size = np.dtype(kind).itemsize
        if len(data) < _FEWEST * size or len(data) % size:
            continue
        if kind == "<f4" != kinds[-1] and len(data) % 8 == 0:
            words = np.frombuffer(data, "<u4")
            ends = words & 0x1FFFFFFF
            if not ends[::2].any() and (ends[1::2].any() or not words[::2].any()):
                continue  # float64 that was float32
        values = np.frombuffer(data, kind)
        usual = (np.abs(values) > 1e-8) & (np.abs(values) < 1e4)
        if np.isfinite(values).all() and (usual | (values == 0)).mean() > 0.99 and usual.any():
            return values.astype(np.float32)
    return None


def number_columns(names: Sequence[str], key: str | None = None) -> list[str]:
    """The columns that are one vector together: of one name with numbers, in the order of these.

    Args:
        names: of all columns.
        key: the name without the numbers; None: the one of most columns.

    Example:
        >>> number_columns(["id", "dim_1", "dim_0", "dim_2"])
        ['dim_0', 'dim_1', 'dim_2']
    """
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        match = _COUNTED.fullmatch(name.strip())
        if match:
            groups.setdefault(match[1].rstrip(" _-.[("), {})[int(match[2])] = name
    largest: dict[int, str] = max(groups.values(), key=len, default={})
    group = largest if key is None else groups.get(key.rstrip(" _-."), {})
    numbers = sorted(group)
    complete = len(numbers) >= _FEWEST and numbers[-1] - numbers[0] == len(numbers) - 1
    return [group[number] for number in numbers] if complete else []


@dataclass
class NumberTable:
    """Lines of numbers without names of columns.

    Attributes:
        separator: None for blanks.
        dim: numbers in a line.
        has_words: whether a word precedes them.
        skip: lines before the first.
    """

    separator: str | None
    dim: int
    has_words: bool
    skip: int

    def row(self, line: str) -> Any:
        """A list of numbers, {"word", "embedding"}, or the line if it is neither."""
        cells = line.strip().split(self.separator)
        if self.has_words and len(cells) > self.dim:
            words = cells[: -self.dim]
            return {WORD: (self.separator or " ").join(words), "embedding": _floats(cells[-self.dim :]) or line}
        return _floats(cells) or line


def number_table(head: Sequence[str]) -> NumberTable | None:
    """What the first lines of a text file tell: numbers, words with numbers, or neither.

    Example:
        >>> number_table(["the 0.1 0.2", "of 0.3 0.4"])
        NumberTable(separator=None, dim=2, has_words=True, skip=0)
        >>> number_table(["id,dim_0,dim_1", "a,0.1,0.2"]) is None
        True
    """
    for separator in ("\t", ";", ",", None):
        rows = [line.strip().split(separator) for line in head]
        skip = 0
        if len(rows) > 1 and len(rows[0]) == 2 and _floats(rows[0]) and rows[0][1] == str(len(rows[1]) - 1):
            skip, rows = 1, rows[1:]  # word2vec's own: how many, and how wide
        width = min(map(len, rows), default=0)
        if width >= _FEWEST and all(len(row) == width and _floats(row) for row in rows):
            return NumberTable(separator, width, False, skip)
        words = separator in ("\t", None) and width > _FEWEST and all(_floats(row[1 - width :]) for row in rows)
        if words:
            return NumberTable(separator, width - 1, True, skip)
    return None


def is_comment(line: str) -> bool:
    """Whether a line is a comment, as np.savetxt writes them, and not a word that begins with "#"."""
    return line.startswith("#") and not _floats(line.split()[1:])


def _floats(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        pass
    try:
        return [float(cell.replace(",", ".")) for cell in cells]  # where commas do not divide the cells
    except ValueError:
        return None


def json_rows(place: str, value: Any, *, alone: bool = False) -> Iterator[Row]:
    """The rows of a JSON value.

    Args:
        place: where it is.
        value: of a file, or of one of its lines.
        alone: whether the file holds nothing else.

    Example:
        >>> list(json_rows("line 1", {"data": [{"index": 1, "embedding": [3]}, {"index": 0, "embedding": [2]}]}))[0]
        ('line 1, item 2', {'index': 0, 'embedding': [2]})
    """
    for layout in LAYOUTS.values():
        rows = layout(place, value)
        if rows is not None:
            yield from rows
            return
    if alone and isinstance(value, dict):
        lists = [
            part for part in value.values() if isinstance(part, list) and part and isinstance(part[0], dict | list)
        ]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list) or (value and isinstance(value[0], int | float)):
        yield place, value
    elif value and isinstance(value[0], dict) and value[0].get("object") == "embedding":
        yield from _response(place, {"data": value}) or ()
    else:
        yield from ((f"row {number}", row) for number, row in enumerate(value, start=1))


def _response(place: str, value: Any) -> list[Row] | None:
    """OpenAI: {"data": [{"index": …, "embedding": …}]}, in the order of the indices."""
    items = value.get("data") if isinstance(value, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return None
    if not all("embedding" in item for item in items):
        return None
    rows = [(f"{place}, item {number}", item) for number, item in enumerate(items, start=1)]
    indices = [item.get("index") for item in items]
    if sorted(indices, key=str) == sorted(range(len(items)), key=str):
        rows.sort(key=lambda row: int(row[1]["index"]))
    return rows


def is_batch(value: Any) -> bool:
    """Whether this is a line of OpenAI's batch output: {"custom_id": …, "response": {"body": response}}."""
    return isinstance(value, dict) and {"custom_id", "response"} <= set(value)


def _batch(place: str, value: Any) -> list[Row] | None:
    if not is_batch(value):
        return None
    response = value["response"]
    rows = _response(place, response.get("body")) if isinstance(response, dict) else None
    if rows is None:
        return [(place, f"{value.get('error') or response!r:.60}")]
    return [(place, {**row, "custom_id": value["custom_id"]}) for _, row in rows]


def _lists(place: str, value: Any) -> list[Row] | None:
    """Cohere, Ollama, Chroma: {"embeddings": [vector, …], "documents": [text, …]}."""
    if not isinstance(value, dict):
        return None
    for name in _LISTS:
        vectors = value.get(name)
        if isinstance(vectors, dict) and isinstance(vectors.get("float"), list):
            vectors = vectors["float"]
        if isinstance(vectors, list) and vectors and isinstance(vectors[0], list):
            texts = next((value[key] for key in _TEXTS if isinstance(value.get(key), list)), None)
            if texts is None or len(texts) != len(vectors):
                texts = [None] * len(vectors)
            rows = enumerate(zip(vectors, texts, strict=True), start=1)
            return [(f"{place}, item {number}", {"embedding": v, "text": text}) for number, (v, text) in rows]
    return None


def _table(place: str, value: Any) -> list[Row] | None:
    """pandas: {column: {row: cell}}, {column: [cell, …]} and {"columns": […], "data": [[cell, …], …]}."""
    if not isinstance(value, dict) or not value:
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        rows = [dict(zip(value["columns"], cells, strict=False)) for cells in value["data"]]
    else:
        columns = {name: list(part.values()) if isinstance(part, dict) else part for name, part in value.items()}
        lengths = {len(part) if isinstance(part, list) else -1 for part in columns.values()}
        if len(lengths) > 1 or -1 in lengths or 0 in lengths:
            return None
        if not any(isinstance(parse_vector(part[0]), np.ndarray) for part in columns.values()):
            return None
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return [(f"row {number}", row) for number, row in enumerate(rows, start=1)]


LAYOUTS: Mapping[str, Callable[[str, Any], list[Row] | None]] = {
    "batch": _batch,
    "response": _response,
    "lists": _lists,
    "table": _table,
}


def batch_order(names: Sequence[str]) -> list[int] | None:
    """The order that the names of requests state by their numbers; None if they state none.

    Example:
        >>> batch_order(["r-10", "r-2"]), batch_order(["a", "b"])
        ([1, 0], None)
    """
    patterns = {re.sub(r"\d+", "0", name) for name in names}
    numbers = [tuple(map(int, re.findall(r"\d+", name))) for name in names]
    if len(patterns) > 1 or not all(numbers):
        return None
    return sorted(range(len(names)), key=numbers.__getitem__)
