"""Filters keep what they say, tell what they removed, and leave everything in when none is set."""

import re

import numpy as np
import pytest
import torch

from cubelib import AutoencoderDataset, DialogueDataset
from cubelib.data.filters import QualityFilter
from cubelib.data.text import SCRIPTS
from cubelib.data.vectors import VectorFile
from cubelib.errors import ConfigError, DataError


def dialogue(pairs: list[tuple[str, str]], cosines=None) -> DialogueDataset:
    """Pairs with vectors at the given cosines, 0.5 where none are given."""
    cosine = torch.tensor([0.5] * len(pairs) if cosines is None else cosines)
    questions = torch.tensor([[2.0, 0.0]]).repeat(len(pairs), 1)
    answers = 3 * torch.stack([cosine, (1 - cosine**2).sqrt()], 1)
    return DialogueDataset(questions, answers, *map(list, zip(*pairs, strict=True)), groups=list(range(len(pairs))))


def kept(dataset, **settings) -> list[int]:
    return QualityFilter(**settings).apply(dataset)[0].groups


def test_without_a_filter_everything_stays():
    dataset = AutoencoderDataset(torch.eye(3))
    same, report = QualityFilter().apply(dataset)
    assert same is dataset and str(report) == "No filter is set: every item stays."


def test_both_texts_must_have_the_words():
    dataset = dialogue([("a b", "a b c"), ("a", "a b"), ("a b", "a b c d"), ("a  b\n", "\ta b"), ("a b c d", "a b")])
    assert kept(dataset, words=(2, 3)) == [0, 3]
    assert kept(dataset, words=(2, None)) == [0, 2, 3, 4]
    assert kept(dataset, words=[None, 3]) == [0, 1, 3]
    assert kept(dataset, words=(0, 9)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("latin", "Ångström ﬁne ＡＢＣ"),
        ("cyrillic", "Как дела?"),
        ("arabic", "كيف حالك؟"),
        ("han", "你好嗎"),
        ("katakana", "ｱﾘｶﾞﾄｳ アリガトウ"),
        ("thai", "สวัสดี"),
    ],
)
def test_a_script_is_told_by_its_letters(script, text):
    others = [name for name in SCRIPTS if name != script]
    dataset = dialogue([(text, text), ("12 — !?", text), ("12", "…")])
    assert kept(dataset, script=script, script_share=1.0) == [0, 1, 2]
    assert all(kept(dataset, script=name, script_share=0.01) == [2] for name in others)


def test_the_share_of_letters_is_counted_without_spaces_and_digits():
    dataset = dialogue([("ab вг 12345", "a"), ("abc в", "a"), ("a вг", "a")])
    assert kept(dataset, script="latin") == [0, 1]
    assert kept(dataset, script="latin", script_share=0.51) == [1]
    assert kept(dataset, script="latin", script_share=0.34) == [0, 1]
    assert kept(dataset, script="latin", script_share=0.33) == [0, 1, 2]


def test_the_cosine_of_question_and_answer_is_bounded_in_blocks(tmp_path):
    cosines = torch.linspace(-1, 1, 2501).tolist()
    dataset = dialogue([("q", "a")] * 2501, cosines)
    expected = [i for i, cosine in enumerate(cosines) if -0.25 <= cosine <= 0.7502]
    assert kept(dataset, cosine=(-0.2501, 0.7502)) == expected
    np.save(tmp_path / "q.npy", dataset.input.numpy())
    np.save(tmp_path / "a.npy", dataset.target.numpy())
    files = DialogueDataset(VectorFile(tmp_path / "q.npy"), VectorFile(tmp_path / "a.npy"), groups=dataset.groups)
    found, report = QualityFilter(cosine=(-0.2501, 0.7502)).apply(files)
    assert found.groups == expected and isinstance(found.input, VectorFile)
    assert "    removed: item 0 (counted from 0)" in str(report)


