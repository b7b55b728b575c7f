"""Real text to start with: sentences, dialogues and conversations, read from installed packages.

The texts themselves are not part of cubelib and nothing is downloaded. Two packages of the Python index hold them:

- **chitchat-dataset**: conversations between students of one university, in English.
- **chatterbot-corpus**: short question → answer pairs in 28 languages.

The conversations were held by real people, so texts are filtered before you see them:

| language | ways to reach a person | coarse words | also left out |
|---|---|---|---|
| English | left out | left out | anything but ASCII: emoji, markup |
| Russian, Ukrainian | left out | left out (Russian roots) | markup, control characters |
| all others | left out | not looked for | markup, control characters |

All selections are ordered by the SHA-256 of the text, so they are the same list on every machine. The repository ships
the teacher's vectors for the default sizes of `sentences` and English `dialogues` (see `cubelib.encoders.cache`);
everything else needs a teacher. `print(catalog_table())` shows sizes, versions and licenses.

Taught in notebook 01.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import lru_cache, partial
from importlib import metadata
from itertools import chain, groupby, islice, pairwise
from pathlib import Path

import yaml

from cubelib.data.text import table
from cubelib.errors import DataError

DEFAULT_SENTENCES = 16_000
DEFAULT_CONVERSATIONS = 1_000
DEFAULT_PAIRS = 4_000
LANGUAGES = {  # ISO 639-1 code, with the script (ISO 15924) if it is not the usual one → folder of chatterbot-corpus
    "bn": "bengali", "de": "german", "en": "english", "es": "spanish", "fa": "persian", "fr": "french", "he": "hebrew",
    "hi": "hindi", "hi-Latn": "hinglish", "id": "indonesian", "it": "italian", "ja": "japanese", "ko": "korean",
    "mr": "marathi", "nl": "dutch", "or": "oriya", "pt": "portuguese", "ru": "russian", "sv": "swedish", "ta": "tamil",
    "te": "telugu", "th": "thai", "tr": "turkish", "uk": "ukrainian", "ur": "urdu", "yo": "yoruba", "zh": "chinese",
    "zh-Hant": "traditionalchinese",
}  # fmt: skip
PACKAGES = {  # module → what pip installs, and its license
    "chitchat_dataset": ("chitchat-dataset==0.9.0", "MIT"),
    "chatterbot_corpus": ("chatterbot-corpus==1.3.3", "BSD License"),
}

_WITHOUT_SPACES = ("ja", "th", "zh", "zh-Hant")  # a text in these languages is one long word
_ZERO_WIDTH = str.maketrans("", "", "\u200b\ufeff")  # marks that a program left inside words
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same values, ten times faster

# Patterns for texts in lower case.
_CONTACT = re.compile(
    r"@|https?:|www\.|\.com\b|\d{3}\D?\d{4}|\b(snap ?chat|instagram|facebook|venmo|whatsapp|skype|gmail|email"
    r"|phone number|my number|your number|add me|dm me|text me|call me at|my address|last name|surname)\b",
)
_COARSE_ENGLISH = re.compile(
    r"fuck|shit|\b(bitch\w*|bastard\w*|ass|asses|asshole\w*|dumbass\w*|badass\w*|damn\w*|dammit|crap\w*"
    r"|dick\w*|cock|cocks|pussy|pussies|cunt\w*|whore\w*|slut\w*|nigg\w*|fag|fags|faggot\w*|retard\w*|rape\w*|rapist\w*"
    r"|sex|sexy|sexual\w*|porn\w*|penis\w*|vagina\w*|boob\w*|tits|horny|naked|nude\w*"
    r"|suicid\w*|kill (my|your|him|her)self|nazi\w*|hitler|piss\w*|wtf|hell|stfu|af)\b",
)
_COARSE_RUSSIAN = re.compile(
    r"пизд|жоп|дроч|\b((на|по|до|от|за|о|при)?ху[йяеёию]\w*|(за|вы|у|на|по|до|отъ|съ|разъ|въ|долбо)?[её]б[аилноу]\w*"
    r"|бля([дт]\w*)?|муд(ак|ил|оз)\w*|залуп\w*|г[ао]ндон\w*|манда|г[ао]вн\w*|дерьм\w*|(на|об|за|по)?сра(ть|л|н)\w*"
    r"|(обо|по|за)?ссать|шлюх\w*|пид[ао]р\w*|педик|трах(а|ну)\w*)\b",
)
_COARSE = {"en": _COARSE_ENGLISH, "ru": _COARSE_RUSSIAN, "uk": _COARSE_RUSSIAN}
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:!?'\"()&%$/+=*#-]+")  # ASCII text, no emoji or markup: the teacher is English
_MARKUP = re.compile(r"[<>{}\\_\x00-\x1f\x7f-\x9f]")

Pair = tuple[str, str]


def sentences(limit: int | None = DEFAULT_SENTENCES) -> list[str]:
    """English sentences from student conversations, one message each, 5 to 30 words.

    Args:
        limit: how many, taken in the order of the texts' SHA-256; None for all (about 166,000).

    Returns:
        Unique texts, the same list on every machine.

    Raises:
        ModuleNotFoundError: chitchat-dataset is not installed; the message has the command that installs it.

    Example:
        >>> texts = sentences()
        >>> len(texts), len(set(texts))
        (16000, 16000)
    """
    messages = [message for conversation in _chitchat() for turn in conversation for message in turn]
    unique = {message.casefold(): message for message in reversed(messages) if _words_between(message, 5, 30)}
    return list(islice(filter(is_clean, sorted(unique.values(), key=_hash)), limit))


def dialogues(limit: int | None = DEFAULT_PAIRS, language: str = "en") -> list[dict[str, str]]:
    """Question → answer pairs: small talk and trivia in 28 languages; in English also student conversations.

    English: all clean pairs of chatterbot-corpus, then chitchat's, where a pair is a turn that ends in a question mark
    and the other person's next turn, 3 to 40 words each. Other languages: chatterbot-corpus alone, a few dozen to some
    hundred pairs, questions of 2 to 60 words and answers of 1 to 60; in Chinese, Japanese and Thai, which are written
    without spaces, up to 200 characters. Each turn counts as the answer to the one before; in some Persian and Spanish
    conversations the later turns are alternative answers to the first.

    Args:
        limit: how many pairs, taken in the order of their SHA-256; None for all (in English about 21,000).
        language: a key of `LANGUAGES`, such as "ru".

    Returns:
        `{"question": str, "answer": str}`, unique, the same list on every machine.

    Raises:
        DataError: there is no such language; the message lists those available, with their sizes.
        ModuleNotFoundError: one of the text packages is not installed.

    Example:
        >>> pairs = dialogues()
        >>> len(pairs), sorted(pairs[0])
        (4000, ['answer', 'question'])
        >>> all("а" <= pair["question"][1] <= "я" for pair in dialogues(5, language="ru"))
        True
    """
    if language not in LANGUAGES:
        raise DataError(_unknown(language))
    pairs = _unique_clean(_chatterbot_pairs(language), language)
    if language == "en":
        pairs = chain(pairs, _unique_clean(_chitchat_pairs(), "en"))
    return [{"question": question, "answer": answer} for question, answer in islice(pairs, limit)]


def conversations(limit: int | None = DEFAULT_CONVERSATIONS) -> list[list[str]]:
    """English conversations between two students, turn by turn, as `DialogueDataset.from_conversations` takes them.

    What a person sends in one go is one turn. A turn that is not clean, or longer than 60 words, cuts the conversation;
    the longest piece is kept if it has at least 4 turns.

    Args:
        limit: how many, taken in the order of the SHA-256 of their texts; None for all (about 3,200).

    Returns:
        The turns of each conversation; the speakers alternate.

    Raises:
        ModuleNotFoundError: chitchat-dataset is not installed; the message has the command that installs it.

    Example:
        >>> chats = conversations(20)
        >>> len(chats), min(map(len, chats)) >= 4
        (20, True)
    """
    unique: dict[str, list[str]] = {}
    for conversation in _chitchat():
        turns = [_tidy(" ".join(messages)) for messages in conversation]
        pieces = groupby(turns, key=lambda turn: _words_between(turn, 1, 60) and is_clean(turn))
        longest = max((list(piece) for clean, piece in pieces if clean), key=len, default=[])
        if len(longest) >= 4:
            unique.setdefault("\n".join(longest), longest)
    return [unique[text] for text in islice(sorted(unique, key=_hash), limit)]


def is_clean(text: str, language: str = "en") -> bool:
    """Whether a text may be shown to learners.

    Example:
        >>> is_clean("See you on Monday."), is_clean("Mail me: a@b.org"), is_clean("до понедельника", "ru")
        (True, False, True)
    """
    if _MARKUP.search(text) or (language == "en" and not _PLAIN.fullmatch(text)):
        return False
    lower = text.lower()  # three times faster than patterns that ignore case
    coarse = _COARSE.get(language)
    return not _CONTACT.search(lower) and not (coarse and coarse.search(lower))


@lru_cache(maxsize=1)
def _chitchat() -> list[list[list[str]]]:
    """Conversations → turns → messages that a person sent in one go."""
    conversations = json.loads((_folder("chitchat_dataset") / "dataset.json").read_text(encoding="utf-8"))
    return [
        [[_tidy(message["text"]) for message in turn] for turn in conversation["messages"]]
        for conversation in conversations.values()
    ]


def _chitchat_pairs() -> list[Pair]:
    pairs = []
    for conversation in _chitchat():
        for question, answer in pairwise(" ".join(turn) for turn in conversation):
            if question.endswith("?") and _words_between(question, 3, 40) and _words_between(answer, 3, 40):
                pairs.append((question, answer))
    return pairs


def _chatterbot_pairs(language: str) -> list[Pair]:
    pairs = []
    for path in sorted((_folder("chatterbot_corpus") / "data" / LANGUAGES[language]).glob("*.yml")):
        for turns in yaml.load(path.read_text(encoding="utf-8"), Loader=_YAML_LOADER)["conversations"]:
            if isinstance(turns, str):  # a conversation of one turn: a slip of the pen
                continue
            texts = [_tidy(str(turn).translate(_ZERO_WIDTH)) for turn in turns]
            pairs += [pair for pair in pairwise(texts) if _fits(*pair, language)]
    return pairs


def _fits(question: str, answer: str, language: str) -> bool:
    if language in _WITHOUT_SPACES:
        return 2 <= len(question) <= 200 and 1 <= len(answer) <= 200
    return _words_between(question, 2, 60) and _words_between(answer, 1, 60)


def _unique_clean(pairs: Iterable[Pair], language: str) -> Iterator[Pair]:
    """Pairs of two different clean texts, each pair once whatever its capitals, ordered by their hash."""
    unique: dict[Pair, Pair] = {}
    for question, answer in pairs:
        key = question.casefold(), answer.casefold()
        if key[0] != key[1]:
            unique.setdefault(key, (question, answer))
    for question, answer in sorted(unique.values(), key=lambda pair: _hash("\n".join(pair))):
        if is_clean(question, language) and is_clean(answer, language):
            yield question, answer


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _words_between(text: str, low: int, high: int) -> bool:
    return low <= len(text.split()) <= high


def _hash(text: str) -> bytes:
    """Orders texts in a way that means nothing and is the same everywhere."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def _unknown(language: str) -> str:
    codes = {name: code for code, name in LANGUAGES.items()} | {code: code for code in LANGUAGES}
    matches = difflib.get_close_matches(str(language).lower(), codes, n=1)
    hint = f" Did you mean {codes[matches[0]]!r}?" if matches else ""
    sizes = ", ".join(f"{code} {len(dialogues(None, code)):,}" for code in LANGUAGES)
    return f"corpora.dialogues: there is no language {language!r}.{hint} Languages and their pairs: {sizes}."


