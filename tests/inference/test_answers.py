"""AnswerBank: the nearest texts, each once, in order; through files; and a sentence for every mistake."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, DialogueDataset, TeacherEncoder
from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError, UserError
from cubelib.inference.answers import TEXTS, VECTORS, Answer, AnswerBank
from cubelib.metrics import rows


def vectors(count: int, dim: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def named(count: int) -> list[str]:
    return [f"answer {number}" for number in range(count)]


def plainly(bank: AnswerBank, queries: torch.Tensor, k: int) -> list[list[Answer]]:
    """The same, one cosine at a time."""
    found, bank_vectors = [], bank.vectors[:].double()
    for query in queries.double():
        scores = [round(float(query @ vector / (query.norm() * vector.norm())), 6) for vector in bank_vectors]
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        found.append([Answer(bank.texts[index], scores[index], index) for index in order[:k]])
    return found


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 45), st.integers(0, 100))
@example(25, 9, 8, 26)  # two level ones at the eighth place, half way between two sixth decimals
@settings(max_examples=50, deadline=None)
def test_the_nearest_are_those_of_the_plain_loop(size, queries, k, seed):
    # Whole numbers in few dimensions: many ties, and directions that differ clearly otherwise.
    numbers = vectors(size + queries, 3, seed).mul(2).round()
    numbers[numbers.eq(0).all(1)] = 1.0
    bank, asked = AnswerBank(numbers[:size], named(size)), numbers[size:]
    found, expected = bank.nearest(asked, k), plainly(bank, asked, k)
    for one, other in zip(found, expected, strict=True):
        assert [answer.score for answer in one] == pytest.approx([answer.score for answer in other], abs=2e-6)
        assert [(answer.text, answer.index) for answer in one] == [(answer.text, answer.index) for answer in other]


def test_ties_stand_in_the_order_of_the_bank_also_at_the_last_place():
    bank = AnswerBank(torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [5.0, 0.0]]), named(4))
    query = torch.tensor([[3.0, 0.0]])
    assert [answer.index for answer in bank.nearest(query, k=2)[0]] == [1, 2]
    assert [answer.index for answer in bank.nearest(query, k=9)[0]] == [1, 2, 3, 0]
    assert [answer.score for answer in bank.nearest(query, k=9)[0]] == [1, 1, 1, 0]


def test_equal_texts_stand_once_as_the_first_of_them_does():
    bank = AnswerBank(torch.eye(5), ["Yes.", "No.", "YES.", " yes.\n", "Perhaps."])
    assert (bank.texts, bank.joined, len(bank)) == (["Yes.", "No.", "Perhaps."], 2, 3)
    assert bank.vectors.equal(torch.eye(5)[[0, 1, 4]])
    assert repr(bank) == "AnswerBank(3 different answers of 5 numbers, 2 equal texts joined)"
    assert bank.nearest(torch.eye(5)[[4]], k=1) == [[Answer("Perhaps.", 1.0, 2)]]


def test_small_blocks_and_files_change_nothing(tmp_path, monkeypatch):
    numbers, asked = vectors(300), vectors(50, seed=1)
    np.save(tmp_path / "bank.npy", numbers.numpy())
    np.save(tmp_path / "asked.npy", asked.numpy())
    whole = AnswerBank(numbers, named(300)).nearest(asked)
    texts = [*named(299), "ANSWER 0"]
    joined = AnswerBank(VectorFile(tmp_path / "bank.npy"), texts)
    assert isinstance(joined.vectors, VectorFile)
    assert len(joined) == 299
    monkeypatch.setattr(rows, "BLOCK", 7)
    monkeypatch.setattr(rows, "ENTRIES", 1000)
    from_file = AnswerBank(VectorFile(tmp_path / "bank.npy"), named(300))
    for queries in (VectorFile(tmp_path / "asked.npy"), asked.numpy(), asked.double(), asked.tolist()):
        assert from_file.nearest(queries) == whole
    assert from_file.nearest(torch.empty(0, 6)) == []


def test_datasets_give_their_targets(tmp_path):
    asked, answered = vectors(4), vectors(4, seed=1)
    pairs = DialogueDataset(asked, answered, ["a", "b", "c", "d"], ["Yes.", "No.", "yes.", "Maybe."])
    bank = AnswerBank.from_dataset(pairs)
    assert (bank.texts, bank.joined) == (["Yes.", "No.", "Maybe."], 1)
    assert bank.vectors.equal(answered[[0, 1, 3]])
    np.save(tmp_path / "more.npy", vectors(2, seed=2).numpy())
    sentences = AutoencoderDataset(VectorFile(tmp_path / "more.npy"), ["Never.", "NO."])
    both = AnswerBank.from_dataset(pairs, sentences)
    assert (both.texts, both.joined) == (["Yes.", "No.", "Maybe.", "Never."], 2)
    assert both.vectors[:].equal(torch.cat([answered[[0, 1, 3]], vectors(2, seed=2)[:1]]))
    assert both.nearest(vectors(2, seed=2)[:1], k=1) == [[Answer("Never.", 1.0, 3)]]


def test_texts_and_files_are_encoded(tmp_path):
    encoder = TeacherEncoder(lambda texts: [[len(text), text.count(" ") + 1] for text in texts])
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nWhy?,Because.\nWhen?,At noon.\nHow?,BECAUSE.\n")
    bank = AnswerBank.from_file(file, encoder)
    assert (bank.texts, bank.joined) == (["Because.", "At noon."], 1)
    assert bank.vectors.equal(encoder.encode(["Because.", "At noon."]))
    assert AnswerBank.from_file(file, encoder, column="question").texts == ["Why?", "When?", "How?"]
    assert AnswerBank.from_texts(["One."], encoder).texts == ["One."]


@pytest.mark.parametrize(
    ("numbers", "texts", "message"),
    [
        (torch.empty(0, 3), [], "vectors must be (n, dim) with n at least 1; got shape (0, 3)"),
        (torch.eye(2), ["one"], "got 2 vectors for 1 text."),
        (torch.eye(3), "one", "AnswerBank takes a list of texts. Given one str: 'one'"),
        (torch.eye(2), ["one", " "], "text 1 of 2 (counted from 0) is empty"),
        (torch.eye(2), ["one", 2], "text 1 of 2 (counted from 0) holds a number where text is expected"),
        (torch.eye(2), ["one", "\ud83d"], "text 1 of 2 (counted from 0) holds half a character"),
        (torch.tensor([[1.0], [0.0]]), ["a", "b"], "1 of 2 vectors hold nothing but zeros, the first is number 1"),
        (torch.tensor([[1.0], [torch.nan]]), ["a", "b"], "1 of 2 vectors hold NaN or infinite numbers"),
        (torch.ones(2), ["a", "b"], "vectors must be (n, dim)"),
    ],
)
def test_a_bank_that_cannot_be_is_told_why(numbers, texts, message):
    with pytest.raises(DataError, match=re.escape(message)):
        AnswerBank(numbers, texts)


@pytest.mark.parametrize(
    ("asked", "k", "message"),
    [
        (torch.zeros(1, 3), 5, "AnswerBank.nearest: 1 of 1 vectors hold nothing but zeros"),
        (torch.full((2, 3), torch.nan), 5, "AnswerBank.nearest: 2 of 2 vectors hold NaN"),
        (torch.ones(1, 4), 5, "takes vectors (n, 3), as wide as the bank's; got (1, 4). Encode with the bank's"),
        (torch.ones(3), 5, "got (3,). Use vector[None] for a single one."),
        (torch.ones(1, 3), 0, "k is how many answers to find, at least 1; got 0"),
    ],
)
def test_vectors_that_cannot_be_looked_for_are_told_why(asked, k, message):
    with pytest.raises(DataError, match=re.escape(message)):
        AnswerBank(torch.eye(3), named(3)).nearest(asked, k)


def test_datasets_without_texts_or_of_two_widths_are_refused():
    with pytest.raises(DataError, match=r"DialogueDataset\(3 items of 3 numbers, without texts\) have no texts"):
        AnswerBank.from_dataset(DialogueDataset(torch.eye(3), torch.eye(3)))
    with pytest.raises(DataError, match="one dataset or several of the same width; got none"):
        AnswerBank.from_dataset()
    with pytest.raises(DataError, match="one dataset or several of the same width; got AutoencoderDataset"):
        AnswerBank.from_dataset(*(AutoencoderDataset(torch.eye(dim), named(dim)) for dim in (2, 3)))


def saved(tmp_path) -> AnswerBank:
    bank = AnswerBank(normalize(vectors(30)), [*named(28), "Как дела?", "как  ДЕЛА?"])
    bank.save(tmp_path / "deep" / "bank")
    return bank


def test_a_bank_comes_back_as_it_was(tmp_path):
    bank = saved(tmp_path)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["bank"]
    assert sorted(path.name for path in (tmp_path / "deep" / "bank").iterdir()) == [TEXTS, VECTORS]
    again = AnswerBank.load(tmp_path / "deep" / "bank")
    assert isinstance(again.vectors, VectorFile)
    assert (again.texts, again.joined, repr(again)) == (bank.texts, 1, repr(bank))
    assert again.vectors[:].equal(bank.vectors)
    asked = vectors(5, seed=3)
    assert again.nearest(asked) == bank.nearest(asked)
    again.save(tmp_path / "third")
    assert (tmp_path / "third" / VECTORS).read_bytes() == (tmp_path / "deep" / "bank" / VECTORS).read_bytes()
    assert AnswerBank.load(tmp_path / "third").joined == 1
    assert "Как дела?" in (tmp_path / "third" / TEXTS).read_text(encoding="utf-8")


def test_nothing_is_overwritten_and_nothing_half_is_left(tmp_path, monkeypatch):
    bank = saved(tmp_path)
    with pytest.raises(DataError, match="bank exists and was left as it is"):
        bank.save(tmp_path / "deep" / "bank")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full)
    with pytest.raises(UserError, match=r"cannot write .*new \(No space left on device\)"):
        bank.save(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("}", "", "bank cannot be used (Expecting "),
        ('"format"', '"other"', "bank cannot be used (it is no object with a format)"),
        ('"format": 3', '"format": 4', "it has format 4, this cubelib reads 3"),
        ('"answer 3",', "", "it is not as it was written: its checksum differs"),
    ],
)
def test_a_damaged_folder_is_told_why(tmp_path, old, new, message):
    saved(tmp_path)
    file = tmp_path / "deep" / "bank" / TEXTS
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        AnswerBank.load(file.parent)
    with pytest.raises(DataError, match=r"deep cannot be used .*No such file"):
        AnswerBank.load(tmp_path / "deep")


def test_vectors_of_another_bank_are_told(tmp_path):
    saved(tmp_path)
    with (tmp_path / "deep" / "bank" / VECTORS).open("rb+") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(DataError, match=re.escape("vectors.npy is not the file that was saved with answers.json")):
        AnswerBank.load(tmp_path / "deep" / "bank")
