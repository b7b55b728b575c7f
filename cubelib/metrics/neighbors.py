"""Nearest neighbors, and hubs: entries that are among the neighbors of far more queries than others.

Ties at the k-th place are not decided by luck: the places left over are shared by all entries tied for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import skew
from torch import Tensor

from cubelib.errors import DataError
from cubelib.metrics.rows import TIE, Rows, check_rows, check_widths, similarity_rows


def nearest(nearness: Tensor, k: int, tie: float | Tensor = TIE) -> tuple[Tensor, Tensor, Tensor]:
    """Who is among the k nearest of each row, ties being broken at random.

    Args:
        nearness: `(b, m)`, larger is nearer.
        k: neighbors, 1 … m.
        tie: values closer than this are tied.

    Returns:
        Rows, columns and chances, `(pairs,)` each, sorted by row: a chance of 1 for entries nearer than the k-th, and
        equal shares of the places left over for those tied with it. The chances of a row sum to k.

    Example:
        >>> nearest(torch.tensor([[0.9, 0.5, 0.5, 0.1]]), k=2)
        (tensor([0, 0, 0]), tensor([0, 1, 2]), tensor([1.0000, 0.5000, 0.5000]))
    """
    last = nearness.topk(k, 1).values[:, -1:]
    row, column = (nearness >= last - tie).nonzero().T
    inside = nearness[row, column] > (last + tie)[row, 0]
    sure, reached = (torch.bincount(row, weights, len(nearness)) for weights in (inside.float(), None))
    share = (k - sure) / (reached - sure)
    return row, column, torch.where(inside, 1.0, share[row])


def k_occurrence(output: Rows, bank: Rows | None = None, k: int = 10) -> Tensor:
    """How many outputs have each bank entry among their k nearest, by cosine, `(m,)`, 0 … n; its mean is k·n/m.

    Args:
        output: `(n, dim)`.
        bank: `(m, dim)`; None for the outputs among themselves, nobody being a neighbor of itself.
        k: neighbors, at most m (m − 1 without a bank).

    Raises:
        DataError: shapes that do not fit, a k that is too large, numbers that are not finite.

    Example:
        >>> k_occurrence(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), k=1)    # the middle one is next to both
        tensor([1., 2., 0.])
    """
    among_themselves = bank is None
    output = check_rows("outputs", output)
    bank = output if bank is None else check_rows("bank entries", bank)
    check_widths(output, bank)
    check_k(k, len(bank) - among_themselves)
    counts = torch.zeros(len(bank), dtype=torch.float64)
    for start, cosines in similarity_rows(output, bank):
        if among_themselves:
            leave_out_self(cosines, start)
        _, column, chance = nearest(cosines, k)
        counts.scatter_add_(0, column, chance.double())
    return counts.float()


@dataclass(frozen=True)
class Hubness:
    """How unequally the places among the nearest neighbors are shared out.

    Attributes:
        skewness: of the k-occurrences: 0 if symmetric, above 1 if a few entries are everybody's neighbor.
        hubs: indices of the entries with the most occurrences, the largest first.
        occurrences: theirs.
        never: share of the entries that are nobody's neighbor, 0 … 1.
    """

    skewness: float
    hubs: list[int]
    occurrences: list[float]
    never: float


def hubness(output: Rows, bank: Rows | None = None, k: int = 10, hubs: int = 5) -> Hubness:
    """Skewness of the k-occurrences, and the biggest hubs.

    In many dimensions some points come to lie near everything. A model that answers with them scores a fair cosine and
    finds little. Skewness E[(N − μ)³] / σ³ of the k-occurrences N has no upper end (√m for a single hub), and
    0 is also what equal occurrences give. It grows with the size of the bank and with n/m below 1: compare figures of
    the same bank and the same n only. It does not tell whether the hubs are wrong answers.

    Args:
        output, bank, k: as in `k_occurrence`.
        hubs: how many of the largest to name; entries level with one another in the order of the bank.

    Source: Radovanović, Nanopoulos, Ivanović, Hubs in space, JMLR 2010, eq. 1.

    Example:
        >>> hubness(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), k=1, hubs=1)
        Hubness(skewness=0.0, hubs=[1], occurrences=[2.0], never=0.3333333333333333)
    """
    counts = k_occurrence(output, bank, k)
    level = bool((counts - counts.mean()).abs().max() < 1e-4)  # one count for all: no skewness, and not 0/0
    largest = counts.sort(descending=True, stable=True).indices[:hubs]
    return Hubness(
        0.0 if level else float(skew(counts.double().numpy())),
        largest.tolist(),
        counts[largest].tolist(),
        (counts == 0).double().mean().item(),
    )


def leave_out_self(nearness: Tensor, start: int) -> None:
    """Makes each row of the block that begins with item `start` the farthest of all from itself, in place."""
    rows = torch.arange(len(nearness))
    nearness[rows, start + rows] = -torch.inf


def check_k(k: int, most: int) -> None:
    """Refuses a number of neighbors that there are not."""
    if not 1 <= k <= most:
        raise DataError(
            f"EmbeddingMetrics: there are {most} neighbors to choose from, and k = {k} were asked for. Use k from 1 "
            f"to {most}."
            if most > 0
            else f"EmbeddingMetrics: {k} neighbors of a single item. Give more items."
        )