def _folder(module: str) -> Path:
    """The folder of an installed package, which is not imported.

    Raises:
        ModuleNotFoundError: it is not installed; the message has the command that installs it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"corpora: the text package {module!r} is not installed. "
            f"Install it with: python -m pip install {PACKAGES[module][0]}"
        )
    return Path(spec.origin).parent


def catalog_table() -> str:
    """The built-in corpora and their packages as two tables, and how to use one.

    All corpora are read and counted, which takes a few seconds.
    """
    corpora: list[tuple[Callable[[None], Sized], str, str, int]] = [
        (sentences, "sentences: messages of students, 5 to 30 words", "en", DEFAULT_SENTENCES),
        (conversations, "conversations: students, at least 4 turns", "en", DEFAULT_CONVERSATIONS),
        (dialogues, "dialogues: small talk, trivia, students' questions", "en", DEFAULT_PAIRS),
    ]
    for code, folder in LANGUAGES.items():
        if code != "en":
            name = folder.replace("traditional", "traditional ").title()
            description = f"dialogues: small talk, trivia in {name}"
            corpora.append((partial(dialogues, language=code), description, code, DEFAULT_PAIRS))
    rows = []
    for read, description, language, default in corpora:
        try:
            items = len(read(None))
            rows.append((description, language, f"{items:,}", f"{min(items, default):,}"))
        except ModuleNotFoundError:
            rows.append((description, language, "?", f"{default:,}"))
    packages = [(requirement, _version(requirement), license) for requirement, license in PACKAGES.values()]
    return "\n\n".join(
        (
            table(["corpus", "language", "items", "by default"], rows),
            table(["package", "installed", "license"], packages),
            'To use one:  from cubelib import corpora\n             pairs = corpora.dialogues(language="ru")\n'
            "Precomputed vectors come with the English sentences and dialogues in their default sizes; all others need "
            "a teacher.\nInstall a package with: python -m pip install PACKAGE",
        )
    )


def _version(requirement: str) -> str:
    """The version of a package that is installed, or "no".

    Example:
        >>> _version("chitchat-dataset==0.9.0"), _version("no-such-package==1")
        ('0.9.0', 'no')
    """
    try:
        return metadata.version(requirement.partition("==")[0])
    except metadata.PackageNotFoundError:
        return "no"
