"""The ways in which programs lay out rows in JSON, recognized by shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from cubelib.data.readers.columns import MissingColumn, is_hint

Pick = Callable[[dict[str, Any]], "list[Any] | None"]  # the cells of the wanted columns, if an object has them all
Layout = Callable[[Any, Pick, "type | None"], "Iterable[Any] | None"]

_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")


def rows_in(value: Any, pick: Pick, bare: type | None, used: set[str], *, whole: bool = False) -> Iterator[Any]:
    """The rows that a JSON value holds; the value itself if it is of no known layout.

    Args:
        value: what a JSON file, a line of it or an item of a list holds.
        pick: gives the cells of the wanted columns of an object, or None if it lacks one.
        bare: the type of a row that is no object: text for texts, a list for vectors and conversations.
        used: gets the names of the layouts that were recognized.
        whole: whether the file holds nothing else: then the only list of an object is meant, whatever its items are.

    Raises:
        MissingColumn: several lists have the columns.
    """
    if isinstance(value, dict):
        cells = pick(value)
        if cells is not None and not any(isinstance(cell, (list, dict)) for cell in cells):
            yield value  # a row, as nearly all are
            return
    name, rows = next(_recognized(value, pick, bare), ("", None))
    if whole and value == []:
        name, rows = "list", []
    elif rows is None and whole and isinstance(value, dict) and pick(value) is None:
        lists = [part for name, part in value.items() if isinstance(part, list) and not _is_chat(name, bare)]
        name, rows = "wrapped list", lists if len(lists) == 1 else None
    if rows is None:
        yield value
        return
    used.add(name)
    for row in rows:
        if name in _HOLD_ROWS:
            yield from rows_in(row, pick, bare, used)
        else:
            yield row


def _recognized(value: Any, pick: Pick, bare: type | None) -> Iterator[tuple[str, Iterable[Any]]]:
    for name, layout in LAYOUTS.items():
        rows = layout(value, pick, bare)
        if rows is not None:
            yield name, rows


def _pairs(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """[question, answer], or [question, answer, wrong answer]."""
    if bare or not isinstance(value, list) or len(value) not in (2, 3) or not _all(str, value):
        return None
    return [dict(zip(("question", "answer", "negative"), value, strict=False))]


def _list(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """[row, row, …]."""
    if not isinstance(value, list) or not value:
        return None
    is_row = bare is list and not isinstance(value[0], list) and not (isinstance(value[0], dict) and pick(value[0]))
    return None if is_row else value


def _squad(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{"title": …, "paragraphs": [{"context": …, "qas": [{"question": …, "answers": [{"text": …}]}]}]}."""
    if not isinstance(value, dict) or not isinstance(value.get("paragraphs"), list):
        return None
    return (
        {**question, "answer": question.get("answers", []), "context": paragraph.get("context")}
        for paragraph in value["paragraphs"]
        for question in paragraph.get("qas", [])
    )


