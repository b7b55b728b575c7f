"""The ways in which vectors are laid out: in columns, in lines of numbers, and in what APIs answer.

number_columns    a column for each number: dim_0, dim_1, …
number_table      lines of numbers without a header, and GloVe's and word2vec's, which begin with a word
json_rows         the rows of a JSON value: lists, columns, responses and batches of OpenAI
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubelib.data.readers.vector_cells import FEWEST, floats, parse_vector

VECTOR_NAME = re.compile(r"(?:^|[_\W])(?:emb|embedd?ings?|vec|vectors?)(?:$|[_\W])|embedding", re.IGNORECASE)
SIDES = ("{}_embedding", "{}_embeddings", "{}_vector", "{}_emb", "{}_vec")  # columns beside a column of texts
WORD = "word"

_COUNTED = re.compile(r"(.*?)(\d+)")
_LISTS = ("embeddings", "vectors", "embedding", "vector")
_TEXTS = ("texts", "documents", "document", "text", "inputs", "input", "sentences")

Row = tuple[str, Any]  # place; an object, or a list of numbers


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
    complete = len(numbers) >= FEWEST and numbers[-1] - numbers[0] == len(numbers) - 1
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
        cells = _cells(line, self.separator)
        if self.has_words and len(cells) > self.dim:
            words = cells[: -self.dim]
            return {WORD: (self.separator or " ").join(words), "embedding": floats(cells[-self.dim :]) or line}
        return floats(cells) or line


def number_table(head: Sequence[str]) -> NumberTable | None:
    """What the first lines of a text file tell: numbers, words with numbers, or neither.

    Example:
        >>> number_table(["the 0.1 0.2", "of 0.3 0.4"])
        NumberTable(separator=None, dim=2, has_words=True, skip=0)
        >>> number_table(["id,dim_0,dim_1", "a,0.1,0.2"]) is None
        True
    """
    for separator in ("\t", ";", ",", None):
        rows = [_cells(line, separator) for line in head]
        skip = 0
        if _are_consecutive(rows[0][-2:]) and _are_consecutive(rows[0][1:]) and len(rows) > 1:
            return None  # names of columns
        if len(rows) > 1 and len(rows[0]) == 2 and floats(rows[0]) and rows[0][1] == str(len(rows[1]) - 1):
            skip, rows = 1, rows[1:]  # word2vec's own: how many, and how wide
        width = min(map(len, rows), default=0)
        numbered = len(rows) > 1 and _are_consecutive([row[0] for row in rows])  # the first column, of many
        numbered = numbered and not any(cell.isdigit() for row in rows for cell in row[1:])
        if width >= FEWEST and all(len(row) == width and floats(row) for row in rows) and not numbered:
            return NumberTable(separator, width, False, skip)
        words = width > FEWEST and all(floats(row[1 - width :]) and '"' not in row[0] for row in rows)
        if words:
            return NumberTable(separator, width - 1, True, skip)
    return None


def _cells(line: str, separator: str | None) -> list[str]:
    """The cells of a line. Only blanks divide it where nothing else does: a word may be a blank of another kind."""
    line = line.strip(" \t\r\n")
    return re.split(r"[ \t]+", line) if separator is None else line.split(separator)


def _are_consecutive(cells: Sequence[str]) -> bool:
    """Whether these are whole numbers that count on from the first."""
    if not all(cell.isdecimal() for cell in cells):
        return False
    return len(cells) > 1 and [int(cell) - int(cells[0]) for cell in cells] == list(range(len(cells)))


def is_comment(line: str) -> bool:
    """Whether a line is a comment, as np.savetxt writes them, and not a word that begins with "#"."""
    return line.startswith("#") and not floats(line.split()[1:])


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
        value = _rows_within(value) or value
    if not isinstance(value, list) or (value and isinstance(value[0], int | float)):
        yield place, _flat(value)
    elif value and isinstance(value[0], dict) and value[0].get("object") == "embedding":
        yield from _response(place, {"data": value}) or ()
    else:
        for number, row in enumerate(value, start=1):
            if isinstance(row, dict):  # perhaps a response of an API, of many
                yield from json_rows(f"row {number}", row)
            elif isinstance(row, list) and len(row) == 2 and isinstance(row[0], str):
                yield f"row {number}", {WORD: row[0], "embedding": row[1]}
            else:
                yield f"row {number}", row


def _rows_within(value: Any) -> list[Any] | None:
    """The only list of objects or of lists in an object, however deep; not in one that is a row itself."""
    if isinstance(value, list):
        return value if value and isinstance(value[0], dict | list) else None
    if not isinstance(value, dict) or _is_of_one_text(value):
        return None
    if any(not isinstance(parse_vector(cell), str) for cell in value.values()):
        return None
    named = _by_name("", value)
    if named:
        return [row for _, row in named]
    found = [rows for rows in map(_rows_within, value.values()) if rows]
    return found[0] if len(found) == 1 else None


def _is_of_one_text(value: Mapping[str, Any]) -> bool:
    return any(isinstance(value.get(key), str) for key in _TEXTS)


def _flat(row: Any) -> Any:
    """A row with what its objects hold: the vector of Qdrant's "vector", the text of its "payload"."""
    if not isinstance(row, dict):
        return row
    cells = {str(name): cell for name, cell in row.items()}
    for name, cell in row.items():
        part = cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
        if isinstance(part, dict) and "indices" not in part:  # which a sparse vector has
            inner = _flat(part)
            if isinstance(inner.get("values"), list) and not isinstance(cells[name], str):
                cells[name] = inner.pop("values")
            cells |= {inside: value for inside, value in inner.items() if inside not in cells}
    return cells


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
    if not isinstance(value, dict) or "index" in value or _is_of_one_text(value):
        return None  # of one text, perhaps with a vector for each of its tokens
    for name in _LISTS:
        vectors = value.get(name)
        if isinstance(vectors, dict) and vectors:  # Cohere: {"float": […]}, {"int8": […]}
            vectors = vectors.get("float") or next(iter(vectors.values()))
        if isinstance(vectors, list) and vectors and isinstance(vectors[0], list):
            texts = next((value[key] for key in _TEXTS if isinstance(value.get(key), list)), None)
            if texts is None or len(texts) != len(vectors):
                texts = [None] * len(vectors)
            rows = enumerate(zip(vectors, texts, strict=True), start=1)
            return [(f"{place}, item {number}", {"embedding": v, "text": text}) for number, (v, text) in rows]
    return None


