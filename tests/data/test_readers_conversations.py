"""Reader of conversations: chat files and tables of turns, with what is left out counted."""

import json
import re
import warnings
from itertools import count, product

import pyarrow
import pyarrow.parquet
import pytest
from test_readers import DIFFICULT, write, write_rows

from cubelib.data.readers import SkippedRows, SkippedTurns, read_conversations, read_turns
from cubelib.errors import DataError

TURNS = [f"{text} {number}." for number, text in enumerate(DIFFICULT)]
CHATS = [[*TURNS[i % 7 : i % 7 + 2 + i % 5], str(i)] for i in range(1000)]
ROLES = ["user", "assistant"]


def lines(*values):
    return "\n".join(json.dumps(value, ensure_ascii=False) for value in values)


def as_messages(chat):
    return [{"role": ROLES[number % 2], "content": text} for number, text in enumerate(chat)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *product(["a.json", "a.jsonl"], ["bare", "texts", "messages"]),
        *product(["a.parquet"], ["texts", "messages"]),  # a row of Parquet always has columns
    ],
)
def test_a_thousand_conversations_come_back_to_the_letter(tmp_path, name, shape):
    path = tmp_path / name
    shapes = {"bare": list, "texts": lambda c: {"messages": c}, "messages": lambda c: {"messages": as_messages(c)}}
    rows = [shapes[shape](chat) for chat in CHATS]
    if name == "a.parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows) if name == "a.json" else lines(*rows), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_conversations(path) == CHATS


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
def test_a_thousand_conversations_come_back_from_tables_of_turns(tmp_path, name):
    """The turns of two conversations at a time are mixed, as in a log."""
    rows = []
    for number in range(0, 1000, 2):
        pair = [[{"chat": str(n), "said": text} for text in CHATS[n]] for n in (number, number + 1)]
        longest = max(map(len, pair))
        rows += [chat[turn] for turn in range(longest) for chat in pair if turn < len(chat)]
    path = write_rows(tmp_path / name, rows)
    assert read_conversations(path, conversation_column="chat", text_column="said") == CHATS


CHAT = [
    {"role": "system", "content": None},
    {"role": "user", "content": " Hello. "},
    {"role": "user", "content": "Anyone?"},
    {"role": "Developer", "content": "be brief"},
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "Yes?"},
]


def test_turns_of_one_role_are_joined_and_system_turns_counted(tmp_path):
    path = write(tmp_path, "a.jsonl", lines(CHAT, ["one", "two"]))
    with pytest.warns(SkippedTurns) as warned:
        found = read_conversations(path)
    assert found == [["Hello.\nAnyone?\nHello!", "Yes?"], ["one", "two"]]
    assert len(warned) == 1
    assert warned[0].filename == __file__
    message = warned[0].message
    assert (message.count, message.total) == (2, 8)
    assert message.reasons == {"the role is system or developer": ["line 1, turn 1", "line 1, turn 4"]}
    assert "2 of 8 turns are left out" in str(message)


def test_roles_of_a_table_of_turns(tmp_path):
    rows = [{"id": 7, "who": turn["role"], "text": turn["content"] or ""} for turn in CHAT]
    path = write_rows(tmp_path / "a.csv", rows)
    with pytest.warns(SkippedTurns) as warned:
        found = read_conversations(path, conversation_column="id", role_column="who")
    assert found == [["Hello.\nAnyone?\nHello!", "Yes?"]]
    assert warned[0].message.reasons == {"the role is system or developer": ["line 2", "line 5"]}
    kept = [row for row in rows if row["who"] in ROLES]
    path = write_rows(tmp_path / "b.csv", kept)
    assert read_conversations(path, conversation_column="id") == [["Hello.", "Anyone?", "Hello!", "Yes?"]]


