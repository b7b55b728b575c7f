"""Words and their meanings out of wiki-ru-wordnet: the Russian Wiktionary in a SQLite file, in its own markup."""

from __future__ import annotations

import html
import re
import sqlite3
from functools import lru_cache
from itertools import islice

from cubelib.data.corpora.cleaning import by_hash, is_clean, tidy, words_between
from cubelib.data.corpora.packages import package_folder
from cubelib.errors import DataError

DEFAULT_DEFINITIONS = 2_500

_EXAMPLE = re.compile(r"\{\{\s*пример.*", re.DOTALL)  # everything from the first example on
_RUDE = re.compile(r"\{\{(обсц|вульг|бранн|груб|неценз|мат|презр|пренебр|эвф)\w*\.?[|}]")
_LABEL = re.compile(r"\{\{([\w-]+\.\|?(ru)?|помета(\|[^{}]*)?)\}\}")  # {{разг.}}: how a word is used
_AND_SO_ON = "{{итп}}"
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")  # [[слово]], [[слово|слова]]
_MARKS = str.maketrans("", "", "\u0301\u00ad")  # stress, soft hyphens
_WORD = re.compile(r"[А-ЯЁа-яё][А-ЯЁа-яё -]*")
_PLAIN = re.compile(r"[А-ЯЁа-яёA-Za-z0-9 .,;:!?«»\"()%№+/–—-]+")  # what is left of other markup is not in here


def definitions(limit: int | None = DEFAULT_DEFINITIONS, language: str = "ru") -> list[dict[str, str]]:
    """Russian words, each as a question, with a meaning of 3 to 40 words as its answer.

    From the Russian Wiktionary, whose texts are under CC BY-SA. Examples, links and labels of usage are removed; a
    meaning with other markup in it, marked as rude, or shared by several words ("river in Russia": the first word in
    the order below keeps it) is left out. A word with several meanings comes several times.

    Args:
        limit: how many pairs, taken in the order of their SHA-256; None for all (about 50,000).
        language: "ru"; there is no other.

    Returns:
        `{"question": word, "answer": meaning}`, unique, the same list on every machine.

    Raises:
        DataError: another language.
        ModuleNotFoundError: wiki-ru-wordnet is not installed; the message holds the command that installs it.
    """
    if language != "ru":
        raise DataError(f"corpora.definitions: there is no language {language!r}, only 'ru'. See corpora.catalog().")
    return [{"question": word, "answer": meaning} for word, meaning in islice(_definitions(), limit)]


@lru_cache(maxsize=1)
def _definitions() -> tuple[tuple[str, str], ...]:
    path = package_folder("wiki_ru_wordnet") / "database" / "wikiwordnet.db"
    # Not through the package's own class, which opens the file for writing.
    database = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
    try:
        rows = database.execute("SELECT lemma, definition FROM synsets").fetchall()
    finally:
        database.close()
    pairs = {(word, meaning) for word, entry in rows if _WORD.fullmatch(word) and (meaning := _meaning(entry))}
    unique: dict[str, tuple[str, str]] = {}
    for word, meaning in sorted(pairs, key=lambda pair: by_hash("\n".join(pair))):
        if is_clean(word, "ru"):
            unique.setdefault(meaning.casefold(), (word, meaning))
    return tuple(unique.values())


def _meaning(entry: str) -> str | None:
    """The meaning in words, or None.

    Example:
        >>> _meaning("дом~ru~дом~ru~{{разг.}} [[место]], где [[жить|живут]] {{пример|Мой {{выдел|дом}}.}}~1~2")
        'место, где живут'
    """
    _, _, _, _, markup = entry.split("~", 4)
    markup = _EXAMPLE.sub("", markup.rsplit("~", 2)[0])
    if _RUDE.search(markup):
        return None
    text = _LINK.sub(r"\1", _LABEL.sub("", markup.replace(_AND_SO_ON, "и т. п.")))
    text = tidy(html.unescape(text).translate(_MARKS)).lstrip(" ,;:.—–-").rstrip(" ,;:—–-")
    good = words_between(text, 3, 40) and _PLAIN.fullmatch(text) and is_clean(text, "ru")
    return text if good else None
