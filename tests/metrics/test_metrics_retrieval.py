"""Retrieval against plain loops, all orders of ties, and scikit-learn; hubs against counting."""

import math
import re
from itertools import pairwise, permutations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cubelib import EmbeddingMetrics
from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError


def cosine(a: list[float], b: list[float]) -> float:
    lengths = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def rank_in_plain_python(output: list[float], bank: list[list[float]], right: int) -> int:
    """1 + entries closer than the right one."""
    return 1 + sum(cosine(output, row) > cosine(output, bank[right]) for row in bank)


# Whole numbers from few: ties, copies (also in other lengths) and zero vectors are frequent.
rows = st.lists(st.integers(-1, 1), min_size=3, max_size=3)


def known(queries: int = 50, entries: int = 70, dim: int = 5, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    output, bank = torch.randn(queries, dim, generator=generator), torch.randn(entries, dim, generator=generator)
    return output, bank, torch.randint(entries, (queries,), generator=generator)


def test_without_ties_ranks_are_the_plain_loop_s():
    output, bank, right = known()
    ranks = EmbeddingMetrics.retrieval(output, bank, right).rank
    assert ranks.unique().numel() > 20
    cases = zip(output.tolist(), right.tolist(), strict=True)
    assert ranks.tolist() == [rank_in_plain_python(one, bank.tolist(), place) for one, place in cases]
    own = [rank_in_plain_python(one, bank[:50].tolist(), place) for place, one in enumerate(output.tolist())]
    assert EmbeddingMetrics.calculate_mrr(output, bank[:50]) == pytest.approx(np.mean(1 / np.array(own)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(rows, rows), min_size=1, max_size=6))
def test_the_mrr_is_the_mean_of_retrieval_s_reciprocal_ranks_with_ties_and_copies(pairs):
    output, target = torch.tensor(pairs).double().unbind(1)
    found = EmbeddingMetrics.retrieval(output, target, torch.arange(len(pairs)))
    assert EmbeddingMetrics.calculate_mrr(output, target) == found.reciprocal_rank.mean().item()


def figures_of_an_order(order: tuple[int, ...], right: set[int]) -> list[float]:
    """R@1, R@3, 1/rank, rank, nDCG@1, nDCG@3, nDCG of all for one order of the bank."""
    first = next(place for place, entry in enumerate(order, start=1) if entry in right)
    gains = [(entry in right) / math.log2(place + 1) for place, entry in enumerate(order, start=1)]
    ideal = [1 / math.log2(place + 1) for place in range(1, len(right) + 1)]
    return [first <= 1, first <= 3, 1 / first, first, *(sum(gains[:k]) / sum(ideal[:k]) for k in (1, 3, 99))]


def figures(found) -> list[list[float]]:
    columns = [found.hit(1), found.hit(3), found.reciprocal_rank, found.rank, *(found.ndcg(k) for k in (1, 3, 99))]
    return torch.stack(columns, 1).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=3), st.lists(rows, min_size=1, max_size=6), st.data())
def test_retrieval_is_the_mean_over_all_orders_of_ties(outputs, bank, data):
    right = [data.draw(st.sets(st.integers(0, len(bank) - 1), min_size=1)) for _ in outputs]
    found = EmbeddingMetrics.retrieval(torch.tensor(outputs).double(), torch.tensor(bank).double(), right)
    for own, output, answers in zip(figures(found), outputs, right, strict=True):
        near = [round(cosine(output, entry), 9) for entry in bank]
        orders = [
            order for order in permutations(range(len(bank))) if all(near[a] >= near[b] for a, b in pairwise(order))
        ]
        expected = np.mean([figures_of_an_order(order, answers) for order in orders], axis=0)
        assert own == pytest.approx(expected.tolist(), abs=1e-9)


def test_figures_are_scikit_learn_s_with_several_right_answers_and_ties():
    output, bank, _ = known(30, 40)
    bank[20:30] = bank[10:20]  # ties
    relevant = torch.rand(30, 40, generator=torch.Generator().manual_seed(1)) < 0.15
    relevant[:, 0] = True
    relevant[0] = True  # more right answers than are compared one by one
    found = EmbeddingMetrics.retrieval(output, bank, relevant)
    scores = (normalize(output.double(), dim=1) @ normalize(bank.double(), dim=1).T).numpy().round(9)
    for k in (1, 7, 40, 1000):
        expected = sklearn.metrics.ndcg_score(relevant.numpy(), scores, k=k)
        assert found.ndcg(k).mean().item() == pytest.approx(expected, abs=1e-6)


