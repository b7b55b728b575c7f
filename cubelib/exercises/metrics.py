"""Checks for the exercises of notebook 06.

The right answers are computed by cubelib where it has them, and the usual wrong ones too, so that the message can name
the slip.

Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.exercises.verdict import Mistake, expect_tensor, in_groups, judge
from cubelib.metrics import Interval, bootstrap_mean

ReciprocalRank = Callable[[Tensor, Tensor], Tensor]
BootstrapInterval = Callable[[Tensor, torch.Generator], tuple[float, float]]
SurelyBetter = Callable[[Tensor, Tensor], bool]
NearCopies = Callable[[Tensor, Tensor, float], Tensor]


# --- 6.1 -------------------------------------------------------------------------------------------------------------


def reciprocal_rank(function: ReciprocalRank) -> None:
    """Exercise 6.1: one divided by the rank of the first right answer, of several.

    Args:
        function: `function(cosines, right)`, `(n, m)` numbers and `(n, m)` truth values → `(n,)`.

    Example:
        >>> reciprocal_rank(lambda cosines, right: cosines.argmax(1))
        Exercise 6.1: check 1 of 3 does not pass. reciprocal_rank([[0.9, 0.5, 0.1]], right: entry 0) gives 0.0000, \
expected 1.0000. The right answer is the first of the list: its rank is 1, not 0.
    """
    judge("6.1", function, [_one_number_a_question, *in_groups(_expect_reciprocal_rank, *RANKED), _many_lists])


RANKED = (
    [([0.9, 0.5, 0.1], {1}), ([0.1, 0.9, 0.5, 0.7], {0}), ([0.3, 0.9, 0.5, 0.7], {3, 0}), ([0.2, 0.4, 0.9], {0, 1})],
)


def _one_number_a_question(function: ReciprocalRank) -> None:
    cosines, right = torch.tensor([[0.9, 0.5, 0.1]]), torch.tensor([[True, False, False]])
    hint = "One number for each question, a question being a row."
    found = function(cosines, right)
    call = "reciprocal_rank([[0.9, 0.5, 0.1]], right: entry 0)"
    if isinstance(found, Tensor) and found.isinf().any():
        raise Mistake(f"{call} gives infinity: the best place is rank 1, not 0, or 1 / rank is not defined.")
    number = float(expect_tensor(found, (1,), call, hint)[0])
    if number == 0:
        hint = "The right answer is the first of the list: its rank is 1, not 0."
    elif abs(number - 1 / 3) < 1e-5:
        hint = "The list begins with the largest cosine: sort from large to small (descending=True)."
    else:
        hint = "The right answer has the largest cosine, so its rank is 1."
    if abs(number - 1) > 1e-5:
        raise Mistake(f"{call} gives {number:.4f}, expected 1.0000. {hint}")


def _first_right(cosines: Tensor, right: Tensor) -> Tensor:
    best = cosines.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    return 1 / ((cosines > best).sum(1) + 1)


def _rank_slips(cosines: Tensor, right: Tensor) -> dict[str, Tensor]:
    """What to say → what a wrong computation gives."""
    ranks = cosines.argsort(1, descending=True).argsort(1) + 1
    chosen = ranks.masked_fill(~right, 0)
    count = right.sum(1)
    positions = torch.arange(cosines.shape[1]).expand_as(ranks).masked_fill(~right, cosines.shape[1]).amin(1) + 1
    return {
        "This is the worst of the right answers; the first one that the reader meets counts.": 1 / chosen.amax(1),
        "This is the mean over all right answers; only the first one counts.": (right / ranks).sum(1) / count,
        "This is the sum over all right answers; only the first one counts.": (right / ranks).sum(1),
        "This is one divided by the mean rank; only the first right answer counts.": count / chosen.sum(1),
        "This is the entry's place in the bank; its rank is the place in the list sorted by cosine.": 1 / positions,
        "This is R@1: a right answer in second place is worth 1/2, not 0.": (chosen == 1).any(1).float(),
        "You count from 0: the second place has rank 2, not 1.": 1 / (1 / _first_right(cosines, right) - 1),
        "argsort says which entry stands where; for the rank of an entry you need it the other way round.": 1
        / (cosines.argsort(1, descending=True) + 1).masked_fill(~right, cosines.shape[1]).amin(1),
        "The list begins with the largest cosine: sort from large to small (descending=True).": _first_right(
            -cosines, right
        ),
    }


def _hint_of(found: Tensor, slips: dict[str, Tensor], default: str) -> str:
    near = [what for what, wrong in slips.items() if torch.allclose(found.double(), wrong.double(), atol=1e-5)]
    return near[0] if near else default


def _expect_reciprocal_rank(function: ReciprocalRank, cosines: list[float], entries: set[int]) -> None:
    row, right = torch.tensor([cosines]), torch.tensor([[place in entries for place in range(len(cosines))]])
    names = " and ".join(map(str, sorted(entries)))
    call = f"reciprocal_rank([{cosines}], right: entry {names})"
    found = expect_tensor(function(row, right), (1,), call, "One number for each question.")
    wanted = _first_right(row, right)
    if not torch.allclose(found.double(), wanted.double(), atol=1e-5):
        rank = round(1 / wanted.item())
        hint = _hint_of(found, _rank_slips(row, right), f"The first right answer stands in place {rank} of the list.")
        raise Mistake(f"{call} gives {found.item():.4f}, expected {wanted.item():.4f}. {hint}")


def _many_lists(function: ReciprocalRank) -> None:
    generator = torch.Generator().manual_seed(0)
    cosines = torch.rand(30, 12, generator=generator)
    right = torch.rand(30, 12, generator=generator) < 0.2
    right[:, 0] |= ~right.any(1)
    call = "reciprocal_rank of 30 questions and 12 answers"
    found, wanted = (
        expect_tensor(function(cosines, right), (30,), call, "One number a row."),
        _first_right(cosines, right),
    )
    far = (found - wanted).abs()
    if far.max() > 1e-5:
        hint = _hint_of(found, _rank_slips(cosines, right), "Each row has a list of its own: sort along dim=1.")
        row = int(far.argmax())
        raise Mistake(f"{call}: row {row} gives {found[row]:.4f}, expected {wanted[row]:.4f}. {hint}")


# --- 6.2 -------------------------------------------------------------------------------------------------------------


def bootstrap_interval(function: BootstrapInterval) -> None:
    """Exercise 6.2: the ends of a 95 % bootstrap interval of a mean.

    Args:
        function: `function(values, generator)`, `(n,)` → (low, high).

    Example:
        >>> bootstrap_interval(lambda values, generator: (values.min(), values.max()))
        Exercise 6.2: check 2 of 4 does not pass. Of 100 values, half of them 0 and half 1, the interval should be \
