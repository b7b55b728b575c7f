"""The search by bounds finds exactly the copies that the plain product finds, and never holds n² pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from torch.nn.functional import normalize

from cubelib.data import near_copies as copies
from cubelib.data.near_copies import HAIR, Directions, Groups, closest, join_near
from cubelib.data.vectors import VectorFile

DIM = 40
NEAR = 0.95


def plain_cosines(vectors: torch.Tensor) -> np.ndarray:
    unit = normalize(vectors.double(), dim=1)
    return (unit @ unit.T).numpy()


def plain_labels(vectors: torch.Tensor, near: float, things: int) -> np.ndarray:
    """What the search must find, from the whole matrix."""
    joined = plain_cosines(vectors) >= near - HAIR
    by_thing = np.zeros((things, things), bool)
    rows, columns = joined.nonzero()
    by_thing[rows % things, columns % things] = True
    return connected_components(by_thing, directed=False)[1]


def labels(directions: Directions, near: float, things: int) -> np.ndarray:
    groups = Groups(things)
    groups.join(np.arange(len(directions.same_as)) % things, directions.same_as % things)
    groups.labels()
    join_near(directions, near, groups)
    return groups.labels()


def at_cosine(vector: torch.Tensor, cosine: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Vectors with this cosine to the given ones, in double precision, each of another length."""
    unit = normalize(vector.double(), dim=1)
    aside = torch.randn(unit.shape, generator=generator, dtype=torch.float64)
    aside = normalize(aside - (aside * unit).sum(1, keepdim=True) * unit, dim=1)
    length = 0.5 + torch.rand(len(unit), 1, generator=generator)
    return (length * (cosine[:, None] * unit + (1 - cosine[:, None] ** 2).sqrt() * aside)).float()


def make(kind: str, count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, DIM, generator=generator)
    half = count // 2
    if kind == "spectrum":
        vectors *= torch.linspace(3, 0.1, DIM)
    elif kind == "clusters":
        vectors = vectors[torch.randint(min(5, count), (count,), generator=generator)] + 0.15 * vectors
    elif kind == "equal":
        vectors[half:] = vectors[torch.randint(half, (count - half,), generator=generator)]
    elif kind == "near-equal":
        vectors = torch.ones(count, DIM) + 1e-3 * vectors
    elif kind == "threshold":
        # Also nearer to the threshold than float32 products can tell: those are computed again.
        steps = torch.tensor([-1e-5, -4e-6, 2e-6, 1e-5], dtype=torch.float64)
        step = steps[torch.randint(len(steps), (count - half,), generator=generator)]
        vectors[half:] = at_cosine(vectors[: count - half], NEAR + step, generator)
    elif kind == "flat":
        vectors = vectors[:, :3] @ torch.randn(3, DIM, generator=generator)
    elif kind == "mean":
        vectors = 3 * torch.ones(DIM) + vectors
    elif kind == "chain":
        angle = torch.arange(count) * 0.3
        vectors = torch.zeros(count, DIM)
        vectors[:, 0], vectors[:, 1] = angle.cos(), angle.sin()
    return vectors[torch.randperm(count, generator=generator)]


KINDS = ("plain", "spectrum", "clusters", "equal", "near-equal", "threshold", "flat", "mean", "chain")


def with_axes(directions: Directions, k: int | None, seed: int) -> Directions:
    """The same with short forms on k random axes: the poorest choice must find the same."""
    if k is not None:
        generator = torch.Generator().manual_seed(seed)
        axes = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator, dtype=torch.float64))[0][:, :k]
        directions.short = copies._short(directions._unit(np.arange(len(directions.first)), torch.float64), axes)
    return directions


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(copies, "BLOCK", 16)
    monkeypatch.setattr(copies, "PENDING", 8)


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(2, 90),
    seed=st.integers(0, 999),
    k=st.sampled_from([None, 1, 5, 20, 39]),
    near=st.sampled_from([NEAR, 0.5, 0.999]),
    sides=st.sampled_from([1, 2]),
)
def test_groups_are_those_of_the_whole_product(kind, count, seed, k, near, sides):
    vectors = make(kind, sides * count, seed)
    directions = with_axes(Directions(vectors.chunk(sides), near), k, seed)
    assert labels(directions, near, count).tolist() == plain_labels(vectors, near, count).tolist()


