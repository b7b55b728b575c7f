"""Asking a cube: before and after are what they say, and wild texts do no harm."""

import unicodedata

import pytest
import torch

from cubelib import AutoencoderDataset, CubeTrainer, TeacherEncoder
from cubelib.errors import DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.inference.ask import Reply, ask


def letters(texts: list[str]) -> list[list[int]]:
    """How often each of 48 letters occurs in a text."""
    return [[text.count(chr(97 + place)) for place in range(48)] for text in texts]


@pytest.fixture
def trainer() -> CubeTrainer:
    trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
    trainer.initialize_components()
    trainer.encoder = TeacherEncoder(letters)
    return trainer


def test_before_is_without_the_cube_and_after_is_behind_it(trainer, monkeypatch):
    bank = AnswerBank.from_texts(["aaaa", "aabb", "bbbb"], trainer.encoder)
    turned = trainer.encoder.encode(["b"])
    seen = []
    monkeypatch.setattr(trainer, "predict", lambda vectors: (seen.append(vectors), turned)[1])
    reply = ask(trainer, "aaab", bank, k=3)
    assert [answer.text for answer in reply.before] == ["aaaa", "aabb", "bbbb"]
    assert [answer.text for answer in reply.after] == ["bbbb", "aabb", "aaaa"]
    assert reply.after[0] == Answer("bbbb", 1.0, 2)
    assert seen[0].equal(trainer.encoder.encode(["aaab"]))
    assert len(ask(trainer, "aaab", bank, k=1).before) == 1


def test_an_answer_of_an_autoencoder_is_its_sentence(trainer):
    texts = ["aaaa", "bbbb", "cdcd"]
    bank = AnswerBank.from_dataset(AutoencoderDataset.from_texts(texts, trainer.encoder))
    assert [ask(trainer, text, bank, k=1).after[0].text for text in texts] == texts


def test_what_does_not_fit_together_is_told(trainer):
    bank = AnswerBank(torch.eye(3), ["a", "b", "c"])
    for question in ("", " \n", None):
        with pytest.raises(DataError, match="Asking: the question is"):
            ask(trainer, question, bank)
    with pytest.raises(DataError, match=r"takes vectors \(n, 3\), as wide as the bank's; got \(1, 48\)"):
        ask(trainer, "aaab", bank)
    trainer.encoder = TeacherEncoder()
    with pytest.raises(DataError, match="takes vectors of 48 numbers, and its teacher all-mpnet-base-v2 makes 768"):
        ask(trainer, "aaab", bank)
    with pytest.raises(DataError, match="no cube and no teacher yet"):
        ask(CubeTrainer(), "aaab", bank)


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def test_long_and_wild_texts_stay_in_their_columns():
    wild = ["word " * 40, "漢字仮名交じり文 " * 9, "two\nlines\tand \x1b[31mred\x07", "ok"]
    answers = [Answer(text, score, 0) for text, score in zip(wild, (1.0, 0.25, -0.5, 0.0), strict=True)]
    text = str(Reply("Why " * 60, answers, answers[::-1]))
    lines = text.splitlines()
    assert len(lines) == 6 and all(width(line) <= 100 for line in lines)
    assert all(line.count("…") == 1 for line in (lines[0], lines[2], lines[3]))
    assert "\x1b" not in text and "two lines and �[31mred�" in lines[4]
    assert lines[4].startswith(" 3  -0.500  two")
    # The second column begins in the same place of every line, whatever is in the first.
    start = width(lines[1][: lines[1].index("after the cube")])
    for line, answer in zip(lines[2:], answers[::-1], strict=True):
        assert width(line[: line.rindex(f"{answer.score:6.3f}")]) + 1 == start
    many = [Answer("long " * 30, 0.5, index) for index in range(120)]
    assert max(map(width, str(Reply("?", many, many)).splitlines())) <= 100


def test_a_notebook_shows_text_as_text():
    wild = [Answer("a|b\n*bold* <b>$x$</b>", 0.5, 0)]
    shown = Reply("[x](y)", wild, wild)._repr_markdown_()
    assert r"a\|b \*bold\* \<b\>\$x\$\</b\>" in shown and shown.startswith(r"“\[x\](y)”")
    assert len({line.replace(r"\|", "").count("|") for line in shown.splitlines()[2:]}) == 1
