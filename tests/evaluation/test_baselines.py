"""Baselines equal scikit-learn's and SciPy's models, and the strength of the ridge is chosen on validation items."""

import math
import re

import numpy as np
import pytest
import scipy.linalg
import sklearn.decomposition
import sklearn.linear_model
import sklearn.neighbors
import torch

from cubelib import EmbeddingMetrics, EmbeddingReshaper
from cubelib.data.vectors import VectorFile
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.baselines import PCA, Identity, LocalPCA, MeanTarget, NearestAnswer, Procrustes, Ridge
from cubelib.evaluation.mystery_models import Leak, Memorizer
from cubelib.evaluation.networks import MLP, AutoencoderMLP, LowRankAdapter

EVERY = {
    "identity": lambda: Identity(),
    "mean": lambda: MeanTarget(),
    "nearest": lambda: NearestAnswer(),
    "pca": lambda: PCA(3),
    "local pca": lambda: LocalPCA(EmbeddingReshaper(12, (2, 2, 3)), 2),
    "procrustes": lambda: Procrustes(),
    "ridge": lambda: Ridge(),
    "residual ridge": lambda: Ridge(residual=True),
    "adapter": lambda: LowRankAdapter((2,), learning_rates=(1e-3,)),
    "mlp": lambda: MLP(200, learning_rates=(1e-3,)),
    "residual mlp": lambda: MLP(200, residual=True, learning_rates=(1e-3,)),
    "autoencoder": lambda: AutoencoderMLP(3, hidden=5),
    "linear autoencoder": lambda: AutoencoderMLP(3, hidden=0),
    "memorizer": lambda: Memorizer(),
    "leak": lambda: Leak(),
}
every_baseline = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


def pairs(count: int, noise: float = 0.5, dim: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of unequal spread away from the origin, and a linear map of them with noise."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99))
    input = torch.randn(count, dim, generator=generator) * torch.linspace(0.2, 2, dim) + 1
    return input, input @ mixing / dim**0.5 + noise * torch.randn(count, dim, generator=generator) - 2


@pytest.mark.parametrize("components", [1, 5, 12])
def test_pca_equals_scikit_learn_s(components):
    train, test = pairs(100)[0], pairs(30, seed=1)[0]
    own = PCA(components).fit(train, train)
    theirs = sklearn.decomposition.PCA(components).fit(train.double().numpy())
    expected = theirs.inverse_transform(theirs.transform(test.double().numpy()))
    torch.testing.assert_close(own.predict(test), torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-4)
    assert (own.parameter_count, own.name) == (12 + 12 * components, f"PCA, {components} numbers")


@pytest.mark.parametrize("layout", ["row_major", "pca"])
@pytest.mark.parametrize(("shape", "block"), [((4, 4, 3), 2), ((3, 5, 2), 2), ((2, 2, 12), 4)])
def test_local_pca_is_pca_of_each_square_of_cells_by_itself(shape, block, layout):
    rows, columns, channels = shape
    dim, per_cell = math.prod(shape), channels - 1
    train, test = pairs(100, dim=dim)[0], pairs(20, dim=dim, seed=1)[0]
    reshaper = EmbeddingReshaper(dim, shape, layout=layout).fit(train)
    own = LocalPCA(reshaper, per_cell, block).fit(train, train)
    cubes, expected = reshaper.fold(train), reshaper.fold(test).clone()
    for row in range(0, rows, block):
        for column in range(0, columns, block):
            square = (slice(None), slice(row, row + block), slice(column, column + block))
            fitted = cubes[square].flatten(1)
            pca = PCA(fitted.shape[1] // channels * per_cell).fit(fitted, fitted)
            expected[square] = pca.predict(expected[square].flatten(1)).reshape(expected[square].shape)
    torch.testing.assert_close(own.predict(test), reshaper.unfold(expected), rtol=1e-4, atol=1e-4)
    assert own.latent_dim == rows * columns * per_cell


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("strength", [0.01, 1.0, 50.0])
def test_ridge_equals_scikit_learn_s_at_the_same_penalty(strength, residual):
    (input, target), test = pairs(1500), pairs(10, seed=1)[0]  # two blocks
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


@every_baseline
def test_one_training_item_gives_finite_predictions(make):
    input, target = pairs(1)
    assert torch.isfinite(make().fit(input, target, pairs(1)).predict(pairs(5, seed=1)[0])).all()


def test_the_mean_is_the_mean_and_procrustes_is_scipy_s_and_finds_a_rotation_again():
    input, target = pairs(1500)  # two blocks
    torch.testing.assert_close(MeanTarget().fit(input, target).predict(input[:1])[0], target.double().mean(0).float())
    found = Procrustes().fit(input, target)
    expected, _ = scipy.linalg.orthogonal_procrustes(input.double().numpy(), target.double().numpy())
    np.testing.assert_allclose(found.rotation.numpy(), expected, atol=1e-9)
    torch.testing.assert_close(found.rotation @ found.rotation.T, torch.eye(12).double())
    turn = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(3))).Q
    held_out = pairs(9, seed=1)[0]
    again = Procrustes().fit(input, input @ turn).predict(held_out)
    torch.testing.assert_close(again, held_out @ turn, rtol=1e-4, atol=1e-4)