@pytest.mark.parametrize("k", [None, 1, 5, 20, 39])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_vectors_is_grouped_as_by_the_whole_product(kind, k):
    vectors = make(kind, 120, 5)
    directions = with_axes(Directions([vectors], NEAR), k, 5)
    assert labels(directions, NEAR, 120).tolist() == plain_labels(vectors, NEAR, 120).tolist()


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(KINDS), count=st.integers(4, 90), seed=st.integers(0, 999), k=st.sampled_from([None, 1, 5, 39])
)
def test_the_closest_pair_is_that_of_the_whole_product(kind, count, seed, k):
    vectors = make(kind, count, seed)
    directions = with_axes(Directions([vectors], NEAR), k, seed)
    side = np.random.default_rng(seed).integers(2, size=len(directions.first))
    left, right = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    if not len(left) or not len(right):
        return
    cosine, one, other = closest(directions, left, right)
    whole = plain_cosines(vectors)
    expected = whole[np.ix_(directions.first[left], directions.first[right])].max()
    assert cosine == pytest.approx(expected, abs=1e-12) == pytest.approx(whole[one, other], abs=1e-12)
    assert one in directions.first[left] and other in directions.first[right]


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(KINDS), count=st.integers(2, 90), seed=st.integers(0, 999))
def test_the_order_of_the_vectors_does_not_matter(kind, count, seed):
    vectors = make(kind, count, seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    found = labels(Directions([vectors], NEAR), NEAR, count)
    moved = labels(Directions([vectors[order]], NEAR), NEAR, count)
    assert np.array_equal(found[order][:, None] == found[order], moved[:, None] == moved)


def test_a_bound_is_never_below_its_cosine_and_falls_with_more_axes():
    vectors = make("spectrum", 300, 0)
    cosines, before = plain_cosines(vectors), np.inf
    for k in (1, 5, 20, 39):
        short = with_axes(Directions([vectors], NEAR), k, 3).short.numpy()
        bound = short @ short.T
        assert short.shape == (300, k + 1) and (bound >= cosines - copies.slack(k + 1)).all()
        assert (bound - cosines).mean() < before
        before = (bound - cosines).mean()


@pytest.mark.parametrize("kind", ["spectrum", "near-equal"])
def test_short_forms_are_made_where_they_save_work(monkeypatch, kind):
    monkeypatch.setattr(copies, "PLAIN", 1000)
    monkeypatch.setattr(copies, "SAMPLE", 256)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(1500, 200, generator=generator)
    if kind == "spectrum":
        vectors *= torch.arange(1, 201) ** -1.0
    elif kind == "near-equal":
        vectors = 1 + 1e-3 * vectors
    directions = Directions([vectors], NEAR)
    assert (directions.short is not None) == (kind == "spectrum")
    expected = "short forms of 32 numbers" if kind == "spectrum" else "whole products"
    assert repr(directions) == f"Directions(1,500 different ones of 1,500 vectors, {expected})"
    if kind == "spectrum":
        vectors[700:] = vectors[:800] + 0.01 * vectors[700:]
        directions, multiplied = Directions([vectors], NEAR), []
        reaching = copies._reaching
        monkeypatch.setattr(
            copies, "_reaching", lambda a, b, least: multiplied.append(a.shape[1]) or reaching(a, b, least)
        )
        assert labels(directions, NEAR, 1500).tolist() == plain_labels(vectors, NEAR, 1500).tolist()
        assert multiplied.count(200) < 0.1 * multiplied.count(32)


def test_equal_vectors_are_found_without_a_product(monkeypatch):
    monkeypatch.setattr(copies, "_reaching", lambda *_: pytest.fail("multiplied"))
    vectors = torch.ones(5000, 3)
    vectors[::2, 1] = -0.0
    vectors[1::2, 1] = 0.0
    directions = Directions([vectors, 2 * vectors[:5]], 1.0)
    assert directions.first.tolist() == [0, 5000]
    assert directions.same_as.tolist() == [0] * 5000 + [5000] * 5
    assert copies.first_equals([torch.tensor([[1.0, 2, 1], [3, 4, 3]]).T]).tolist() == [0, 1, 0]


def test_many_copies_cost_no_square_of_pairs(monkeypatch):
    monkeypatch.setattr(copies, "BLOCK", 64)
    vectors = torch.ones(3000, DIM) + 1e-3 * torch.randn(3000, DIM, generator=torch.Generator().manual_seed(0))
    single, joined, multiplied = [], [], []
    cosines, join, reaching = Directions.cosines, Groups.join, copies._reaching
    monkeypatch.setattr(copies, "_reaching", lambda a, b, least: multiplied.append(len(a)) or reaching(a, b, least))
    monkeypatch.setattr(Directions, "cosines", lambda *a: single.append(len(a[1])) or cosines(*a))
    monkeypatch.setattr(Groups, "join", lambda *a: joined.append(len(a[1])) or join(*a))
    directions = with_axes(Directions([vectors], NEAR), 5, 0)
    assert set(labels(directions, NEAR, 3000)) == {0}
    assert sum(single) < 3000 and max(joined[1:]) <= 64 * 64
    assert sum(joined) < 3000 * 64 * 3  # all pairs are 4.5 million
    assert len(multiplied) < 3 * 47  # of 1,128 blocks


def test_a_file_gives_the_same_as_a_tensor(tmp_path):
    vectors = make("clusters", 400, 1)
    np.save(tmp_path / "v.npy", vectors.numpy())
    file = VectorFile(tmp_path / "v.npy")
    for parts in (
        [file],
        [file.take(slice(200)), file.take(slice(200, None))],
        [vectors[:200], file.take(slice(200, None))],
    ):
        directions = with_axes(Directions(parts, NEAR), 10, 0)
        things = len(parts[0])
        assert labels(directions, NEAR, things).tolist() == plain_labels(vectors, NEAR, things).tolist()


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 40), data=st.data())
def test_groups_are_the_components_of_what_was_joined(count, data):
    pairs = data.draw(st.lists(st.tuples(*[st.integers(0, count - 1)] * 2), max_size=40))
    groups, graph = Groups(count), np.eye(count, dtype=bool)
    for one, other in pairs:
        groups.join(np.array([one]), np.array([other]))
        graph[one, other] = True
        if data.draw(st.booleans()):
            groups.labels()
    assert groups.labels().tolist() == connected_components(graph, directed=False)[1].tolist()
    names = data.draw(st.lists(st.sampled_from(["a", "b", 3]), min_size=count, max_size=count))
    groups = Groups(count)
    groups.join_equal(names)
    assert groups.labels().tolist() == [list(dict.fromkeys(names)).index(name) for name in names]
