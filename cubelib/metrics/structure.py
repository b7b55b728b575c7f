"""Do two sets of vectors of the same items have the same shape? Which items are near which, and who is a hub.

`similarity_spearman`, `neighbor_overlap` and `linear_cka` do not change if one set is rotated or uniformly scaled, and
the two sets may have different widths. They never compare an output with its target: outputs that are the targets
turned upside down have perfect structure and a cosine of −1.

Ties for the k-th neighbor are not broken by luck: the tied entries share the places that are left.

Taught in notebook 06.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import skew, spearmanr
from torch import Tensor

from cubelib.data.vectors import COSINE_TOLERANCE, VectorFile
from cubelib.errors import DataError
from cubelib.metrics.rows import (
    BLOCK,
    Embeddings,
    check_pair,
    check_rows,
    check_widths,
    concat_blocks,
    floating,
    l2_normalize,
    row_blocks,
    similarity_rows,
)

NAMES = ("left", "right")
PAIRS = 500_000


def similarity_spearman(left: Embeddings, right: Embeddings, *, pairs: int = PAIRS, seed: int = 0) -> float:
    """Spearman correlation of the pairwise cosines of one set with those of the other, −1 … 1.

    It is 1 if sorting the pairs of items by similarity gives the same order in both sets. All pairs count alike, and
    most are of unrelated items: it shows the broad layout, not whether the nearest stay nearest (`neighbor_overlap`).

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        pairs: number of pairs compared. If there are more, this many are drawn with replacement: the sampling error
            with 500,000 is about 0.0015. Up to 1,000 items all pairs are compared.
        seed: of the drawing.

    Returns:
        The correlation, tied pairs at their mean rank; 0 if all cosines of one set are equal.

    Raises:
        DataError: fewer than 3 items, different numbers of items, or numbers that are not finite.

    Source: Spearman 1904; on similarities Kriegeskorte, Mur, Bandettini, Representational similarity analysis, 2008.

    Example:
        >>> left = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])        # cosines 0.8, 0.0, 0.6
        >>> right = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])       # cosines 0.6, 0.0, 0.8
        >>> round(similarity_spearman(left, right), 4)                       # ranks 3, 1, 2 and 2, 1, 3
        0.5
    """
    left, right = check_pair(left, right, NAMES, same_width=False)
    items = len(left)
    _check_items("similarity_spearman", items, 3)
    if items * (items - 1) // 2 <= pairs:
        first, second = torch.triu_indices(items, items, offset=1)
        cosines = [_all_cosines(side)[first, second] for side in (left, right)]
    else:
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(items, (pairs,), generator=generator)
        second = (first + torch.randint(1, items, (pairs,), generator=generator)) % items  # never first itself
        cosines = [_pair_cosines(side, first, second) for side in (left, right)]
    left_cosines, right_cosines = (side.double().round(decimals=6).numpy() for side in cosines)  # 1e-6 apart is a tie
    if min(np.ptp(left_cosines), np.ptp(right_cosines)) == 0:
        return 0.0
    return float(spearmanr(left_cosines, right_cosines).statistic)


def neighbor_overlap_per_item(left: Embeddings, right: Embeddings, *, k: int = 10) -> Tensor:
    """Share of each item's k nearest neighbors, by cosine, that are the same in both sets, `(n,)`, 0 … 1.

    |N_left ∩ N_right| / k. Chance gives k / (n − 1), so compare values of the same items only. A neighbor at rank
    k + 1 counts as lost, however close it is. Items share neighbors, so `bootstrap_mean` of these values is too narrow;
    use `figure_interval` of `neighbor_overlap`.

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        k: neighbors, 1 … n − 1.

    Raises:
        DataError: k is too large, different numbers of items, or numbers that are not finite.

    Example:
        >>> left = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])        # nearest: 1, 0, 1
        >>> right = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])       # nearest: 1, 2, 1
        >>> neighbor_overlap_per_item(left, right, k=1)
        tensor([1., 0., 1.])
    """
    left, right = check_pair(left, right, NAMES, same_width=False)
    _check_k(k, len(left) - 1)
    shares = torch.empty(len(left))
    both_sides = zip(similarity_rows(left, left), similarity_rows(right, right), strict=True)
    for (start, left_cosines), (_, right_cosines) in both_sides:
        _exclude_self(left_cosines, start)
        _exclude_self(right_cosines, start)
        chances = torch.zeros_like(left_cosines)  # (block, n) of being a neighbor at the right
        row, column, chance = nearest(right_cosines, k)
        chances[row, column] = chance.to(chances)
        row, column, chance = nearest(left_cosines, k)
        common = torch.bincount(row, chance * chances[row, column], len(left_cosines))
        shares[start : start + len(common)] = common / k
    return shares


def neighbor_overlap(left: Embeddings, right: Embeddings, *, k: int = 10) -> float:
    """Mean of `neighbor_overlap_per_item`, 0 … 1."""
    return neighbor_overlap_per_item(left, right, k=k).double().mean().item()


def linear_cka(left: Embeddings, right: Embeddings, *, debiased: bool = True) -> float:
    """Linear centered kernel alignment of two sets of vectors, −1 … 1 (0 … 1 if not debiased); 1 = same shape.

    ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖) of the centered vectors, Frobenius norms: how similar the two matrices of scalar products
    are. Directions of large variance dominate it; changes in the many weak ones hardly show.

    The plain value is too high if there are few items: two sets of 100 unrelated random vectors of 768 numbers have
    0.88, not 0. The debiased one leaves out the products of items with themselves, and is 0 there on average, a little
    below 0 half of the time.

    Args:
        left: `(n, dim)`.
        right: `(n, other_dim)`.
        debiased: use the unbiased estimate of each scalar product of matrices.

    Returns:
        The alignment; 0 for a set without shape: all vectors equal, or (debiased) all equally far apart.

    Raises:
        DataError: fewer than 4 items (2 if not debiased), different numbers of items, or numbers that are not finite.

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
    sides = (left, right)
    means = [sum(block.double().sum(0) for block in row_blocks(side)) / n for side in sides]
    products: dict[tuple[int, int], Any] = {(0, 0): 0.0, (0, 1): 0.0, (1, 1): 0.0}  # XᵀX, XᵀY, YᵀY of centered vectors
    squares = torch.empty(2, n, dtype=torch.float64)  # squared lengths of the centered vectors
    raw_squares = [0.0, 0.0]  # sums of squares before centering
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        blocks = [floating(side[rows]).double() for side in sides]
        centered = [block - mean for block, mean in zip(blocks, means, strict=True)]
        for a, b in products:
            products[a, b] = products[a, b] + centered[a].T @ centered[b]
        for side, block in enumerate(blocks):
            squares[side, rows] = centered[side].square().sum(1)
            raw_squares[side] += float(block.square().sum())

    def alignment(a: int, b: int) -> float:
        plain = float(products[a, b].square().sum())
        if not debiased:
            return plain
        diagonal, totals = float(squares[a] @ squares[b]), float(squares[a].sum() * squares[b].sum())
        return plain - n / (n - 2) * diagonal + totals / ((n - 1) * (n - 2))

    for side in (0, 1):
        all_equal = squares[side].sum() <= 1e-20 * raw_squares[side]
        if all_equal or alignment(side, side) <= 1e-10 * float(products[side, side].square().sum()):
            return 0.0
    return alignment(0, 1) / math.sqrt(alignment(0, 0) * alignment(1, 1))


