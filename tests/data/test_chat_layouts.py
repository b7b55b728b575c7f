"""Conversations written as each program writes them come back, without what nobody said."""

import html
import json
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cubelib.data.readers import FormatWarning, SkippedTurns, looks_like_chat, read_conversations, read_turns
from cubelib.data.readers.chat_layouts import LAYOUTS, find_conversations

CASES = Path(__file__).parents[1] / "field_cases"
TOOL, SYSTEM = {"role": "tool", "content": '{"found": true}'}, {"role": "system", "content": "Be brief."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
START = datetime(2024, 5, 13, 9, 58)


def openai(chat):
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(chat)]
    return {"messages": [SYSTEM, *turns[:1], CALL, TOOL, *turns[1:]]}


def content_parts(chat):
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = [[{"type": "text", "text": text}, image] for text in chat]
    return {"messages": [{"role": ("user", "assistant")[n % 2], "content": part} for n, part in enumerate(parts)]}


def sharegpt(chat):
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(chat)]
    called = [{"from": "function_call", "value": "{}"}, {"from": "observation", "value": "[]"}]
    return {"id": "x", "conversations": [*turns[:1], *called, *turns[1:]], "system": "Be brief.", "tools": "[]"}


def preference(chat):
    turns = openai(chat)["messages"]
    return {"chosen": turns, "rejected": [*turns[:-1], {"role": "assistant", "content": "No idea."}]}


def gemini(chat):
    return {"contents": [{"role": ("user", "model")[n % 2], "parts": [{"text": text}]} for n, text in enumerate(chat)]}


def chatgpt(chat):
    nodes = {"root": {"message": None, "parent": None, "children": ["0"]}}
    for number, text in enumerate(chat):
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": ("user", "assistant")[number % 2]}, "content": content, "recipient": "all"}
        parent = "root" if number == 0 else f"{number - 1}"
        nodes[f"{number}"] = {"message": message, "parent": parent, "children": [f"{number + 1}"]}
        nodes[f"{number} thrown away"] = {"message": message, "parent": parent, "children": []}
    return {"title": "A chat", "mapping": nodes, "current_node": f"{len(chat) - 1}"}


def telegram(chat):
    messages = [{"type": "service", "action": "create_group", "text": ""}]
    for number, text in enumerate(chat):
        parts = [text[:3], {"type": "bold", "text": text[3:]}] if number % 3 else text
        messages.append({"type": "message", "from": ("Ann", "Ben")[number % 2], "text": parts})
        messages.append({"type": "message", "from": ("Ann", "Ben")[number % 2], "photo": "p.jpg", "text": ""})
    return {"name": "Ann", "type": "personal_chat", "id": 7, "messages": messages}


def slack(chat):
    joined = {"type": "message", "subtype": "channel_join", "user": "U1", "text": "<@U1> has joined", "ts": "1.0"}
    turns = [{"type": "message", "user": f"U{n % 2}", "text": text, "ts": f"{n + 2}.0"} for n, text in enumerate(chat)]
    return [joined, *turns]


def discord(chat):
    turns = [{"type": "Default", "author": {"name": "AB"[n % 2]}, "content": text} for n, text in enumerate(chat)]
    return {"guild": {}, "messages": [{"type": "GuildMemberJoin", "author": {"name": "A"}, "content": "Hi"}, *turns]}


def messenger(chat):
    """The newest first, and each byte of UTF-8 written as a letter."""
    turns = [
        {"sender_name": "AB"[n % 2], "timestamp_ms": 1000 * n + 1, "content": as_bytes(text), "type": "Generic"}
        for n, text in enumerate(chat)
    ]
    return {"participants": [{"name": "A"}], "messages": [*turns[::-1], {"sender_name": "A", "timestamp_ms": 1}]}


def as_bytes(text):
    return text.encode().decode("latin-1")


def teams(chat):
    turns = [
        {
            "messageType": "message",
            "from": {"user": {"displayName": "AB"[n % 2]}},
            "body": {"contentType": "html", "content": f"<p>{html.escape(text)}</p>"},
        }
        for n, text in enumerate(chat)
    ]
    return {
        "@odata.context": "x",
        "messages": [*turns, {"messageType": "systemEventMessage", "from": None, "body": {}}],
    }


def multiwoz(chat):
    turns = [{"speaker": ("USER", "SYSTEM")[n % 2], "utterance": text} for n, text in enumerate(chat)]
    return {"dialogue_id": "x", "turns": turns}


def by_columns(chat):
    return {"turns": {"speaker": [n % 2 for n in range(len(chat))], "utterance": chat}}


def tree(chat):
    node = None
    for number, text in reversed(list(enumerate(chat))):
        other = {"text": "thrown away", "role": ("prompter", "assistant")[(number + 1) % 2], "rank": 1, "replies": []}
        replies = [other, node] if node else []
        node = {"text": text, "role": ("prompter", "assistant")[number % 2], "rank": 0, "replies": replies}
    return {"message_tree_id": "x", "prompt": node}