def test_all_ways_to_say_which_answers_are_right_agree(tmp_path):
    output, bank, right = known(30, 40)
    bank[35:] = 2 * bank[:5]  # the same answers in other lengths
    right[:5] = torch.arange(5)
    matrix = (normalize(bank, dim=1)[right] @ normalize(bank, dim=1).T) > 0.999
    assert matrix.sum(1)[:5].tolist() == [2] * 5
    sets = [set(row.nonzero()[:, 0].tolist()) for row in matrix]
    np.save(tmp_path / "bank.npy", bank.numpy())
    file = VectorFile(tmp_path / "bank.npy")
    expected = figures(EmbeddingMetrics.retrieval(output, bank, matrix))
    for ways in (
        (bank, bank[right]),
        (bank, right),
        (bank.numpy(), right.numpy()),
        (bank, matrix.numpy()),
        (bank, sets),
        (bank, [[*answers, *answers] for answers in sets]),
        (file, right),
        (file, file.take(right)),
        (bank.double(), bank[right]),
    ):
        assert figures(EmbeddingMetrics.retrieval(output, *ways)) == [pytest.approx(row) for row in expected]
    alone = EmbeddingMetrics.retrieval(output, bank, [{int(i)} for i in right])
    assert figures(alone) != expected  # a set of one index means that entry and no copy of it


@pytest.mark.parametrize("many", [1, 2, 30])
def test_blocks_and_many_right_answers_change_nothing(many, monkeypatch):
    output, bank, _ = known(20, 60)
    generator = np.random.default_rng(0)
    right = [generator.choice(60, many, replace=False).tolist() for _ in range(20)]
    whole = figures(EmbeddingMetrics.retrieval(output, bank, right))
    monkeypatch.setattr("cubelib.metrics.rows.BLOCK", 7)
    monkeypatch.setattr("cubelib.metrics.retrieval.BLOCK", 11)
    monkeypatch.setattr("cubelib.metrics.retrieval.FEW", 100 if many > 8 else 0)
    assert figures(EmbeddingMetrics.retrieval(output, bank, right)) == [pytest.approx(row) for row in whole]


def test_saying_nothing_scores_what_guessing_scores():
    _, bank, right = known(50, 70)
    found = EmbeddingMetrics.retrieval(torch.zeros(50, 5), bank, right)
    assert found.hit(7).tolist() == pytest.approx([0.1] * 50)
    assert found.rank.tolist() == pytest.approx([35.5] * 50)
    assert found.reciprocal_rank[0].item() == pytest.approx(sum(1 / rank for rank in range(1, 71)) / 70)
    one_answer_for_all = bank[:1].expand(70, 5)
    for output in (torch.zeros(70, 5), one_answer_for_all):
        mrr = EmbeddingMetrics.calculate_mrr(output, bank)
        assert mrr == pytest.approx(sum(1 / rank for rank in range(1, 71)) / 70)


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ([{0}], "2 outputs, but right answers for 1"),
        ([{0}, set()], "1 of 2 queries have no right answer in the bank, the first is query 1"),
        ([{0}, {3}], "indices must be 0 … 2"),
        ([0, 1], "each must be a collection of indices, such as {3, 7}"),
        (torch.tensor([0, -1]), "indices must be 0 … 2"),
        (torch.tensor([0.0, 1.0]), "must be whole numbers; got torch.float32"),
        (torch.tensor([[0, 1], [1, 2]]), "as torch.int64 of shape (2, 2) do not fit 2 outputs and a bank of (3, 2)"),
    ],
)
def test_right_answers_that_do_not_fit_are_named(right, message):
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(DataError, match=re.escape(message)):
        EmbeddingMetrics.retrieval(torch.ones(2, 2), bank, right)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_occurrences_are_counted_as_by_hand_and_their_skewness_is_scipy_s(k):
    output, bank, _ = known(40, 15)
    counts = np.zeros(15)
    for one in output.tolist():
        near = [cosine(one, entry) for entry in bank.tolist()]
        counts[np.argsort(near)[::-1][:k]] += 1
    assert EmbeddingMetrics.k_occurrence(output, bank, k=k).tolist() == counts.tolist()
    found = EmbeddingMetrics.hubness(output, bank, k=k, hubs=3)
    assert found.skewness == pytest.approx(scipy.stats.skew(counts))
    assert found.occurrences == sorted(counts, reverse=True)[:3] == [counts[hub] for hub in found.hubs]
    assert found.never == np.mean(counts == 0)


def test_without_a_bank_nobody_is_a_neighbor_of_itself():
    output, _, _ = known(12)
    assert EmbeddingMetrics.k_occurrence(output, k=11).tolist() == [11.0] * 12
    assert EmbeddingMetrics.k_occurrence(output, output, k=1).tolist() == [1.0] * 12
    assert EmbeddingMetrics.hubness(output, output, k=1).skewness == 0.0
    with pytest.raises(DataError, match="there are 11 neighbors to choose from, and k = 12"):
        EmbeddingMetrics.hubness(output, k=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), st.lists(rows, min_size=1, max_size=6), st.integers(1, 6))
def test_tied_entries_share_the_places_that_are_left(outputs, bank, k):
    assume(k <= len(bank))
    expected = np.zeros(len(bank))
    for output in outputs:
        near = [round(cosine(output, entry), 9) for entry in bank]
        orders = [
            order for order in permutations(range(len(bank))) if all(near[a] >= near[b] for a, b in pairwise(order))
        ]
        for order in orders:
            expected[list(order[:k])] += 1 / len(orders)
    found = EmbeddingMetrics.k_occurrence(torch.tensor(outputs).double(), torch.tensor(bank).double(), k=k)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
