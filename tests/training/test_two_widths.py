"""Questions of one encoder and answers of another: vectors of two widths."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from cubelib import CubeTrainer, DialogueDataset
from cubelib.data.filters import QualityFilter
from cubelib.data.splits import leak_free_split
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation import build_report
from cubelib.inference.answers import AnswerBank
from cubelib.inference.ask import ask
from cubelib.views.experiments import forward_trace


def settings(dim: int, answer_dim: int, **changes) -> dict:
    core = {"rule": "shared", "cell_dropout": 0.0, **changes.pop("core", {})}
    lattice = {"lattice_size": [4, 4, 4], "embedding_dim": dim, "answer_dim": answer_dim, "core": core}
    return {"mode": "dialogue", "epochs": 2, **lattice, **changes}


def cube(dim: int, answer_dim: int, **changes) -> CubeTrainer:
    trainer = CubeTrainer(settings(dim, answer_dim, **changes))
    trainer.initialize_components()
    return trainer


def pairs(count: int, dim: int, answer_dim: int) -> DialogueDataset:
    """Answers are a linear map of their questions, and a little noise."""
    generator = torch.Generator().manual_seed(0)
    questions = normalize(torch.randn(count, dim, generator=generator), dim=1)
    answers = questions @ torch.randn(dim, answer_dim, generator=generator)
    answers = normalize(answers + 0.1 * torch.randn(count, answer_dim, generator=generator), dim=1)
    return DialogueDataset(questions, answers, *([f"{side}{i}" for i in range(count)] for side in "qa"))


@pytest.mark.parametrize(("dim", "answer_dim"), [(20, 45), (45, 20)])
def test_numbers_go_to_the_first_channels_of_their_cells_and_back(dim, answer_dim):
    trainer = cube(dim, answer_dim)
    question = torch.arange(1.0, dim + 1)[None]
    face = trainer.fold(question)
    assert face.shape == (1, 4, 4, 3) and trainer.core.in_channels == 3  # 45 numbers on 16 cells
    filled = -(-dim // 16)
    assert torch.equal(face[..., :filled].flatten()[:dim], question[0] * trainer.reshaper.scale)
    assert (face.flatten(0, 2)[:, filled:] == 0).all()
    # Untrained, the lattice hands its numbers on: an answer of 45 numbers begins in the channels of its cells.
    output = trainer.predict(question)
    expected = face[..., : -(-answer_dim // 16)].flatten()[:answer_dim] / trainer.answer_reshaper.scale
    assert output.shape == (1, answer_dim) and torch.equal(output[0], expected)
    assert torch.allclose(forward_trace(trainer, question[0]).output, expected)


@pytest.mark.parametrize("layout", ["random", "pca", "spectral"])
def test_it_trains_is_saved_and_beats_itself_untrained(tmp_path, layout):
    split = leak_free_split(pairs(200, 20, 45), 0.2, 0.2)
    trainer = cube(20, 45, epochs=15, learning_rate=0.01, core={"layout": layout})
    trainer.fit(split.train, split.validation, progress=False)
    cosine = trainer.evaluate(split.test)["cosine_similarity"]
    assert cosine > trainer.untrained().evaluate(split.test)["cosine_similarity"] + 0.2
    trainer.save(tmp_path / "cube")
    assert torch.equal(CubeTrainer.load(tmp_path / "cube").predict(split.test.input), trainer.predict(split.test.input))


def test_the_report_has_the_baselines_that_can_change_a_width():
    (report,) = build_report(cube(20, 45), {"dialogue": leak_free_split(pairs(120, 20, 45), 0.2, 0.2)})
    names = {row.model for row in report.rows} - {"cube", "cube before training"}
    trained = {"low-rank map", "MLP"}
    assert names == trained | {
        "nearest question's answer",
        "orthogonal Procrustes",
        "ridge regression",
        "mean of the training targets",
    }
    assert report.row("ridge regression").per_item["cosine_similarity"].mean() > 0.9


def test_copies_are_looked_for_on_each_side_and_not_between_them():
    questions = one_hot(torch.arange(30), 30).float()
    answers = one_hot(torch.arange(30), 40).float()
    answers[3] = answers[8] + 0.01  # a near-copy of another answer
    split = leak_free_split(DialogueDataset(questions, answers), 0.2, 0.2)
    assert (split.groups, split.largest_group) == (29, 2)  # no question is a copy of its own answer
    assert split.closest == pytest.approx(0.0, abs=0.07)


def test_a_larger_face_takes_both_widths_in_proportion():
    larger = cube(16, 48).resized(rows=8, columns=8)
    assert (larger.config.embedding_dim, larger.config.answer_dim) == (64, 192)
    assert larger.predict(torch.randn(2, 64)).shape == (2, 192)


def test_ask_shows_what_the_cube_finds_and_nothing_without_it():
    trainer = cube(16, 32)
    bank = AnswerBank(np.eye(32, dtype=np.float32)[:3], ["Yes.", "No.", "Perhaps."])
    trainer.encoder = type("Letters", (), {"dim": 16, "encode": lambda self, texts: torch.eye(16)[: len(texts)]})()
    reply = ask(trainer, "Tea?", bank, k=2)
    assert reply.before == [] and reply.after[0].text == "Yes."
    assert str(reply).splitlines()[:2] == ["“Tea?”", " 1   1.000  Yes."]
    assert "without the cube" not in reply._repr_markdown_() and "Yes." in reply._repr_markdown_()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cube(16, 32, mode="autoencoder"), "answer_dim: in autoencoder mode the cube gives back its input"),
        (lambda: cube(16, 32).fit(*[pairs(9, 16, 30)] * 2), "those of answers 30 numbers, embedding_dim is 16, answer"),
        (lambda: cube(16, 32).fit(*[pairs(9, 16, 16)] * 2), "Set embedding_dim: 16 and answer_dim: null."),
        (lambda: QualityFilter(cosine=(0, 1)).apply(pairs(9, 16, 32)), "which have 16 and 32 numbers. Leave it out."),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises((ConfigError, DataError)) as error:
        make()
    assert message in str(error.value)
