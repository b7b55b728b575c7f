"""Wrong answers to the exercises of notebook 06, and what they are told. The right ones are in test_notebooks.py."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from cubelib.exercises import metrics
from cubelib.metrics import bootstrap_mean

# --- 6.1 -------------------------------------------------------------------------------------------------------------


def ranks(cosines):
    return cosines.argsort(1, descending=True).argsort(1) + 1


def first(cosines, right):
    return ranks(cosines).masked_fill(~right, 10_000).amin(1)


def by_argsort_once(cosines, right):
    return 1 / (cosines.argsort(1, descending=True) + 1).masked_fill(~right, 10_000).amin(1)


def sorted_in_one_heap(cosines, right):
    best = cosines.masked_fill(~right, -torch.inf).amax(1)
    return 1 / ((cosines.flatten()[None] > best[:, None]).sum(1) + 1)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda c, r: [1.0], "gives a list, expected a torch.Tensor"),
        (lambda c, r: 1 / ranks(c), "has shape (1, 3), expected (1,)"),
        (lambda c, r: 1 / (first(c, r) - 1), "the best place is rank 1, not 0"),
        (lambda c, r: (first(c, r) - 1).float(), "its rank is 1, not 0"),
        (lambda c, r: 1 / first(-c, r), "sort from large to small"),
        (lambda c, r: first(c, r) + 1.0, "The right answer has the largest cosine"),
        (lambda c, r: (first(c, r) == 1).float(), "This is R@1"),
        (lambda c, r: 1 / ranks(c).masked_fill(~r, 0).amax(1), "the worst of the right answers"),
        (lambda c, r: (r / ranks(c)).sum(1) / r.sum(1), "the mean over all right answers"),
        (lambda c, r: (r / ranks(c)).sum(1), "the sum over all right answers"),
        (lambda c, r: r.sum(1) / (r * ranks(c)).sum(1), "one divided by the mean rank"),
        (lambda c, r: 1 / (r.float().argmax(1) + 1), "the entry's place in the bank"),
        (by_argsort_once, "argsort says which entry stands where"),
        (sorted_in_one_heap, "Each row has a list of its own"),
    ],
)
def test_wrong_reciprocal_ranks_are_told_what_is_wrong(answer, lesson, capsys):
    metrics.reciprocal_rank(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 6.1: check ")


def test_reciprocal_ranks_by_sorting_are_right(capsys):
    metrics.reciprocal_rank(lambda c, r: 1 / (r.gather(1, c.argsort(1, descending=True)).float().argmax(1) + 1))
    assert capsys.readouterr().out == "Exercise 6.1: all 3 checks passed.\n"


# --- 6.2 -------------------------------------------------------------------------------------------------------------


def bootstrap(values, generator, *, size=None, cut=0.025, figure=lambda drawn: drawn.mean(1), resamples=2000):
    """The exercise's answer with a slip to choose."""
    places = torch.randint(len(values), (resamples, size or len(values)), generator=generator)
    return tuple(figure(values[places]).quantile(torch.tensor([cut, 1 - cut])).tolist())


