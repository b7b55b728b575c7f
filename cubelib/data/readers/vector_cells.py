"""One vector as a cell of a table or a value of JSON: a list, a print of NumPy, base64, hex or bytes."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cubelib.data.readers.texts import kind_of
from cubelib.data.vectors import Array

FEWEST = 2  # numbers in a vector

_ARRAY = re.compile(r"^(?:\w+\.)?(?:array|tensor|Tensor|Array|vector)\(\s*(\[.*?\])[^\]]*\)$", re.DOTALL)
_SCALAR = re.compile(r"np\.float\d+\(([^()]*)\)")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{8,}={0,2}\s*")
_HEX = re.compile(r"(?:\\x|0x)?((?:[0-9a-fA-F]{8}){2,})")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+(?:[eE]-?\d+)?")
_LIST_BEGINS = re.compile(
    r"(?:\w+\.)?(?:array|tensor)?\s*[\[({][\[({\s]*(?:\d+:)?-?\.?\d|-?\d*[.,]\d+(?:[eE]-?\d+)?[\s,;|]+-?\.?\d"
)


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
    if isinstance(cell, dict):
        return "an object, as sparse vectors are written"
    if not isinstance(cell, list):
        return kind_of(cell)
    if not cell:
        return "an empty list"
    if all(isinstance(number, str) for number in cell):  # a column for each, in a table of text
        cell = floats(cell) or cell
    if len(cell) == 1 and isinstance(cell[0], list):
        return parse_vector(cell[0])  # (1, dim), as an encoder answers to one text
    for number in cell:
        if isinstance(number, bool) or not isinstance(number, int | float | np.floating):
            return f"a list with {kind_of(number)} in it"
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
            return np.array(cell, dtype=np.float32)
    except OverflowError:
        return "a number too large to work with"


def is_meant_as_vector(cell: Any) -> bool:
    """Whether a cell of a column that is named for vectors holds numbers, though perhaps none that can be read.

    Example:
        >>> [is_meant_as_vector(cell) for cell in ("[0.1 0.2 ... 0.3]", {"7": 0.5}, "all-MiniLM-L6-v2", None)]
        [True, True, False, False]
    """
    if isinstance(cell, str):
        return _LIST_BEGINS.match(cell) is not None
    parts = list(cell.values()) if isinstance(cell, dict) else cell
    return isinstance(parts, list) and len(parts) > 0 and isinstance(parts[0], int | float | list)


def _from_text(text: str) -> Array | str:
    if not text:
        return "nothing"
    if text[:2] in ("b'", 'b"'):  # bytes that were printed
        try:
            vector = _from_bytes(ast.literal_eval(text), ["<f4"])
        except (ValueError, SyntaxError):
            vector = None
        return "bytes that are no float32" if vector is None else vector
    if text[:1] == "{" and ":" in text:
        return "a sparse vector, which names only some of its numbers"
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
    cells = re.split(r"\s*[;|]\s*|,?\s+", inner.strip(" ,;|\n"))
    if not all(map(_DECIMAL_COMMA.fullmatch, cells)):
        cells = re.split(r"\s*[,;|]\s*|\s+", inner.strip(" ,;|\n"))
    numbers = floats(cells) or []
    if len(numbers) >= FEWEST:
        return parse_vector(numbers)
    digits = _HEX.fullmatch(text)
    if digits:
        vector = _from_bytes(bytes.fromhex(digits[1]), ["<f4"])
        if vector is not None:
            return vector
    text = text.rpartition(";base64,")[2].replace("-", "+").replace("_", "/")
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
        if len(data) < FEWEST * size or len(data) % size:
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


def floats(cells: Sequence[str]) -> list[float] | None:
    """The numbers of cells, with points or with commas for decimals; None if any is something else."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        pass
    try:
        return [float(cell.replace(",", ".")) for cell in cells]  # where commas do not divide the cells
    except ValueError:
        return None
