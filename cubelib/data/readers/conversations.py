"""Conversations of several turns: exports of programs, data of chat models, and tables with a turn in each row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from cubelib.data.readers import chat_layouts
from cubelib.data.readers.chat_layouts import Conversation, Message, find_conversations, is_turn, message_of
from cubelib.data.readers.chat_turns import Turn, divide_all, follow_replies, in_order, links_of
from cubelib.data.readers.columns import Columns, MissingColumn
from cubelib.data.readers.delimited import Dialect
from cubelib.data.readers.lines import format_of, json_documents, text_lines
from cubelib.data.readers.rows import TABLES, BadRows, RowLog, SkippedTurns, Source, all_rows, check_file
from cubelib.data.readers.texts import kind_of, text_fault
from cubelib.data.readers.whatsapp import looks_like_whatsapp, read_whatsapp
from cubelib.errors import DataError

DEFAULT_COLUMN = "messages"

_ADVICE = (
    'Name its column with column="…" (data.messages_column in a configuration); if each row is a turn, the column of '
    'the conversation with conversation_column="…" (data.conversation_column).'
)
_TEXT_ADVICE = 'Mark the turns, or write a list of them on each line of a .jsonl file: ["Hello!", "Hi."].'
_JSON = (".json", ".jsonl", ".ndjson")
_PAUSE = 6.0  # hours of silence that divide a single conversation
_FEWEST = 3  # conversations that such a division must give: training, validation and test need one each
_HEAD = 50  # lines of a text file that show whether it is a chat


@dataclass
class _Found:
    rows: list[tuple[Path, str]] = field(default_factory=list)  # file and place of each
    turns: list[tuple[str, Message]] = field(default_factory=list)  # place, turn
    links: list[dict[str, Any]] = field(default_factory=list)  # names of each turn and of the one it replies to


class _Columns(NamedTuple):
    turns: str
    conversation: str | None
    text: str
    role: str | None

    @property
    def named(self) -> list[str]:
        turns = None if self.turns == DEFAULT_COLUMN or self.conversation else self.turns
        text = self.text if self.conversation and self.text != "text" else None
        return [column for column in (turns, self.conversation, self.role, text) if column]


def read_conversations(
    path: Source,
    column: str = DEFAULT_COLUMN,
    *,
    conversation_column: str | None = None,
    text_column: str = "text",
    role_column: str | None = None,
    pause_hours: float | None = None,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
) -> list[list[str]]:
    """The texts of `read_turns`, as the lists of turns that `DialogueDataset.from_conversations` takes.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "chats.jsonl"
        >>> _ = file.write_text('{"messages": [{"role": "user", "content": "Hi."}, "Hello!"]}\\n["Rain?", "No."]')
        >>> read_conversations(file)
        [['Hi.', 'Hello!'], ['Rain?', 'No.']]
        >>> folder.cleanup()
    """
    log = RowLog(path, bad_rows, dialect)
    columns = _Columns(column, conversation_column, text_column, role_column)
    return [[turn.text for turn in turns] for turns in _read(log, columns, pause_hours)]


def read_turns(
    path: Source,
    column: str = DEFAULT_COLUMN,
    *,
    conversation_column: str | None = None,
    text_column: str = "text",
    role_column: str | None = None,
    pause_hours: float | None = None,
    bad_rows: BadRows = "error",
    dialect: Dialect | None = None,
) -> list[list[Turn]]:
    """Conversations, with the speaker of each turn.

    Recognized by their shape, without any setting:

    - chats of models: OpenAI's messages, ShareGPT, LangChain, preferences ("chosen"), texts marked "Human:" and
      "Assistant:" or `<|im_start|>`;
    - exports of programs: ChatGPT, Telegram (one chat or all), Slack, Discord, WhatsApp (.txt);
    - lists of texts, lists of lists of texts, and tables with a turn in each row and a column of speakers: of one
      conversation, or of several that a column such as "conversation_id" tells apart.

    Turns that nobody said are left out and counted in one warning: those of the roles system and developer, calls and
    results of tools, notices, pictures and files without words. Consecutive turns of one speaker are one turn, joined
    by a line break.

    Args:
        path: a .txt, .csv, .tsv, .json, .jsonl, .ndjson or .parquet file, several files, or "hub:organization/name"
            (see `hub_table`).
        column: the column with the list of turns. "messages": or one of the usual others, such as "conversations".
        conversation_column: the column with the number or name of the conversation, where each row is a turn.
        text_column: the column with a turn's text, where each row is a turn. "text": or one of the usual others.
        role_column: the column with the speaker, where each row is a turn; None: one of the usual, such as "role".
        pause_hours: a pause longer than this begins a new conversation, in files that have the times; None: none does,
            but that a single conversation is divided at pauses of 6 hours if that gives three or more.
        bad_rows: "error" raises at the first row or conversation that cannot be used, such as one with fewer than two
            turns; "skip" leaves them out whole and warns.
        dialect: how text files are written; None: it is found.

    Returns:
        The turns of each conversation, at least two, in the order in which the conversations begin; those of tables
        with a turn in each row come last.

    Warns:
        SkippedRows: how many rows were left out, and why.
        SkippedTurns: how many turns were left out, and why.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names the line. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "chats.json"
        >>> _ = file.write_text('[[{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Ho."}]]')
        >>> read_turns(file)
        [[Turn(role='user', text='Hi.'), Turn(role='assistant', text='Ho.')]]
        >>> folder.cleanup()
    """
    log = RowLog(path, bad_rows, dialect)
    return _read(log, _Columns(column, conversation_column, text_column, role_column), pause_hours)


def looks_like_chat(path: str | Path) -> bool:
    """Whether a file is unmistakably a chat: a WhatsApp export, or turns of speakers in a known layout.

    Only its beginning is read, unless it is a .json file. False for what cannot be read at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "chat.txt"
        ...     _ = file.write_text("5/1/24, 9:00 PM - Ann: Hi\\n5/1/24, 9:01 PM - Ben: Ho")
        ...     looks_like_chat(file)
        True
    """
    log = RowLog(path, "skip")
    try:
        check_file(log.path, (".txt", *TABLES), "conversations")
        if _is_whatsapp(log):
            return True
        rows = [row for _, row in islice(_rows(log, None), 2)]
    except (DataError, ModuleNotFoundError):
        return False
    names = [next((row[key] for key in chat_layouts.NAME_KEYS if key in row), None) for row in rows if is_turn(row)]
    in_one = len(names) > 1 and isinstance(names[0], str | int) and names[0] == names[1]
    if len(rows) > 1 and (in_one or all(map(_is_speech, rows))):
        return True
    conversations = find_conversations(rows[0], DEFAULT_COLUMN) if rows else None
    return any(message.role for _, messages in conversations or [] for message in messages)


def _is_speech(row: Any) -> bool:
    return is_turn(row) and (message_of(row).role in ("user", "assistant", "system") or row.get("type") == "message")


def _read(log: RowLog, columns: _Columns, pause_hours: float | None) -> list[list[Turn]]:
    if pause_hours is not None and not pause_hours > 0:
        raise DataError(f"Reading {log.source}: pause_hours must be a number above 0, or None; got {pause_hours!r}.")
    chats = [in_order(found.turns) for found in _find(log, columns)]
    conversations, left_out = divide_all(chats, pause_hours)
    divided = divide_all(chats, _PAUSE) if pause_hours is None and len(chats) == 1 else ([], {})
    if len(divided[0]) >= _FEWEST:
        conversations, left_out = divided
        log.note(
            f"one chat, divided into {len(conversations):,} conversations at pauses of {_PAUSE:g} hours",
            "Set pause_hours (data.pause_hours) for other pauses; if a column tells conversations apart, "
            "conversation_column (data.conversation_column).",
        )
    skipped = SkippedTurns(log.source, sum(map(len, chats)), left_out)
    advice = "A conversation has at least two turns."
    if left_out:
        advice += str(skipped).removeprefix(f"Reading {log.source}:")
    log.finish(len(conversations), "conversations", advice, stacklevel=5)
    if left_out:
        warnings.warn(skipped, stacklevel=3)
    return conversations


def _find(log: RowLog, columns: _Columns) -> Iterator[_Found]:
    turn_rows = _TurnRows(log, columns)
    for path in log.paths:
        log.path = path
        check_file(path, (".txt", *TABLES), "conversations")
        if _is_whatsapp(log):
            log.total += 1
            yield from _checked(log, "the chat", [Conversation("", read_whatsapp(_lines(log)))])
            continue
        for place, row in _rows(log, columns.conversation):
            conversations = None if columns.conversation else find_conversations(row, columns.turns)
            missing = _missing(row, columns)
            if missing:
                log.bad(place, missing.reason, missing.advice)
            elif conversations is not None:
                yield from _checked(log, place, conversations)
            elif format_of(path) == ".txt":
                log.bad(place, "neither an export of WhatsApp nor turns marked Human: and Assistant:", _TEXT_ADVICE)
            elif columns.conversation or is_turn(row) or isinstance(row, str):
                turn_rows.add(place, row)
            else:
                log.bad(place, *_no_turns(row, columns.turns))
    yield from turn_rows.conversations()


def _missing(row: Any, columns: _Columns) -> MissingColumn | None:
    wanted = Columns(columns.named, _ADVICE, content="conversations")
    try:
        wanted.find(list(row) if isinstance(row, dict) else columns.named)
    except MissingColumn as fault:
        return fault
    return None


def _lines(log: RowLog) -> Iterator[str]:
    return text_lines(log.path, log.dialect.encoding)


def _is_whatsapp(log: RowLog) -> bool:
    if format_of(log.path) != ".txt":
        return False
    return looks_like_whatsapp([line for line in islice(_lines(log), _HEAD) if line.strip()])


def _rows(log: RowLog, conversation_column: str | None) -> Iterator[tuple[str, Any]]:
    """Rows of a table, items of a list, or the whole content of a file that is one chat."""
    ending = format_of(log.path)
    if ending not in (".txt", *_JSON):
        for place, row in all_rows(log):
            yield place, row if is_turn(row) else {_usual(name): cell for name, cell in row.items()} | row
        return
    rows = _texts(log) if ending == ".txt" else _json_rows(log, conversation_column)
    for place, row in rows:
        log.total += 1
        yield place, row


def _usual(name: str) -> str:
    """The name of a column as programs write it: "Conversation ID" is "conversation_id"."""
    return name.strip().lower().replace(" ", "_")


def _texts(log: RowLog) -> Iterator[tuple[str, Any]]:
    lines = [(f"line {number}", line) for number, line in enumerate(_lines(log), start=1) if line.strip()]
    if any(find_conversations(line, "") is None for _, line in lines):
        lines = [("the text", "".join(_lines(log)))]
    yield from lines


def _json_rows(log: RowLog, conversation_column: str | None) -> Iterator[tuple[str, Any]]:
    documents = json_documents(log.path, log.dialect.encoding, bad_line=log.bad_line)
    first = list(islice(documents, 2))
    if len(first) != 1:
        yield from chain(first, documents)
        return
    value = first[0][1]
    if isinstance(value, dict) and find_conversations(value, DEFAULT_COLUMN) is None:
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        value = lists[0] if len(lists) == 1 else value
    is_row = format_of(log.path) != ".json" and find_conversations(value, DEFAULT_COLUMN) is not None
    if isinstance(value, list) and (conversation_column or not (is_row or _is_one_chat(value))):
        yield from ((f"row {number}", row) for number, row in enumerate(value, start=1))
    else:
        yield ("the chat" if format_of(log.path) == ".json" else first[0][0]), value


def _is_one_chat(items: list[Any]) -> bool:
    if all(isinstance(item, str) for item in items):
        return find_conversations(items, "") is not None
    return all(is_turn(item) and not any(key in item for key in chat_layouts.NAME_KEYS) for item in items)


def _checked(log: RowLog, place: str, conversations: Sequence[Conversation]) -> Iterator[_Found]:
    """The conversations of a row, unless they are bad; those of an export, which have names, may be of any length."""
    for name, messages in conversations:
        inside = f"{place}, {name}" if name else place
        found = _Found([(log.path, inside)])
        for number, message in enumerate(messages, start=1):
            fault = _fault(message, "a turn")
            if fault:
                log.bad(inside, fault[0], f"It is turn {number}, {message.text!r:.60}. Mend it, or remove the row.")
                break
            found.turns.append((f"{inside}, turn {number}", message))
        else:
            if len(messages) > 1 or name:
                yield found
            else:
                _leave_out_short(log, found)


def _fault(message: Message, where: str) -> tuple[str, str] | None:
    return None if message.unsaid else text_fault(message.text, where)


class _TurnRows:
    """Collects the conversations of tables in which each row is a turn."""

    def __init__(self, log: RowLog, columns: _Columns) -> None:
        self._log, self._columns = log, columns
        self._found: dict[str | int, _Found] = {}
        self._broken: set[str | int] = set()

    def add(self, place: str, row: Any) -> None:
        name: Any = str(self._log.path)
        role_keys = [self._columns.role] if self._columns.role else chat_layouts.ROLE_KEYS
        text_keys = [self._columns.text, *chat_layouts.TEXT_KEYS]
        if isinstance(row, dict):
            column = self._columns.conversation or next((key for key in chat_layouts.NAME_KEYS if key in row), None)
            name = row[column] if column else name
            text_keys = [key for key in text_keys if key in row] or text_keys
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            reason = f"the column {column!r} holds no number or name of a conversation"
            self._log.bad(place, reason, f"Found {name!r:.60}. Fill it in, or remove the row.")
            return
        message = message_of(row, text_keys[:1], role_keys)
        fault = _fault(message, f"the column {text_keys[0]!r}")
        if fault:
            self._broken.add(name)
            self._log.bad(place, *fault)
            return
        found = self._found.setdefault(name, _Found())
        found.rows.append((self._log.path, place))
        found.links.append(links_of(row))
        found.turns.append((place, message))

    def conversations(self) -> Iterator[_Found]:
        for name, found in self._found.items():
            if name in self._broken:
                _leave_out(self._log, found, "another row of the conversation is bad", "Mend that row.")
            elif len(found.turns) < 2:
                _leave_out_short(self._log, found)
            else:
                order = follow_replies(found.links)
                if order:
                    others = set(range(len(found.turns))).difference(order)
                    other = Message(None, "", chat_layouts.OTHER_BRANCH)
                    found.turns = [found.turns[n] for n in order] + [(found.turns[n][0], other) for n in others]
                yield found


def _leave_out_short(log: RowLog, found: _Found) -> None:
    texts = [message.text for _, message in found.turns]
    _leave_out(log, found, "a conversation of fewer than two turns", f"Found {texts!r:.60}.")


def _leave_out(log: RowLog, found: _Found, reason: str, advice: str) -> None:
    for path, place in found.rows:
        log.path = path
        log.bad(place, reason, advice)


def _no_turns(row: Any, column: str) -> tuple[str, str]:
    if isinstance(row, dict):
        column = next((key for key in (column, *chat_layouts.TURN_KEYS) if key in row), column)
    if isinstance(row, dict) and row.get(column) == []:
        return "a conversation of fewer than two turns", f"The column {column!r} holds an empty list."
    if isinstance(row, dict) and column in row:
        reason = f"the column {column!r} holds {kind_of(row[column])} where a list of turns is expected"
        return reason, f"Found {row[column]!r:.60}. Mend it, or remove the row."
    if isinstance(row, list):
        return "a conversation of fewer than two turns", f"Found {row!r:.60}."
    found = f"Columns found: {', '.join(row)}." if isinstance(row, dict) else f"Found {row!r:.60}."
    return "no list of turns", f"{found} {_ADVICE}"