def nearest(similarity: Tensor, k: int, tolerance: float = COSINE_TOLERANCE) -> tuple[Tensor, Tensor, Tensor]:
    """The k nearest entries of each row, with the chance that each is among them if ties are broken at random.

    Args:
        similarity: `(b, m)`; larger is nearer.
        k: neighbors, 1 … m.
        tolerance: values closer than this are tied.

    Returns:
        Rows, columns and chances, `(pairs,)` each, sorted by row. An entry nearer than the k-th has a chance of 1;
        those tied with the k-th share the places that are left. The chances of a row sum to k.

    Example:
        >>> nearest(torch.tensor([[0.9, 0.5, 0.5, 0.1]]), k=2)
        (tensor([0, 0, 0]), tensor([0, 1, 2]), tensor([1.0000, 0.5000, 0.5000]))
    """
    kth = similarity.topk(k, 1).values[:, -1:]  # (b, 1)
    row, column = (similarity >= kth - tolerance).nonzero().T
    nearer = similarity[row, column] > (kth + tolerance)[row, 0]
    certain = torch.bincount(row, nearer.float(), len(similarity))
    candidates = torch.bincount(row, minlength=len(similarity))
    share = (k - certain) / (candidates - certain)
    return row, column, torch.where(nearer, 1.0, share[row])