@pytest.mark.parametrize(
    "turn",
    [
        "Hi",
        {"text": "Hi"},
        {"from": "human", "value": "Hi"},
        {"role": "user", "content": "Hi", "text": None, "name": "x"},
    ],
)
def test_the_ways_to_write_a_turn(tmp_path, turn):
    path = write(tmp_path, "a.json", json.dumps({"chats": [{"turns": [turn, {"role": "bot", "text": "Ho"}]}]}))
    assert read_conversations(path, "turns") == [["Hi", "Ho"]]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "id,text\n1,a", {}, ", line 2: no list of turns. Columns found: id, text. Name its column with column="),
        ("a.jsonl", lines(["a", "b"], {"messages": "a"}), {}, ", line 2: the column 'messages' holds text where a lis"),
        ("a.jsonl", lines(["a", "b"], ["c"]), {}, ", line 2: a conversation of fewer than two turns. Found ['c']."),
        ("a.jsonl", lines(["a", {"role": "user"}]), {}, ": the file holds no conversations. A conversation has at lea"),
        ("a.jsonl", lines(["a", {"text": 5}]), {}, ", line 1: a turn holds a number where text is expected. It is turn 2"),
        ("a.jsonl", lines(["a", "b"]), {"column": "said", "pause_hours": 0}, ": pause_hours must be a number above 0"),
        ("a.jsonl", lines({"messages": ["a", "b"]}), {"column": "said"}, ", line 1: there is no column 'said'. Columns"),
        ("a.txt", "Just a line.\nAnd another.", {}, ", the text: neither an export of WhatsApp nor turns marked Hum"),
        ("a.json", "[]", {}, ": the file holds no conversations. A conversation has at least two turns."),
        ("a.csv", "id,text\n1,a\n,b", {"conversation_column": "id"}, ", line 3: the column 'id' holds no number or na"),
        ("a.jsonl", lines({"id": 1, "text": 5}), {"conversation_column": "id"}, ", line 1: the column 'text' holds a num"),
        ("a.csv", "id,text\n1,a\n2,b\n1,c", {"conversation_column": "id"}, ", line 3: a conversation of fewer than tw"),
    ],
    ids=count(),
)  # fmt: skip
def test_bad_conversations_are_named(tmp_path, name, content, options, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
        read_conversations(path, **options)


def test_a_bad_row_takes_its_conversation_with_it(tmp_path):
    turns = [("x", "a"), ("y", "b"), ("x", 5), ("z", "d"), ("x", "c"), ("y", "e"), ("w", 6), ("", "f"), ("w", "h")]
    path = write(tmp_path, "a.jsonl", lines(*({"id": name, "text": text} for name, text in turns)))
    with pytest.warns(SkippedRows) as warned:
        assert read_conversations(path, conversation_column="id", bad_rows="skip") == [["b", "e"]]
    assert (warned[0].message.count, warned[0].message.total) == (7, 9)
    assert warned[0].message.reasons == {
        "the column 'text' holds a number where text is expected": ["line 3", "line 7"],
        "the column 'id' holds no number or name of a conversation": ["line 8"],
        "another row of the conversation is bad": ["line 1", "line 5", "line 9"],
        "a conversation of fewer than two turns": ["line 4"],
    }


def test_turns_without_words_cost_no_conversation(tmp_path):
    path = write(tmp_path, "a.jsonl", lines(["a", "b"], ["c", "d", " "], [CHAT[0], "e"], ["f", "g"]))
    with pytest.warns(SkippedTurns) as warned:
        assert read_conversations(path) == [["a", "b"], ["c", "d"], ["f", "g"]]
    assert len(warned) == 1
    assert (warned[0].message.count, warned[0].message.total) == (3, 9)
    assert warned[0].message.reasons == {
        "no words": ["line 2, turn 3"],
        "the role is system or developer": ["line 3, turn 1"],
        "nobody else says anything in the conversation": ["line 3, turn 2"],
    }


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_a_table_of_turns_needs_no_settings(tmp_path, name):
    rows = [{"role": ROLES[n % 2], "content": text} for n, text in enumerate(["a", "b", "c", "d"])]
    assert read_conversations(write_rows(tmp_path / name, rows)) == [["a", "b", "c", "d"]]
    rows = [{"conversation_id": "xy"[n // 2], **row} for n, row in enumerate(rows)]
    assert read_conversations(write_rows(tmp_path / name, rows)) == [["a", "b"], ["c", "d"]]


def test_several_tables_are_read_once_each(tmp_path):
    rows = [{"role": role, "text": role} for role in ROLES]
    paths = [write_rows(tmp_path / name, rows) for name in ("a.csv", "b.csv")]
    assert read_conversations(paths) == [ROLES, ROLES]


def test_a_long_pause_begins_a_conversation(tmp_path):
    times = ["2024-05-01T10:00:00", "2024-05-01T10:05:00", "2024-05-02T10:00:00", "2024-05-02T10:01:00"]
    turns = [{"from": "AB"[n % 2], "text": f"{n}", "date": time} for n, time in enumerate(times)]
    path = write(tmp_path, "a.json", json.dumps({"messages": turns}))
    assert read_conversations(path) == [["0", "1", "2", "3"]]
    assert read_turns(path, pause_hours=6) == [[("A", "0"), ("B", "1")], [("A", "2"), ("B", "3")]]
    path = write(tmp_path, "b.json", json.dumps({"messages": turns[::-1]}))
    assert read_conversations(path) == [["0", "1", "2", "3"]], "the newest first, as some programs write them"
