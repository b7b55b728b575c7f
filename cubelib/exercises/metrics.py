"""Exercises of notebook 06."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.exercises.exercise import Case, Exercise, cases, cosines_of, tie_slips
from cubelib.exercises.verdict import Mistake, numbers
from cubelib.metrics import bootstrap_mean
from cubelib.metrics.retrieval import Retrieval

# --- 6.1 -------------------------------------------------------------------------------------------------------------


def _best(cosines: Tensor, right: Tensor) -> Tensor:
    """The cosine of the closest right answer, `(n, 1)`."""
    return cosines.masked_fill(~right, -torch.inf).amax(1, keepdim=True)


def _first_reciprocal(cosines: Tensor, right: Tensor) -> Tensor:
    """1 / rank of the first right answer, the mean over all orders of the answers that are equally close."""
    tied = cosines == _best(cosines, right)
    query, closer = torch.arange(len(cosines)), (cosines > _best(cosines, right)).sum(1)
    return Retrieval(query, closer, tied.sum(1), (tied & right).sum(1), cosines.shape[1]).reciprocal_rank


def _list_checks() -> list[list[Case]]:
    def row(cosines: list[float], *entries: int) -> tuple[Tensor, Tensor]:
        right = torch.zeros(1, len(cosines), dtype=torch.bool)
        right[0, list(entries)] = True
        return torch.tensor([cosines]), right

    generator = torch.Generator().manual_seed(0)
    cosines, right = torch.rand(30, 12, generator=generator), torch.rand(30, 12, generator=generator) < 0.2
    right[:, 0] |= ~right.any(1)
    single = row([0.9, 0.5, 0.1], 1), row([0.1, 0.9, 0.5, 0.7], 0)
    several = row([0.3, 0.9, 0.5, 0.7], 0, 3), row([0.2, 0.4, 0.9], 0, 1)
    tie = "Count the wrong answers that are as close: with the right one they share places. Average 1/place over them."
    together = "Only wrong answers rank before the right one; right answers that are equally close do not."
    return [
        cases(row([0.9, 0.5, 0.1], 0)),
        cases(*single, *several),
        [Case((cosines, right), hint="Each row has a list of its own: sort along dim=1.")],
        [
            Case(row([0.5, 0.5, 0.1], 0), "A wrong answer is as close as the right one", tie),
            Case(row([0.0, 0.0, 0.0], 2), "A model that says nothing has a cosine of 0 with all 3 answers", tie),
            Case(row([0.5, 0.5, 0.1], 0, 1), "Two right answers are equally close", together),
        ],
    ]


def _list_slips(cosines: Tensor, right: Tensor) -> dict[str, Tensor]:
    order, first = cosines.argsort(1, descending=True), _first_reciprocal(cosines, right)
    ranks, count = order.argsort(1) + 1, right.sum(1)
    of_right = ranks.masked_fill(~right, 0)
    once = (order + 1).masked_fill(~right, cosines.shape[1]).amin(1)
    best = _best(cosines, right)
    closer, tied = (cosines > best).sum(1), (cosines == best).sum(1)
    tied_wrong = ((cosines == best) & ~right).sum(1)
    itself_only = Retrieval(torch.arange(len(cosines)), closer, tied, torch.ones_like(tied), cosines.shape[1])
    smallest = "The list begins with the largest cosine: sort from large to small (descending=True)."
    place = "This is the entry's place in the bank; its rank is the place in the list sorted by cosine."
    argsort = "argsort says which entry stands where; for the rank of an entry you need it the other way round."
    return {
        "You have a number for each answer. Give one for each question.": 1 / ranks,
        "The right answer is the first of the list: its rank is 1, not 0. Return 1 / rank.": closer.double(),
        "These are the ranks. Return one divided by each.": closer + 1,
        "You count from 0: the best place is rank 1, not 0, or 1 / rank is not defined.": 1 / closer,
        smallest: _first_reciprocal(-cosines, right),
        "This is the worst of the right answers; the first one that you meet counts.": 1 / of_right.amax(1),
        "This is the mean over all right answers; only the first one counts.": (right / ranks).sum(1) / count,
        "This is the sum over all right answers; only the first one counts.": (right / ranks).sum(1),
        "This is one divided by the mean rank; only the first right answer counts.": count / of_right.sum(1),
        "This is R@1: a right answer in second place is worth 1/2, not 0.": (first == 1).float(),
        place: 1 / (right.float().argmax(1) + 1),
        argsort: 1 / once,
        **tie_slips(closer, tied_wrong + 1),
        "Right answers that are equally close share the first of their places: count wrong ones.": (
            itself_only.reciprocal_rank
        ),
    }


reciprocal_rank = Exercise(
    "6.1",
    "reciprocal_rank(cosines, right) → 1 / rank of the first right answer, both (n, m), right of truth values → (n,)",
    right=_first_reciprocal,
    checks=_list_checks,
    slips=_list_slips,
    hint="One number for each row: of the right answers take the closest. How many wrong ones are closer, "
    "and how many as close?",
)


# --- 6.2 -------------------------------------------------------------------------------------------------------------


def _ends(value: Any) -> Tensor:
    ends = numbers(value)
    if ends.shape != (2,):
        raise Mistake("expected two numbers: return low, high.")
    if ends[0] > ends[1]:
        raise Mistake("expected the lower end first.")
    return ends


def _interval(values: Tensor, generator: torch.Generator) -> Tensor:
    interval = bootstrap_mean(values)
    return torch.tensor([interval.low, interval.high])


def _about(ends: Tensor, right: Tensor) -> bool:
    """Whether two intervals have the same width but for a tenth, and nearly the same middle, whatever the luck."""
    width = float(right[1] - right[0])
    wider, shifted = float(ends[1] - ends[0]) - width, float(ends.mean() - right.mean())
    return abs(wider) <= 0.1 * width + 1e-5 and abs(shifted) <= 0.125 * width + 1e-5


def _interval_checks() -> list[list[Case]]:
    generator = torch.Generator().manual_seed(6)
    samples = {
        "Thirty values of 0.25 have a mean of 0.25 in every resample": torch.full((30,), 0.25),
        "100 values, half of them 0 and half 1": torch.tensor([0.0, 1.0] * 50),
        "400 values, half of them 0 and half 1": torch.tensor([0.0, 1.0] * 200),
        "60 values, most of them small and a few large": torch.randn(60, generator=generator).exp(),
    }
    return [[Case((values, torch.Generator().manual_seed(1)), says)] for says, values in samples.items()]


def _interval_slips(values: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    mean, range_of_values = values.mean(), values.quantile(torch.tensor([0.025, 0.975]))
    same = "All your resamples are the same. Draw with replacement: torch.randint allows repeats, randperm does not."
    ninety = mean + 1.645 / 1.96 * (_interval(values, generator) - mean)
    return {
        same: mean.expand(2),
        "That is where single values lie. Take the mean of each resample.": range_of_values,
        "That is a 90 % interval: cut off 2.5 % at either end, not 5 %.": ninety,
    }


bootstrap_interval = Exercise(
    "6.2",
    "bootstrap_interval(values, generator) → the ends (low, high) of a 95 % bootstrap interval of the mean",
    returns=_ends,
    right=_interval,
    checks=_interval_checks,
    slips=_interval_slips,
    hint="Resample the values, as many as there are, and take means. Too wide: you draw fewer, or cut off less than "
    "2.5 % at either end. Too narrow: you draw more, or cut off more.",
    same=_about,
)


# --- 6.3 -------------------------------------------------------------------------------------------------------------


def _comparisons() -> list[list[Case]]:
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(50, generator=generator)
    ahead = right + 0.02 + 0.01 * torch.rand(50, generator=generator)
    shuffled = right[torch.randperm(50, generator=generator)] + 0.05  # sorted, it is ahead everywhere
    steady = right.mean() + 0.05 + 0.1 * (torch.rand(50, generator=generator) - 0.5)
    little = "Left is ahead by 0.02 to 0.03 on each of 50 items, which differ from one another by up to 1"
    luck = "Left is 0.05 above right on average, but the difference of an item is anything from −1 to 1"
    one_interval = "Two intervals that overlap decide nothing. Subtract item by item first, then take one interval."
    mean = "A larger mean alone may be luck: look at the interval of the differences."
    sign = "An interval without zero is not enough: all of it must be above zero. Mind the sign, too: no abs()."
    equal = "Equal models are not better: the interval must be above zero, not from zero up."
    return [
        [
            Case(
                (right + 2, right), "Left is ahead by 2 on each item", "left − right is above zero if left is better."
            ),
            Case((ahead, right), little, one_interval),
        ],
        [
            Case((steady, right), luck, mean),
            Case((shuffled, right), luck, "Do not sort: item i of left belongs to item i of right."),
        ],
        [
            Case((right - ahead, right), "Left is behind right on average, and surely so", sign),
            Case((right, right), "Left and right are the same", equal),
        ],
    ]


surely_better = Exercise(
    "6.3",
    "surely_better(left, right) → whether the interval of the mean difference left − right is above zero, (n,) each",
    right=lambda left, right: bootstrap_mean(left - right).low > 0,
    checks=_comparisons,
)


# --- 6.4 -------------------------------------------------------------------------------------------------------------


def _near(train: Tensor, test: Tensor, threshold: float) -> Tensor:
    return cosines_of(test, train) >= threshold


def _near_checks() -> list[list[Case]]:
    def directions(count: int, seed: int) -> Tensor:
        return normalize(torch.randn(count, 20, generator=torch.Generator().manual_seed(seed)))

    train, test = directions(7, seed=0), directions(4, seed=1)
    copied, longer = test.clone(), test.clone()
    copied[1], copied[3], longer[0] = train[6], train[3], train[4]
    copied[2] = normalize(train[5] + 0.02 * directions(1, seed=2)[0], dim=0)
    apart = normalize(torch.tensor([[1.0, 0.2], [1.0, 1.0], [-1.0, 0.0]]) @ torch.eye(20)[[0, 9]])
    says = "Test item 2 is near training item 5, and test items 1 and 3 equal training items"
    near = "Take the largest cosine of each test item with all training items; near is enough, equal is not needed."
    cosines = "Cosines of 0.98, 0.71 and −1 with the nearest training item"
    return [
        [Case((train, test, 0.99), "Eleven unrelated vectors")],
        [Case((train, copied, 0.95), says, near)],
        [
            Case((0.1 * train, longer, 0.95), "A test vector ten times as long as a training vector, in its direction"),
            Case((3 * train, 30 * longer, 0.95), "Long vectors, three of them in unrelated directions"),
        ],
        [Case((torch.eye(20)[:5], apart, threshold), cosines, "Use threshold.") for threshold in (0.9, 0.5, 0.99)],
    ]


def _near_slips(train: Tensor, test: Tensor, threshold: float) -> dict[str, Tensor]:
    near, opposite = _near(train, test, threshold), _near(train, -test, threshold)
    train_items = "These are the training items that have a copy in the test set; the question is about test items."
    pairs = "You have an answer for each pair; a test item is a near copy if any training item is near: .any(1)."
    itself = "Compare test with train, not test with itself: everything is a copy of itself."
    return {
        train_items: near.any(0),
        pairs: near,
        itself: torch.ones_like(near[:, 0]),
        "You compare each test item with one training item only. Compare it with all.": near.diagonal(),
        "A cosine of −1 is the opposite: no abs().": (near | opposite).any(1),
    }


near_copies = Exercise(
    "6.4",
    "near_copies(train, test, threshold) → which test items (m, dim) have a near copy in train (n, dim), (m,) of bool",
    right=lambda train, test, threshold: _near(train, test, threshold).any(1),
    checks=_near_checks,
    slips=_near_slips,
    hint="One answer for each test item. Divide by the lengths: it is the cosine that counts.",
)
