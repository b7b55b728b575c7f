"""Questions without what they have in common: by itself, in a cube, and through training, checkpoints and exports."""

from __future__ import annotations

import pytest
import torch
from small_cubes import DIM, small, vectors
from torch.nn.functional import normalize

from cubelib import CubeTrainer, DialogueDataset
from cubelib.errors import ConfigError
from cubelib.training.whitening import POWERS, SHRINKAGE, Whitening


def alike_questions(count: int, seed: int) -> DialogueDataset:
    """Answers are what the questions hold beside a large common part and two loud axes that mean nothing."""
    generator = torch.Generator().manual_seed(seed)
    meaning = torch.randn(count, DIM, generator=generator)
    meaning[:, :2] = 0
    loud = torch.zeros(count, DIM)
    loud[:, :2] = 60 * torch.randn(count, 2, generator=generator)
    return DialogueDataset(normalize(meaning + loud + 3, dim=1), normalize(meaning, dim=1))


def test_variances_are_divided_by_what_the_formula_says():
    questions = vectors(2_000, 0)
    whitening = Whitening(DIM)
    whitening.fit(questions, lambda: float(whitening.matrix.abs().sum()) * 0)  # all powers are equal: the smallest
    assert whitening.power == 0
    torch.testing.assert_close(whitening(questions), questions - questions.mean(0), atol=1e-5, rtol=0)
    scores = iter(range(len(POWERS)))
    whitening.fit(questions, lambda: next(scores))  # the last power
    variances, axes = torch.linalg.eigh(torch.cov(questions.T.double()))
    expected = (variances + SHRINKAGE * variances.mean()) ** -POWERS[-1]
    received = (axes.T @ whitening.matrix.double() @ axes).diagonal()
    torch.testing.assert_close(received / received[0], expected / expected[0], atol=1e-4, rtol=1e-4)
    assert whitening(questions).var(0).sum() == pytest.approx(float(questions.var(0).sum()), rel=1e-3)


def test_a_cube_that_whitens_finds_answers_that_another_does_not(tmp_path):
    train, validation, test = (alike_questions(count, seed) for count, seed in ((400, 1), (100, 2), (100, 3)))
    mrr = {}
    for whitening in (False, True):
        trainer = CubeTrainer(
            small(mode="dialogue", epochs=1, core={"whitening": whitening, "layout": "row_major", "bottleneck": None})
        )
        trainer.initialize_components()
        trainer.fit(train, validation, progress=False)
        mrr[whitening] = trainer.evaluate(test)["mrr"]
    assert trainer.whitening.power == 0.4 and mrr[True] > mrr[False] + 0.04
    trainer.save(tmp_path / "cube")
    assert torch.equal(CubeTrainer.load(tmp_path / "cube").predict(test.input), trainer.predict(test.input))
    untrained = trainer.untrained()
    assert torch.equal(untrained.whitening.matrix, trainer.whitening.matrix)
    folded = trainer.reshaper.fold(trainer.whitening(test.input))
    assert torch.allclose(untrained.predict(test.input), trainer.reshaper.unfold(folded), atol=1e-6)


def test_a_fitted_layout_is_fitted_on_whitened_questions():
    train, validation = alike_questions(300, 1), alike_questions(60, 2)
    trainer = CubeTrainer(small(mode="dialogue", core={"whitening": True, "layout": "pca", "bottleneck": None}))
    trainer.initialize_components()
    trainer.prepare(train, validation)
    folded = trainer.reshaper.fold(trainer.whitening(train.input))
    assert folded.mean(0).abs().max() < 1e-4 * trainer.reshaper.scale


@pytest.mark.parametrize("mode", ["autoencoder", "mixed"])
def test_only_questions_are_whitened(mode):
    message = f"core.whitening: only questions are whitened, and in {mode} mode"
    with pytest.raises(ConfigError, match=message):
        CubeTrainer(small(mode=mode, core={"whitening": True}))
    trainer = CubeTrainer(small(mode="dialogue", core={"whitening": True}))
    trainer.initialize_components()
    with pytest.raises(ConfigError, match=message):
        trainer.set_mode(mode)