near 0.40 to 0.60; yours is 0.00 to 1.00. That is where single values lie. Take the mean of each resample.
    """
    judge("6.2", function, [_two_ends, _half_zero_half_one, _more_items, _skewed])


def _ends(function: BootstrapInterval, values: Tensor) -> tuple[float, float]:
    found = function(values, torch.Generator().manual_seed(1))
    call = "bootstrap_interval(values, generator)"
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    ends = list(found) if isinstance(found, (tuple, list)) or (isinstance(found, Tensor) and found.ndim == 1) else []
    if len(ends) != 2:
        raise Mistake(f"{call} gives {type(found).__name__}, expected two numbers: return low, high.")
    low, high = float(ends[0]), float(ends[1])
    if not math.isfinite(low) or not math.isfinite(high):
        raise Mistake(f"{call} gives {low} and {high}: the ends must be finite numbers.")
    if low > high:
        raise Mistake(f"{call} gives {low:.4f} and {high:.4f}: the lower end comes first.")
    return low, high


def _two_ends(function: BootstrapInterval) -> None:
    low, high = _ends(function, torch.full((30,), 0.25))
    if max(abs(low - 0.25), abs(high - 0.25)) > 1e-5:
        raise Mistake(
            f"Thirty values of 0.25 have a mean of 0.25 in every resample; your interval is {low:.4f} to {high:.4f}. "
            "Resample the values themselves, and take means."
        )


def _compare(name: str, values: Tensor, found: tuple[float, float], right: Interval) -> None:
    low, high = found
    half, wanted = (high - low) / 2, (right.high - right.low) / 2
    mean, spread = float(values.mean()), float(values.std())
    if half < 1e-6:
        hint = (
            "All your resamples are the same. Draw with replacement: torch.randint allows repeats, randperm does not."
        )
    elif not low - wanted < mean < high + wanted:
        hint = "The mean itself is not inside. Are these means, and not spreads or differences?"
    elif half > 2.5 * wanted and half > 0.9 * spread:
        hint = "That is where single values lie. Take the mean of each resample."
    elif half > 1.12 * wanted:
        hint = "Too wide: draw as many values as there are, and cut off 2.5 % at either end, not nothing."
    elif 0.78 * wanted < half < 0.9 * wanted:
        hint = "That is a 90 % interval: cut off 2.5 % at either end, not 5 %."
    elif half < 0.9 * wanted:
        hint = "Too narrow: draw as many values as there are, not more, and keep 95 of 100 means."
    else:
        hint = "It is as wide as it should be, but shifted."
    if abs(half / wanted - 1) > 0.1 or abs((low + high) / 2 - (right.low + right.high) / 2) > 0.25 * wanted:
        raise Mistake(
            f"Of {name}, the interval should be near {right.low:.2f} to {right.high:.2f}; yours is {low:.2f} to "
            f"{high:.2f}. {hint}"
        )


def _half_zero_half_one(function: BootstrapInterval) -> None:
    values = torch.tensor([0.0, 1.0] * 50)
    _compare("100 values, half of them 0 and half 1", values, _ends(function, values), bootstrap_mean(values))


def _more_items(function: BootstrapInterval) -> None:
    values = torch.tensor([0.0, 1.0] * 200)
    _compare("400 values, half of them 0 and half 1", values, _ends(function, values), bootstrap_mean(values))


def _skewed(function: BootstrapInterval) -> None:
    values = torch.randn(60, generator=torch.Generator().manual_seed(6)).exp()
    _compare("60 values, most of them small and a few large", values, _ends(function, values), bootstrap_mean(values))


# --- 6.3 -------------------------------------------------------------------------------------------------------------


def surely_better(function: SurelyBetter) -> None:
    """Exercise 6.3: is the left model better than the right one on the same items, with an interval above zero?

    Args:
        function: `function(left, right)`, `(n,)` each → True or False.

    Example:
        >>> surely_better(lambda left, right: bool(left.mean() > right.mean()))
        Exercise 6.3: check 2 of 3 does not pass. Left is 0.05 above right on average, but the difference of an item \
