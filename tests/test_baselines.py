"""Baselines equal scikit-learn's models, and the strength of the ridge is chosen on validation items."""

import numpy as np
import pytest
import sklearn.decomposition
import sklearn.linear_model
import torch

from cubelib import EmbeddingMetrics
from cubelib.baselines import PCA, Identity, MeanTarget, Ridge


def pairs(count: int, noise: float = 0.5, dim: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of unequal spread away from the origin, and a linear map of them with noise."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99))
    input = torch.randn(count, dim, generator=generator) * torch.linspace(0.2, 2, dim) + 1
    return input, input @ mixing / dim**0.5 + noise * torch.randn(count, dim, generator=generator) - 2


def test_identity_and_mean_are_what_their_names_say():
    input, target = pairs(20)
    assert torch.equal(Identity().fit(input, target).predict(input[:3]), input[:3])
    mean = MeanTarget().fit(input, target)
    torch.testing.assert_close(mean.predict(input[:3]), target.mean(0).repeat(3, 1))
    assert (Identity().parameter_count, mean.parameter_count) == (0, 12)


@pytest.mark.parametrize("components", [1, 5, 12])
def test_pca_equals_scikit_learn_s(components):
    train, test = pairs(100)[0], pairs(30, seed=1)[0]
    own = PCA(components).fit(train, train)
    theirs = sklearn.decomposition.PCA(components).fit(train.double().numpy())
    expected = theirs.inverse_transform(theirs.transform(test.double().numpy()))
    torch.testing.assert_close(own.predict(test), torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-4)
    assert (own.parameter_count, own.name) == (12 + 12 * components, f"PCA, {components} numbers")


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("strength", [0.01, 1.0, 50.0])
def test_ridge_equals_scikit_learn_s_at_the_same_penalty(strength, residual):
    (input, target), test = pairs(40), pairs(10, seed=1)[0]
    own = Ridge(residual, strengths=(strength,)).fit(input, target)
    x, y = input.double().numpy(), (target - input if residual else target).double().numpy()
    penalty = strength * len(x) * x.var(0).mean()
    theirs = sklearn.linear_model.Ridge(alpha=penalty).fit(x, y)
    expected = theirs.predict(test.double().numpy()) + (test.double().numpy() if residual else 0)
    np.testing.assert_allclose(own.predict(test).numpy(), expected, rtol=1e-4, atol=1e-4)
    assert own.parameter_count == 12 * 12 + 12


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("count", "noise"), [(200, 0.05), (14, 3.0)])
def test_ridge_takes_the_strength_that_is_best_on_validation(count, noise, residual):
    (input, target), validation = pairs(count, noise), pairs(100, noise, seed=1)
    strengths = (0.001, 0.1, 1.0, 10.0, 1000.0)
    scores = [
        EmbeddingMetrics.calculate_cosine_similarity(
            Ridge(residual, strengths=(strength,)).fit(input, target).predict(validation[0]), validation[1]
        )
        for strength in strengths
    ]
    chosen = Ridge(residual, strengths=strengths).fit(input, target, validation)
    assert chosen.strength == strengths[scores.index(max(scores))]
    assert EmbeddingMetrics.calculate_cosine_similarity(chosen.predict(validation[0]), validation[1]) == max(scores)
    assert Ridge(residual, strengths=strengths).fit(input, target).strength == 1.0


def test_little_noise_asks_for_a_weak_penalty_and_much_noise_for_a_strong_one():
    weak, strong = (
        Ridge().fit(*pairs(count, noise), validation=pairs(200, noise, seed=1)).strength
        for count, noise in ((400, 0.05), (14, 3.0))
    )
    assert weak < strong


def test_a_huge_penalty_leaves_the_mean_or_the_input_moved_by_the_mean_change():
    (input, target), test = pairs(40), pairs(10, seed=1)[0]
    mean = Ridge(strengths=(1e12,)).fit(input, target).predict(test)
    torch.testing.assert_close(mean, target.mean(0).repeat(10, 1), rtol=1e-5, atol=1e-5)
    moved = Ridge(residual=True, strengths=(1e12,)).fit(input, target).predict(test)
    torch.testing.assert_close(moved, test + (target - input).mean(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", [PCA(2), Ridge(), Ridge(residual=True), MeanTarget()])
def test_one_training_item_gives_finite_predictions(model):
    input, target = pairs(1)
    assert torch.isfinite(model.fit(input, target).predict(pairs(5, seed=1)[0])).all()


def test_ridge_chooses_by_the_score_it_is_given():
    generator = torch.Generator().manual_seed(4)
    x, noise = torch.randn(60, 6, generator=generator), torch.randn(60, 6, generator=generator)
    train, validation = (x[:40], x[:40] + noise[:40]), (x[40:], x[40:] + noise[40:])
    tried: list[float] = []

    def wants_the_smallest(output: torch.Tensor, target: torch.Tensor) -> float:
        tried.append(output.norm().item())
        return -tried[-1]

    chosen = Ridge().fit(*train, validation, wants_the_smallest)
    assert len(tried) == len(chosen.strengths)
    assert chosen.strength == chosen.strengths[tried.index(min(tried))]
    assert chosen.strength != Ridge().fit(*train, validation).strength
