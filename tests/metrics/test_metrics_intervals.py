"""Intervals cover what they should, groups of copies widen them, and p-values are SciPy's."""

import math
import re
from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch

from cubelib import EmbeddingMetrics
from cubelib.errors import DataError
from cubelib.metrics import Interval, bootstrap_mean

paired_test, figure_interval = EmbeddingMetrics.paired_test, EmbeddingMetrics.figure_interval


def draw(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    found = [bootstrap_mean(torch.randn(60, generator=generator) + 5, resamples=400) for _ in range(200)]
    assert 180 <= sum(interval.low <= 5 <= interval.high for interval in found) <= 197
    width = sum(interval.high - interval.low for interval in found) / 200
    assert width == pytest.approx(2 * 1.96 / math.sqrt(60), rel=0.08)


def test_the_interval_is_scipy_s_on_the_same_random_numbers():
    """Published figures were made with SciPy's bootstrap; they must not change."""
    values = torch.rand(70, generator=torch.Generator().manual_seed(0)).double().numpy()
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=2000, batch=200, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    found = bootstrap_mean(values, seed=3)
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), theirs.low, theirs.high), abs=1e-12)


def test_figures_together_are_those_one_by_one():
    figures = {"a": draw(30), "b": draw(30, seed=1).numpy(), "c": [0.5] * 30}
    groups = torch.arange(30) // 3
    for options in ({}, {"groups": groups, "seed": 2}):
        together = EmbeddingMetrics.bootstrap_means(figures, **options)
        assert list(together) == ["a", "b", "c"]
        for name, values in figures.items():
            assert vars(together[name]) == pytest.approx(vars(bootstrap_mean(values, **options)), abs=1e-12)
    for wrong, message in (({}, "got none"), ({"a": [1.0], "b": [1.0, 2.0]}, "got 1, 2")):
        with pytest.raises(DataError, match=re.escape(message)):
            EmbeddingMetrics.bootstrap_means(wrong)


@pytest.mark.parametrize(
    ("values", "groups"),
    [(torch.tensor([0.3]), None), (torch.tensor([0.3, 0.3]), None), (torch.tensor([0.2, 0.4]), [7, 7])],
)
def test_without_spread_the_interval_is_the_mean(values, groups):
    assert bootstrap_mean(values, groups=groups) == Interval(*[pytest.approx(0.3)] * 3)


def test_groups_of_unlike_size_weigh_as_many_items_as_they_have():
    """Against resampling written out: draw groups, pool their items, take the mean."""
    values, groups = draw(30).numpy().astype(float), np.repeat(np.arange(8), [1, 1, 2, 2, 3, 4, 7, 10])
    rng, means = np.random.default_rng(0), []
    for _ in range(4000):
        means.append(np.concatenate([values[groups == chosen] for chosen in rng.integers(0, 8, 8)]).mean())
    found = bootstrap_mean(values, groups=groups, resamples=4000)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-9)
    assert found.mean == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        ([], None, "(n,) with n at least 1; got shape (0,)"),
        ([1.0, math.nan], None, "got shape (2,), 1 values not finite."),
        ([1.0, 2.0, 3.0], [1, 2], "must name a group for each of 3 items"),
    ],
)
def test_values_and_groups_that_do_not_fit_are_named(values, groups, message):
    for take in (bootstrap_mean, lambda wrong, **options: paired_test(wrong, wrong, **options)):
        with pytest.raises(DataError, match=re.escape(message)):
            take(values, groups=groups)


@pytest.mark.parametrize("items", [1, 2, 5, 9])
def test_few_differences_are_tested_on_every_choice_of_signs(items):
    left, right = draw(items).double().numpy() + 0.5, draw(items, seed=1).double().numpy()
    means = [np.mean(np.array(signs) * (left - right)) for signs in product((1, -1), repeat=items)]
    expected = np.mean(np.abs(means) >= abs(np.mean(left - right)) - 1e-12)
    found = paired_test(left, right)
    assert (found.p_value, found.exact, found.units) == (pytest.approx(expected), True, items)
    assert paired_test(right, left).p_value == found.p_value
    assert found.difference == bootstrap_mean(left - right)


def test_many_differences_are_tested_on_drawn_signs_as_scipy_does():
    left, right = draw(60).numpy(), draw(60, seed=1).numpy()
    theirs = scipy.stats.permutation_test(
        (left - right,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(0)
    )
    found = paired_test(left, right)
    assert not found.exact and 0.01 < found.p_value < 0.5
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.015)
    assert found == paired_test(left, right) and found.p_value != paired_test(left, right, seed=1).p_value