def llama(chat):
    ends = [
        f"<|start_header_id|>{('user', 'assistant')[n % 2]}<|end_header_id|>\n\n{t}<|eot_id|>"
        for n, t in enumerate(chat)
    ]
    return {"text": "<|begin_of_text|>" + "".join(ends)}


def inst(chat):
    return {"text": "<s>" + "".join(f"[{('INST', '/INST')[n % 2]}] {text} " for n, text in enumerate(chat))}


def thoughts(chat):
    turns = openai(chat)["messages"]
    return {
        "messages": [
            t | {"content": f"<think>Hm.</think>{t['content']}"} if t["role"] == "assistant" and t["content"] else t
            for t in turns
        ]
    }


def named_lines(chat):
    return {"dialogue": "\r\n".join(f"{('Ann', 'Ben')[n % 2]}: {text}" for n, text in enumerate(chat)), "summary": "s"}


def marked(chat):
    return "".join(f"\n\n{('Human', 'Assistant')[n % 2]}: {text}" for n, text in enumerate(chat))


def chatml(chat):
    return "\n".join(f"<|im_start|>{('user', 'assistant')[n % 2]}\n{text}<|im_end|>" for n, text in enumerate(chat))


WRITERS = {
    "openai": openai, "parts": content_parts, "sharegpt": sharegpt, "preference": preference, "gemini": gemini,
    "chatgpt": chatgpt, "telegram": telegram, "slack": slack, "discord": discord, "texts": list, "marked": marked,
    "messenger": messenger, "teams": teams, "multiwoz": multiwoz, "by columns": by_columns, "tree": tree,
    "llama": llama, "inst": inst, "thoughts": thoughts, "named lines": named_lines,
    "ultrachat": lambda chat: {"id": "x", "data": chat},
    "chatml": chatml, "chatml in a column": lambda chat: {"text": chatml(chat)},
    "request": lambda chat: {"custom_id": "1", "body": {"model": "m", **openai(chat)}},
}  # fmt: skip

# Without marks that mean something in a chat, names of files, and the word that WhatsApp writes for a deleted message.
LETTERS = st.characters(exclude_categories=["C", "Z"], exclude_characters="[(<|:#.\u200e")
WORDS = st.text(LETTERS, min_size=4, max_size=9).filter(lambda word: word.lower() != "null")
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
CHATS = st.lists(st.lists(TEXTS, min_size=2, max_size=6), min_size=1, max_size=4)


def read_quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedTurns)
        return read_conversations(path)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None)
@given(chats=CHATS)
def test_every_layout_comes_back(tmp_path_factory, name, chats):
    folder = tmp_path_factory.mktemp("chats")
    rows = [WRITERS[name](chat) for chat in chats]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "a.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (folder / "one.json").write_text(json.dumps(rows[0], indent=1), encoding="utf-8")
    (folder / "all.json").write_text(json.dumps({"chats": {"list": list(map(telegram, chats))}}), encoding="utf-8")
    assert read_quietly(folder / "a.jsonl") == read_quietly(folder / "a.json") == chats
    assert read_quietly(folder / "one.json") == chats[:1]
    assert read_quietly(folder / "all.json") == chats
    assert looks_like_chat(folder / "a.jsonl") is (name not in ("texts", "ultrachat"))


def test_every_layout_in_the_table_is_tried():
    taken = set()
    values = [WRITERS[name](["Hi.", "Ho.", "Hey."]) for name in WRITERS]
    values.append({"text": "Q", "role": "prompter", "replies": [{"text": "A", "role": "assistant"}]})
    values += [{"chats": {"list": []}}, {"input": {"messages": []}, "preferred_output": []}]
    taken = [
        next((name for name, layout in LAYOUTS.items() if layout(value, "messages") is not None), value)
        for value in values
    ]
    assert set(taken) == set(LAYOUTS)
    for other in ({"question": "a", "answer": "b"}, {"text": "Human: a"}, [1, 2], [[1.0]], "text", 5, None, {}, []):
        assert find_conversations(other, "messages") is None


STAMPS = {
    "iphone": "[%d/%m/%y, %H:%M:%S] ", "iphone_us": "[%m/%d/%y, %I:%M:%S\u202f%p] ",
    "iphone_de": "[%d.%m.%y, %H:%M:%S] ",
    "android": "%d/%m/%Y, %H:%M - ", "android_us": "%m/%d/%y, %I:%M %p - ", "android_de": "%d.%m.%y, %H:%M - ",
    "android_iso": "%Y-%m-%d %H:%M - ", "android_es": "%d/%m/%y %H:%M - ", "android_nl": "%d-%m-%Y %H:%M - ",
    "android_fi": "%d.%m.%Y klo %H.%M - ",
}  # fmt: skip