is anything from −1 to 1: surely_better should give False, yours gives True. A larger mean alone may be luck: look at \
the interval of the differences.
    """
    judge("6.3", function, [_a_little_on_every_item, _a_lot_of_luck, _worse_or_equal])


def _answer(function: SurelyBetter, left: Tensor, right: Tensor) -> bool:
    found = function(left, right)
    if found is None:
        raise Mistake("surely_better(left, right) gives None: is there a return at the end?")
    if isinstance(found, Tensor) and found.ndim == 0:
        found = found.item()
    if not isinstance(found, bool) and type(found).__name__ not in ("bool_", "bool"):
        raise Mistake(f"surely_better(left, right) gives a {type(found).__name__}, expected True or False.")
    return bool(found)


def _expect_answer(function: SurelyBetter, left: Tensor, right: Tensor, wanted: bool, case: str, hint: str) -> None:
    found = _answer(function, left, right)
    if found != wanted:
        raise Mistake(f"{case}: surely_better should give {wanted}, yours gives {found}. {hint}")


def _a_little_on_every_item(function: SurelyBetter) -> None:
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(50, generator=generator)
    left = right + 0.02 + 0.01 * torch.rand(50, generator=generator)
    case = "Left is ahead by 0.02 to 0.03 on each of 50 items, which differ from one another by up to 1"
    hint = "Two intervals that overlap decide nothing. Subtract item by item first, then take one interval."
    if _answer(function, right, left):
        hint = "You subtract left from right: left − right is above zero where left is better."
    _expect_answer(function, left, right, True, case, hint)


def _a_lot_of_luck(function: SurelyBetter) -> None:
    generator = torch.Generator().manual_seed(3)
    right = torch.rand(50, generator=generator)
    left = right[torch.randperm(50, generator=generator)] + 0.05
    steady = right.mean() + 0.05 + 0.1 * (torch.rand(50, generator=generator) - 0.5)
    # Sorted, left is ahead everywhere; a model that is steady is ahead of half of the items, sorted or not.
    hint = "A larger mean alone may be luck: look at the interval of the differences."
    if not _answer(function, steady, right):
        hint = "Do not sort: item i of left belongs to item i of right."
    case = "Left is 0.05 above right on average, but the difference of an item is anything from −1 to 1"
    _expect_answer(function, left, right, False, case, hint)


def _worse_or_equal(function: SurelyBetter) -> None:
    generator = torch.Generator().manual_seed(5)
    right = torch.rand(50, generator=generator)
    left = right - 0.1 - 0.05 * torch.rand(50, generator=generator)
    hint = "An interval without zero is not enough: all of it must be above zero. Mind the sign, too: no abs()."
    _expect_answer(function, left, right, False, "Left is behind right on every item", hint)
    hint = "Equal models are not better: the interval must be above zero, not from zero up."
    _expect_answer(function, right, right, False, "Left and right are the same", hint)


# --- 6.4 -------------------------------------------------------------------------------------------------------------


def near_copies(function: NearCopies) -> None:
    """Exercise 6.4: which test items have a near copy among the training items?

    Args:
        function: `function(train, test, threshold)`, `(n, dim)` and `(m, dim)` → `(m,)` truth values.

    Example:
        >>> near_copies(lambda train, test, threshold: (test @ train.T).amax(1) >= threshold)
        Exercise 6.4: check 3 of 4 does not pass. A test vector ten times as long as a training vector, in the same \
