"""The known layouts of chats: what programs export, and what models are trained on, each recognized by its shape.

`LAYOUTS` names them. Each is a function that finds the conversations of a JSON value, or None in a value of another
shape. The text files of WhatsApp are read in `cubelib.data.readers.whatsapp`.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

TURN_KEYS = (
    "messages", "conversations", "conversation", "turns", "dialog", "dialogue", "dialogs", "chat", "chat_messages",
    "contents", "utterances", "chosen", "chat_history", "log", "MessageList",
)  # fmt: skip
TEXT_KEYS = ("content", "text", "value", "parts", "message", "body", "utterance")
ROLE_KEYS = (
    "role", "from", "from_id", "sender", "sender_name", "speaker", "author", "user", "username", "senderName", "agent",
)  # fmt: skip
NAME_KEYS = (
    "conversation_id", "conv_id", "chat_id", "dialogue_id", "dialog_id", "thread_id", "session_id", "ticket_id",
    "case_id", "message_tree_id", "conversation", "dialogue", "chat", "thread", "session",
)  # fmt: skip

SYSTEM = "the role is system or developer"
TOOL = "a tool's call or result"
NOTICE = "a notice of the program, or a file in the place of words"
NO_WORDS = "no words"
REJECTED = "an answer that is marked as rejected"
OTHER_BRANCH = "a turn of another branch of the conversation"

_STANDARD_ROLES = {
    "user": ("human", "prompter", "inst"),
    "assistant": ("gpt", "chatgpt", "model", "bot", "chatbot", "ai", "bing", "bard", "claude", "/inst"),
    "system": ("developer",),
    "tool": ("function", "function_call", "function_response", "tool_call", "tool_response", "observation", "ipython"),
}
_ALIASES = {name: role for role, names in _STANDARD_ROLES.items() for name in (role, *names)}
_UNSEEN = ("thinking", "reasoning", "reasoning_text", "tool_use", "tool_result")  # types of parts
_SPOKEN_TYPES = ("message", "default", "reply", "generic", "text", "richtext")  # Discord, Messenger, Skype
_SPOKEN_SUBTYPES = ("thread_broadcast", "me_message", "file_share", "bot_message")  # Slack
_TIMES = (
    "date", "timestamp", "created_at", "ts", "create_time", "timestamp_ms", "createdDateTime", "originalarrivaltime",
)  # fmt: skip
_TYPES = ("type", "messageType", "messagetype")
_SLACK_LINK = re.compile(r"<(?:[^<>|]*\|)?([^<>|]*)>")  # <https://example.org|this>, <@U1>
_MARKS = [
    re.compile(r"(?:^\s*|\n\n)(Human|Assistant):[ \t]*"),
    re.compile(r"(?:^\s*|\n)<\|im_start\|>(\w+)\n"),
    re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*"),
    re.compile(r"(?:^\s*|\n)<(?:\||start_of_turn>)(system|user|assistant|model)(?:\|>)?\s*\n"),
    re.compile(r"\[(/?INST)\]\s*"),
    re.compile(r"(?:^\s*|\n\s*|###\s*)(?:###\s*)?(Human|User|Assistant|Bot|AI|System):[ \t]*"),
]
_TOKENS = re.compile(r"<\|(?:im_end|eot_id|end|end_of_text|begin_of_text)\|>|</?s>|<end_of_turn>")
_ASIDES = re.compile(r"<(think|tool_call|tool_response)>.*?</\1>|<<SYS>>.*?<</SYS>>", re.DOTALL)  # within a text
_NAMED_LINE = re.compile(r"(?:^|\r?\n)#?([^\s:#][^:\n]{0,30}?)#?:[ \t]+")  # "Ann: Hi", "#Person1#: Hi"


class Message(NamedTuple):
    """A turn as a file has it.

    Attributes:
        role: the speaker, or None.
        text: what was said, or what the file has in its place.
        unsaid: why it is nothing that anybody said; None for words.
        hours: when, on a clock of its own; None if the file does not say.
    """

    role: str | None
    text: Any
    unsaid: str | None = None
    hours: float | None = None


class Conversation(NamedTuple):
    """Messages in order.

    Attributes:
        name: of a chat in the export of a program; "" in data that were made for a model.
        messages: also those that nobody said.
    """

    name: str
    messages: list[Message]


Layout = Callable[[Any, str], list[Conversation] | None]


def standard_role(name: str) -> str:
    """The role in OpenAI's words, if it is one of a model's chat; other names stay.

    Example:
        >>> [standard_role(name) for name in ("human", "GPT", "Developer", "observation", "Ann")]
        ['user', 'assistant', 'system', 'tool', 'Ann']
    """
    return _ALIASES.get(name.lower(), name)


def message_of(turn: Any, text_keys: Sequence[str] = TEXT_KEYS, role_keys: Sequence[str] = ROLE_KEYS) -> Message:
    """A turn, text or object, as a Message.

    Example:
        >>> message_of({"from": "gpt", "value": "Hi."})
        Message(role='assistant', text='Hi.', unsaid=None, hours=None)
        >>> message_of({"role": "assistant", "content": None, "tool_calls": [{}]}).unsaid
        "a tool's call or result"
    """
    if not isinstance(turn, dict):
        return Message(None, turn, None if _has_words(turn) else NO_WORDS)
    if isinstance(turn.get("data"), dict):  # LangChain: {"type": "human", "data": {"content": …}}
        turn = turn | turn["data"]
    role = _role(turn, role_keys)
    key = next((key for key in text_keys if turn.get(key) not in (None, "", [])), text_keys[0])
    text = _words(turn.get(key), "" if key == "text" else "\n")
    if isinstance(text, str):
        text = _as_seen(turn, text)
    return Message(role, text, _unsaid(turn, role, text), _hours(turn))


def _role(turn: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    for key in keys:
        value = turn.get(key)
        if isinstance(value, dict):
            value = value["user"] if isinstance(value.get("user"), dict) else value  # Teams
            value = next((value[name] for name in ("role", "name", "displayName") if name in value), None)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return standard_role(str(value))
    kind = str(turn.get("type")).lower()
    return _ALIASES.get(kind)  # LangChain


def _words(content: Any, separator: str) -> Any:
    """The text of a content, whose parts are joined; anything else as it is."""
    if isinstance(content, dict):
        if content.get("type") in _UNSEEN:
            return ""
        inner = next((content[key] for key in ("parts", "text", "value", "content") if key in content), "")
        if content.get("contentType") == "html" and isinstance(inner, str):
            inner = html.unescape(re.sub("<[^<>]*>", "", inner))
        return _words(inner, separator)
    if isinstance(content, list):
        parts = [_words(part, separator) for part in content]
        return separator.join(part for part in parts if isinstance(part, str) and part)
    return content


def _as_seen(turn: Mapping[str, Any], text: str) -> str:
    """A text without the marks of its program, and without what a model does not show."""
    if "ts" in turn:  # Slack
        text = html.unescape(_SLACK_LINK.sub(r"\1", text))
    if "sender_name" in turn:  # Messenger and Instagram write each byte of UTF-8 as a letter
        with suppress(UnicodeError):
            text = text.encode("latin-1").decode("utf-8")
    return _ASIDES.sub("", text)


def _unsaid(turn: Mapping[str, Any], role: str | None, text: Any) -> str | None:
    if role == "system":
        return SYSTEM
    if role == "tool":
        return TOOL
    kind = next((str(turn[key]).lower() for key in _TYPES if key in turn), "message")
    subtype = turn.get("subtype")
    if (kind not in _SPOKEN_TYPES and kind not in _ALIASES) or (subtype and subtype not in _SPOKEN_SUBTYPES):
        return NOTICE
    if _has_words(text):
        return None
    return TOOL if turn.get("tool_calls") or turn.get("function_call") else NO_WORDS


def _has_words(text: Any) -> bool:
    """False also for a list without texts; numbers and the like are left for the reader to refuse."""
    return text is not None and text != [] and not (isinstance(text, str) and not text.strip())


def _hours(turn: Mapping[str, Any]) -> float | None:
    time = next((turn[key] for key in _TIMES if turn.get(key)), None)
    try:
        seconds = float(time)  # type: ignore[arg-type]  # what is no number raises
        return seconds / (3600 if seconds < 1e11 else 3_600_000)
    except (ValueError, TypeError):
        pass
    try:
        return datetime.fromisoformat(str(time)).timestamp() / 3600
    except (ValueError, OverflowError, OSError):
        return None


def is_turn(value: Any) -> bool:
    """Whether this object is a turn with a speaker.

    Example:
        >>> is_turn({"role": "user", "content": "Hi."}), is_turn({"text": "Hi."}), is_turn("Hi.")
        (True, False, False)
    """
    if not isinstance(value, dict) or not any(key in value for key in (*TEXT_KEYS, "data")):
        return False
    return any(key in value for key in ROLE_KEYS) or str(value.get("type")).lower() in (*_ALIASES, "service")


def _list_of_turns(value: Any) -> bool:
    if not isinstance(value, list) or not value or _marked(value[0], ""):
        return False
    return all(map(_may_be_turn, value))


def _may_be_turn(value: Any) -> bool:
    """Whether a list of such values is a list of turns."""
    if isinstance(value, dict):
        return any(key in value for key in (*TEXT_KEYS, *ROLE_KEYS, "data"))
    return isinstance(value, str)


def _messages(turns: Iterable[Any]) -> list[Message]:
    return [message_of(turn) for turn in turns]


def _turns(value: Any, key: str) -> list[Conversation] | None:
    return [Conversation("", _messages(value))] if _list_of_turns(value) else None


def _under_key(value: Any, key: str) -> list[Conversation] | None:
    """A list of turns, or a marked text, under the key or one of the usual ones; also one or two objects deeper."""
    if not isinstance(value, dict):
        return None
    for name in (key, *TURN_KEYS):
        turns = _parsed(value.get(name))
        if _list_of_turns(turns) or (name == key and isinstance(turns, list) and any(map(_may_be_turn, turns))):
            prompt = value.get("prompt")
            if isinstance(prompt, list) and turns[: len(prompt)] != prompt:
                turns = prompt + turns
            messages = _messages(turns)
        else:
            found = _marked(turns, key, (*_MARKS, _NAMED_LINE))
            if found is None:
                continue
            messages = found[0][1]
        if name == "chosen" and "rejected" in value:
            messages.append(Message(None, value["rejected"], REJECTED))
        return [Conversation("", messages)]
    if isinstance(value.get("prompt"), list) and isinstance(value.get("completion"), list):
        answer = _messages(value["completion"])
        if value.get("label") is False:
            answer = [message._replace(unsaid=REJECTED) for message in answer]
        return [Conversation("", _messages(value["prompt"]) + answer)]
    if is_turn(value):
        return None
    if isinstance(value.get("data"), list) and all(isinstance(text, str) for text in value["data"]):
        return _turns(value["data"], key)  # UltraChat
    inner = {name: found for name, part in value.items() for found in [_under_key(part, key)] if found}
    if inner and len(inner) == len(value):  # a conversation under each name
        return [Conversation(name, messages) for name, found in inner.items() for _, messages in found]
    return next(iter(inner.values()), None) or _marked(value.get("text"), key)


def _parsed(cell: Any) -> Any:
    """The list of turns in a cell that holds it as text, in JSON's or Python's notation, or column by column."""
    if isinstance(cell, dict) and cell and all(isinstance(part, list) for part in cell.values()):
        return [dict(zip(cell, turn, strict=False)) for turn in zip(*cell.values(), strict=False)]
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(cell)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return cell


def _chatgpt(value: Any, key: str) -> list[Conversation] | None:
    """ChatGPT's export: a tree, whose branch from the root to `current_node` is what the user last saw."""
    if not isinstance(value, dict) or not isinstance(value.get("mapping"), dict):
        return None
    nodes = value["mapping"]
    leaves = [name for name, node in nodes.items() if isinstance(node, dict) and not node.get("children")]
    name = value.get("current_node") or (leaves[-1] if leaves else None)
    messages: list[Message] = []
    for _ in nodes:  # at most once each, should the tree have a circle
        node = nodes.get(name)
        if not isinstance(node, dict):
            break
        if isinstance(node.get("message"), dict):
            messages.append(_chatgpt_message(node["message"]))
        name = node.get("parent")
    return [Conversation(f"chat {value.get('title')!r:.40}", messages[::-1])]