def test_the_nearest_question_s_answer_is_scikit_learn_s_and_of_equals_the_first():
    (input, target), test = pairs(1500), pairs(30, seed=1)[0]
    theirs = sklearn.neighbors.KNeighborsRegressor(1, metric="cosine", algorithm="brute").fit(input, target)
    found = NearestAnswer().fit(input, target)
    np.testing.assert_allclose(found.predict(test).numpy(), theirs.predict(test), atol=1e-6)
    assert torch.equal(found.predict(5 * input[:40]), target[:40])
    copies = torch.eye(2).repeat(1100, 1)
    answers = torch.arange(2200.0)[:, None].repeat(1, 2)
    assert NearestAnswer().fit(copies, answers).predict(torch.eye(2)).tolist() == [[0, 0], [1, 1]]


@every_baseline
def test_every_baseline_keeps_the_protocol(make):
    (input, target), validation, test = pairs(60), pairs(20, seed=1), pairs(30, seed=2)[0]
    model = make()
    assert model.seconds is None and repr(model).endswith(f"({model.name}, not fitted)")
    assert model.fit(input, target, validation, EmbeddingMetrics.calculate_mrr) is model
    assert 0 <= model.seconds < 60 and f"{model.parameter_count:,} parameters" in repr(model)
    output = model.predict(test)
    assert output.shape == test.shape and output.dtype == test.dtype and not output.requires_grad
    assert torch.isfinite(output).all()
    torch.testing.assert_close(model.predict(test[:1]), output[:1], rtol=1e-4, atol=1e-5)
    again = make().fit(input, target, validation, EmbeddingMetrics.calculate_mrr)
    assert torch.equal(again.predict(test), output)
    assert model.predict(test.double()).dtype == torch.float64
    assert model.predict(test[:0]).shape == (0, 12)


@every_baseline
def test_vectors_in_a_file_are_as_good_as_in_memory(make, tmp_path, monkeypatch):
    (input, target), validation, test = pairs(1100), pairs(20, seed=1), pairs(30, seed=2)[0]
    vectors = {"input": input, "target": target, "test": test, "from": validation[0], "to": validation[1]}
    for name, rows in vectors.items():
        np.save(tmp_path / f"{name}.npy", rows.numpy())
    files = [VectorFile(tmp_path / f"{name}.npy") for name in vectors]
    expected = make().fit(input, target, validation).predict(test)
    model = make().fit(*files[:2], tuple(files[3:]))
    torch.testing.assert_close(model.predict(test), expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("cubelib.evaluation.baselines.PREDICT_BLOCK", 7)
    torch.testing.assert_close(model.predict(files[2]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [EVERY["identity"], EVERY["ridge"], EVERY["mlp"]])
def test_what_cannot_be_learned_from_or_predicted_is_named(make):
    input, target = pairs(30)
    hole = input.clone()
    hole[7, 3] = torch.nan
    for wrong, message in (
        ((input, target[:9]), "takes training inputs (n, dim) and as many targets, n at least 1; got (30, 12) and (9"),
        ((hole, target), "the training inputs hold NaN or infinite numbers"),
        ((input, target, (input, hole)), "the validation targets hold NaN"),
        ((input, target, (input[:, :5], target[:, :5])), "validation vectors must have [12, 12] numbers, as in train"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            make().fit(*wrong)
    with pytest.raises(DataError, match=r"nothing to predict with yet\. Call fit"):
        make().predict(input)
    with pytest.raises(DataError, match=r"fitted on vectors of 12 numbers, predict takes \(n, 12\)"):
        make().fit(input, target).predict(input[:, :5])


@every_baseline
def test_answers_may_have_another_width_where_that_makes_sense(make):
    input, target = pairs(30)
    model = make()
    if model.same_width:
        with pytest.raises(DataError, match="training inputs and targets must have the same width"):
            model.fit(input, target[:, :5])
    elif not isinstance(model, PCA):  # its answers are its inputs again, whatever the targets are
        assert model.fit(input, target[:, :5]).predict(input).shape == (30, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PCA(0), "components is how many numbers the code has, at least 1; got 0"),
        (lambda: Ridge(strengths=(1.0, 0.0)), "strengths are penalties above 0, at least one"),
        (lambda: PCA(13).fit(*pairs(30)), "vectors of 12 numbers have 12 components. Ask for no more"),
    ],
)
def test_settings_that_cannot_work_are_named(make, message):
    with pytest.raises((ConfigError, DataError), match=re.escape(message)):
        make()