@pytest.mark.parametrize("stamp", STAMPS)
@settings(max_examples=25, deadline=None)
@given(chat=st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=2, max_size=6))
def test_whatsapp_comes_back(tmp_path_factory, stamp, chat):
    """A message of several lines; a notice at the beginning, a file at the end, a day after every second message."""
    lines = ["Ann: \u200eMessages and calls are end-to-end encrypted."]
    lines += [f"{('Ann', 'Ben')[number % 2]}: " + "\n".join(parts) for number, parts in enumerate(chat)]
    lines.append("Ann: \u200eimage omitted" if "iphone" in stamp else "Ann: <Media omitted>")
    times = [START + timedelta(days=max(0, number - 1) // 2, minutes=number) for number in range(len(lines))]
    path = tmp_path_factory.mktemp("chats") / "_chat.txt"
    written = [time.strftime(STAMPS[stamp]) + line for time, line in zip(times, lines, strict=True)]
    path.write_text("\n".join(written), encoding="utf-8")
    assert looks_like_chat(path)
    with pytest.warns(SkippedTurns, match=f"2 of {len(chat) + 2} turns are left out"):
        turns = read_turns(path, pause_hours=1000)
    assert turns == [[("AnnBen"[3 * (n % 2) :][:3], "\n".join(parts)) for n, parts in enumerate(chat)]]
    with pytest.warns(SkippedTurns):
        assert [len(part) for part in read_turns(path, pause_hours=6)] == [2] * (len(chat) // 2)


@pytest.mark.parametrize(
    ("case", "lengths", "left_out"),
    [
        ("19_openai_tool_calls/chats.jsonl", [2, 4] * 8, 24),
        ("20_openai_tool_empty_string/chats.jsonl", [4] * 16, 48),
        ("21_openai_content_parts/chats.jsonl", [2] * 12, 0),
        ("22_sharegpt/sharegpt.json", [4] * 16, 0),
        ("22_sharegpt/sharegpt_tools.json", [4] * 16, 12),
        ("23_same_role_twice/chats.jsonl", [4] * 16, 0),
        ("24_telegram_chat/result.json", [2] * 16, 5),
        ("25_telegram_all/result.json", [32] * 3, 15),
        ("27_whatsapp_txt/_chat.txt", [2] * 16, 2),
        ("28_chatgpt_export/conversations.json", [2] * 12, 12),
        ("29_instructions/hh.jsonl", [2] * 12, 12),
    ],
)
def test_chats_of_the_field(case, lengths, left_out):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        conversations = read_conversations(CASES / case)
    assert [len(turns) for turns in conversations] == lengths
    skipped = [warning.message.count for warning in warned if warning.category is SkippedTurns]
    assert skipped == [left_out] * (left_out > 0)
    divided = "divided into 16 conversations at pauses of 6 hours. Set pause_hours"
    assert [str(warning.message) for warning in warned if divided in str(warning.message)] == [
        str(warning.message) for warning in warned if warning.category is FormatWarning
    ]
    assert any(divided in str(warning.message) for warning in warned) is (lengths == [2] * 16)
    told = " ".join(text for turns in conversations for text in turns)
    for unsaid in ("{", "look_up", "thrown away", "No idea", "encrypted", "omitted", "10:0", "You are the help"):
        assert unsaid not in told


@pytest.mark.parametrize(
    ("rows", "expected", "left_out"),
    [
        (  # a tree of answers, flat: the first branch is followed
            [("a", None, "Q"), ("b", "a", "A"), ("c", "a", "other"), ("d", "b", "Q2")], ["Q", "A", "Q2"], 1,
        ),
        ([("b", "a", "A"), ("a", None, "Q")], ["Q", "A"], 0),  # the newest first
        ([("a", None, "Q"), ("b", None, "A"), ("c", "a", "Q2")], ["Q", "A", "Q2"], 0),  # a chat with one quotation
    ],
)  # fmt: skip
def test_replies_are_followed(tmp_path, rows, expected, left_out):
    names = ("message_id", "parent_id", "text")
    turns = [dict(zip(names, row, strict=True), role=f"{n}", message_tree_id="t") for n, row in enumerate(rows)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, turns)))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert read_conversations(path) == [expected]
    assert [warning.message.count for warning in warned] == [left_out] * (left_out > 0)


def test_conversations_under_names_are_all_read(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({f"M{n}.json": {"log": [{"text": f"Q{n}"}, {"text": "A"}]} for n in range(3)}))
    assert read_conversations(path) == [["Q0", "A"], ["Q1", "A"], ["Q2", "A"]]


def test_answers_marked_as_wrong_are_left_out(tmp_path):
    path = tmp_path / "kto.jsonl"
    ask = [{"role": "user", "content": "Q"}]
    rows = [
        {"prompt": ask, "completion": [{"role": "assistant", "content": text}], "label": text == "A"} for text in "AB"
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.warns(SkippedTurns, match="marked as rejected"):
        assert read_conversations(path) == [["Q", "A"]]


@pytest.mark.parametrize(
    ("header", "is_chat"),
    [("ticket_id,author,message", True), ("Conversation ID,Speaker,Text", True), ("id,author,text", False)],
)
def test_turns_in_the_rows_of_a_table(tmp_path, header, is_chat):
    path = tmp_path / "turns.csv"
    path.write_text(f"{header}\n1,Ann,Hi\n1,Ben,Ho\n2,Ann,Q\n2,Ben,A\n")
    assert looks_like_chat(path) is is_chat
    assert read_conversations(path) == ([["Hi", "Ho"], ["Q", "A"]] if is_chat else [["Hi", "Ho", "Q", "A"]])
