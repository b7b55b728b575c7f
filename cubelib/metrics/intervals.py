"""How sure is a figure? Intervals from resampled items, and a test of one model against another on the same items.

All of it speaks of the spread over test items. None of it knows of the spread over training seeds.

Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cubelib.errors import DataError
from cubelib.metrics.rows import Rows, check_rows

Values = Tensor | np.ndarray | Sequence[float]
Groups = Tensor | np.ndarray | Sequence

RESAMPLES = 2000
COUNTS = 2**16  # numbers drawn at a time: half a megabyte stays in a processor's cache
EXACT = 14  # differences up to which every choice of signs is looked at: 2¹⁴ = 16,384
FLIPS = 10_000  # choices of signs that are drawn where there are too many to look at all


@dataclass(frozen=True)
class Interval:
    """A mean (or another figure) with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap_mean(
    values: Values, *, groups: Groups | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Mean of one value per item, with a 95 % interval over resampled items.

    Args:
        values: `(n,)`, one figure for each held-out item. For a paired comparison of two models pass the differences.
        groups: `(n,)`, which group of copies each item belongs to, such as `copy_groups` gives; whole groups are
            resampled, because copies do not tell anything new. None where the items are independent.
        seed: for the resampling; the same values give the same interval.
        resamples: bootstrap samples.

    Returns:
        The mean, and the 2.5 % and 97.5 % quantiles of the mean over resamples. With one item (or group), or equal
        values, the interval is the mean itself. With fewer than 20 items it covers the truth far less often than in
        95 of 100 cases. It tells the spread over test items, not over training seeds.

    Raises:
        DataError: no values, values that are not finite, or groups that do not fit.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3 (percentile interval); for groups
    Davison, Hinkley, Bootstrap Methods and their Application, 1997, section 3.8 (resampling the clusters only).

    Example:
        >>> str(bootstrap_mean([0.5, 0.5, 0.5]))
        '0.5000 [0.5000, 0.5000]'
        >>> print(bootstrap_mean([0.0, 1.0] * 20))
        0.5000 [0.3500, 0.6500]
        >>> print(bootstrap_mean([0.0, 1.0] * 20, groups=list(range(20)) * 2))      # pairs of equals: half the news
        0.5000 [0.2500, 0.7500]
    """
    return bootstrap_means({"values": values}, groups=groups, seed=seed, resamples=resamples)["values"]


def bootstrap_means(
    figures: Mapping[str, Values], *, groups: Groups | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """`bootstrap_mean` of several figures of the same items, all on the same resamples, in one go.

    Args:
        figures: name → `(n,)`, the same n for all.
        groups, seed, resamples: as in `bootstrap_mean`.

    Example:
        >>> found = bootstrap_means({"cosine": [0.5, 0.7], "mrr": [1.0, 1.0]})
        >>> found["mrr"] == bootstrap_mean([1.0, 1.0])
        True
    """
    columns = [_values(values) for values in figures.values()]
    if len({len(column) for column in columns}) != 1:
        raise DataError(
            f"bootstrap_means: takes figures of the same items; got {', '.join(map(str, map(len, columns))) or 'none'}."
        )
    items = np.stack(columns, 1)  # (n, figures)
    group = _group_numbers(groups, len(items))
    sizes = np.bincount(group).astype(float)
    sums = np.stack([np.bincount(group, column) for column in columns], 1)  # (groups, figures)
    drawn = [counts @ sums / (counts @ sizes)[:, None] for counts in _resamples(len(sizes), resamples, seed)]
    lows, highs = np.percentile(np.concatenate(drawn), [2.5, 97.5], axis=0)
    means, alike = items.mean(0), (len(sizes) < 2) | (np.ptp(items, axis=0) == 0)
    lows, highs = np.where(alike, means, lows), np.where(alike, means, highs)
    return {
        name: Interval(float(mean), float(low), float(high))
        for name, mean, low, high in zip(figures, means, lows, highs, strict=True)
    }


@dataclass(frozen=True)
class PairedTest:
    """One model against another on the same items.

    Attributes:
        difference: mean of left − right, with its 95 % bootstrap interval.
        p_value: how often signs dealt out by a coin give a mean at least as far from 0, in (0, 1].
        exact: whether all choices of signs were looked at, not a sample of them.
        units: items, or groups of copies.
    """

    difference: Interval
    p_value: float
    exact: bool
    units: int

    def __str__(self) -> str:
        how = "exact" if self.exact else "sampled"
        return f"{self.difference}, p = {self.p_value:.4f} ({how} sign flips, {self.units} units)"


def paired_test(
    left: Values, right: Values, *, groups: Groups | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> PairedTest:
    """Is one model better than another on these items, or could it be luck?

    If the models were equally good, each item's difference could as well have the other sign. The p-value is the share
    of all choices of signs whose mean is at least as far from 0 as the one found. With up to 14 differences that are
    not 0 all choices are looked at; else 10,000 are drawn and the one found is counted among them, so that p is at
    least 0.0001. With fewer than 6 differences p cannot fall below 0.05, whatever the models do.

    A small p says that a difference is there, not that it matters: look at its size. It takes items (or groups) as
    independent, speaks of these two trained models and not of their training method, and is no longer what it says once
    the better of many models has been picked by it.

    Args:
        left: `(n,)`, a figure for each item, one model's.
        right: `(n,)`, the other's, on the same items in the same order.
        groups, seed, resamples: as in `bootstrap_mean`; a group's differences change their signs together.

    Raises:
        DataError: figures that do not fit or are not finite.

    Source: Fisher, The Design of Experiments, 1935, section 21 (sign flips); Phipson, Smyth 2010 (the one found is
    counted).

    Example:
        >>> print(paired_test([0.5, 0.9, 0.3, 0.6], [0.4, 0.7, 0.0, 0.2]))     # all signs + or all −: 2 of 16
        0.2500 [0.1500, 0.3500], p = 0.1250 (exact sign flips, 4 units)
    """
    one, other = _values(left), _values(right)
    if len(one) != len(other):
        raise DataError(f"paired_test: takes two figures of the same items; got {len(one)} and {len(other)}.")
    differences = one - other
    sums = np.bincount(_group_numbers(groups, len(one)), differences)
    moving = sums[sums != 0]  # a difference of 0 has no sign to flip
    exact = len(moving) <= EXACT
    if exact:
        flipped = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        found, looked_at = _as_far(flipped, moving), 2 ** len(moving)
    else:
        rng, block = np.random.default_rng(seed), max(1, COUNTS // len(moving))
        parts = [min(block, FLIPS - start) for start in range(0, FLIPS, block)]
        found = 1 + sum(_as_far(rng.integers(0, 2, (rows, len(moving)), dtype=np.int8), moving) for rows in parts)
        looked_at = FLIPS + 1
    difference = bootstrap_mean(differences, groups=groups, seed=seed, resamples=resamples)
    return PairedTest(difference, found / looked_at, exact, len(sums))


def figure_interval(
    figure: Callable[..., float],
    *vectors: Rows,
    groups: Groups | None = None,
    seed: int = 0,
    halves: int = 100,
) -> Interval:
    """A figure of all items together, such as `linear_cka`, with a 95 % interval from random halves of the items.

    The spread of the figure over halves drawn without replacement is that of the whole set over samples of its size: a
    half varies √2 times as much, and its share of the items already known takes the √2 away again. The interval is
    the figure ± 1.96 times that spread (scaled for odd n).

    Why not the bootstrap: it draws items repeatedly, and a copy of an item is its own nearest neighbor, so structure
    appears that is not there. Of 150 bootstrap intervals of `linear_cka` on 60 items, 41 % held the true value, of the
    intervals made here 96 %. Of 60 of `neighbor_overlap` on 200 items, it was 60 % and 95 %; `bootstrap_mean` of its
    figures per item, which takes items with common neighbors as independent, came to 80 %. The interval does not know
    of training seeds. Where the figure itself depends on the number of items, as the neighbor figures do, the interval
    is that of sets of this size.

    Args:
        figure: takes as many sets of vectors as are given here and returns a number.
        vectors: `(n, dim)` each, the same n items.
        groups: `(n,)`, groups of copies, kept together; None where items are independent.
        seed: for the drawing.
        halves: how many to draw; the figure is computed once more than that.

    Raises:
        DataError: fewer than 10 items (or groups), or sets of different length.

    Source: Shao, Wu, A general theory for jackknife variance estimation, 1989 (deleting half of the items).

    Example:
        >>> import torch
        >>> from cubelib.metrics.structure import linear_cka
        >>> left = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> print(figure_interval(linear_cka, left, left))
        1.0000 [1.0000, 1.0000]
    """
    sets = [check_rows("vectors", rows) for rows in vectors]
    if len({len(rows) for rows in sets}) != 1:
        lengths = ", ".join(str(len(rows)) for rows in sets) or "none"
        raise DataError(f"figure_interval: takes sets of vectors of the same items; got {lengths}.")
    group = _group_numbers(groups, len(sets[0]))
    count = group.max() + 1
    if count < 10:
        raise DataError(f"figure_interval: needs 10 independent items or groups to halve; got {count}.")
    rng, found = np.random.default_rng(seed), []
    for _ in range(halves):
        chosen = np.zeros(count, dtype=bool)
        chosen[rng.permutation(count)[: count // 2]] = True
        rows = torch.from_numpy(np.flatnonzero(chosen[group]))
        found.append(figure(*(rows_of[rows] for rows_of in sets)))
    whole, half = figure(*sets), count // 2
    reach = 1.96 * float(np.std(found, ddof=1)) * math.sqrt(half / (count - half))
    return Interval(float(whole), whole - reach, whole + reach)


def _as_far(flipped: np.ndarray, differences: np.ndarray) -> int:
    """How many choices of signs, `(choices, n)` of 0 and 1, give a sum at least as far from 0 as no flip at all."""
    total, size = differences.sum(), np.abs(differences).sum()
    return int((np.abs(total - 2 * (flipped @ differences)) >= abs(total) - 1e-12 * size).sum())


def _resamples(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `count` units is drawn in each resample, `(b, count)` a block: products instead of look-ups."""
    rng, block = np.random.default_rng(seed), max(1, COUNTS // count)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, count, (rows, count), dtype=np.int32) + np.arange(0, rows * count, count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(float)


def _values(values: Values) -> np.ndarray:
    items = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    if items.ndim != 1 or not len(items) or not np.isfinite(items).all():
        raise DataError(
            f"EmbeddingMetrics: intervals take one finite value for each item, (n,) with n at least 1; got shape "
            f"{items.shape}, {int((~np.isfinite(items)).sum())} values not finite."
        )
    return items


def _group_numbers(groups: Groups | None, items: int) -> np.ndarray:
    """0 … number of groups − 1 for each item."""
    if groups is None:
        return np.arange(items)
    labels = np.asarray(groups.cpu() if isinstance(groups, Tensor) else groups)
    if labels.shape != (items,):
        raise DataError(f"EmbeddingMetrics: groups must name a group for each of {items} items; got {labels.shape}.")
    return np.unique(labels, return_inverse=True)[1]
