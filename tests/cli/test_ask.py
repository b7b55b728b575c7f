"""`cubelib ask`: the bank is the run's or a file's, and it is said whether a question was trained on."""

import builtins
import re
from unittest.mock import Mock

import numpy as np
import pytest

from cubelib import CubeTrainer, TeacherEncoder
from cubelib.__main__ import main
from cubelib.data import corpora
from cubelib.data.text import shorten
from cubelib.inference.answers import AnswerBank
from cubelib.training.sources import load_splits

PAIRS = 300


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of cubes that know their data: the built-in texts, whose vectors come with the package."""
    folder = tmp_path_factory.mktemp("runs")
    for mode in ("dialogue", "autoencoder", "mixed"):
        trainer = CubeTrainer({"mode": mode, "data": {"limit": PAIRS}, "core": {"layout": "row_major"}})
        trainer.initialize_components()
        splits = load_splits(trainer.config, trainer.encoder)
        trainer.trained_on = {task: split.train.fingerprint() for task, split in splits.items()}
        trainer.save(folder / mode)
    return folder


@pytest.fixture
def ask(runs, capsys):
    """What `cubelib ask` prints for a run and more words."""

    def say(run: str, *words: str, code: int = 0) -> str:
        assert main(["ask", str(runs / run), *words]) == code
        said = capsys.readouterr()
        return said.out.rstrip("\n") if code == 0 else said.err

    return say


def test_the_bank_of_a_dialogue_is_every_answer(ask):
    pairs = corpora.dialogues(PAIRS)
    first, *rest = ask("dialogue", pairs[0]["question"], "--k", "2").splitlines()
    counts = re.fullmatch(r"Bank: ([\d,]+) different answers, ([\d,]+) of them in the training data\.", first)
    different = {" ".join(pair["answer"].casefold().split()) for pair in pairs}
    assert int(counts[1]) == len(different) and 0 < int(counts[2]) < int(counts[1])
    assert [line[:2] for line in rest[3:5]] == [" 1", " 2"]
    assert ask("mixed", "--k", "2", pairs[0]["question"]).splitlines()[0] == first


def test_a_question_of_the_training_data_is_told(ask, runs):
    split = load_splits(CubeTrainer.load(runs / "dialogue").config, TeacherEncoder())["dialogue"]
    trained, held_out = split.train.input_texts[0], split.test.input_texts[0]
    said = ask("dialogue", trained, held_out).split("\n\n")
    answer = shorten(split.train.target_texts[0], 40)  # the only one in these data
    assert said[1].splitlines()[-1] == f"This very question is in the training data, answered with {answer}."
    assert "training data" not in said[2]
    train = load_splits(CubeTrainer.load(runs / "autoencoder").config, TeacherEncoder())["autoencoder"].train
    said = ask("autoencoder", train.input_texts[0], "--k", "1")
    assert said.endswith("This very sentence is in the training data.")
    assert f"Bank: {PAIRS} different sentences, {len(train)} of them" in said


def test_data_that_changed_are_not_called_training_data(ask, runs):
    trainer = CubeTrainer.load(runs / "dialogue")
    trainer.trained_on = {"dialogue": "another"}
    trainer.save(runs / "old")
    said = ask("old", corpora.dialogues(1)[0]["question"])
    assert "The data have changed since the cube was trained, so which answers it has seen is not known." in said
    assert "This very question" not in said


def test_the_bank_may_be_a_file_or_a_saved_bank(ask, tmp_path):
    question, *answers = corpora.sentences(5)
    table = tmp_path / "faq.csv"
    table.write_text("reply\n" + "".join(f'"{answer}"\n' for answer in [*answers, answers[0]]), encoding="utf-8")
    said = ask("dialogue", question, "--bank", str(table), "--column", "reply", "--k", "9")
    assert said.startswith(f"Bank: 4 different answers of {table}.\n\n“") and len(said.splitlines()) == 2 + 2 + 4
    AnswerBank.from_file(table, TeacherEncoder(), "reply").save(tmp_path / "bank")
    saved = ask("dialogue", question, "--bank", str(tmp_path / "bank"), "--k", "9")
    assert saved.splitlines()[2:] == said.splitlines()[2:]
    said = ask("dialogue", question, "--bank", str(table), code=2)
    assert "'answer'" in said and "Name one with --column." in said
    table.write_text("answer,b\nYes.,1\n,2\n", encoding="utf-8")
    said = ask("dialogue", question, "--bank", str(table), code=2)
    assert said.endswith("Fill it in, or remove the row. Give a .txt file in UTF-8, an answer on each line.\n")


def test_what_cannot_be_asked_is_told(ask, runs, tmp_path):
    assert "Asking: the question is ' '" in ask("dialogue", " ", code=2)
    assert "there is no question" in ask("dialogue", code=2)
    assert "device 'abacus' is not known" in ask("dialogue", "Why?", "--device", "abacus", code=2)
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(60, 768)).astype(np.float32))
    trainer = CubeTrainer({"data": {"file": str(tmp_path / "v.npy")}, "core": {"layout": "row_major"}})
    trainer.initialize_components()
    trainer.save(runs / "vectors")
    assert "was trained on vectors without texts" in ask("vectors", "Why?", code=2)


@pytest.mark.parametrize("end", ["", EOFError])
def test_on_a_terminal_it_asks_until_an_empty_line(ask, monkeypatch, end):
    questions = [pair["question"] for pair in corpora.dialogues(2)]
    typed = Mock(side_effect=[questions[0], "half \ud83d", questions[1], end])
    monkeypatch.setattr(builtins, "input", typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    said = ask("dialogue")
    assert said.count("without the cube") == 2 and "surrogate" in said
    assert typed.call_count == 4
