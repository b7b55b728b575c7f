"""Conversations of several turns: chat files with a conversation in each row, and tables with a turn in each row."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cubelib.data.readers.rows import BadRows, RowLog, SkippedTurns, Source, table_rows
from cubelib.data.readers.texts import kind_of, text_fault
from cubelib.errors import DataError

_TEXT_KEYS = ("content", "text", "value")
_ROLE_KEYS = ("role", "from")
_INSTRUCTIONS = ("system", "developer")  # roles
_NESTED = (".json", ".jsonl", ".ndjson", ".parquet")


@dataclass
class _Conversation:
    rows: list[tuple[Path, str]] = field(default_factory=list)  # file and place of each
    turns: list[tuple[str, Any, str]] = field(default_factory=list)  # place, role, text


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
    and perhaps a role under "role" or "from", as chat models have them. *A turn in each row*, with
    `conversation_column`: any table, in the order of the file; rows of one conversation need not follow one another.

    Consecutive turns of one role are one turn, joined by a line break. Turns of the roles "system" and "developer"
    instruct a model; they are left out and counted in a warning.

    Args:
        path: the file, several files, or "hub:organization/name" (see `hub_table`).
        column: the column with the list of turns.
        conversation_column: the column with the number or name of the conversation.
        text_column: the column with a turn's text, if each row is a turn.
        role_column: the column with the speaker, if each row is a turn; None: every row is a turn of its own.
        bad_rows: "error" raises at the first row or conversation that cannot be used, such as one with fewer than two
            turns; "skip" leaves them out whole and warns.

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
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "chats.jsonl"
        >>> _ = file.write_text('{"messages": [{"role": "user", "content": "Hi."}, "Hello!"]}\\n["Rain?", "No."]')
        >>> read_conversations(file)
        [['Hi.', 'Hello!'], ['Rain?', 'No.']]
        >>> folder.cleanup()
    """
    log = RowLog(path, bad_rows)
    if conversation_column is None:
        found = _one_in_each_row(log, column)
    else:
        found = _turn_in_each_row(log, conversation_column, text_column, role_column)
    conversations: list[list[str]] = []
    instructions: list[str] = []
    total = 0
    for conversation in found:
        texts = _join_turns((role, text) for _, role, text in conversation.turns if not _instructs(role))
        if len(texts) < 2:
            _leave_out(log, conversation, "a conversation of fewer than two turns", f"Found {texts!r:.60}.")
            continue
        conversations.append(texts)
        total += len(conversation.turns)
        instructions += [place for place, role, _ in conversation.turns if _instructs(role)]
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
                'column of the conversation with conversation_column="…".'
            )
    advice = 'Name one with column="…" (data.messages_column in a configuration).'
    for place, row in table_rows(log, [column], "conversations", advice, endings=_NESTED, bare=list):
        values = row[column] if isinstance(row, dict) else row
        if not isinstance(values, list):
            reason = f"the column {column!r} holds {kind_of(values)} where a list of turns is expected"
            log.bad(place, reason, f"Found {values!r:.60}. Mend it, or remove the row.")
            continue
        conversation = _Conversation([(log.path, place)])
        for number, value in enumerate(values, start=1):
            role, text = _turn(value)
            fault = None if _instructs(role) else text_fault(text, "a turn")
            if fault:
                log.bad(place, fault[0], f"It is turn {number}, {value!r:.60}. Mend it, or remove the row.")
                break
            conversation.turns.append((f"{place}, turn {number}", role, text))
        else:
            yield conversation


def _turn(value: Any) -> tuple[Any, Any]:
    """Role and text of a turn; None for what it does not have."""
    if not isinstance(value, dict):
        return None, value
    return _first_value(value, _ROLE_KEYS), _first_value(value, _TEXT_KEYS)


def _first_value(turn: dict[str, Any], keys: Iterable[str]) -> Any:
    return next((turn[key] for key in keys if turn.get(key) is not None), None)


def _turn_in_each_row(log: RowLog, conversation: str, text: str, role: str | None) -> Iterator[_Conversation]:
    columns = [conversation, text] + ([role] if role else [])
    advice = 'Name them with conversation_column="…", text_column="…" and role_column="…".'
    conversations: dict[str | int, _Conversation] = {}
    broken = set()
    for place, row in table_rows(log, columns, "conversations", advice):
        name = row[conversation]
        speaker = row[role] if role else None
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            reason = f"the column {conversation!r} holds no number or name of a conversation"
            log.bad(place, reason, f"Found {name!r:.60}. Fill it in, or remove the row.")
            continue
        fault = None if _instructs(speaker) else text_fault(row[text], f"the column {text!r}")
        if fault:
            broken.add(name)
            log.bad(place, *fault)
            continue
        entry = conversations.setdefault(name, _Conversation())
        entry.rows.append((log.path, place))
        entry.turns.append((place, speaker, row[text]))
    for name, entry in conversations.items():
        if name in broken:
            _leave_out(log, entry, "another row of the conversation is bad", "Mend that row.")
        else:
            yield entry


def _instructs(role: Any) -> bool:
    return isinstance(role, str) and role.lower() in _INSTRUCTIONS


def _join_turns(turns: Iterable[tuple[Any, str]]) -> list[str]:
    """The texts; consecutive ones of one role are joined."""
    texts: list[str] = []
    last = None
    for role, text in turns:
        if texts and role is not None and role == last:
            texts[-1] += "\n" + text.strip()
        else:
            texts.append(text.strip())
        last = role
    return texts


def _leave_out(log: RowLog, conversation: _Conversation, reason: str, advice: str) -> None:
    for path, place in conversation.rows:
        log.path = path
        log.bad(place, reason, advice)
