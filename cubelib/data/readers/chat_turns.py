"""The turns of a chat: in which order, and divided into conversations at which pauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from cubelib.data.readers.chat_layouts import NO_WORDS, Message

ALONE = "nobody else says anything in the conversation"

_LINKS = (("message_id", "parent_id"), ("id", "parent_id"), ("id", "reply_to"), ("id", "reply-to"))


class Turn(NamedTuple):
    """What one speaker said.

    Attributes:
        role: "user", "assistant", or the speaker's name as the file has it; None if the file has none.
        text: the words.
    """

    role: str | None
    text: str


def divide_all(
    chats: Sequence[list[tuple[str, Message]]], pause_hours: float | None
) -> tuple[list[list[Turn]], dict[str, list[str]]]:
    """The conversations, and why turns are left out → their places."""
    conversations: list[list[Turn]] = []
    left_out: dict[str, list[str]] = {}
    for part in chain.from_iterable(_divide(chat, pause_hours) for chat in chats):
        turns = _join_turns(message for _, message in part if message.unsaid is None)
        for place, message in part:
            reason = message.unsaid or (ALONE if len(turns) < 2 else None)
            if reason:
                left_out.setdefault(reason, []).append(place)
        if len(turns) > 1:
            conversations.append(turns)
    return conversations, left_out


def in_order(turns: list[tuple[str, Message]]) -> list[tuple[str, Message]]:
    """The turns in the order of their times: some programs write the newest first. "system" may be who answers."""
    hours = [message.hours for _, message in turns if message.hours is not None]
    if len(hours) == len(turns) > 1 and hours[0] > hours[-1] and hours == sorted(hours, reverse=True):
        turns = turns[::-1]
    roles = [message.role for _, message in turns]
    if set(roles) == {"user", "system"} and (roles[0] == "user" or roles.count("system") > 1):  # MultiWOZ
        turns = [(place, _answer_of_system(message)) for place, message in turns]
    return turns


def _divide(turns: list[tuple[str, Message]], pause_hours: float | None) -> list[list[tuple[str, Message]]]:
    parts: list[list[tuple[str, Message]]] = [[]]
    last = None
    for place, message in turns:
        pause = 0.0 if last is None or message.hours is None else message.hours - last
        if pause_hours is not None and pause > pause_hours:
            parts.append([])
        parts[-1].append((place, message))
        last = message.hours
    return parts


def _join_turns(messages: Iterable[Message]) -> list[Turn]:
    """The turns; consecutive ones of one role are joined."""
    turns: list[Turn] = []
    for message in messages:
        text = message.text.strip()
        if turns and message.role is not None and message.role == turns[-1].role:
            text = f"{turns.pop().text}\n{text}"
        turns.append(Turn(message.role, text))
    return turns


def _answer_of_system(message: Message) -> Message:
    if message.role != "system":
        return message
    return message._replace(role="assistant", unsaid=None if str(message.text or "").strip() else NO_WORDS)


def links_of(row: Any) -> dict[str, Any]:
    """What names a turn and the one it replies to; empty if nothing names the latter.

    Example:
        >>> links_of({"id": 2, "reply_to": 1, "text": "No."})["reply_to"], links_of({"id": 2, "text": "No."})
        (1, {})
    """
    if not isinstance(row, dict) or not any(parent in row for _, parent in _LINKS):
        return {}
    return {name: row.get(name) for link in _LINKS for name in link}


def follow_replies(turns: Sequence[Mapping[str, Any]]) -> list[int] | None:
    """The order of turns of which each but the first names the one it replies to, along the first branch; or None.

    Example:
        >>> follow_replies([{"id": 2, "reply_to": 1}, {"id": 1, "reply_to": None}, {"id": 3, "reply_to": 1}])
        [1, 0]
    """
    for name, parent in _LINKS:
        first_reply: dict[Any, int] = {}
        for number, turn in enumerate(turns):
            first_reply.setdefault(turn.get(parent) or None, number)
        roots = sum(not turn.get(parent) for turn in turns)
        if roots != 1 or not all(turn.get(name) for turn in turns):
            continue
        order = [first_reply.pop(None)]
        while turns[order[-1]][name] in first_reply:
            order.append(first_reply.pop(turns[order[-1]][name]))
        return order
    return None
