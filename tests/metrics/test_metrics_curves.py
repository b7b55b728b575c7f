"""Curves ask each model at each setting, and average over draws of damage."""

import pytest
import torch

from cubelib import EmbeddingMetrics
from cubelib.errors import DataError
from cubelib.evaluation.baselines import MLP, PCA
from cubelib.views import plots


def vectors(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=generator) * torch.linspace(0.2, 2, 6)


def test_rate_distortion_is_the_figure_at_each_size_and_can_be_drawn():
    train, test = vectors(50, 0), vectors(20, 1)
    models = {
        "PCA": lambda size: PCA(size).fit(train, train).predict,
        "first numbers": lambda size: lambda rows: rows * (torch.arange(6) < size),
    }
    curves = EmbeddingMetrics.rate_distortion(models, [1, 3, 6], test, test)
    for name, model in models.items():
        cosine = EmbeddingMetrics.calculate_cosine_similarity
        assert curves[name] == [cosine(model(size)(test), test) for size in (1, 3, 6)]
        assert curves[name] == sorted(curves[name]) and curves[name][-1] == pytest.approx(1)
    assert curves["PCA"][0] > curves["first numbers"][0] + 0.3
    lines = plots.rate_distortion([1, 3, 6], curves).get_lines()
    assert [line.get_ydata().tolist() for line in lines] == list(curves.values())


def test_curves_take_a_figure_of_each_item():
    test = vectors(20, 1)
    models = {"half": lambda size: lambda rows: rows[:, [0, 1, 2, 3, 4, 5]] * (torch.arange(6) < size)}
    found = EmbeddingMetrics.rate_distortion(models, [3], test, test, EmbeddingMetrics.cosine_per_item)
    assert found["half"][0].shape == (20,)


def test_damage_is_averaged_over_seeds_and_grows_with_the_share():
    train, test = vectors(200, 0), vectors(50, 1)
    mlp = MLP(400, loss="mse").fit(train, train)
    shares, cosine = [0.0, 0.25, 0.5, 1.0], EmbeddingMetrics.calculate_cosine_similarity
    found = EmbeddingMetrics.damage_curve({"MLP": mlp.damaged}, shares, test, test, seeds=[3, 8])["MLP"]
    expected = [(cosine(mlp.damaged(s, 3)(test), test) + cosine(mlp.damaged(s, 8)(test), test)) / 2 for s in shares]
    assert found == pytest.approx(expected)
    assert found[0] == pytest.approx(cosine(mlp.predict(test), test)) and found[0] > found[1] > found[2] > found[3]


@pytest.mark.parametrize(("shares", "seeds"), [([1.1], [0]), ([-0.1], [0]), ([0.5], [])])
def test_damage_wants_shares_and_seeds(shares, seeds):
    with pytest.raises(DataError, match="shares are 0 … 1, with at least one seed"):
        EmbeddingMetrics.damage_curve({}, shares, torch.ones(1, 1), torch.ones(1, 1), seeds=seeds)
