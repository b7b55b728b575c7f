"""Texts, and questions with their answers."""

from __future__ import annotations

import re
from typing import Any

from cubelib.data.readers.rows import TABLES, BadRows, RowLog, Source, table_rows

_HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which no encoding can hold


def read_texts(path: Source, column: str = "text", *, bad_rows: BadRows = "error") -> list[str]:
    """Texts from a .txt file, one a line, or from a column of a table.

    Blank lines of a .txt file are no texts; an empty cell of a table is a bad row. White space around a text is
    removed.

    Args:
        path: a .txt, .csv, .tsv, .json, .jsonl, .ndjson or .parquet file, several of them, or the name of a data set on
            the Hugging Face hub, "hub:organization/name" (see `hub_table`). A .json or .jsonl file may also hold the
            texts themselves instead of objects.
        column: the column of a table.
        bad_rows: "error" raises at the first row that cannot be used, "skip" leaves such rows out and warns.

    Returns:
        The texts in the order of the file.

    Warns:
        SkippedRows: how many rows were left out, and why.

    Raises:
        DataError: the file, the column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "cats.csv"
        >>> _ = file.write_text("id,text\\n007,A cat sleeps.\\n008,\\"Black, white\\"\\n")
        >>> read_texts(file)
        ['A cat sleeps.', 'Black, white']
        >>> folder.cleanup()
    """
    log = RowLog(path, bad_rows)
    texts = []
    advice = 'Name one with column="…" (data.text_column in a configuration).'
    for place, row in table_rows(log, [column], "texts", advice, endings=(".txt", *TABLES), bare=str):
        text = row[column] if isinstance(row, dict) else row
        fault = text_fault(text, f"the column {column!r}")
        if fault:
            log.bad(place, *fault)
        else:
            texts.append(text.strip())
    log.finish(len(texts), "text", "Put one text on each line.")
    return texts


def read_pairs(
    path: Source, question: str = "question", answer: str = "answer", *, bad_rows: BadRows = "error"
) -> list[dict[str, str]]:
    """Question → answer pairs from two columns of a table.

    Args:
        path: a .csv, .tsv, .json, .jsonl, .ndjson or .parquet file, several of them, or the name of a data set on the
            Hugging Face hub, "hub:organization/name" (see `hub_table`).
        question: name of the column with the questions.
        answer: name of the column with the answers.
        bad_rows: "error" raises at the first row that cannot be used, "skip" leaves such rows out and warns.

    Returns:
        `{"question": str, "answer": str}`, in the order of the file, without white space around the texts.

    Warns:
        SkippedRows: how many rows were left out, and why.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "faq.jsonl"
        >>> _ = file.write_text('{"question": "Open on Sunday?", "answer": "From noon."}\\n')
        >>> read_pairs(file)
        [{'question': 'Open on Sunday?', 'answer': 'From noon.'}]
        >>> folder.cleanup()
    """
    log = RowLog(path, bad_rows)
    pairs = []
    advice = (
        'Name them with question="…" and answer="…" (data.question_column and data.answer_column in a configuration).'
    )
    for place, row in table_rows(log, [question, answer], "pairs", advice):
        faults = [text_fault(row[column], f"the column {column!r}") for column in (question, answer)]
        fault = faults[0] or faults[1]
        if fault:
            log.bad(place, *fault)
        else:
            pairs.append({"question": row[question].strip(), "answer": row[answer].strip()})
    log.finish(len(pairs), "pairs", "Put a question and its answer in each row.")
    return pairs


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