def _by_name(place: str, value: Any) -> list[Row] | None:
    """{name: row, …}, as pandas writes with orient="index", and {text: vector, …}."""
    if not isinstance(value, dict) or len(value) < 2:
        return None
    parts = list(value.values())
    if all(
        isinstance(part, dict) and any(VECTOR_NAME.search(name) or name == "values" for name in part) for part in parts
    ):
        return [(f"row {number}", _flat(part)) for number, part in enumerate(parts, start=1)]
    words = not any(VECTOR_NAME.search(name) or name.isdigit() for name in value)
    widths = {len(part) if isinstance(part, list) else -1 for part in parts}
    if words and len(widths) == 1 and all(isinstance(parse_vector(part), np.ndarray) for part in parts):
        rows = enumerate(value.items(), start=1)
        return [(f"row {number}", {WORD: word, "embedding": part}) for number, (word, part) in rows]
    return None


def _table(place: str, value: Any) -> list[Row] | None:
    """pandas: {column: {row: cell}}, {column: [cell, …]} and {"columns": […], "data": [[cell, …], …]}."""
    if not isinstance(value, dict) or not value:
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        rows = [dict(zip(map(str, value["columns"]), cells, strict=False)) for cells in value["data"]]
    else:
        columns = {name: list(part.values()) if isinstance(part, dict) else part for name, part in value.items()}
        lengths = {len(part) if isinstance(part, list) else -1 for part in columns.values()}
        if len(lengths) > 1 or -1 in lengths or 0 in lengths:
            return None
        wide = number_columns(list(columns)) and all(isinstance(part, dict) for part in value.values())
        if not wide and not any(isinstance(parse_vector(part[0]), np.ndarray) for part in columns.values()):
            return None
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return [(f"row {number}", row) for number, row in enumerate(rows, start=1)]


LAYOUTS: Mapping[str, Callable[[str, Any], list[Row] | None]] = {
    "batch": _batch,
    "response": _response,
    "lists": _lists,
    "by name": _by_name,
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
