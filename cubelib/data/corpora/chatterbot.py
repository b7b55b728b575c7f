"""Question → answer pairs out of chatterbot-corpus: small talk and trivia in 29 languages."""

from __future__ import annotations

import difflib
from itertools import chain, islice, pairwise

import yaml

from cubelib.data.corpora.chitchat import chitchat_pairs
from cubelib.data.corpora.cleaning import tidy, unique_clean_pairs, words_between
from cubelib.data.corpora.packages import package_folder
from cubelib.errors import DataError

DEFAULT_PAIRS = 4_000

LANGUAGES = {  # code of ISO 639-1, with the script (ISO 15924) where that is not the usual one → folder in the package
    "bn": "bengali",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fr": "french",
    "he": "hebrew",
    "hi": "hindi",
    "hi-Latn": "hinglish",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "ko": "korean",
    "mr": "marathi",
    "nl": "dutch",
    "or": "oriya",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "te": "telugu",
    "th": "thai",
    "tr": "turkish",
    "uk": "ukrainian",
    "ur": "urdu",
    "yo": "yoruba",
    "zh": "chinese",
    "zh-Hant": "traditionalchinese",
}
_WITHOUT_SPACES = ("ja", "th", "zh", "zh-Hant")  # a text of theirs is one long word
_ZERO_WIDTH = str.maketrans("", "", "\u200b\ufeff")  # marks that a program left inside words
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same values, ten times faster


def language_name(code: str) -> str:
    """A language's name in English.

    Example:
        >>> language_name("zh-Hant")
        'Chinese (traditional)'
    """
    name = LANGUAGES[code]
    return "Chinese (traditional)" if name == "traditionalchinese" else name.capitalize()


def _chatterbot_pairs(language: str) -> list[tuple[str, str]]:
    pairs = []
    folder = package_folder("chatterbot_corpus") / "data" / LANGUAGES[language]
    for path in sorted(folder.glob("*.yml")):
        for turns in yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)["conversations"]:
            if isinstance(turns, str):  # a conversation of one turn: a slip of the pen
                continue
            texts = [tidy(str(turn).translate(_ZERO_WIDTH)) for turn in turns]
            pairs += [pair for pair in pairwise(texts) if _fits(*pair, language)]
    return pairs


def _fits(question: str, answer: str, language: str) -> bool:
    if language in _WITHOUT_SPACES:
        return 2 <= len(question) <= 200 and 1 <= len(answer) <= 200
    return words_between(question, 2, 60) and words_between(answer, 1, 60)


def dialogues(limit: int | None = DEFAULT_PAIRS, language: str = "en") -> list[dict[str, str]]:
    """Question → answer pairs: small talk and trivia in 29 languages; in English also student conversations.

    English: all clean pairs of chatterbot-corpus, then chitchat's, where a pair is a turn that ends in a question mark
    and the other person's next turn, 3 to 40 words each. Other languages: chatterbot-corpus alone, a few dozen to some
    hundred pairs. There a question has 2 to 60 words and an answer 1 to 60; in Chinese, Japanese and Thai, which are
    written without spaces, up to 200 characters. Each turn counts as the answer to the one before; in some Persian and
    Spanish conversations the later turns are rather other answers to the first.

    What is left out in which language, see `cubelib.data.corpora.cleaning`: ways to reach a person in all, coarse words in
    English, Russian and Ukrainian only.

    Args:
        limit: how many pairs, taken in the order of their SHA-256; None for all (in English about 21,000).
        language: a code out of `LANGUAGES`, such as "ru".

    Returns:
        `{"question": str, "answer": str}`, unique, the same list on every machine.

    Raises:
        DataError: there is no such language; the message lists those there are, with their sizes.
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
    pairs = unique_clean_pairs(_chatterbot_pairs(language), language)
    if language == "en":
        pairs = chain(pairs, unique_clean_pairs(chitchat_pairs()))
    return [{"question": question, "answer": answer} for question, answer in islice(pairs, limit)]


def _unknown(language: str) -> str:
    names = {name: code for code, name in LANGUAGES.items()} | {code: code for code in LANGUAGES}
    near = difflib.get_close_matches(str(language).lower(), names, n=1)
    hint = f" Did you mean {names[near[0]]!r}?" if near else ""
    sizes = ", ".join(f"{code} {len(dialogues(None, code)):,}" for code in LANGUAGES)
    return f"corpora.dialogues: there is no language {language!r}.{hint} Languages and their pairs: {sizes}."
