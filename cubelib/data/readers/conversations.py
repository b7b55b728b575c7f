"""Conversations of several turns: chat files with a conversation in each row, and tables with a turn in each row."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cubelib.data.readers.problems import BadRows, RowLog, SkippedTurns
from cubelib.data.readers.tables import Source, files_of, table_rows
from cubelib.data.readers.text import cell_fault, kind_of
from cubelib.errors import DataError

_TEXT_KEYS = ("content", "text", "value")
_ROLE_KEYS = ("role", "from")
_INSTRUCTIONS = ("system", "developer")  # roles
_NESTED = (".json", ".jsonl", ".ndjson", ".parquet")


class _Conversation(NamedTuple):
    rows: list[tuple[Path, str]]  # file and place of every row it is made of
    turns: list[tuple[str, Any, str]]  # place, role, text


def read_conversations(
    path: Source,
    column: str = "messages",
    *,
    conversation_column: str | None = None,
    text_column: str = "text",
    role_column: str | None = None,
    bad_rows: BadRows = "error",
) -> list[list[str]]:
    """Conversations, as the lists of turns that `DialogueDataset.from_conversations` takes.

    Two kinds of files are read. *A conversation in each row*: .json, .jsonl or .parquet, where a row is a list of
    turns, or has one under `column`. A turn is a text, or an object with the text under "content", "text" or "value"
    and perhaps a role under "role" or "from", as chat models have them. *A turn in each row*, where
    `conversation_column` is given: any table, in the order of the file; rows of one conversation need not follow one
    another.

    Consecutive turns of one role are one turn, joined by a line break. Turns of the roles "system" and "developer" are
    left out wherever they stand, and counted in a warning: they instruct a model, nobody said them.

    Args:
        path: the file, several files, or "hub:organization/name" (see `hub_table`).
        column: the column with the list of turns.
        conversation_column: the column that tells conversations apart, by a number or a name.
        text_column: the column with a turn's text, where each row is a turn.
        role_column: the column that says who speaks, where each row is a turn; None: every row is a turn of its own.
        bad_rows: "error" raises at the first row or conversation that cannot be used, one with fewer than two turns
            among them; "skip" leaves them out whole and warns.

    Returns:
        The turns of each conversation, at least two, in the order in which the conversations begin.

    Warns:
        SkippedRows: how many rows were left out, and why.
        SkippedTurns: how many system turns were left out.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "chats.jsonl"
        >>> _ = file.write_text('{"messages": [{"role": "user", "content": "Hi."}, "Hello!"]}\\n["Rain?", "No."]')
        >>> read_conversations(file)
        [['Hi.', 'Hello!'], ['Rain?', 'No.']]
        >>> folder.cleanup()
    """
    log = RowLog(files_of(path), bad_rows)
    if conversation_column is None:
        found = _one_in_each_row(log, column)
    else:
        found = _turn_in_each_row(log, conversation_column, text_column, role_column)
    conversations: list[list[str]] = []
    instructions: list[str] = []
    total = 0
    for rows, turns in found:
        texts = _joined((role, text) for _, role, text in turns if not _instructs(role))
        if len(texts) < 2:
            _leave_out(log, rows, "a conversation of fewer than two turns", f"Found {texts!r:.60}.")
            continue
        conversations.append(texts)
        total += len(turns)
        instructions += [place for place, role, _ in turns if _instructs(role)]
    log.finish(len(conversations), "conversations", "A conversation has at least two turns.")
    if instructions:
        reasons = {f"the role is {' or '.join(_INSTRUCTIONS)}": instructions}
        warnings.warn(SkippedTurns(log.source, total, reasons), stacklevel=2)
    return conversations


def _one_in_each_row(log: RowLog, column: str) -> Iterator[_Conversation]:
    for path in log.paths:
        if path.suffix.lower() in (".csv", ".tsv"):
            raise DataError(
                f"Reading {path}: a cell of this file cannot hold a list of turns. If each row is a turn, name the "
                'column that tells conversations apart with conversation_column="…".'
            )
    advice = 'Name one with column="…" (data.messages_column in a configuration).'
    for place, row in table_rows(log, [column], "conversations", advice, endings=_NESTED, bare=list):
        values = row[column] if isinstance(row, dict) else row
        if not isinstance(values, list):
            reason = f"the column {column!r} holds {kind_of(values)} where a list of turns is expected"
            log.bad(place, reason, f"Found {values!r:.60}. Mend it, or remove the row.")
            continue
        turns = []
        for number, value in enumerate(values, start=1):
            role, text = _turn(value)
            if not _instructs(role) and (fault := cell_fault(text, "a turn")):
                log.bad(place, fault[0], f"It is turn {number}, {value!r:.60}. Mend it, or remove the row.")
                break
            turns.append((f"{place}, turn {number}", role, text))
        else:
            yield _Conversation([(log.path, place)], turns)


def _turn(value: Any) -> tuple[Any, Any]:
    """Role and text of a turn; None for what is not there."""
    if not isinstance(value, dict):
        return None, value
    return tuple(
        next((value[key] for key in keys if value.get(key) is not None), None) for keys in (_ROLE_KEYS, _TEXT_KEYS)
    )


def _turn_in_each_row(log: RowLog, conversation: str, text: str, role: str | None) -> Iterator[_Conversation]:
    columns = [conversation, text] + ([role] if role else [])
    advice = 'Name them with conversation_column="…", text_column="…" and role_column="…".'
    found: dict[str | int, _Conversation] = {}
    broken = set()
    for place, row in table_rows(log, columns, "conversations", advice):
        name, speaker = row[conversation], row[role] if role else None
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            reason = f"the column {conversation!r} holds no number or name of a conversation"
            log.bad(place, reason, f"Found {name!r:.60}. Fill it in, or remove the row.")
        elif not _instructs(speaker) and (fault := cell_fault(row[text], f"the column {text!r}")):
            broken.add(name)
            log.bad(place, *fault)
        else:
            rows, turns = found.setdefault(name, _Conversation([], []))
            rows.append((log.path, place))
            turns.append((place, speaker, row[text]))
    for name, conversation_found in found.items():
        if name in broken:
            _leave_out(log, conversation_found.rows, "another row of the conversation is bad", "Mend that row.")
        else:
            yield conversation_found


def _instructs(role: Any) -> bool:
    return isinstance(role, str) and role.lower() in _INSTRUCTIONS


def _joined(turns: Iterable[tuple[Any, str]]) -> list[str]:
    """The texts, those of one role that follow each other as one."""
    texts: list[str] = []
    last = None
    for role, text in turns:
        if texts and role is not None and role == last:
            texts[-1] += "\n" + text.strip()
        else:
            texts.append(text.strip())
        last = role
    return texts


def _leave_out(log: RowLog, rows: Sequence[tuple[Path, str]], reason: str, advice: str) -> None:
    for log.path, place in rows:
        log.bad(place, reason, advice)
