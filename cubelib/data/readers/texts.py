"""Texts, and questions with their answers."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cubelib.data.readers.beside import Beside, is_beside, is_right
from cubelib.data.readers.columns import PAIR_COLUMNS, TEXT_COLUMNS
from cubelib.data.readers.delimited import Dialect
from cubelib.data.readers.looks import LookLog
from cubelib.data.readers.rows import SKIP, TABLES, BadRows, RowLog, Source, table_rows

_HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which no encoding can hold

_COLUMN_ADVICE = 'Name one with column="…" or its number, counted from 0 (data.text_column in a configuration).'


def read_texts(
    path: Source,
    column: str | int = "text",
    *,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
    missing: Collection[str] = (),
) -> list[str]:
    """Texts from a .txt file, one a line, or from a column of a table.

    Blank lines of a .txt file are no texts; an empty cell of a table is a bad row. White space around a text is
    removed. Delimiter, header and encoding are found, and JSON may be laid out in any of the ways in
    `cubelib.data.readers.json_layouts`.

    Args:
        path: a .txt, .csv, .tsv, .json, .jsonl, .ndjson or .parquet file, which may be packed as .gz, .bz2, .xz or
            .zst; several of them; or the name of a data set on the Hugging Face hub, "hub:organization/name" (see
            `hub_table`). A .json or .jsonl file may also hold the texts themselves instead of objects.
        column: the column of a table, by name or by number, counted from 0. With a number or a delimiter, a .txt file
            is a table too.
        bad_rows: "error" raises at the first row that cannot be used, "skip" leaves such rows out and warns.
        dialect: how text files are written, where that is not found right.
        missing: words that are taken for an empty cell, such as "nan" and "N/A"; their case does not matter.

    Returns:
        The texts in the order of the file.

    Warns:
        FormatWarning: the file is not plain UTF-8 with commas or tabs and a header.
        SkippedRows: how many rows were left out, and why.
        SuspectTexts: texts that look like numbers, lines of a chat or words for a missing value.

    Raises:
        DataError: the file, the column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet or .zst file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "cats.csv"
        >>> _ = file.write_text('id,text\\n007,A cat sleeps.\\n008,"Black, white"\\n')
        >>> read_texts(file)
        ['A cat sleeps.', 'Black, white']
        >>> folder.cleanup()
    """
    log, cells = RowLog(path, bad_rows, dialect), _Cells(missing)
    (texts,) = _columns(log, cells, [str(column)], _COLUMN_ADVICE)
    log.finish(len(texts), "text", "Put one text on each line.")
    cells.looks.finish(log.source, len(texts))
    return texts


def read_columns(
    path: Source,
    columns: Sequence[str],
    *,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
    missing: Collection[str] = (),
    skip: str = SKIP,
    advice: str = _COLUMN_ADVICE,
) -> dict[str, list[str]]:
    """Texts from several columns; a row of which one cell cannot be used is left out of all of them.

    Args:
        path: see `read_texts`.
        columns: by name or number.
        bad_rows, dialect, missing: see `read_texts`.
        skip: how the user asks for bad rows to be left out, for messages.
        advice: how the user names columns, for messages.

    Returns:
        Column → its texts; row i of one belongs to row i of the others.
    """
    log, cells = RowLog(path, bad_rows, dialect, skip=skip), _Cells(missing)
    texts = _columns(log, cells, columns, advice)
    log.finish(len(texts[0]), "text", "Put one text on each line.")
    cells.looks.finish(log.source, len(texts[0]))
    return dict(zip(columns, texts, strict=True))


def _columns(log: RowLog, cells: _Cells, columns: Sequence[str], advice: str) -> list[list[str]]:
    texts: list[list[str]] = [[] for _ in columns]
    spellings = TEXT_COLUMNS if list(columns) == ["text"] else ()
    rows = table_rows(log, columns, "texts", advice, endings=(".txt", *TABLES), bare=str, spellings=spellings)
    for place, row in rows:
        values = [row[column] for column in columns] if isinstance(row, dict) else [row]
        fault = cells.fault(zip(columns, values, strict=True))
        if fault:
            log.bad(place, *fault)
            continue
        for column, value, found in zip(columns, values, texts, strict=True):
            text = value.strip()
            cells.looks.see(text, place, column if isinstance(row, dict) else "")
            found.append(text)
    return texts


def read_pairs(
    path: Source,
    question: str | int = "question",
    answer: str | int = "answer",
    *,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
    missing: Collection[str] = (),
    label_column: str | int | None = None,
    min_score: float | None = None,
    negative_column: str | int | None = None,
) -> list[dict[str, Any]]:
    """Question → answer pairs from two columns of a table.

    A cell with a list of answers holds several right ones: each is a pair of its own. Without names for the columns,
    those that other data sets use are found too, such as query and positive.

    Args:
        path: a .csv, .tsv, .txt, .json, .jsonl, .ndjson or .parquet file, which may be packed as .gz, .bz2, .xz or
            .zst; several of them; or the name of a data set on the Hugging Face hub, "hub:organization/name" (see
            `hub_table`).
        question: the column with the questions, by name or by number, counted from 0.
        answer: the column with the answers.
        bad_rows: "error" raises at the first row that cannot be used, "skip" leaves such rows out and warns.
        dialect: how text files are written, where that is not found right.
        missing: words that are taken for an empty cell, such as "nan" and "N/A"; their case does not matter.
        label_column: the column that says whether an answer is right (1, true, entailment) or wrong (0, -1, false,
            contradiction, neutral), or, with `min_score`, how good it is. Wrong ones are left out, and counted in a
            warning.
        min_score: the lowest score of a right answer; the column is "score" if `label_column` is None.
        negative_column: the column with wrong answers to the question, a text or a list.

    Returns:
        `{"question": str, "answer": str}`, in the order of the file, without white space around the texts; with
        `negative_column` also `"negatives": list[str]`.

    Warns:
        FormatWarning: the file is not plain UTF-8 with commas or tabs and a header.
        SkippedRows: how many rows were left out, and why.
        SuspectTexts: texts that look like numbers, lines of a chat or words for a missing value.
        UnusedColumns: labels, scores or wrong answers stand beside the pairs and are not used.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet or .zst file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "faq.jsonl"
        >>> _ = file.write_text('{"question": "Open on Sunday?", "answer": ["From noon.", "Yes."]}\\n')
        >>> read_pairs(file)
        [{'question': 'Open on Sunday?', 'answer': 'From noon.'}, {'question': 'Open on Sunday?', 'answer': 'Yes.'}]
        >>> folder.cleanup()
    """
    question, answer = str(question), str(answer)
    if label_column is None and min_score is not None:
        label_column = "score"
    label, negative = (None if column is None else str(column) for column in (label_column, negative_column))
    used = [column for column in (label, negative) if column is not None]
    log = RowLog(path, bad_rows, dialect)
    cells, beside = _Cells(missing), Beside(log)
    advice = (
        'Name them with question="…" and answer="…", or give their numbers, counted from 0 (data.question_column and '
        "data.answer_column in a configuration)."
    )
    rows = table_rows(
        log,
        [question, answer, *used],
        "pairs",
        advice,
        endings=(*TABLES, ".txt"),
        spellings=PAIR_COLUMNS if (question, answer) == ("question", "answer") else (),
        extra=is_beside,
    )
    pairs: list[dict[str, Any]] = []
    for place, row in rows:
        questions, answers = _several(row[question]), _several(beside.without_wrong(row[answer]))
        if isinstance(row[answer], str) and answers != [row[answer]]:
            log.note("lists printed as text hold several answers each")
        negatives = [text for text in _several(row[negative]) if text not in ("", None)] if negative else []
        named = [(question, text) for text in questions]
        named += [(answer, text) for text in answers]
        fault = cells.fault(named) or cells.fault((negative, text) for text in negatives)
        verdict = is_right(row[label], min_score) if label else True
        if fault:
            log.bad(place, *fault)
        elif verdict is None:
            hint = "Write a number, such as 0.8."
            if min_score is None:
                hint = "Use 1 and 0; if it is a score, set min_score (data.min_score)."
            log.bad(place, f"the column {label!r} says neither right nor wrong", f"Found {row[label]!r:.60}. {hint}")
        elif not answers:
            log.leave_out(place, f"the column {answer!r} lists no answer")
        elif not verdict:
            mark = "marked as wrong" if min_score is None else f"a score below {min_score:g}"
            log.leave_out(place, f"{mark} in the column {label!r}")
        else:
            beside.count(row)
            for column, text in named:
                cells.looks.see(text.strip(), place, column)
            for asked in questions:
                whole = beside.with_input(asked.strip(), row)
                for text in answers:
                    pair = {"question": whole, "answer": text.strip()}
                    pairs.append({**pair, "negatives": [wrong.strip() for wrong in negatives]} if negative else pair)
    log.finish(len(pairs), "pairs", "Put a question and its answer in each row.")
    cells.looks.finish(log.source, len(pairs))
    beside.finish(len(pairs))
    return pairs


class _Cells:
    """Checks cells, and looks at the texts in them."""

    def __init__(self, missing: Collection[str]) -> None:
        self.looks = LookLog()
        self._missing = {word.strip().lower() for word in missing}

    def fault(self, cells: Iterable[tuple[str | None, Any]]) -> tuple[str, str] | None:
        """What is wrong with the first of these cells that cannot be used, each with the name of its column."""
        for column, value in cells:
            fault = text_fault(value, f"the column {column!r}")
            if fault:
                return fault
            if self._missing and value.strip().lower() in self._missing:
                return f"the column {column!r} holds a word for a missing value", f"Found {value!r}. Fill it in."
        return None


def _several(cell: Any) -> list[Any]:
    """The texts of a cell: one, a list of them, printed or not, or objects with a "text" as SQuAD has them.

    Of turns of a chat, which preference data sets have instead of a text, the last.
    """
    if isinstance(cell, str):
        return _printed_list(cell) if cell[:1] == "[" else [cell]
    if isinstance(cell, dict) and "text" in cell:
        return _several(cell["text"])
    if isinstance(cell, list):
        if cell and isinstance(cell[-1], dict) and "role" in cell[-1]:
            return _several(cell[-1].get("content"))
        return [part["text"] if isinstance(part, dict) and "text" in part else part for part in cell]
    return [cell]


def _printed_list(text: str) -> list[str]:
    """The texts of a list that Python or JSON printed, to the letter; else the text alone."""
    try:
        parts = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [text]
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return [text]
    printed = (repr(parts), json.dumps(parts), json.dumps(parts, ensure_ascii=False))
    return parts if text.strip() in printed else [text]


def text_fault(value: Any, where: str) -> tuple[str, str] | None:
    """What is wrong with a value that should be text, and what to do; None for a good one.

    Example:
        >>> text_fault(5, "the column 'answer'")
        ("the column 'answer' holds a number where text is expected", 'Found 5. Write it in quotes, or remove the row.')
    """
    if value is None:
        return f"{where} holds null", "Fill it in, or remove the row."
    if not isinstance(value, str):
        advice = f"Found {value!r:.60}. Write it in quotes, or remove the row."
        return f"{where} holds {kind_of(value)} where text is expected", advice
    if not value.strip():
        return f"{where} is empty", "Fill it in, or remove the row."
    if _HALF.search(value):
        return f"{where} holds half a character (an unpaired surrogate)", "Write the text again as UTF-8."
    return None


def kind_of(value: Any) -> str:
    """A value's type in words."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", str: "text"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