def _chatgpt_message(turn: dict[str, Any]) -> Message:
    message = message_of(turn)
    content = turn.get("content")
    kind = content.get("content_type", "text") if isinstance(content, dict) else "text"
    if message.role != "system" and (turn.get("recipient", "all") != "all" or kind in ("code", "execution_output")):
        return message._replace(unsaid=TOOL)
    hidden = isinstance(turn.get("metadata"), dict) and turn["metadata"].get("is_visually_hidden_from_conversation")
    if message.unsaid is None and (hidden or kind not in ("text", "multimodal_text")):
        return message._replace(unsaid=NOTICE)
    return message


def _telegram(value: Any, key: str) -> list[Conversation] | None:
    """All chats of Telegram: `{"chats": {"list": [chat, …]}}`."""
    chats = value.get("chats") if isinstance(value, dict) else None
    if not isinstance(chats, dict) or not isinstance(chats.get("list"), list):
        return None
    conversations = []
    for number, chat in enumerate(chats["list"], start=1):
        turns = chat.get("messages") if isinstance(chat, dict) else None
        conversations.append(Conversation(f"chat {number}", _messages(turns if isinstance(turns, list) else [])))
    return conversations


def _tree(value: Any, key: str) -> list[Conversation] | None:
    """OpenAssistant: a message with "replies", each with its own. The best branch is followed."""
    node: Any = value.get("prompt", value) if isinstance(value, dict) else None
    if not is_turn(node) or not node.get("replies") or not all(map(is_turn, node["replies"])):
        return None
    messages, others = [], 0
    while node:
        messages.append(message_of(node))
        replies = sorted(node.get("replies") or [], key=lambda reply: reply.get("rank") or 0)
        others += len(replies[1:])
        node = replies[0] if replies else None
    return [Conversation("", messages + [Message(None, "", OTHER_BRANCH)] * others)]


