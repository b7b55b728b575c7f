"""Do two sets of vectors of the same items have the same shape? Who is near whom, whatever the directions are called.

All figures here stay as they are when one set is rotated or uniformly scaled; the two may have different widths. They
compare the sets with themselves: an output that is the target turned upside down has perfect structure and a cosine of
−1 with it.

Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError
from cubelib.metrics.neighbors import check_k, leave_out_self, nearest
from cubelib.metrics.rows import (
    BLOCK,
    ENTRIES,
    Rows,
    check_pair,
    floating,
    joined,
    place_in_row,
    row_blocks,
    similarity_rows,
    unit,
)

NAMES = ("left", "right")
PAIRS = 500_000


def similarity_spearman(left: Rows, right: Rows, *, pairs: int = PAIRS, seed: int = 0) -> float:
    """Spearman correlation of the pairwise cosines of one set with those of the other, −1 … 1.

    1 if the pairs of items, sorted by similarity, stand in the same order in both sets. All pairs count alike, and
    most are of unrelated items: it tells the broad layout, not whether the nearest stay nearest (`neighbor_overlap`).

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        pairs: up to so many pairs of items are all compared (1,000 items have 499,500); of more, so many are
            drawn at random, with replacement. The error of drawing 500,000 is about 0.0015.
        seed: for the drawing.

    Returns:
        The correlation, ties ranked half-way. 0 where all cosines of one set are equal: they order nothing.

    Raises:
        DataError: fewer than 3 items, different numbers of items, numbers that are not finite.

    Source: Spearman 1904; on similarities Kriegeskorte, Mur, Bandettini, Representational similarity analysis, 2008.

    Example:
        >>> left = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])        # cosines 0.8, 0.0, 0.6
        >>> right = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])       # cosines 0.6, 0.0, 0.8
        >>> round(similarity_spearman(left, right), 4)                       # ranks 3, 1, 2 and 2, 1, 3
        0.5
    """
    left, right = check_pair(left, right, NAMES, same_width=False)
    _check_items("similarity_spearman", len(left), 3)
    if len(left) * (len(left) - 1) // 2 <= pairs:
        cosines = [_cosines_of_all_pairs(side) for side in (left, right)]
    else:
        cosines = [_cosines_of_some_pairs(side, pairs, seed) for side in (left, right)]
    one, other = (side.double().round(decimals=6).numpy() for side in cosines)  # rounding makes no order among equals
    if min(np.ptp(one), np.ptp(other)) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def neighbor_overlap_per_item(left: Rows, right: Rows, *, k: int = 10) -> Tensor:
    """The share of each item's k nearest neighbors, by cosine, that are the same in both sets, `(n,)`, 0 … 1.

    |N_left ∩ N_right| / k. Chance gives k / (n − 1), so it depends on n: compare figures of the same items only. A
    neighbor at place k + 1 counts as lost, however close to place k it is. The shares of items with common neighbors
    hang together: `bootstrap_mean` of them is too narrow, `figure_interval` of `neighbor_overlap` is not.

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        k: neighbors, 1 … n − 1. Where several are tied for the last places, the places are shared out among them.

    Raises:
        DataError: a k that is too large, different numbers of items, numbers that are not finite.

    Example:
        >>> left = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])        # nearest: 1, 0, 1
        >>> right = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])       # nearest: 1, 2, 1
        >>> neighbor_overlap_per_item(left, right, k=1)
        tensor([1., 0., 1.])
    """
    left, right = check_pair(left, right, NAMES, same_width=False)
    check_k(k, len(left) - 1)
    shares = torch.empty(len(left))
    for (start, one), (_, other) in zip(similarity_rows(left, left), similarity_rows(right, right), strict=True):
        for cosines in (one, other):
            leave_out_self(cosines, start)
        chances = torch.zeros_like(one)
        row, column, chance = nearest(other, k)
        chances[row, column] = chance.to(one)
        row, column, chance = nearest(one, k)
        shares[start : start + len(one)] = torch.bincount(row, chance * chances[row, column], len(one)) / k
    return shares


def neighbor_overlap(left: Rows, right: Rows, *, k: int = 10) -> float:
    """Mean share of the k nearest neighbors that are the same in both sets, 0 … 1: `neighbor_overlap_per_item`."""
    return neighbor_overlap_per_item(left, right, k=k).double().mean().item()


def trustworthiness_per_item(original: Rows, embedded: Rows, *, k: int = 5) -> Tensor:
    """How far the k nearest neighbors of each item in a new set were in the original one, `(n,)`; 1 = all were near.

    tᵢ = 1 − 2 / (k (2n − 3k − 1)) · Σ over the neighbors j of i in the new set of max(0, rank of j in the original −
    k). The mean over the items is scikit-learn's `trustworthiness`, 0 … 1; a random arrangement has about 0.5. It
    punishes new neighbors and not lost ones: with the two sets exchanged it is called continuity and does the
    reverse. Distances are Euclidean, as they must be for pictures; normalize first where only directions count.

    Args:
        original: `(n, dim)`.
        embedded: `(n, other_dim)`.
        k: neighbors, 1 … below n / 2. Ties are averaged over all orders.

    Raises:
        DataError: a k that is too large, different numbers of items, numbers that are not finite.

    Source: Venna, Kaski, Neighborhood preservation in nonlinear projection methods, 2001, eq. 1.

    Example:
        >>> original = torch.tensor([[0.0], [1.0], [2.1], [3.3], [4.6]])
        >>> embedded = torch.tensor([[0.0], [9.0], [2.1], [3.3], [4.6]])     # the second has moved to the other end
        >>> trustworthiness_per_item(original, embedded, k=1)                # its new neighbor was the last of four
        tensor([0.6667, 0.0000, 0.6667, 1.0000, 1.0000])
    """
    original, embedded = check_pair(original, embedded, ("original vectors", "embedded ones"), same_width=False)
    n = len(original)
    check_k(k, (n - 1) // 2)
    figures = torch.empty(n)
    for (start, before, tie), (_, after, new_tie) in zip(_nearness(original), _nearness(embedded), strict=True):
        for nearness in (before, after):
            leave_out_self(nearness, start)
        row, column, chance = nearest(after, k, new_tie)
        place = place_in_row(row)
        distances = torch.full((len(before), int(place.max()) + 1), torch.inf, dtype=torch.float64)
        distances[row, place] = -before[row, column]
        ordered = torch.from_numpy(np.sort(-before.numpy(), axis=1))
        # A neighbor may have any rank from `first` to `last`; what exceeds k is averaged over them.
        first = torch.searchsorted(ordered, distances - tie)[row, place] + 1
        last = torch.searchsorted(ordered, distances + tie, right=True)[row, place]
        least, most = (first - k).clamp_min(1), (last - k).clamp_min(0)
        excess = (most * (most + 1) - least * (least - 1)) / 2 / (last - first + 1)
        penalty = torch.bincount(row, chance * excess, len(before))
        figures[start : start + len(before)] = 1 - 2 / (k * (2 * n - 3 * k - 1)) * penalty
    return figures


def trustworthiness(original: Rows, embedded: Rows, *, k: int = 5) -> float:
    """Are those who are neighbors now neighbors of old? 0 … 1: the mean of `trustworthiness_per_item`."""
    return trustworthiness_per_item(original, embedded, k=k).double().mean().item()


def linear_cka(left: Rows, right: Rows, *, debiased: bool = True) -> float:
    """Linear centered kernel alignment of two sets of vectors, −1 … 1 (0 … 1 if not debiased); 1 = same shape.

    ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖) of the centered vectors, Frobenius norms: how alike the two matrices of scalar products are.
    Directions of large variance rule it; a change in the many weak ones hardly shows.

    The plain figure is too high where items are few beside the numbers of a vector: two sets of 100 unrelated random
    vectors of 768 numbers have 0.88, not 0. The debiased one has 0 there on average, and is a little below 0 half of
    the time. It leaves out the products of items with themselves, and needs no more than the same sums.

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        debiased: whether to use the unbiased estimate of each scalar product of matrices.

    Returns:
        The alignment. 0 where a set has no shape: all vectors equal, or all equally far apart (debiased).

    Raises:
        DataError: fewer than 4 items (2 if not debiased), different numbers of items, numbers that are not finite.

    Source: Kornblith, Norouzi, Lee, Hinton 2019, eq. 4 (plain); Song et al., Feature selection via dependence
    maximization, 2012, eq. 5 (unbiased).

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> round(linear_cka(square, square[:, :1], debiased=False), 4)                 # 1 / √2
        0.7071
    """
    left, right = check_pair(left, right, NAMES, same_width=False)
    n = len(left)
    _check_items("linear_cka", n, 4 if debiased else 2)
    means = [_mean(side) for side in (left, right)]
    products = {pair: 0.0 for pair in ((0, 0), (0, 1), (1, 1))}
    squares = torch.empty(2, n, dtype=torch.float64)  # lengths of the centered vectors, squared
    lengths = [0.0, 0.0]  # sums of squares before the mean is taken off
    starts = range(0, n, BLOCK)
    for start, *both in zip(starts, row_blocks(left), row_blocks(right), strict=True):
        centered = [block.double() - mean for block, mean in zip(both, means, strict=True)]
        for one, other in products:
            products[one, other] = products[one, other] + centered[one].T @ centered[other]
        for side in (0, 1):
            squares[side, start : start + BLOCK] = centered[side].square().sum(1)
            lengths[side] += float(both[side].double().square().sum())

    def alignment(one: int, other: int) -> float:
        plain = float(products[one, other].square().sum())
        if not debiased:
            return plain
        own, totals = squares[one] @ squares[other], squares[one].sum() * squares[other].sum()
        return plain - n / (n - 2) * float(own) + float(totals) / ((n - 1) * (n - 2))

    for side in (0, 1):
        equal = squares[side].sum() <= 1e-20 * lengths[side]
        if equal or alignment(side, side) <= 1e-10 * float(products[side, side].square().sum()):
            return 0.0
    return alignment(0, 1) / math.sqrt(alignment(0, 0) * alignment(1, 1))


def _check_items(figure: str, items: int, least: int) -> None:
    if items < least:
        raise DataError(f"EmbeddingMetrics.{figure}: needs {least} items or more; got {items}.")


def _mean(values: Tensor | VectorFile) -> Tensor:
    return sum(block.double().sum(0) for block in row_blocks(values)) / len(values)


def _cosines_of_all_pairs(values: Tensor | VectorFile) -> Tensor:
    directions = joined(len(values), (unit(block) for block in row_blocks(values)))
    first, second = torch.triu_indices(len(values), len(values), offset=1)
    return (directions @ directions.T)[first, second]


def _cosines_of_some_pairs(values: Tensor | VectorFile, pairs: int, seed: int) -> Tensor:
    """Of pairs drawn with the seed, two different items each."""
    generator, items = torch.Generator().manual_seed(seed), len(values)
    first = torch.randint(items, (pairs,), generator=generator)
    second = (first + torch.randint(1, items, (pairs,), generator=generator)) % items
    norms = (torch.linalg.vector_norm(block, dim=1, dtype=torch.float64) for block in row_blocks(values))
    lengths = joined(items, norms)
    lengths = lengths.where(lengths > 0, 1.0)[:, None]

    def directions(chosen: Tensor) -> Tensor:
        rows = floating(values[chosen])
        return rows / lengths[chosen].to(rows.dtype)

    blocks = zip(first.split(BLOCK), second.split(BLOCK), strict=True)
    return joined(pairs, (torch.linalg.vecdot(directions(one), directions(other)) for one, other in blocks))


def _nearness(values: Tensor | VectorFile) -> Iterator[tuple[int, Tensor, float]]:
    """Minus the squared distances of some items from all, `(block, n)`, the first item's number, and what is a tie."""
    mean = _mean(values)
    squares = joined(len(values), ((block.double() - mean).square().sum(1) for block in row_blocks(values)))
    tie = 1e-12 * float(squares.mean())
    size = max(1, min(BLOCK, ENTRIES // len(values)))
    for number, block in enumerate(row_blocks(values, size)):
        block = block.double() - mean
        products = torch.cat([block @ (others.double() - mean).T for others in row_blocks(values)], 1)
        start = number * size
        yield start, 2 * products - squares - squares[start : start + len(block), None], tie