def all_the_same(values, generator):
    means = torch.stack([values[torch.randperm(len(values), generator=generator)].mean() for _ in range(50)])
    return means.min(), means.max()


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda v, g: v.mean(), "expected two numbers"),
        (lambda v, g: (torch.nan, 1.0), "must be finite"),
        (lambda v, g: bootstrap(v, g)[::-1] if v.std() else (1.0, 0.0), "the lower end comes first"),
        (lambda v, g: bootstrap(v, g, figure=lambda d: d.std(1)), "Resample the values themselves, and take means"),
        (lambda v, g: tuple(v.quantile(torch.tensor([0.025, 0.975]))), "That is where single values lie"),
        (all_the_same, "Draw with replacement"),
        (lambda v, g: bootstrap(v, g, size=50), "Too wide: draw as many values as there are"),
        (lambda v, g: bootstrap(v, g, cut=0.05), "That is a 90 % interval"),
        (lambda v, g: bootstrap(v, g, size=400), "Too narrow: draw as many values as there are, not more"),
        (lambda v, g: bootstrap(v, g, cut=0.0), "cut off 2.5 % at either end, not nothing"),
        (lambda v, g: bootstrap(v - v.mean() + 0.25, g), "The mean itself is not inside"),
        (lambda v, g: tuple(end + 0.2 * (len(v) == 60) for end in bootstrap(v, g)), "as it should be, but shifted"),
    ],
)
def test_wrong_intervals_are_told_what_is_wrong(answer, lesson, capsys):
    metrics.bootstrap_interval(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 6.2: check ")


@pytest.mark.parametrize("resamples", [1000, 2000, 10_000])
def test_honest_intervals_pass_whatever_the_luck(resamples, capsys):
    for shift in range(5):
        metrics.bootstrap_interval(lambda v, g, shift=shift: bootstrap(v, g.manual_seed(shift), resamples=resamples))
        assert capsys.readouterr().out == "Exercise 6.2: all 4 checks passed.\n"


# --- 6.3 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda a, b: bootstrap_mean(a - b), "gives a Interval, expected True or False"),
        (lambda a, b: bootstrap_mean(a).low > bootstrap_mean(b).high, "Subtract item by item first"),
        (lambda a, b: bootstrap_mean(b - a).low > 0, "left − right is above zero where left is better"),
        (lambda a, b: bool(a.mean() > b.mean()), "A larger mean alone may be luck"),
        (lambda a, b: bootstrap_mean(a - b).high > 0, "A larger mean alone may be luck"),
        (lambda a, b: bootstrap_mean(a.sort().values - b.sort().values).low > 0, "Do not sort"),
        (
            lambda a, b: not bootstrap_mean(a - b).low <= 0 <= bootstrap_mean(a - b).high,
            "An interval without zero is not enough",
        ),
        (lambda a, b: bootstrap_mean(a - b).low >= 0, "Equal models are not better"),
    ],
)
def test_wrong_comparisons_are_told_what_is_wrong(answer, lesson, capsys):
    metrics.surely_better(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 6.3: check ")


def test_a_truth_value_of_torch_or_numpy_is_taken_too(capsys):
    metrics.surely_better(lambda a, b: torch.tensor(bootstrap_mean(a - b).low > 0))
    assert "all 3 checks passed" in capsys.readouterr().out


# --- 6.4 -------------------------------------------------------------------------------------------------------------


def cosines(one, other):
    return normalize(one) @ normalize(other).T


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda train, test, t: (cosines(train, test) >= t).any(1), "the question is about test items"),
        (lambda train, test, t: cosines(test, train) >= t, "a test item is a near copy if any training item is near"),
        (lambda train, test, t: cosines(test, train).amax(1), "compare with the threshold"),
        (lambda train, test, t: (cosines(test, test) >= t).any(1), "everything is a copy of itself"),
        (lambda train, test, t: cosines(test, train[: len(test)]).diagonal() >= t, "yours finds only the second"),
        (lambda train, test, t: (test[:, None] == train).all(2).any(1), "equal is not needed"),
        (lambda train, test, t: (cosines(test, train) >= t).all(1), "Take the largest cosine"),
        (lambda train, test, t: (test @ train.T).amax(1) >= t, "it is the cosine that counts"),
        (lambda train, test, t: (test @ normalize(train).T).amax(1) >= t, "unrelated directions are no copies"),
        (lambda train, test, t: cosines(test, train).amax(1) >= 0.95, "Use threshold"),
        (lambda train, test, t: cosines(test, train).abs().amax(1) >= t, "no abs()"),
    ],
)
def test_wrong_leak_finders_are_told_what_is_wrong(answer, lesson, capsys):
    metrics.near_copies(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 6.4: check ")
