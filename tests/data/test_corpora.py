"""The built-in corpora: always the same lists, clean, and a catalog that says what is really there."""

import hashlib
import importlib.util
import json
import unicodedata

import pytest

from cubelib.data import corpora
from cubelib.data.corpora import catalog_table, conversations, dialogues, is_clean, sentences
from cubelib.errors import DataError


@pytest.mark.parametrize(
    ("read", "limit", "expected"),
    [
        (sentences, 4_500, "c2627f012b4b35d91b9cd190e85b50a9c268ad6f60ab8b2bfb40776e0e903a58"),
        (dialogues, 2_500, "493db561680fea61f722f05c2d9b1c2d7e799ebdaea2b30b22107ecbcc1fed52"),
        (dialogues, None, "32bd35dafe4d3e65098182f435fa7af5252ad5c2acd075b7f756f80866310f8b"),
    ],
)
def test_the_english_lists_never_change(read, limit, expected):
    """Trained cubes and the precomputed vectors depend on every letter and on the order."""
    assert hashlib.sha256(json.dumps(read(limit)).encode()).hexdigest() == expected


@pytest.mark.parametrize(
    ("text", "language", "clean"),
    [
        ("See you on Monday, at 5:30!", "en", True),
        ("Add me on Snapchat", "en", False),
        ("call 555-1234", "en", False),
        ("What the HELL", "en", False),
        ("Hello shell, the class passes", "en", True),
        ("Nice 🙂", "en", False),
        ("Es ist hell und dick", "de", True),
        ("Ein <b>Tag</b>", "de", False),
        ("jag@post.se", "sv", False),
        ("می‌خواهم", "fa", True),
        ("tab\there", "fr", False),
        ("Полная Жопа", "ru", False),
        ("употреблять мандарины, страхуя хлеб и требуя небо", "ru", True),
    ],
)
def test_what_is_clean_in_which_language(text, language, clean):
    assert is_clean(text, language) is clean


@pytest.mark.parametrize("language", corpora.LANGUAGES)
def test_dialogues_of_every_language(language):
    pairs = dialogues(None, language)
    assert pairs
    assert all(is_clean(text, language) for pair in pairs for text in pair.values())
    assert len({(pair["question"].casefold(), pair["answer"].casefold()) for pair in pairs}) == len(pairs)
    assert dialogues(3, language) == pairs[:3]


@pytest.mark.parametrize(
    ("language", "script"),
    [("ru", "CYRILLIC"), ("uk", "CYRILLIC"), ("fa", "ARABIC"), ("he", "HEBREW"), ("zh", "CJK"), ("th", "THAI")],
)
def test_a_code_is_of_the_language_that_it_says(language, script):
    letters = [letter for pair in dialogues(None, language) for letter in pair["answer"] if letter.isalpha()]
    written = [unicodedata.name(letter).startswith(script) for letter in letters]
    assert sum(written) > 0.9 * len(written)
    assert ("ы" in letters) == (language == "ru")


def test_an_unknown_language_is_answered_with_those_there_are():
    with pytest.raises(DataError, match=r"no language 'russian'\. Did you mean 'ru'\? .*bn 119, .*en 21,174, .*ru 53"):
        dialogues(language="russian")


def test_conversations_are_the_longest_clean_pieces_of_real_ones(monkeypatch):
    """Against a plain search through all pieces."""
    real = corpora._chitchat()[:800]
    monkeypatch.setattr(corpora, "_chitchat", lambda: real)
    expected = set()
    for conversation in real:
        turns = [" ".join(" ".join(messages).split()) for messages in conversation]
        good = [1 <= len(turn.split()) <= 60 and is_clean(turn) for turn in turns]
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
    assert len(found) == len(expected) > 200
    assert conversations(100) == found[:100]


def test_the_catalog_counts_what_is_there():
    lines = catalog_table().splitlines()
    assert len([line for line in lines if line.startswith(("| sentences:", "| conv", "| dialogues:"))]) == 2 + len(
        corpora.LANGUAGES
    )
    assert "| sentences: messages of students, 5 to 30 words       |       en | 165,832 |     16,000 |" in lines
    assert "| dialogues: small talk, trivia in Russian             |       ru |      53 |         53 |" in lines
    assert "| chitchat-dataset==0.9.0  |     0.9.0 |         MIT |" in lines


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    corpora._chitchat.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"Install it with: python -m pip install chitchat-dataset==0\.9\.0"):
        sentences()
    assert "|       en |     ? |     16,000 |" in catalog_table()
