"""Is the right answer found among many? Ranks of relevant entries in a bank, and the metrics made of them.

Ties are not broken by luck. If bank entries are exactly as close as a relevant one, a metric is its mean over all
orders of the tied entries.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.vectors import COSINE_TOLERANCE, VectorFile
from cubelib.errors import DataError
from cubelib.metrics.rows import (
    BLOCK,
    Embeddings,
    check_pair,
    check_rows,
    check_widths,
    common_type,
    concat_blocks,
    l2_normalize,
    row_blocks,
)

SAME = 1 - COSINE_TOLERANCE  # the cosine from which two bank entries are the same answer
FEW = 16  # limits up to which comparing with each is faster than sorting

Relevant = Embeddings | Sequence[Collection[int]]


@dataclass(frozen=True, repr=False)
class Retrieval:
    """Where the relevant entries of each query are in the ranking of the bank; ties are averaged over all orders.

    Attributes:
        query: `(answers,)`, 0 … n − 1, sorted: the query of each relevant entry.
        better: `(answers,)`, bank entries closer to the output than this relevant one.
        tied: `(answers,)`, entries as close as it is, itself included.
        relevant_tied: `(answers,)`, how many of the tied ones are relevant.
        bank_size: entries in the bank.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> ranking = retrieval(torch.tensor([[0.8, 0.6], [1.0, 0.0]]), bank, torch.tensor([0, 0]))
        >>> ranking.reciprocal_rank, ranking.hit(1)         # the second entry is closer to the first query
        (tensor([0.5000, 1.0000], dtype=torch.float64), tensor([0., 1.], dtype=torch.float64))
        >>> ranking
        Retrieval(2 queries, bank of 3, 1.0 right answers each: R@1 0.5000, R@10 1.0000, MRR 0.7500)
    """

    query: Tensor
    better: Tensor
    tied: Tensor
    relevant_tied: Tensor
    bank_size: int

    def hit(self, k: int) -> Tensor:
        """R@k, `(n,)`, 0 … 1: the chance that at least one relevant entry is among the first k; 0 or 1 without ties.

        With several relevant entries this is the hit rate, also called success@k, not the share of them that is found.
        A random order hits k times in m. k above the bank size m means the whole bank.
        """
        _check_first(k)
        return self._expected(lambda ranks, chances: float(chances[ranks <= k].sum()))

    @property
    def reciprocal_rank(self) -> Tensor:
        """1 / rank of the first relevant entry, `(n,)`, in (0, 1]; its mean is the MRR.

        It is lower in a larger bank. It looks almost only at the first places: rank 1 or 2 makes a difference of 0.5,
        rank 50 or 100 of 0.01.

        Source: Voorhees, The TREC-8 question answering track report, 1999, section 3.
        """
        return self._expected(lambda ranks, chances: float((chances / ranks).sum()))

    @property
    def rank(self) -> Tensor:
        """Rank of the first relevant entry, `(n,)`, 1 … m, averaged over ties.

        A few lost queries dominate its mean: one at rank 10,000 outweighs 9,000 at rank 1. But where R@10 is 0 for
        both, it tells a model that is nearly right from one that guesses, which has (m + 1) / 2.
        """
        return self._expected(lambda ranks, chances: float((chances * ranks).sum()))

    def ndcg(self, k: int) -> Tensor:
        """Normalized discounted cumulative gain of the first k, `(n,)`, 0 … 1; every relevant entry gains 1.

        DCG = Σ over relevant entries at rank r ≤ k of 1 / log₂(r + 1), divided by the DCG of the best order. Unlike
        `hit` it rewards finding all of them, early. k above the bank size means the whole bank.

        Source: Järvelin, Kekäläinen 2002, with the discount of Burges et al. 2005; ties as McSherry, Najork 2008.
        """
        _check_first(k)
        k = min(k, self.bank_size)
        discount = 1 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64))
        gains = torch.cat([torch.zeros(1, dtype=torch.float64), discount.cumsum(0)])  # up to rank 0 … k
        gained = (gains[(self.better + self.tied).clamp_max(k)] - gains[self.better.clamp_max(k)]) / self.tied
        answers = torch.bincount(self.query)  # (n,)
        totals = torch.zeros(len(answers), dtype=torch.float64).scatter_add_(0, self.query, gained)
        return totals / gains[answers.clamp_max(k)]

    def __len__(self) -> int:
        return int(self.query[-1]) + 1

    def __repr__(self) -> str:
        return (
            f"Retrieval({len(self):,} queries, bank of {self.bank_size:,}, {len(self.query) / len(self):.1f} right "
            f"answers each: R@1 {self.hit(1).mean():.4f}, R@10 {self.hit(10).mean():.4f}, "
            f"MRR {self.reciprocal_rank.mean():.4f})"
        )

    def _expected(self, metric: Callable[[NDArray[Any], NDArray[Any]], float]) -> Tensor:
        """Evaluates `metric(ranks, chances)` on the ranks the first relevant entry of each query may have, `(n,)`."""
        answers = np.stack([self.query, self.better, self.tied, self.relevant_tied])
        answers = answers[:, np.lexsort(answers[2::-1])]  # by query, and the best of each query first
        best = answers[1:, np.searchsorted(answers[0], np.arange(len(self)))]
        cases, which = np.unique(best, axis=1, return_inverse=True)
        values = [metric(*_first_ranks(*case)) for case in cases.T]
        return torch.tensor(values, dtype=torch.float64)[which.ravel()]


def retrieval(output: Embeddings, bank: Embeddings, relevant: Relevant) -> Retrieval:
    """Ranks a bank by cosine with each output, and finds the relevant entries in the ranking.

    Args:
        output: `(n, dim)`, the queries.
        bank: known answers, `(m, dim)`; read in blocks, also from a file.
        relevant: the right answers, at least one for each query. One of
            the targets, floating point `(n, dim)`: every bank entry equal to the target is relevant;
            an index for each query, `(n,)`: that entry is relevant, and every entry equal to it;
            a truth value for each query and entry, `(n, m)`;
            n collections of indices, such as a list of sets.
            Equal means a cosine above 0.999999.

    Returns:
        A Retrieval. Cosines less than 0.000001 apart are tied. A zero vector has a cosine of 0 with everything, so a
        zero output scores what guessing would.

    Raises:
        DataError: shapes, types or indices that do not fit, numbers that are not finite, a query without an answer.
    """
    output, bank = check_rows("outputs", output), check_rows("bank entries", bank)
    check_widths(output, bank)
    query, entry = _relevant_pairs(relevant, len(output), bank)
    missing = torch.bincount(query, minlength=len(output)) == 0
    if missing.any():
        raise DataError(
            f"EmbeddingMetrics.retrieval: {int(missing.sum())} of {len(output)} queries have no right answer in the "
            f"bank, the first is query {int(missing.nonzero()[0])}. Add their answers to the bank, or leave them out."
        )
    dtype = common_type(output, bank)
    queries = concat_blocks(len(output), (l2_normalize(block.to(dtype)) for block in row_blocks(output)))
    pairs = zip(query.split(BLOCK), entry.split(BLOCK), strict=True)
    cosines = concat_blocks(len(query), ((queries[q] * l2_normalize(bank[e].to(dtype))).sum(1) for q, e in pairs))
    # A table of each query's relevant cosines, (n, most), padded with infinity.
    counts = torch.bincount(query)
    column = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    table = torch.full((len(output), int(counts.max())), torch.inf, dtype=dtype)
    table[query, column] = cosines
    limits = torch.cat([table + COSINE_TOLERANCE, table - COSINE_TOLERANCE], 1)  # (n, 2 · most)
    above = torch.zeros(limits.shape, dtype=torch.long)
    for block in row_blocks(bank):
        entries = l2_normalize(block.to(dtype)).T
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            above[rows] += _count_above(queries[rows] @ entries, limits[rows])
    better, at_least_tied = (part[query, column] for part in above.chunk(2, 1))
    ordered = table.sort(1).values
    not_better, not_tied = (
        torch.searchsorted(ordered, limit.contiguous(), right=True)[query, column] for limit in limits.chunk(2, 1)
    )
    relevant_tied = (not_better - not_tied).clamp_min(1)
    return Retrieval(query, better, (at_least_tied - better).maximum(relevant_tied), relevant_tied, len(bank))


def calculate_mrr(output: Embeddings, target: Embeddings) -> float:
    """Mean reciprocal rank of each item's own target among all targets, 0 … 1; ties as in `retrieval`.

    It depends on the number of targets: compare values of the same set only.

    Source: Voorhees, The TREC-8 question answering track report, 1999, section 3.

    Example:
        >>> calculate_mrr(torch.eye(3), torch.eye(3))
        1.0
        >>> round(calculate_mrr(torch.zeros(3, 3), torch.eye(3)), 4)    # says nothing: (1 + 1/2 + 1/3) / 3, a guess
        0.6111
    """
    output, target = check_pair(output, target)
    return retrieval(output, target, torch.arange(len(target))).reciprocal_rank.mean().item()


def _first_ranks(better: int, tied: int, relevant: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Possible ranks of the first of `relevant` among `tied` entries, and their chances if all orders are equal.

    Example:
        >>> _first_ranks(better=4, tied=3, relevant=2)      # first of its group in 2 of 3 orders, else second
        (array([5, 6]), array([0.66666667, 0.33333333]))
    """
    wrong_before = np.arange(tied - relevant + 1)
    next_is_wrong = (tied - relevant - wrong_before[:-1]) / (tied - wrong_before[:-1])
    chances = np.cumprod(np.append(1.0, next_is_wrong)) * relevant / (tied - wrong_before)
    return better + 1 + wrong_before, chances