def test_the_first_of_equal_pairs_stays():
    dataset = dialogue([("A  b", "c"), ("a b", "C "), ("a b", "d"), ("c", "a b"), ("a\nb", "c")])
    assert kept(dataset, drop_duplicates=True) == [0, 2, 3]
    sentences = AutoencoderDataset(torch.eye(3), ["x", " X", "y"], groups=[0, 1, 2])
    assert kept(sentences, drop_duplicates=True) == [0, 2]


def test_of_equal_pairs_the_first_that_passes_the_others_stays():
    dataset = dialogue([("a", "b"), ("A", "B"), ("a", "b")], [0.1, 0.8, 0.9])
    assert kept(dataset, cosine=(0.5, None), drop_duplicates=True) == [1]


def test_the_report_counts_and_shows_what_was_removed():
    pairs = [("one two", f"{i} three") for i in range(5)] + [("one", "x" * 50)] * 4 + [("ONE two", "0 three")]
    dataset, report = QualityFilter(words=(2, None), drop_duplicates=True).apply(dialogue(pairs))
    assert [(s.name, s.before, s.removed, s.after, len(s.examples)) for s in report.steps] == [
        ("words", 10, 4, 6, 3),
        ("duplicates", 6, 1, 5, 1),
    ]
    assert len(dataset) == 5 and repr(report) == str(report)
    assert str(report).splitlines() == [
        "filter      keeps                                   before  removed  after",
        "words       texts of 2 or more words                    10        4      6",
        *[f"    removed: “one” → “{'x' * 39}…”"] * 3,
        "duplicates  the first of items with the same texts       6        1      5",
        "    removed: “ONE two” → “0 three”",
    ]


WITHOUT = DialogueDataset(torch.eye(2), torch.eye(2), ["a", "b"])


@pytest.mark.parametrize(
    ("dataset", "settings", "error", "message"),
    [
        (WITHOUT, {"words": (1, 2)}, DataError, "the filter words looks at texts, but DialogueDataset(2 items"),
        (AutoencoderDataset(torch.eye(2)), {"cosine": (0, 1)}, DataError, "the filter cosine compares questions with"),
        (
            dialogue([("c d", "e f")]),
            {"script": "greek"},
            DataError,
            "greek letters. Removed, for example: “c d” → “e f",
        ),
        (WITHOUT, {"words": (3, 2)}, ConfigError, "words is (lowest, highest), either of them None for no bound"),
        (WITHOUT, {"words": (None, None)}, ConfigError, "words is (lowest, highest)"),
        (WITHOUT, {"cosine": ("2", 3)}, ConfigError, "cosine is (lowest, highest)"),
        (WITHOUT, {"script": "klingon"}, ConfigError, "script 'klingon' is not known. Use one of arabic, armenian, "),
        (WITHOUT, {"script_share": 0.0}, ConfigError, "script_share must be above 0 and at most 1; got 0.0"),
    ],
)
def test_what_cannot_be_filtered_is_named(dataset, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        QualityFilter(**settings).apply(dataset)


def test_repeats_counts_conversations_where_there_are_any():
    questions, answers = ["Hello", "Rain?", "hello ", "Snow?"], ["Rain?", "No.", "Snow?", "Yes."]
    pairs = DialogueDataset(torch.eye(4), torch.eye(4), questions, answers, groups=[0, 0, 1, 1])
    kept, report = QualityFilter(repeats=1).apply(pairs)
    assert kept.input_texts == ["Rain?", "Snow?"]  # the greeting is in both, the others in one conversation each
    assert report.steps[0].removed == 2
    ungrouped = DialogueDataset(torch.eye(4), torch.eye(4), questions, answers)
    with pytest.raises(DataError, match="the filter repeats removed all of the 4 items"):
        QualityFilter(repeats=1).apply(ungrouped)
    with pytest.raises(ConfigError, match="repeats is a number of items or groups, at least 1; got 0"):
        QualityFilter(repeats=0)