def _queries_and_corpus(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{"queries": {id: text}, "corpus": {id: text}, "relevant_docs": {id: [id, …]}}."""
    names = ("queries", "corpus", "relevant_docs")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), dict) for name in names):
        return None
    queries, corpus, relevant = (value[name] for name in names)
    return (
        {"question": text, "answer": [corpus.get(document) for document in relevant.get(query, [])]}
        for query, text in queries.items()
    )


def _intents(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{"tag": …, "patterns": [question, …], "responses": [answer, …]}."""
    if not isinstance(value, dict) or not {"patterns", "responses"} <= set(value):
        return None
    return [{**value, "question": value["patterns"], "answer": value["responses"]}]


def _set(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{"set": [text, text, …]}, of one meaning."""
    if not isinstance(value, dict) or list(value) != ["set"] or not value["set"] or not _all(str, value["set"]):
        return None
    return [{"question": value["set"][0], "answer": value["set"][1:]}]


def _preferences(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    r"""{"chosen": "\n\nHuman: …\n\nAssistant: …", "rejected": …}."""
    if not isinstance(value, dict) or not _SPEAKER.match(str(value.get("chosen"))) or "prompt" in value:
        return None
    parts = _SPEAKER.split(value["chosen"])  # "", speaker, text, speaker, text, …
    turns = list(zip(parts[1::2], parts[2::2], strict=True))
    return [
        {**value, "question": question, "answer": answer}
        for (asker, question), (speaker, answer) in pairwise(turns)
        if (asker, speaker) == ("Human", "Assistant")
    ]


def _split(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{"columns": [name, …], "data": [[cell, …], …]}, and [[name, …], [cell, …], …]."""
    if isinstance(value, dict):
        names, rows = value.get("columns"), value.get("data", value.get("rows"))
    elif _all(list, value):
        names, *rows = value
    else:
        return None
    if not names or not rows or not _all(str, names) or not _all(list, rows) or not pick(dict.fromkeys(names)):
        return None
    return (dict(zip(names, cells, strict=False)) for cells in rows)


def _columns(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{column: [cell, …]} and {column: {row: cell}}."""
    cells = pick(value) if isinstance(value, dict) else None
    if not cells:
        return None
    if _all(dict, cells) and all(list(cell) == list(cells[0]) for cell in cells):
        columns = {name: list(part.values()) for name, part in value.items() if isinstance(part, dict)}
    elif _all(list, cells) and (bare is not list or _all(list, cells[0])):
        columns = {name: part for name, part in value.items() if isinstance(part, list)}
    else:
        return None
    count = len(cells[0])
    columns = {name: part for name, part in columns.items() if len(part) == count}
    if any(len(cell) != count for cell in cells):
        if min(map(len, cells)) < 2:  # several right answers
            return None
        counts = " and ".join(str(len(cell)) for cell in cells)
        raise MissingColumn("the columns have different lengths", f"Found {counts}. Write the file again.")
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _rows_by_key(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{key: row, key: row, …}."""
    if not isinstance(value, dict) or not value or not _all(dict, list(value.values())):
        return None
    return list(value.values()) if all(map(pick, value.values())) else None


def _wrapped(value: Any, pick: Pick, bare: type | None) -> Iterable[Any] | None:
    """{…: …, name: [row, …]} and {…: …, name: row}, however deep."""
    if not isinstance(value, dict) or pick(value) is not None:
        return None
    lists = dict(_lists_of_rows(value, pick, bare))
    if len(lists) > 1:
        raise MissingColumn(
            "several lists have the columns", f"Found: {', '.join(lists)}. Write the one that is meant to a file."
        )
    return next(iter(lists.values()), None)


def _lists_of_rows(value: dict[str, Any], pick: Pick, bare: type | None) -> Iterator[tuple[str, list[Any]]]:
    for name, part in value.items():
        if _all(dict, part) and not _is_chat(name, bare) and _holds_row(part[0], pick):
            yield name, part
        elif isinstance(part, dict) and pick(part):
            yield name, [part]
        elif isinstance(part, dict):
            yield from _lists_of_rows(part, pick, bare)


def _holds_row(value: dict[str, Any], pick: Pick) -> bool:
    if pick(value) or "paragraphs" in value:
        return True
    return any(isinstance(part, dict) and _holds_row(part, pick) for part in value.values())


def _is_chat(name: str, bare: type | None) -> bool:
    """Whether the items of a list are the turns of a conversation, which are no rows of texts or pairs."""
    return bare is not list and is_hint(name, "conversations")


def _all(kind: type, values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, kind) for value in values)


# The first that fits is taken. Rows come before what holds rows.
LAYOUTS: dict[str, Layout] = {
    "pairs as lists": _pairs,
    "SQuAD": _squad,
    "queries and corpus": _queries_and_corpus,
    "intents": _intents,
    "sets": _set,
    "preferences": _preferences,
    "columns and data": _split,
    "columns": _columns,
    "rows by key": _rows_by_key,
    "wrapped list": _wrapped,
    "list": _list,
}
USUAL = {"list", "wrapped list", "pairs as lists"}  # nothing that needs to be told
_HOLD_ROWS = {"list", "wrapped list", "rows by key"}  # what they hold may have a layout of its own
