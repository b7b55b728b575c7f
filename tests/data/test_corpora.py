"""The built-in corpora: the same lists as ever, clean, and a catalog that says what is really there."""

import hashlib
import importlib.metadata
import importlib.util
import json
import sqlite3
import unicodedata

import pytest

from cubelib.data import corpora
from cubelib.data.corpora import (
    catalog,
    catalog_table,
    chitchat,
    cleaning,
    conversations,
    definitions,
    dialogues,
    listing,
    sentences,
    wiktionary,
)
from cubelib.encoders.bundled import warm_facts, warm_vectors
from cubelib.encoders.cache import embedding_key
from cubelib.errors import DataError


def digest(value) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@pytest.mark.parametrize(
    ("read", "limit", "expected"),
    [
        (sentences, {"limit": 4_500}, "c2627f012b4b35d91b9cd190e85b50a9c268ad6f60ab8b2bfb40776e0e903a58"),
        (dialogues, {"limit": 2_500}, "493db561680fea61f722f05c2d9b1c2d7e799ebdaea2b30b22107ecbcc1fed52"),
        (dialogues, {"limit": None}, "32bd35dafe4d3e65098182f435fa7af5252ad5c2acd075b7f756f80866310f8b"),
    ],
)
def test_the_english_lists_are_the_same_for_ever(read, limit, expected):
    """Trained cubes and the warm cache stand on them: to the letter, in the same order."""
    assert digest(read(**limit)) == expected


def test_the_warm_cache_covers_the_defaults():
    facts = warm_facts()
    texts = [*sentences(), *(text for pair in dialogues() for text in pair.values())]
    assert len(texts) == 24_000
    assert {embedding_key(facts["sha256"], facts["tag"], text) for text in texts} <= warm_vectors().keys()


@pytest.mark.parametrize(
    ("text", "language", "clean"),
    [
        ("See you on Monday, at 5:30!", "en", True),
        ("Add me on Snapchat", "en", False),
        ("call 555-1234", "en", False),
        ("What the HELL", "en", False),
        ("Bullshit, I say", "en", False),
        ("Hello shell, the class passes", "en", True),
        ("Nice 🙂", "en", False),
        ("Es ist hell und dick", "de", True),
        ("Ein <b>Tag</b>", "de", False),
        ("jag@post.se", "sv", False),
        ("ମୋ ନମ୍ବର ୯୧୯୧୯୧୯୧୯୧", "or", False),
        ("می‌خواهم", "fa", True),
        ("tab\there", "fr", False),
        ("Полная Жопа", "ru", False),
        ("Охуеть", "uk", False),
        ("употреблять мандарины, страхуя хлеб и требуя небо", "ru", True),
    ],
)
def test_what_is_clean_in_which_language(text, language, clean):
    assert cleaning.is_clean(text, language) is clean


@pytest.mark.parametrize("language", corpora.LANGUAGES)
def test_dialogues_of_every_language(language):
    pairs = dialogues(None, language)
    assert pairs, "every language has some"
    assert all(cleaning.is_clean(text, language) for pair in pairs for text in pair.values())
    assert len({(pair["question"].casefold(), pair["answer"].casefold()) for pair in pairs}) == len(pairs)
    assert dialogues(3, language) == pairs[:3]
    if language != "en":
        hashes = [cleaning.by_hash("\n".join(pair.values())) for pair in pairs]
        assert hashes == sorted(hashes)


@pytest.mark.parametrize(
    ("language", "script"),
    [("ru", "CYRILLIC"), ("uk", "CYRILLIC"), ("fa", "ARABIC"), ("he", "HEBREW"), ("zh", "CJK"), ("th", "THAI")],
)
def test_a_code_names_the_language_that_it_says(language, script):
    letters = [letter for pair in dialogues(None, language) for letter in pair["answer"] if letter.isalpha()]
    written = [unicodedata.name(letter).startswith(script) for letter in letters]
    assert sum(written) > 0.9 * len(written)


