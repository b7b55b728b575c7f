"""EmbeddingReshaper: nothing is lost on the way, and every number goes where the layout says."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from cubelib import EmbeddingReshaper
from cubelib.data.vectors import VectorFile
from cubelib.reshaper import LAYOUTS, covariance, spectral_order

PERMUTATIONS = [layout for layout in LAYOUTS if layout != "pca"]


def vectors(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Vectors of correlated numbers of different sizes, away from the origin."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator) / dim**0.5
    return torch.randn(count, dim, generator=generator) @ mixing + torch.randn(dim, generator=generator)


@st.composite
def shapes(draw) -> tuple[int, tuple[int, int, int]]:
    """A dimension and a cube that holds it, exactly or with room to spare."""
    rows, columns, channels = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 11)))
    return draw(st.integers(1, rows * columns * channels)), (rows, columns, channels)


@settings(max_examples=60, deadline=None)
@given(shapes(), st.sampled_from(LAYOUTS), st.booleans(), st.integers(-6, 6), st.integers(0, 9))
def test_unfold_is_the_inverse_of_fold_and_lengths_and_angles_survive(shape, layout, fitted, exponent, seed):
    dim, cube_shape = shape
    reshaper = EmbeddingReshaper(dim, cube_shape, layout=layout, scale=2.0**exponent, seed=seed)
    if fitted:
        reshaper.fit(vectors(7, dim, seed))
    given_vectors = vectors(3, dim, seed + 1)
    cubes = reshaper.fold(given_vectors)
    assert cubes.shape == (3, *cube_shape)
    rotated = layout == "pca" and fitted
    tolerance = 1e-5 * float(given_vectors.norm(dim=1).max()) if rotated else 0
    torch.testing.assert_close(reshaper.unfold(cubes), given_vectors, rtol=0, atol=tolerance)
    laid = cubes.flatten(1).double() / 2.0**exponent
    source = given_vectors.double() - (reshaper.mean.double() if rotated else 0)
    torch.testing.assert_close(laid @ laid.T, source @ source.T, rtol=1e-5, atol=1e-4)
    assert int((cubes[0] != 0).sum()) <= dim  # what is left over is zeros


def test_row_major_is_a_plain_reshape():
    given_vectors = vectors(2, 24)
    assert torch.equal(EmbeddingReshaper(24, (2, 3, 4)).fold(given_vectors), given_vectors.view(2, 2, 3, 4))


def test_channel_major_fills_one_channel_of_all_cells_after_the_other():
    cube = EmbeddingReshaper(11, (2, 3, 2), layout="channel_major").fold(torch.arange(1.0, 12)[None])[0]
    assert cube[..., 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cube[..., 1].tolist() == [[7, 8, 9], [10, 11, 0]]


def test_random_is_the_shuffle_of_its_seed():
    numbers = torch.arange(60.0)[None]
    first, same, other = (EmbeddingReshaper(60, (3, 4, 5), layout="random", seed=s).fold(numbers) for s in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert not torch.equal(first.flatten(1), numbers)
    assert sorted(first.flatten().tolist()) == numbers.flatten().tolist()


def test_pca_puts_component_i_into_channel_i_over_cells_of_cell_i_modulo_cells():
    data = vectors(200, 30)
    cubes = EmbeddingReshaper(30, (2, 3, 5), layout="pca").fit(data).fold(data)
    variances = cubes.var(0)
    by_place = torch.stack([variances[i % 6 // 3, i % 3, i // 6] for i in range(30)])
    expected = PCA().fit(data.double().numpy())
    torch.testing.assert_close(by_place.double(), torch.from_numpy(expected.explained_variance_), rtol=1e-3, atol=1e-6)
    scores = torch.from_numpy(expected.transform(data.double().numpy()))
    laid = torch.stack([cubes[:, i % 6 // 3, i % 3, i // 6] for i in range(30)], 1)
    torch.testing.assert_close(laid.double().abs(), scores.abs(), rtol=1e-3, atol=1e-3)  # an axis may point either way


def test_the_largest_entry_of_every_principal_axis_is_positive():
    axes = EmbeddingReshaper(12, (2, 2, 3), layout="pca").fit(vectors(50, 12)).axes
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_spectral_brings_correlated_numbers_together():
    generator = torch.Generator().manual_seed(0)
    group_of = torch.arange(48).remainder(4)[torch.randperm(48, generator=generator)]
    data = torch.randn(400, 4, generator=generator)[:, group_of] + 0.3 * torch.randn(400, 48, generator=generator)
    data += torch.randn(400, 1, generator=generator)  # something that joins the groups

    def neighbors_of_one_group(order: torch.Tensor) -> int:
        return int((group_of[order][1:] == group_of[order][:-1]).sum())

    assert neighbors_of_one_group(spectral_order(data)) >= 40  # 44 are possible
    assert neighbors_of_one_group(torch.randperm(48, generator=generator)) <= 20


@pytest.mark.parametrize("layout", ["pca", "spectral"])
@pytest.mark.parametrize("data", [torch.ones(5, 6), torch.ones(1, 6), torch.eye(6)[:, :5].repeat(1, 2)[:, :6]])
def test_fitted_layouts_bear_numbers_that_never_vary(layout, data):
    reshaper = EmbeddingReshaper(6, (1, 2, 3), layout=layout).fit(data)
    torch.testing.assert_close(reshaper.unfold(reshaper.fold(data)), data)


@pytest.mark.parametrize("layout", ["pca", "spectral"])
def test_an_unfitted_layout_is_row_major_and_says_so(layout):
    reshaper = EmbeddingReshaper(24, (2, 3, 4), layout=layout)
    data = vectors(9, 24)
    assert torch.equal(reshaper.fold(data), data.view(9, 2, 3, 4))
    assert repr(reshaper) == f"EmbeddingReshaper(24 numbers ↔ 2×3×4, {layout} (not fitted yet: row_major until fit))"
    assert reshaper.fit(data) is reshaper
    assert repr(reshaper) == f"EmbeddingReshaper(24 numbers ↔ 2×3×4, {layout})"
    assert not torch.equal(reshaper.fold(data), data.view(9, 2, 3, 4))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fitted_layout_survives_its_state_dict(layout):
    data = vectors(40, 20)
    fitted = EmbeddingReshaper(20, (2, 3, 4), layout=layout, seed=1).fit(data)
    copy = EmbeddingReshaper(20, (2, 3, 4), layout=layout, seed=2)
    copy.load_state_dict(fitted.state_dict())
    assert repr(copy) == repr(fitted)
    assert torch.equal(copy.fold(data), fitted.fold(data))
    assert torch.equal(copy.unfold(copy.fold(data)), fitted.unfold(fitted.fold(data)))


@pytest.mark.parametrize(
    ("dim", "face", "channels"),
    [(384, (8, 8), 6), (512, (8, 8), 8), (768, (8, 8), 12), (1024, (8, 8), 16), (3072, (16, 16), 12), (7, (8, 8), 1)],
)
def test_for_dim_takes_as_few_channels_as_possible(dim, face, channels):
    reshaper = EmbeddingReshaper.for_dim(dim, face, layout="random")
    assert (reshaper.cube_shape, reshaper.layout) == ((*face, channels), "random")
    data = vectors(2, dim)
    assert torch.equal(reshaper.unfold(reshaper.fold(data)), data)


def test_a_batch_may_be_empty_and_double():
    reshaper = EmbeddingReshaper(5, (1, 2, 3)).double()
    assert reshaper.unfold(reshaper.fold(torch.empty(0, 5))).shape == (0, 5)
    assert reshaper(torch.ones(1, 5, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda: EmbeddingReshaper().fold(torch.zeros(2, 384)),
            "EmbeddingReshaper: cannot lay 384 numbers on a face of 8×8 with 12 channels (768). Input shape (2, 384), "
            "cube_shape (8, 8, 12). Use cube_shape=(8, 8, 6), or EmbeddingReshaper.for_dim(384).",
        ),
        (lambda: EmbeddingReshaper()(torch.zeros(768)), "Give vectors of shape (batch, 768)."),
        (lambda: EmbeddingReshaper(layout="pca").fit(torch.zeros(3, 5)), "cannot lay 5 numbers"),
        (lambda: EmbeddingReshaper(layout="pca").fit(torch.zeros(0, 768)), "got 0 vectors, 0 numbers in them not"),
        (lambda: EmbeddingReshaper(2).fit(torch.tensor([[1.0, torch.nan]])), "got 1 vectors, 1 numbers in them not"),
        (lambda: EmbeddingReshaper().unfold(torch.zeros(1, 8, 12, 8)), "(1, 8, 12, 8). Expected (batch, 8, 8, 12)"),
        (lambda: EmbeddingReshaper().unfold(torch.zeros(8, 8, 12)), "cannot unfold a tensor of shape (8, 8, 12)"),
        (lambda: EmbeddingReshaper(768, (8, 8, 11)), "channels (704). Use cube_shape=(8, 8, 12) or more channels"),
        (lambda: EmbeddingReshaper(768, (8, 8)), "is (rows, columns, channels), each at least 1; got (8, 8)."),
        (lambda: EmbeddingReshaper.for_dim(768, (0, 8)), "each at least 1; got (0, 8, 768)."),
        (lambda: EmbeddingReshaper(0), "dim is how many numbers a vector has, at least 1; got 0."),
        (lambda: EmbeddingReshaper(layout="rows"), "layout 'rows' is not known. Use one of row_major, channel_major, "),
        (lambda: EmbeddingReshaper(scale=0.0), "scale must be above 0 and finite; got 0.0."),
        (lambda: EmbeddingReshaper(scale=float("inf")), "scale must be above 0 and finite; got inf."),
    ],
)
def test_what_does_not_fit_is_named(action, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        action()


@pytest.mark.parametrize("layout", ["pca", "spectral"])
@pytest.mark.parametrize("rows", [64, 10_000])
def test_a_layout_is_fitted_in_blocks_from_memory_or_from_a_file(tmp_path, monkeypatch, layout, rows):
    data = vectors(200, 24)
    whole = EmbeddingReshaper(24, (2, 3, 4), layout=layout).fit(data)
    monkeypatch.setattr("cubelib.reshaper.ROWS", rows)
    np.save(tmp_path / "v.npy", data.numpy())
    for source in (data, VectorFile(tmp_path / "v.npy")):
        fitted = EmbeddingReshaper(24, (2, 3, 4), layout=layout).fit(source)
        torch.testing.assert_close(fitted.fold(data), whole.fold(data), rtol=0, atol=1e-5 if rows == 64 else 0)


def test_mean_and_covariance_are_those_of_numpy_in_double_precision(monkeypatch):
    monkeypatch.setattr("cubelib.reshaper.ROWS", 7)
    data = vectors(30, 5).double() + 1e4
    mean, spread = covariance(data)
    assert mean.numpy() == pytest.approx(data.numpy().mean(0), rel=1e-14)
    assert spread.numpy() == pytest.approx(np.cov(data.numpy().T), rel=1e-7)
    assert covariance(data[:1])[1].abs().max() == 0


@pytest.mark.parametrize("count", [1, 100, 8192])
def test_one_block_gives_bit_for_bit_what_the_whole_gives(count):
    # Stored figures and notebooks rest on the axes of a few thousand vectors.
    data = vectors(count, 16)
    mean, spread = covariance(data)
    centered = data.double() - data.double().mean(0)
    assert torch.equal(mean, data.double().mean(0))
    assert torch.equal(spread, centered.T @ centered / max(count - 1, 1))


def test_numbers_that_are_not_finite_are_counted_in_every_block(monkeypatch):
    monkeypatch.setattr("cubelib.reshaper.ROWS", 4)
    data = torch.ones(10, 2)
    data[[1, 8]] = torch.nan
    with pytest.raises(ValueError, match="got 10 vectors, 4 numbers in them not finite"):
        EmbeddingReshaper(2, layout="pca").fit(data)
