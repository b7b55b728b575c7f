"""Sentences, pairs and whole conversations out of chitchat-dataset: students of one university, in English."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import groupby, islice, pairwise

from cubelib.data.corpora.cleaning import by_hash, is_clean, tidy, words_between
from cubelib.data.corpora.packages import package_folder

DEFAULT_SENTENCES = 16_000
DEFAULT_CONVERSATIONS = 1_000


@lru_cache(maxsize=1)
def _messages() -> list[list[list[str]]]:
    """Conversations → turns → messages a person sent in one go."""
    path = package_folder("chitchat_dataset") / "dataset.json"
    found = json.loads(path.read_text(encoding="utf-8")).values()
    return [
        [[tidy(message["text"]) for message in turn] for turn in conversation["messages"]] for conversation in found
    ]


def chitchat_pairs() -> list[tuple[str, str]]:
    """Turns that end in a question mark with the turn that follows, 3 to 40 words each, not cleaned yet."""
    pairs = []
    for conversation in _messages():
        turns = [" ".join(turn) for turn in conversation]
        for question, answer in pairwise(turns):
            if question.endswith("?") and words_between(question, 3, 40) and words_between(answer, 3, 40):
                pairs.append((question, answer))
    return pairs


def sentences(limit: int | None = DEFAULT_SENTENCES) -> list[str]:
    """English sentences from student conversations, one message each, 5 to 30 words.

    Args:
        limit: how many, taken in the order of the texts' SHA-256; None for all (about 166,000).

    Returns:
        Unique texts, the same list on every machine.

    Raises:
        ModuleNotFoundError: chitchat-dataset is not installed; the message holds the command that installs it.

    Example:
        >>> texts = sentences()
        >>> len(texts), len(set(texts))
        (16000, 16000)
    """
    messages = [message for conversation in _messages() for turn in conversation for message in turn]
    unique = {message.casefold(): message for message in reversed(messages) if words_between(message, 5, 30)}
    return list(islice(filter(is_clean, sorted(unique.values(), key=by_hash)), limit))


def conversations(limit: int | None = DEFAULT_CONVERSATIONS) -> list[list[str]]:
    """English conversations between two students, turn by turn, as `DialogueDataset.from_conversations` takes them.

    What a person sends in one go is one turn. A turn that is not clean (see `cubelib.data.corpora.cleaning`), or longer than
    60 words, cuts the conversation; of the pieces the longest stays, if it has at least 4 turns.

    Args:
        limit: how many, taken in the order of the SHA-256 of their texts; None for all (about 3,200).

    Returns:
        The turns of each conversation; the speakers take turns.

    Raises:
        ModuleNotFoundError: chitchat-dataset is not installed; the message holds the command that installs it.

    Example:
        >>> chats = conversations(20)
        >>> len(chats), min(map(len, chats)) >= 4
        (20, True)
    """
    unique = {}
    for conversation in _messages():
        turns = [tidy(" ".join(messages)) for messages in conversation]
        pieces = groupby(turns, key=lambda turn: words_between(turn, 1, 60) and is_clean(turn))
        longest = max((list(piece) for clean, piece in pieces if clean), key=len, default=[])
        if len(longest) >= 4:
            unique.setdefault("\n".join(longest), longest)
    return [unique[text] for text in islice(sorted(unique, key=by_hash), limit)]