def _preference(value: Any, key: str) -> list[Conversation] | None:
    """OpenAI's preference format: `{"input": {"messages": […]}, "preferred_output": […]}`."""
    if not isinstance(value, dict) or not isinstance(value.get("preferred_output"), list):
        return None
    asked = value.get("input", {}).get("messages", []) if isinstance(value.get("input"), dict) else []
    rejected = [Message(None, turn, REJECTED) for turn in value.get("non_preferred_output", [])]
    return [Conversation("", [*_messages(asked + value["preferred_output"]), *rejected])]


def _marked(value: Any, key: str, marks: Sequence[re.Pattern[str]] = _MARKS) -> list[Conversation] | None:
    """One text with a mark before each turn, such as "Human:" and "Assistant:"."""
    if isinstance(value, str):
        for mark in marks:
            before, *parts = mark.split(value)
            if len(parts) > 2 and not _TOKENS.sub("", before).strip():
                texts = [_TOKENS.sub("", text).strip() for text in parts[1::2]]
                pairs = zip(parts[::2], texts, strict=True)
                return [Conversation("", [message_of({"role": role, "content": text}) for role, text in pairs])]
    return None


LAYOUTS: dict[str, Layout] = {
    "ChatGPT export": _chatgpt,
    "Telegram, all chats": _telegram,
    "OpenAssistant": _tree,
    "OpenAI preferences": _preference,
    "a list of turns under a key": _under_key,
    "a list of turns": _turns,
    "a text with marks": _marked,
}


def find_conversations(value: Any, key: str) -> list[Conversation] | None:
    """The conversations of a JSON value in the first layout that fits, or None.

    Example:
        >>> find_conversations({"dialog": ["Rain?", "No."]}, "messages")[0][1][1].text
        'No.'
        >>> find_conversations({"question": "Rain?", "answer": "No."}, "messages") is None
        True
    """
    found = (layout(value, key) for layout in LAYOUTS.values())
    return next((conversations for conversations in found if conversations is not None), None)