def test_ukrainian_is_not_russian():
    letters = {code: {letter for pair in dialogues(None, code) for letter in pair["answer"]} for code in ("ru", "uk")}
    assert "ы" in letters["ru"] - letters["uk"]
    assert "ї" in letters["uk"] - letters["ru"]


def test_an_unknown_language_is_answered_with_those_there_are():
    with pytest.raises(DataError, match=r"no language 'russian'\. Did you mean 'ru'\? .*bn 119, .*en 21,174, .*ru 53"):
        dialogues(language="russian")
    with pytest.raises(DataError, match="there is no language 'en', only 'ru'"):
        definitions(language="en")


def test_conversations_are_the_longest_clean_pieces_of_real_ones(monkeypatch):
    """Against a plain search through all pieces."""
    real = chitchat._messages()[:1_500]
    monkeypatch.setattr(chitchat, "_messages", lambda: real)
    expected = set()
    for conversation in real:
        turns = [" ".join(" ".join(messages).split()) for messages in conversation]
        good = [1 <= len(turn.split()) <= 60 and cleaning.is_clean(turn) for turn in turns]
        best = []
        for start in range(len(turns)):
            end = start
            while end < len(turns) and good[end]:
                end += 1
            if end - start > len(best):
                best = turns[start:end]
        if len(best) >= 4:
            expected.add(tuple(best))
    found = conversations(None)
    assert {tuple(turns) for turns in found} == expected
    assert len(found) == len(expected) > 500
    assert conversations(100) == found[:100]
    hashes = [cleaning.by_hash("\n".join(turns)) for turns in found]
    assert hashes == sorted(hashes)


ENTRIES = [  # word, markup, meaning or None
    ("место", "{{разг.|ru}} [[часть]] чего-либо, где [[находиться|находится]] что-то {{пример|Вот [[оно]].}}",
     "часть чего-либо, где находится что-то"),
    ("мука", "{{помета|о зерне}} то, что смо́лото, насыпано&nbsp;{{итп}}", "то, что смолото, насыпано и т. п."),
    ("река", "[[река]] [[в]] [[России]]", "река в России"),
    ("приток", "река в России", "река в России"),
    ("дом", "[[здание]] {{пример|}}", None),  # two words are a synonym, not a meaning
    ("соль", "{{хим.}} вещество состава NaCl<sub>2</sub> и воды", None),
    ("знак", "{{=|символ}}, нечто видимое и понятное", None),
    ("сад", "''устар.'' большой участок с деревьями", None),
    ("слово", "{{вульг.}} такое слово, что лучше промолчать", None),
    ("жопа", "часть тела, на которой сидят", None),
    ("Викисловарь:Инкубатор/новое", "то, чего раньше не было", None),
    ("цепь", "ряд звеньев, " + "длинный " * 40, None),
    ("связь", "почта для всех на сайте site.com и других", None),
]  # fmt: skip


@pytest.fixture
def wordnet(tmp_path, monkeypatch):
    """A package like wiki-ru-wordnet, installed in a folder of its own."""
    folder = tmp_path / "wiki_ru_wordnet"
    (folder / "database").mkdir(parents=True)
    (folder / "__init__.py").touch()
    with sqlite3.connect(folder / "database" / "wikiwordnet.db") as database:
        database.execute("CREATE TABLE synsets (synset_id INTEGER, lemma TEXT, definition TEXT)")
        rows = [(i, word, f"{word}~ru~{word}~ru~{markup}~7~{i}") for i, (word, markup, _) in enumerate(ENTRIES)]
        database.executemany("INSERT INTO synsets VALUES (?, ?, ?)", rows)
    database.close()
    (tmp_path / "wiki_ru_wordnet-9.9.dist-info").mkdir()
    (tmp_path / "wiki_ru_wordnet-9.9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: wiki_ru_wordnet\nVersion: 9.9\n"
        "Classifier: License :: OSI Approved :: Kind License\nProject-URL: Repository, https://example.org\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    wiktionary._definitions.cache_clear()
    yield folder
    wiktionary._definitions.cache_clear()


def test_definitions_are_words_with_clean_meanings(wordnet):
    before = (wordnet / "database" / "wikiwordnet.db").read_bytes()
    found = {pair["question"]: pair["answer"] for pair in definitions(None)}
    expected = {word: meaning for word, _, meaning in ENTRIES if meaning}
    kept = found.keys() & {"река", "приток"}
    assert len(kept) == 1, "a meaning that two words share stays with one"
    for word in {"река", "приток"} - kept:
        del expected[word]
    assert found == expected
    assert definitions(2) == definitions(None)[:2]
    assert (wordnet / "database" / "wikiwordnet.db").read_bytes() == before
    assert [path.name for path in (wordnet / "database").iterdir()] == ["wikiwordnet.db"]


@pytest.fixture
def without_wordnet(monkeypatch):
    """An environment in which wiki-ru-wordnet is not installed, whether it is or not."""
    find_spec, metadata = importlib.util.find_spec, importlib.metadata.metadata

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "wordnet" in name else find_spec(name))
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: (missing if "wordnet" in name else metadata)(name))
    wiktionary._definitions.cache_clear()