def test_what_certainly_differs_and_what_does_not():
    assert paired_test([0.5] * 5, [0.5] * 5).p_value == 1.0
    assert paired_test([0.1 + 0.2] * 9, [0.3] * 9).difference.mean == pytest.approx(0, abs=1e-15)
    assert paired_test(torch.ones(5), torch.zeros(5)).p_value == 2 / 32
    sure = paired_test(torch.ones(500), torch.zeros(500))
    assert sure.p_value == 1 / 10_001
    assert str(sure) == "1.0000 [1.0000, 1.0000], p = 0.0001 (sampled sign flips, 500 units)"
    # Nine of ten differences are 0: two choices of sign are left, and both are as far.
    assert paired_test([1.0] + [0.0] * 9, [0.0] * 10).p_value == 1.0
    # Three of thirty: 8 choices are left, all of them are looked at, and two are as far.
    few = paired_test([1.0, 2.0, 4.0] + [0.0] * 27, [0.0] * 30)
    assert (few.p_value, few.exact, few.units) == (2 / 8, True, 30)
    # 0.1 + 0.2 − 0.3 is 0 but for rounding, and no choice of signs is nearer to 0 than that.
    assert paired_test([0.1, 0.2, 0.0], [0.0, 0.0, 0.3]).p_value == 1.0
    with pytest.raises(DataError, match="two metrics of the same items; got 2 and 3"):
        paired_test([1.0, 2.0], [1.0, 2.0, 3.0])


def test_p_values_of_equal_models_are_small_as_often_as_they_say():
    small = sum(paired_test(draw(20, seed), draw(20, 1000 + seed), resamples=10).p_value <= 0.1 for seed in range(200))
    assert 10 <= small <= 32


def test_copies_do_not_make_a_difference_certain():
    left, right = draw(8).repeat_interleave(20) + 0.7, torch.zeros(160)
    groups = torch.arange(8).repeat_interleave(20)
    unaware, aware = paired_test(left, right), paired_test(left, right, groups=groups)
    alone = paired_test(left[::20], right[::20])
    assert (aware.p_value, aware.units, aware.exact) == (alone.p_value, 8, True)
    assert unaware.p_value < aware.p_value / 5
    assert aware.difference == bootstrap_mean(left - right, groups=groups) != unaware.difference


def pairs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(count, 8, generator=generator) * torch.linspace(0.3, 2, 8)
    return left, left + 0.7 * torch.randn(count, 8, generator=generator)


@pytest.mark.parametrize("figure", [EmbeddingMetrics.linear_cka, EmbeddingMetrics.similarity_spearman])
def test_intervals_of_whole_figures_cover_where_the_bootstrap_does_not(figure):
    truth = np.mean([figure(*pairs(60, 1000 + seed)) for seed in range(100)])
    found = [figure_interval(figure, *pairs(60, seed), halves=30) for seed in range(60)]
    assert sum(interval.low <= truth <= interval.high for interval in found) >= 52
    spread = np.std([interval.mean for interval in found])
    width = np.mean([interval.high - interval.low for interval in found])
    assert width == pytest.approx(3.92 * spread, rel=0.35)


def test_the_spread_over_halves_is_that_of_the_mean_where_it_is_known():
    """For a mean it must be the standard error, also with an odd number of items."""
    for count in (11, 40):
        values = draw(count)[:, None]
        found = figure_interval(lambda rows: float(rows.mean()), values, halves=4000)
        error = values.std(unbiased=True).item() / math.sqrt(count)
        assert found.mean == pytest.approx(values.mean().item())
        assert found.high - found.mean == pytest.approx(1.96 * error, rel=0.05)
        assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_halves_keep_groups_together_and_are_seeded():
    left, right = pairs(36, 0)
    groups = np.arange(36) % 12
    seen = []

    def figure(one, other):
        seen.append([(one == row).all(1).any().item() for row in left])
        return EmbeddingMetrics.linear_cka(one, other)

    found = figure_interval(figure, left, right, groups=groups, halves=20)
    halves = np.array(seen[:-1])
    assert all((halves[:, groups == group].sum(1) % 3 == 0).all() for group in range(12))
    assert set(halves.sum(1)) == {18}
    assert found == figure_interval(figure, left.numpy(), right, groups=groups, halves=20)
    assert found != figure_interval(figure, left, right, groups=groups, halves=20, seed=1)


@pytest.mark.parametrize(
    ("vectors", "groups", "message"),
    [
        ((torch.eye(9), torch.eye(9)), None, "needs 10 independent items or groups to halve; got 9"),
        ((torch.eye(20), torch.eye(20)), [0, 1] * 10, "independent items or groups to halve; got 2"),
        ((torch.eye(20), torch.eye(21)), None, "sets of vectors of the same items; got 20, 21"),
        ((), None, "sets of vectors of the same items; got none"),
    ],
)
def test_sets_that_cannot_be_halved_are_named(vectors, groups, message):
    with pytest.raises(DataError, match=re.escape(message)):
        figure_interval(EmbeddingMetrics.linear_cka, *vectors, groups=groups)
