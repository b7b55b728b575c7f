"""Reads a user's own sentences, question → answer pairs and vectors from files.

Every problem names the file and the line; nothing is skipped in silence.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cubelib.datasets import check_vectors
from cubelib.errors import DataError


def _lines(path: Path, newline: str | None = None) -> io.StringIO:
    """The lines of a text file, split at line feeds and carriage returns only, as `open` does with this `newline`."""
    try:
        return io.StringIO(path.read_bytes().decode("utf-8-sig"), newline)
    except UnicodeDecodeError as error:
        raise DataError(
            f"Reading {path}: byte {error.start} is not UTF-8 text. Save the file as UTF-8 "
            f"(for example: iconv -f WINDOWS-1252 -t UTF-8 {path.name})."
        ) from None
    except OSError as error:
        raise DataError(f"Reading {path}: {error.strerror}. Give the path of a readable file.") from None


def read_sentences(path: str | Path) -> list[str]:
    """Sentences from a plain text file, one a line; blank lines are not sentences.

    Raises:
        DataError: no such file, not UTF-8, or nothing in it.
    """
    path = Path(path)
    sentences = [line.strip() for line in _lines(path) if line.strip()]
    if not sentences:
        raise DataError(f"Reading {path}: the file holds no text. Put one sentence on each line.")
    return sentences


def read_vectors(path: str | Path, dim: int) -> Tensor:
    """Vectors `(n, dim)` from a .npy file, as float32.

    Raises:
        DataError: no such file, not an array of numbers, cut short, of another width, or with vectors of NaN or zeros.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"Reading {path}: {error.strerror or error}. Give the path of a .npy file.") from None
    except ValueError as error:
        raise DataError(f"Reading {path}: not a complete .npy array of numbers ({error}). Write it again.") from None
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] != dim:
        raise DataError(
            f"Reading {path}: found an array of {values.dtype}, shape {values.shape}; expected real numbers, shape "
            f"(n, {dim}). Set embedding_dim to the width of your vectors, or encode the texts with another teacher."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused in the next line
        return check_vectors(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)), f"Reading {path}")


def read_pairs(path: str | Path, question: str = "question", answer: str = "answer") -> list[dict[str, str]]:
    """Question → answer pairs from a .csv (with a header) or .jsonl file.

    Args:
        path: the file; other endings are refused.
        question: name of the column with the questions.
        answer: name of the column with the answers.

    Returns:
        `{"question": str, "answer": str}`, in the order of the file.

    Raises:
        DataError: the file, a column or a line cannot be used; the message names the line.
    """
    path = Path(path)
    read = {".csv": _csv_rows, ".jsonl": _jsonl_rows}.get(path.suffix.lower())
    if read is None:
        raise DataError(f"Reading {path}: pairs come from .csv or .jsonl files. Convert the file, or rename it.")
    pairs = []
    for line, row in read(path):
        for column in (question, answer):
            if column not in row:
                found = ", ".join(map(str, row)) or "none"
                advice = "Set data.question_column and data.answer_column."
                if len(row) == 1 and (";" in found or "\t" in found):
                    advice = "The columns seem to be divided by something else than commas; save the file with commas."
                raise DataError(
                    f"Reading {path}, line {line}: there is no column {column!r}. Columns found: {found}. {advice}"
                )
            if not isinstance(row[column], str) or not row[column].strip():
                raise DataError(
                    f"Reading {path}, line {line}: the column {column!r} holds {row[column]!r}; expected text. "
                    "Fill it in, or remove the line."
                )
        pairs.append({"question": row[question].strip(), "answer": row[answer].strip()})
    if not pairs:
        raise DataError(f"Reading {path}: the file holds no pairs. Put a question and its answer on each line.")
    return pairs


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(_lines(path, newline=""), strict=True)
    try:
        for row in reader:
            if len(set(reader.fieldnames)) < len(reader.fieldnames):
                raise DataError(f"Reading {path}: two columns have the same name: {', '.join(reader.fieldnames)}.")
            if None in row or None in row.values():
                count = sum(value is not None for key, value in row.items() if key is not None) + len(row.get(None, []))
                raise DataError(
                    f"Reading {path}, line {reader.line_num}: {count} cells where the header has "
                    f"{len(reader.fieldnames)}. Put texts with commas or line breaks in double quotes."
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"Reading {path}, line {reader.reader.line_num}: not valid CSV ({error}).") from None


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"Reading {path}, line {number}: not valid JSON ({error.msg}).") from None
        if not isinstance(row, dict):
            raise DataError(
                f"Reading {path}, line {number}: expected an object such as "
                f'{{"question": "…", "answer": "…"}}; got {type(row).__name__}.'
            )
        yield number, row