def _check_first(k: int) -> None:
    if k < 1:
        raise DataError(f"EmbeddingMetrics.retrieval: the first k answers are looked at, k at least 1; got {k}.")


def _check_indices(relevant: Tensor, bank: Tensor | VectorFile) -> None:
    if relevant.is_floating_point() or relevant.is_complex() or relevant.dtype == torch.bool:
        raise DataError(f"EmbeddingMetrics: indices of right answers must be whole numbers; got {relevant.dtype}.")
    if len(relevant) and not 0 <= int(relevant.min()) <= int(relevant.max()) < len(bank):
        raise DataError(f"EmbeddingMetrics: the right answers' indices must be 0 … {len(bank) - 1}.")


def _relevant_pairs(relevant: Relevant, queries: int, bank: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Query and bank entry of each relevant pair, once each, sorted by query."""
    if isinstance(relevant, (np.ndarray, Tensor)):
        relevant = torch.as_tensor(relevant).cpu()
    if len(relevant) != queries:
        raise DataError(f"EmbeddingMetrics.retrieval: {queries} outputs, but right answers for {len(relevant)}.")
    if not isinstance(relevant, (Tensor, VectorFile)):
        if not all(isinstance(entries, Collection) for entries in relevant):
            raise DataError(
                "EmbeddingMetrics.retrieval: in a list of right answers each must be a collection of indices, such as "
                "{3, 7}. For one index each pass a tensor of whole numbers."
            )
        entry = torch.tensor([int(index) for entries in relevant for index in entries], dtype=torch.long)
        query = torch.arange(queries).repeat_interleave(torch.tensor([len(entries) for entries in relevant]))
        _check_indices(entry, bank)
    elif isinstance(relevant, Tensor) and relevant.ndim == 1:
        _check_indices(relevant, bank)
        query, entry = _equal_entries(bank[relevant], bank)
        query, entry = torch.cat([query, torch.arange(queries)]), torch.cat([entry, relevant.long()])
    elif isinstance(relevant, Tensor) and relevant.dtype == torch.bool and relevant.shape[1:] == (len(bank),):
        query, entry = relevant.nonzero().T
    elif relevant.dtype.is_floating_point and relevant.shape[1:] == bank.shape[1:]:
        query, entry = _equal_entries(check_rows("targets", relevant), bank)
    else:
        raise DataError(
            f"EmbeddingMetrics.retrieval: right answers as {relevant.dtype} of shape {tuple(relevant.shape)} do not "
            f"fit {queries} outputs and a bank of {tuple(bank.shape)}. Give targets (n, dim) in floating point, whole "
            "numbers (n,), truth values (n, m), or n collections of indices."
        )
    pairs = (query * len(bank) + entry).unique()
    return pairs // len(bank), pairs % len(bank)


def _equal_entries(targets: Tensor | VectorFile, bank: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Pairs of a target and a bank entry of the same direction."""
    dtype = common_type(targets, bank)
    directions = concat_blocks(len(targets), (l2_normalize(block.to(dtype)) for block in row_blocks(targets)))
    pairs = [torch.empty(0, 2, dtype=torch.long)]
    for number, block in enumerate(row_blocks(bank)):
        entries = l2_normalize(block.to(dtype)).T
        for start in range(0, len(directions), BLOCK):
            equal = (directions[start : start + BLOCK] @ entries > SAME).nonzero()
            if len(equal):
                pairs.append(equal + torch.tensor([start, number * BLOCK]))
    query, entry = torch.cat(pairs).T
    return query, entry


def _count_above(cosines: Tensor, limits: Tensor) -> Tensor:
    """Counts the cosines of each row `(b, w)` that are above each of its limits `(b, l)`."""
    if limits.shape[1] <= FEW:
        return torch.stack([(cosines > limit[:, None]).sum(1) for limit in limits.T], 1)
    ordered = torch.from_numpy(np.sort(cosines.numpy(), axis=1))
    return cosines.shape[1] - torch.searchsorted(ordered, limits.contiguous(), right=True)
