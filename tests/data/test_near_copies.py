"""Near-copies and closest pairs are those of the whole product; the approximate search comes close to it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from torch.nn.functional import normalize

from cubelib.data import near_copies
from cubelib.data.near_copies import ExactSearch, join, search_for
from cubelib.data.vectors import COSINE_TOLERANCE, VectorFile

DIM = 40
NEAR = 0.95
KINDS = ("plain", "clusters", "equal", "near-equal", "chain")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(near_copies, "_TILE", 16)


def plain_cosines(vectors: torch.Tensor) -> np.ndarray:
    unit = normalize(vectors.double(), dim=1)
    return (unit @ unit.T).numpy()


def make(kind: str, count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, DIM, generator=generator)
    half = count // 2
    if kind == "clusters":
        vectors = vectors[torch.randint(min(5, count), (count,), generator=generator)] + 0.15 * vectors
    elif kind == "equal":
        vectors[half:] = vectors[torch.randint(half, (count - half,), generator=generator)]
    elif kind == "near-equal":
        vectors = torch.ones(count, DIM) + 1e-3 * vectors
    elif kind == "chain":
        angle = torch.arange(count) * 0.3
        vectors = torch.zeros(count, DIM)
        vectors[:, 0], vectors[:, 1] = angle.cos(), angle.sin()
    return vectors[torch.randperm(count, generator=generator)]


def labels(search: near_copies.NearCopySearch, near: float) -> list[int]:
    found = join(np.arange(len(search.same_as)), np.arange(len(search.same_as)), search.same_as)
    for one, other in search.near_pairs(near):
        found = join(found, search.positions[one], search.positions[other])
    return found.tolist()


def plain_labels(vectors: torch.Tensor, near: float) -> list[int]:
    return connected_components(plain_cosines(vectors) >= near - COSINE_TOLERANCE, directed=False)[1].tolist()


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(2, 90),
    seed=st.integers(0, 999),
    near=st.sampled_from([NEAR, 0.5, 0.999]),
)
def test_groups_are_those_of_the_whole_product(kind, count, seed, near):
    vectors = make(kind, count, seed)
    assert labels(search_for([vectors[: count // 2], vectors[count // 2 :]]), near) == plain_labels(vectors, near)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), count=st.integers(4, 90), seed=st.integers(0, 999))
def test_the_closest_pair_is_that_of_the_whole_product(kind, count, seed):
    vectors = make(kind, count, seed)
    search = search_for([vectors])
    side = np.random.default_rng(seed).integers(2, size=len(search.positions))
    left, right = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    if not len(left) or not len(right):
        return
    cosine, one, other = search.closest(left, right)
    whole = plain_cosines(vectors)[np.ix_(search.positions, search.positions)]
    assert cosine == pytest.approx(whole[np.ix_(left, right)].max(), abs=COSINE_TOLERANCE)
    assert cosine == pytest.approx(whole[one, other], abs=1e-12)
    assert one in left and other in right


def test_a_file_gives_the_same_as_a_tensor(tmp_path):
    vectors = make("clusters", 400, 1)
    np.save(tmp_path / "v.npy", vectors.numpy())
    file = VectorFile(tmp_path / "v.npy")
    assert labels(search_for([file.take(slice(200)), vectors[200:]]), NEAR) == plain_labels(vectors, NEAR)


def test_many_copies_never_hold_all_pairs(monkeypatch):
    """All 4.5 million pairs of 3,000 are near-copies."""
    monkeypatch.setattr(near_copies, "_TILE", 64)
    search = search_for([make("near-equal", 3000, 0)])
    assert max(len(one) for one, _ in search.near_pairs(NEAR)) <= 64 * 64
    assert set(labels(search, NEAR)) == {0}


@pytest.mark.parametrize("kind", ["plain", "clusters", "equal"])
def test_above_the_limit_an_index_finds_the_same(monkeypatch, kind):
    """Of a few thousand vectors the index misses nothing."""
    monkeypatch.setattr(near_copies, "EXACT", 100)
    vectors = make(kind, 3000, 2)
    vectors[2900:2960] = vectors[:60] + 0.05 * vectors[2900:2960]
    search = search_for([vectors])
    assert search.approximate
    assert labels(search, NEAR) == plain_labels(vectors, NEAR)
    exact = ExactSearch([vectors], search.same_as, False)
    for left, right in ((np.arange(1000), np.arange(1000, 1500)), (np.arange(200), np.arange(200, 1200))):
        assert search.closest(left, right)[0] == pytest.approx(exact.closest(left, right)[0], abs=COSINE_TOLERANCE)


def test_above_the_limit_a_missing_index_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(near_copies, "EXACT", 10)
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ModuleNotFoundError, match=r"100 different vectors .*python -m pip install faiss-cpu"):
        search_for([make("plain", 100, 0)])
