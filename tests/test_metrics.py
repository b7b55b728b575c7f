"""EmbeddingMetrics against sums done by hand and in plain loops."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cubelib import EmbeddingMetrics, metrics
from cubelib.metrics import Interval, bootstrap_mean

OUTPUT = torch.tensor([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]])
TARGET = torch.tensor([[4.0, 3.0], [0.0, 1.0], [1.0, 0.0]])


def test_cosine_and_mse_are_what_the_hand_calculates():
    torch.testing.assert_close(EmbeddingMetrics.cosine_per_item(OUTPUT, TARGET), torch.tensor([0.96, -1.0, 0.0]))
    torch.testing.assert_close(EmbeddingMetrics.mse_per_item(OUTPUT, TARGET), torch.tensor([1.0, 4.5, 0.5]))
    figures = EmbeddingMetrics.compute_batch_metrics(OUTPUT, TARGET)
    assert figures == {
        "cosine_similarity": pytest.approx(-0.04 / 3),
        "mse_loss": pytest.approx(2.0),
        "semantic_preservation": pytest.approx(-0.04 / 9),
    }
    assert EmbeddingMetrics.calculate_cosine_similarity(OUTPUT, TARGET) == figures["cosine_similarity"]
    assert EmbeddingMetrics.calculate_mse_loss(OUTPUT, TARGET) == figures["mse_loss"]


@pytest.mark.parametrize("metric", [EmbeddingMetrics.cosine_per_item, EmbeddingMetrics.mse_per_item])
@pytest.mark.parametrize(
    ("output", "target", "message"),
    [
        (torch.ones(2, 3), torch.ones(3, 3), "with n at least 1; got (2, 3) and (3, 3)."),
        (torch.ones(3), torch.ones(3), "got (3,) and (3,)."),
        (torch.ones(0, 3), torch.ones(0, 3), "got (0, 3) and (0, 3)."),
        (
            torch.tensor([[1.0], [math.nan]]),
            torch.ones(2, 1),
            "1 of 2 outputs hold NaN or infinite numbers, the first at row 1",
        ),
        (
            torch.ones(2, 1),
            torch.tensor([[math.inf], [1.0]]),
            "1 of 2 targets hold NaN or infinite numbers, the first at row 0",
        ),
    ],
)
def test_what_has_no_metric_is_named(metric, output, target, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        metric(output, target)


def ranks_in_plain_python(output: list[float], bank: list[list[float]], right: int) -> tuple[int, int]:
    """1 + entries closer than the right one, and 1 + those at least as close, copies of the right one left out."""

    def cosine(a: list[float], b: list[float]) -> float:
        lengths = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0

    best = cosine(output, bank[right])
    wrong = [row for i, row in enumerate(bank) if i != right and cosine(row, bank[right]) < 1 - 1e-9]
    closer, as_close = (sum(cosine(output, row) > best + hair for row in wrong) for hair in (1e-9, -1e-9))
    return 1 + closer, 1 + as_close


# Whole numbers from few: ties, copies (also in other lengths) and zero vectors are frequent.
rows = st.lists(st.integers(-1, 1), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(rows, min_size=1, max_size=8), st.lists(rows, min_size=1, max_size=12), st.randoms(use_true_random=False)
)
def test_ranks_equal_the_plain_loop_s(outputs, bank, chooser):
    right = [chooser.randrange(len(bank)) for _ in outputs]
    ranks = EmbeddingMetrics.retrieval_ranks(
        torch.tensor(outputs).double(), torch.tensor(bank).double(), torch.tensor(right)
    )
    for rank, output, place in zip(ranks.tolist(), outputs, right, strict=True):
        first, last = ranks_in_plain_python(output, bank, place)
        assert first <= rank <= last <= len(bank)  # between, where rounding makes ties of three terms unequal


def test_ties_count_against_the_model_and_copies_of_the_right_answer_do_not():
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [-1.0, 0.0]])
    between, away, nothing = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, -1.0]]), torch.zeros(1, 2)
    rank = EmbeddingMetrics.retrieval_ranks
    assert rank(between, bank, torch.tensor([0])).tolist() == [
        2
    ]  # the second is as close, the third is the same answer
    assert rank(between, bank, torch.tensor([1])).tolist() == [3]
    assert rank(away, bank, torch.tensor([1])).tolist() == [4]
    assert rank(nothing, bank, torch.tensor([1])).tolist() == [4]
    assert rank(between, torch.zeros(3, 2), torch.tensor([1])).tolist() == [3]
    assert rank(torch.empty(0, 2), bank, torch.empty(0, dtype=torch.long)).tolist() == []


def test_blocks_change_no_rank(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    output, bank = torch.randn(50, 5, generator=generator), torch.randn(70, 5, generator=generator)
    right = torch.randint(70, (50,), generator=generator)
    whole = EmbeddingMetrics.retrieval_ranks(output, bank, right)
    monkeypatch.setattr(metrics, "BLOCK", 7)
    assert EmbeddingMetrics.retrieval_ranks(output, bank, right).tolist() == whole.tolist()
    assert whole.unique().numel() > 20
    cases = zip(output.tolist(), right.tolist(), strict=True)
    assert [(rank, rank) for rank in whole.tolist()] == [ranks_in_plain_python(o, bank.tolist(), r) for o, r in cases]


@pytest.mark.parametrize(
    ("output", "bank", "right", "message"),
    [
        (torch.ones(2, 3), torch.ones(4, 2), torch.tensor([0, 0]), "got (2, 3), (4, 2) and (2,)."),
        (torch.ones(2, 3), torch.ones(4, 3), torch.tensor([0]), "got (2, 3), (4, 3) and (1,)."),
        (torch.ones(1, 3), torch.ones(4, 3), torch.tensor([4]), "indices must be 0 … 3."),
        (torch.ones(1, 3), torch.ones(4, 3), torch.tensor([-1]), "indices must be 0 … 3."),
        (torch.full((1, 3), math.nan), torch.ones(4, 3), torch.tensor([0]), "1 of 1 outputs hold NaN"),
        (torch.ones(1, 3), torch.eye(3) / 0, torch.tensor([0]), "3 of 3 bank hold NaN"),
    ],
)
def test_what_cannot_be_ranked_is_named(output, bank, right, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EmbeddingMetrics.retrieval_ranks(output, bank, right)


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    intervals = [bootstrap_mean(torch.randn(60, generator=generator) + 5, resamples=400) for _ in range(200)]
    covered = sum(found.low <= 5 <= found.high for found in intervals)
    assert 180 <= covered <= 197
    width = sum(found.high - found.low for found in intervals) / 200
    assert width == pytest.approx(2 * 1.96 / math.sqrt(60), rel=0.08)


def test_an_interval_is_a_function_of_values_and_seed():
    values = torch.arange(20.0)
    first = bootstrap_mean(values, resamples=300)
    assert first == bootstrap_mean(values, resamples=300) != bootstrap_mean(values, resamples=300, seed=1)
    assert first.mean == 9.5 and first.low < 9.5 < first.high
    assert str(Interval(0.5, 0.25, 0.75)) == "0.5000 [0.2500, 0.7500]"


@pytest.mark.parametrize("values", [torch.tensor([0.3]), torch.tensor([0.3, 0.3])])
def test_without_spread_the_interval_is_the_mean(values):
    assert bootstrap_mean(values) == Interval(*[pytest.approx(0.3)] * 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.empty(0), "(n,) with n at least 1; got shape (0,)"),
        (torch.ones(2, 2), "got shape (2, 2)"),
        (torch.tensor([1.0, math.nan]), "got shape (2,), 1 values not finite."),
    ],
)
def test_values_without_a_mean_are_named(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        bootstrap_mean(values)
