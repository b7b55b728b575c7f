"""Structure of two sets of vectors: against scikit-learn and SciPy, plain loops, and all orders of what is tied."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cubelib import EmbeddingMetrics


def related(items: int, noise: float = 0.5, dim: int = 6, other_dim: int = 5, seed: int = 0):
    """Two sets of vectors of the same items, of different width."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(items, dim, generator=generator) + 0.3
    mixed = left @ torch.randn(dim, other_dim, generator=generator)
    return left, mixed + noise * torch.randn(items, other_dim, generator=generator)


def cosines(vectors: torch.Tensor) -> np.ndarray:
    directions = normalize(vectors.double(), dim=1)
    return (directions @ directions.T).numpy()


def test_spearman_is_scipy_s_of_the_cosines_above_the_diagonal():
    left, right = related(40)
    above = np.triu_indices(40, 1)
    expected = scipy.stats.spearmanr(cosines(left)[above], cosines(right)[above]).statistic
    assert EmbeddingMetrics.similarity_spearman(left, right) == pytest.approx(expected, abs=1e-5)


def test_spearman_of_drawn_pairs_is_near_that_of_all_and_seeded():
    left, right = related(300)
    draw = EmbeddingMetrics.similarity_spearman
    every = draw(left, right)
    some = [draw(left, right, pairs=10_000, seed=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert every != some[0] and some == [pytest.approx(every, abs=0.03)] * 3
    assert draw(left, right, pairs=300 * 299 // 2) == every != draw(left, right, pairs=300 * 299 // 2 - 1)


def test_drawn_pairs_are_of_two_different_items():
    """An item with itself would have a cosine of 1 in both sets and drag the correlation up."""
    unrelated = related(30)[0], related(30, seed=1)[0]
    drawn = [EmbeddingMetrics.similarity_spearman(*unrelated, pairs=400, seed=seed) for seed in range(20)]
    assert np.mean(drawn) == pytest.approx(EmbeddingMetrics.similarity_spearman(*unrelated), abs=0.03)


def test_spearman_ranks_ties_half_way():
    left = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    right = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
    above = np.triu_indices(4, 1)
    expected = scipy.stats.spearmanr(*(cosines(side)[above].round(9) for side in (left, right))).statistic
    assert EmbeddingMetrics.similarity_spearman(left, right) == pytest.approx(expected)
    assert EmbeddingMetrics.similarity_spearman(left, torch.ones(4, 2)) == 0.0


def overlap_by_enumeration(left: torch.Tensor, right: torch.Tensor, k: int) -> list[float]:
    """Mean share of common neighbors over all orders in which ties can be broken, on each side by itself."""
    shares = []
    for item in range(len(left)):
        others = [other for other in range(len(left)) if other != item]
        chosen = []
        for vectors in (left, right):
            near = cosines(vectors)[item].round(9)
            orders = [order for order in permutations(others) if all(near[a] >= near[b] for a, b in pairwise(order))]
            chosen.append([set(order[:k]) for order in orders])
        shares.append(np.mean([len(a & b) / k for a in chosen[0] for b in chosen[1]]))
    return shares


def test_rounding_makes_no_order_among_copies():
    """The same directions in other lengths: their cosines are equal, and differ in the last digits."""
    generator = torch.Generator().manual_seed(0)
    copies = torch.randn(4, 50, generator=generator).repeat(6, 1) * (0.1 + torch.rand(24, 1, generator=generator))
    right = torch.randn(24, 50, generator=generator)
    above = np.triu_indices(24, 1)
    expected = scipy.stats.spearmanr(cosines(copies)[above].round(5), cosines(right)[above]).statistic
    assert EmbeddingMetrics.similarity_spearman(copies, right) == pytest.approx(expected, abs=1e-5)


few = st.lists(st.lists(st.integers(-1, 1), min_size=2, max_size=2), min_size=5, max_size=5)


@settings(max_examples=40, deadline=None)
@given(few, few, st.integers(1, 4))
def test_neighbor_overlap_is_the_mean_over_all_orders_of_ties(left, right, k):
    left, right = torch.tensor(left).double(), torch.tensor(right).double()
    found = EmbeddingMetrics.neighbor_overlap_per_item(left, right, k=k)
    assert found.tolist() == pytest.approx(overlap_by_enumeration(left, right, k), abs=1e-6)


def test_one_point_for_everything_has_the_neighbors_that_chance_gives():
    left, _ = related(41)
    assert EmbeddingMetrics.neighbor_overlap(left, torch.ones(41, 3), k=10) == pytest.approx(10 / 40)


def unbiased_product(one: np.ndarray, other: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, term by term, of two matrices of scalar products."""
    n = len(one)
    one, other = (matrix - np.diag(np.diag(matrix)) for matrix in (one, other))
    ones = np.ones(n)
    return (
        np.trace(one @ other)
        + (ones @ one @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ one @ other @ ones)
    ) / (n * (n - 3))


@pytest.mark.parametrize("items", [4, 9, 60])
def test_cka_equals_its_definition_on_matrices_of_products(items):
    left, right = (side.double().numpy() for side in related(items))
    products = [side @ side.T for side in (left, right)]
    expected = unbiased_product(*products) / math.sqrt(
        unbiased_product(*products[:1] * 2) * unbiased_product(*products[1:] * 2)
    )
    assert EmbeddingMetrics.linear_cka(left, right) == pytest.approx(expected, abs=1e-9)
    centering = np.eye(items) - 1 / items
    one, other = (centering @ matrix @ centering for matrix in products)
    plain = (one * other).sum() / math.sqrt((one * one).sum() * (other * other).sum())
    assert EmbeddingMetrics.linear_cka(left, right, debiased=False) == pytest.approx(plain, abs=1e-9)


def test_the_bias_of_plain_cka_is_as_large_as_the_docstring_says_and_gone_from_the_other():
    generator = torch.Generator().manual_seed(0)
    unrelated = [[torch.randn(100, 768, generator=generator) for _ in range(2)] for _ in range(20)]
    plain = [EmbeddingMetrics.linear_cka(*pair, debiased=False) for pair in unrelated]
    assert np.mean(plain) == pytest.approx(0.88, abs=0.01)
    debiased = [EmbeddingMetrics.linear_cka(*pair) for pair in unrelated]
    assert np.mean(debiased) == pytest.approx(0, abs=0.01)
    assert 4 <= sum(value < 0 for value in debiased) <= 16


def test_what_has_no_shape_has_no_alignment():
    left, _ = related(5)
    for shapeless in (torch.ones(5, 3), torch.full((5, 3), 0.1), torch.eye(5)):
        assert EmbeddingMetrics.linear_cka(left, shapeless) == EmbeddingMetrics.linear_cka(shapeless, left) == 0.0
    generator = torch.Generator().manual_seed(0)
    for items in (5, 49, 300):
        point = torch.rand(1, 3, generator=generator).expand(items, 3)  # its mean over many is off by a rounding
        for debiased in (True, False):
            assert EmbeddingMetrics.linear_cka(related(items)[0], point, debiased=debiased) == 0.0
    assert EmbeddingMetrics.linear_cka(left, torch.eye(5), debiased=False) > 0.5


STRUCTURE = {
    "spearman": EmbeddingMetrics.similarity_spearman,
    "overlap": EmbeddingMetrics.neighbor_overlap,
    "cka": EmbeddingMetrics.linear_cka,
}


@pytest.mark.parametrize("figure", STRUCTURE.values(), ids=STRUCTURE)
def test_a_rotation_and_another_scale_leave_structure_as_it_is(figure):
    left, right = related(50)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1))).Q
    assert figure(left, 3 * right @ rotation) == pytest.approx(figure(left, right), abs=1e-5)
    assert figure(right, 3 * right @ rotation) == pytest.approx(1.0, abs=1e-6)
    shuffled = right[torch.randperm(50, generator=torch.Generator().manual_seed(2))]
    assert figure(left, shuffled) < figure(left, right) - 0.2
