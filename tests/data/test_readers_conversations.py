"""Reader of conversations: chat files and tables of turns, with what is left out counted."""

import json
import re
import warnings
from itertools import count, product

import pyarrow
import pyarrow.parquet
import pytest
from test_readers import DIFFICULT, write, write_rows

from cubelib.data.readers import SkippedRows, SkippedTurns, read_conversations
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
        ("a.csv", "id,text\n1,a", {}, ": a cell of this file cannot hold a list of turns. If each row is a turn, name"),
        ("a.jsonl", lines(["a", "b"], {"messages": "a"}), {}, ", line 2: the column 'messages' holds text where a lis"),
        ("a.jsonl", lines(["a", "b"], ["c"]), {}, ", line 2: a conversation of fewer than two turns. Found ['c']."),
        ("a.jsonl", lines(["a", " ", "c"]), {}, ", line 1: a turn is empty. It is turn 2, ' '."),
        ("a.jsonl", lines(["a", {"role": "user"}]), {}, ", line 1: a turn holds null. It is turn 2, {'role':"),
        ("a.json", "[]", {}, ": the file holds no conversations. A conversation has at least two turns."),
        ("a.csv", "id,text\n1,a\n,b", {"conversation_column": "id"}, ", line 3: the column 'id' holds no number or na"),
        ("a.csv", "id,text\n1,a\n2,b\n1, ", {"conversation_column": "id"}, ", line 4: the column 'text' is empty."),
        ("a.csv", "id,text\n1,a\n2,b\n1,c", {"conversation_column": "id"}, ", line 3: a conversation of fewer than tw"),
    ],
    ids=count(),
)  # fmt: skip
def test_bad_conversations_are_named(tmp_path, name, content, options, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
        read_conversations(path, **options)


def test_a_bad_row_takes_its_conversation_with_it(tmp_path):
    rows = ["id,text", "x,a", "y,b", "x,c", "z,d", "x,", "y,e", "w,", ",f", "x,g", "w,h"]
    path = write(tmp_path, "a.csv", "\n".join(rows))
    with pytest.warns(SkippedRows) as warned:
        assert read_conversations(path, conversation_column="id", bad_rows="skip") == [["b", "e"]]
    assert (warned[0].message.count, warned[0].message.total) == (8, 10)
    assert warned[0].message.reasons == {
        "the column 'text' is empty": ["line 6", "line 8"],
        "the column 'id' holds no number or name of a conversation": ["line 9"],
        "another row of the conversation is bad": ["line 2", "line 4", "line 10", "line 11"],
        "a conversation of fewer than two turns": ["line 5"],
    }


def test_a_bad_conversation_is_left_out_whole(tmp_path):
    path = write(tmp_path, "a.jsonl", lines(["a", "b"], ["c", "d", " "], [CHAT[0], "e"], ["f", "g"]))
    with pytest.warns(SkippedRows) as warned:
        assert read_conversations(path, bad_rows="skip") == [["a", "b"], ["f", "g"]]
    assert len(warned) == 1, "the system turn is in a conversation that is left out already"
    assert (warned[0].message.count, warned[0].message.total) == (2, 4)