direction, is a near copy, and yours gives False. Divide by the lengths: it is the cosine that counts.
    """
    judge("6.4", function, [_a_truth_value_each, _found_wherever_they_stand, _lengths_do_not_count, _the_threshold])


def _copies(function: NearCopies, train: Tensor, test: Tensor, threshold: float) -> Tensor:
    found = function(train, test, threshold)
    call = f"near_copies of {len(train)} training and {len(test)} test vectors"
    hint = "One answer for each test item."
    if isinstance(found, Tensor) and tuple(found.shape) == (len(train),):
        hint = "These are the training items that have a copy in the test set; the question is about test items."
    elif isinstance(found, Tensor) and found.ndim == 2:
        hint = "You have an answer for each pair; a test item is a near copy if any training item is near: .any(1)."
    found = expect_tensor(found, (len(test),), call, hint)
    if found.dtype != torch.bool:
        raise Mistake(f"{call} gives numbers of {found.dtype}, expected truth values: compare with the threshold.")
    return found


def _directions(count: int, seed: int) -> Tensor:
    return normalize(torch.randn(count, 20, generator=torch.Generator().manual_seed(seed)))


def _a_truth_value_each(function: NearCopies) -> None:
    train, test = _directions(7, seed=0), _directions(4, seed=1)
    if _copies(function, train, test, 0.99).any():
        raise Mistake(
            "Eleven unrelated vectors, and yours finds near copies at a cosine of 0.99. Compare test with train, not "
            "test with itself: everything is a copy of itself."
        )


def _found_wherever_they_stand(function: NearCopies) -> None:
    train, test = _directions(7, seed=0), _directions(4, seed=1)
    test[2] = normalize(train[5] + 0.02 * _directions(1, seed=2)[0], dim=0)
    test[3] = train[3]
    found, wanted = _copies(function, train, test, 0.95), torch.tensor([False, False, True, True])
    if found.tolist() == [False, False, False, True]:
        raise Mistake(
            "Test item 2 is near training item 5, and test item 3 equals training item 3; yours finds only the second. "
            "Compare each test item with all training items, and near is enough: equal is not needed."
        )
    if not torch.equal(found, wanted):
        raise Mistake(
            f"Test items 2 and 3 have a near copy; yours gives {found.tolist()}. Take the largest cosine of each test "
            "item with any training item, and see whether it reaches the threshold."
        )


def _lengths_do_not_count(function: NearCopies) -> None:
    train, test = 0.1 * _directions(7, seed=0), _directions(4, seed=1)
    test[0] = 10 * train[4]
    if not _copies(function, train, test, 0.95)[0]:
        raise Mistake(
            "A test vector ten times as long as a training vector, in the same direction, is a near copy, and yours "
            "gives False. Divide by the lengths: it is the cosine that counts."
        )
    if _copies(function, 30 * train, 30 * test, 0.95)[1:].any():
        raise Mistake("Long vectors in unrelated directions are no copies. Divide by the lengths first.")


def _the_threshold(function: NearCopies) -> None:
    train = torch.eye(20)[:5]
    test = normalize(torch.tensor([[1.0, 0.2], [1.0, 1.0], [-1.0, 0.0]]) @ torch.eye(20)[[0, 9]])
    for threshold, wanted in ((0.9, [True, False, False]), (0.5, [True, True, False]), (0.99, [False] * 3)):
        found = _copies(function, train, test, threshold).tolist()
        if found != wanted:
            hint = "Use threshold." if found[:2] != wanted[:2] else "A cosine of −1 is the opposite: no abs()."
            raise Mistake(
                f"Cosines of 0.98, 0.71 and −1 with the nearest training item, threshold {threshold}: expected "
                f"{wanted}, yours gives {found}. {hint}"
            )