def test_a_missing_package_is_named_with_the_command(without_wordnet):
    with pytest.raises(ModuleNotFoundError, match=r"Install it with: python -m pip install wiki-ru-wordnet==1\.0\.3"):
        definitions()


@pytest.fixture(scope="module")
def entries():
    return catalog()


def test_the_catalog_counts_what_is_there(entries):
    found = {(entry.name, entry.language): entry for entry in entries}
    assert len(found) == len(entries) == 2 + len(corpora.LANGUAGES) + 1
    sizes = {
        ("sentences", "en"): (165_832, 16_000),
        ("conversations", "en"): (3_204, 1_000),
        ("dialogues", "en"): (21_174, 4_000),
        ("dialogues", "ru"): (53, 53),
    }
    assert {key: (found[key].items, found[key].default_size) for key in sizes} == sizes
    for code in corpora.LANGUAGES:
        entry = found["dialogues", code]
        assert entry.default_size == len(dialogues(language=code))
        assert entry.installed
        assert entry.source.startswith("https://github.com/gunthercox/chatterbot-corpus")
    english = found["dialogues", "en"]
    assert (english.package, english.version) == ("chatterbot-corpus + chitchat-dataset", "1.3.3 + 0.9.0")
    assert english.license == "BSD License + MIT"


def test_the_catalog_repeats_what_the_installed_package_says(wordnet):
    entry = listing._corpus(definitions, 2_500, "ru", ["wiki_ru_wordnet"], "words")
    assert (entry.items, entry.default_size, entry.installed) == (3, 3, True)
    assert (entry.version, entry.license, entry.source) == ("9.9", "Kind License", "https://example.org")


def test_the_catalog_as_text(entries, without_wordnet):
    missing = listing._corpus(definitions, 2_500, "ru", ["wiki_ru_wordnet"], "words")
    assert (missing.items, missing.default_size, missing.installed) == (None, 2_500, False)
    assert missing.version is missing.license is missing.source is None
    text = catalog_table([*entries[:-1], missing])
    corpus_lines, package_lines, use = (part.splitlines() for part in text.split("\n\n"))
    for lines, column in [(corpus_lines, "what it is"), (package_lines, "gives"), (package_lines, "version")]:
        start = lines[0].index(column)
        assert all(line[start - 1] == " " and line[start] != " " for line in lines), "columns are aligned"
    end = corpus_lines[0].index("items") + len("items")
    assert all(line[end - 1] != " " and line[end] == " " for line in corpus_lines), "numbers are, too"
    assert text.replace("\n", "").isprintable(), "no colors"
    assert max(map(len, text.splitlines())) <= 120
    assert "definitions; not installed: python -m pip install wiki-ru-wordnet==1.0.3" in package_lines[-1]
    assert package_lines[1].split()[:4] == ["chitchat-dataset", "0.9.0", "MIT", "sentences,"]
    assert corpus_lines[-1].split()[:4] == ["definitions", "ru", "?", "2,500"]
    assert "from cubelib import corpora" in use[0]