def k_occurrence(output: Embeddings, bank: Embeddings | None = None, k: int = 10) -> Tensor:
    """How many outputs have each bank entry among their k nearest, by cosine, `(m,)`, 0 … n; its mean is k·n/m.

    Args:
        output: `(n, dim)`.
        bank: `(m, dim)`; None for the outputs themselves, where no item is its own neighbor.
        k: neighbors, at most m (m − 1 without a bank).

    Raises:
        DataError: shapes that do not fit, k is too large, or numbers that are not finite.

    Example:
        >>> k_occurrence(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), k=1)    # the middle one is next to both
        tensor([1., 2., 0.])
    """
    output = check_rows("outputs", output)
    entries = output if bank is None else check_rows("bank entries", bank)
    check_widths(output, entries)
    _check_k(k, len(entries) - (bank is None))
    counts = torch.zeros(len(entries), dtype=torch.float64)
    for start, cosines in similarity_rows(output, entries):
        if bank is None:
            _exclude_self(cosines, start)
        _, column, chance = nearest(cosines, k)
        counts.scatter_add_(0, column, chance.double())
    return counts.float()


@dataclass(frozen=True)
class Hubness:
    """How unevenly the places among the nearest neighbors are distributed.

    Attributes:
        skewness: of the k-occurrences: 0 if symmetric, above 1 if a few entries are everybody's neighbor.
        hubs: indices of the entries with the most occurrences, the largest first.
        occurrences: of the hubs.
        never: share of the entries that are nobody's neighbor, 0 … 1.
    """

    skewness: float
    hubs: list[int]
    occurrences: list[float]
    never: float


def hubness(output: Embeddings, bank: Embeddings | None = None, k: int = 10, hubs: int = 5) -> Hubness:
    """Skewness of the k-occurrences, and the biggest hubs: entries near to very many outputs.

    In many dimensions some points are close to everything. A model that answers with them has a fair cosine and finds
    little. The skewness E[(N − μ)³] / σ³ of the k-occurrences N has no upper limit (√m for a single hub). It grows with
    the bank and as n/m falls below 1: compare values of the same bank and the same n only. It does not show whether the
    hubs are wrong answers.

    Args:
        output, bank, k: as in `k_occurrence`.
        hubs: how many to name; equals in the order of the bank.

    Source: Radovanović, Nanopoulos, Ivanović, Hubs in space, JMLR 2010, eq. 1.

    Example:
        >>> hubness(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), k=1, hubs=1)
        Hubness(skewness=0.0, hubs=[1], occurrences=[2.0], never=0.3333333333333333)
    """
    counts = k_occurrence(output, bank, k)
    uniform = bool((counts - counts.mean()).abs().max() < 1e-4)  # then the skewness would be 0/0
    largest = counts.sort(descending=True, stable=True).indices[:hubs]
    return Hubness(
        0.0 if uniform else float(skew(counts.double().numpy())),
        largest.tolist(),
        counts[largest].tolist(),
        (counts == 0).double().mean().item(),
    )


def _exclude_self(cosines: Tensor, start: int) -> None:
    """Makes the items of a block that begins with item `start` their own farthest, in place."""
    rows = torch.arange(len(cosines))
    cosines[rows, start + rows] = -torch.inf


def _check_k(k: int, most: int) -> None:
    if most < 1:
        raise DataError(f"EmbeddingMetrics: {k} neighbors of a single item. Give more items.")
    if not 1 <= k <= most:
        raise DataError(
            f"EmbeddingMetrics: there are {most} neighbors to choose from, and k = {k} were asked for. Use k from 1 to "
            f"{most}."
        )


def _check_items(metric: str, items: int, least: int) -> None:
    if items < least:
        raise DataError(f"EmbeddingMetrics.{metric}: needs {least} items or more; got {items}.")


def _all_cosines(values: Tensor | VectorFile) -> Tensor:
    directions = concat_blocks(len(values), (l2_normalize(block) for block in row_blocks(values)))
    return directions @ directions.T


def _pair_cosines(values: Tensor | VectorFile, first: Tensor, second: Tensor) -> Tensor:
    """Cosines of the pairs (first, second), `(pairs,)`."""
    norms = (torch.linalg.vector_norm(block, dim=1, dtype=torch.float64) for block in row_blocks(values))
    lengths = concat_blocks(len(values), norms)
    lengths = lengths.where(lengths > 0, 1.0)[:, None]

    def directions(rows: Tensor) -> Tensor:
        vectors = floating(values[rows])
        return vectors / lengths[rows].to(vectors.dtype)

    blocks = zip(first.split(BLOCK), second.split(BLOCK), strict=True)
    return concat_blocks(len(first), (torch.linalg.vecdot(directions(a), directions(b)) for a, b in blocks))
