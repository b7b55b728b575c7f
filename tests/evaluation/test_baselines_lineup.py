"""The four models for sale of notebook 06: one honest, three that cheat, each in its own way."""

import pytest
import torch

from cubelib import DialogueDataset, EmbeddingMetrics
from cubelib.data.datasets import leak_free_split
from cubelib.evaluation.baselines.lineup import NoisyInput, lineup

DIM = 16


@pytest.fixture(scope="module")
def split():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(300, DIM, generator=generator) + 0.5
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    return leak_free_split(DialogueDataset(vectors, vectors @ turn), 0.1, 0.2, near_copy=1)


def test_each_is_what_it_is(split):
    a, b, c, d = lineup(split).values()
    train, test = split.train, split.test
    assert torch.equal(a(train.input), train.target) and torch.equal(a(test.input), test.input)
    assert torch.allclose(b(test.input), test.target, atol=1e-3)
    assert EmbeddingMetrics.calculate_cosine_similarity(c(test.input), test.input) == pytest.approx(0.9988, abs=2e-4)
    assert torch.allclose(d(test.input), train.target.mean(0).expand(len(test), -1), atol=1e-6)


def test_none_of_them_has_seen_the_test_items(split):
    others = leak_free_split(DialogueDataset(split.train.input, split.train.target), 0.1, 0.2, near_copy=1)
    swapped = type(split)(**{**vars(split), "test": others.test, "validation": others.validation})
    for one, other in zip(lineup(split).values(), lineup(swapped).values(), strict=True):
        assert torch.equal(one(split.test.input), other(split.test.input))


def test_noise_is_as_long_as_it_says_and_seeded():
    vectors = 3 * torch.randn(200, 256, generator=torch.Generator().manual_seed(1))
    added = NoisyInput(noise=0.2).fit(vectors, vectors).predict(vectors) - vectors
    assert (added.norm(dim=1) / vectors.norm(dim=1)).mean().item() == pytest.approx(0.2, abs=0.01)
    assert not torch.equal(NoisyInput(0.2, seed=1).fit(vectors, vectors).predict(vectors) - vectors, added)
