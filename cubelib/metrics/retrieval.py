"""Is the right answer found among many? Ranks of right answers in a bank, and the figures made of them.

Ties are not decided by luck. Where the bank holds entries exactly as close as the right answer, a figure is its mean
over all orders in which the tied entries could stand (`Retrieval`), or the worst of them (`retrieval_ranks`).

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError
from cubelib.metrics.rows import (
    BLOCK,
    TIE,
    Rows,
    check_pair,
    check_rows,
    check_widths,
    common_type,
    joined,
    place_in_row,
    row_blocks,
    similarity_rows,
    unit,
)

COPY = 1 - 1e-6  # the cosine from which a bank entry counts as the same answer
FEW = 16  # limits up to which comparing with each is faster than sorting

Right = Rows | Sequence[Collection[int]]


@dataclass(frozen=True, repr=False)
class Retrieval:
    """Where the right answers of each query stand in the bank; ties are averaged over all their orders.

    Every right answer of every query has one place in the lists; `query` says whose it is, in order.

    Attributes:
        query: `(answers,)`, 0 … n − 1.
        better: `(answers,)`, bank entries closer to the output than this right answer.
        tied: `(answers,)`, entries as close as it is, itself included.
        right_tied: `(answers,)`, how many of these are right.
        bank_size: entries in the bank.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> found = retrieval(torch.tensor([[0.8, 0.6], [1.0, 0.0]]), bank, torch.tensor([0, 0]))
        >>> found.reciprocal_rank, found.hit(1)         # the second entry is closer to the first query
        (tensor([0.5000, 1.0000], dtype=torch.float64), tensor([0., 1.], dtype=torch.float64))
        >>> found
        Retrieval(2 queries, bank of 3, 1.0 right answers each: R@1 0.5000, R@10 1.0000, MRR 0.7500)
    """

    query: Tensor
    better: Tensor
    tied: Tensor
    right_tied: Tensor
    bank_size: int

    def hit(self, k: int) -> Tensor:
        """R@k, `(n,)`: the chance that at least one right answer is among the first k, 0 … 1.

        It is 0 or 1 where nothing is tied. With several right answers this is the hit rate, also called success@k,
        and not the share of the right answers that are found. It does not see where among the k the answer stands. A
        random order hits k times in m with one right answer in a bank of m. k above m means the whole bank.
        """
        _check_k(k)
        return self._first(lambda ranks, chances: float(chances[ranks <= k].sum()))

    @property
    def reciprocal_rank(self) -> Tensor:
        """1 / rank of the first right answer, `(n,)`, in (0, 1]; its mean is the MRR.

        It depends on the bank: in a larger one it is lower. It looks at the first places nearly alone: rank 1 or 2
        makes a difference of 0.5, rank 50 or 100 of 0.01.

        Source: Voorhees, The TREC-8 question answering track report, 1999, section 3.
        """
        return self._first(lambda ranks, chances: float((chances / ranks).sum()))

    @property
    def rank(self) -> Tensor:
        """Rank of the first right answer, `(n,)`, 1 … m; half-way numbers where it is tied.

        Its mean is ruled by the few queries that are lost altogether: one at place 10,000 weighs more than 9,000 found
        at once. It does tell a model that is nearly right from one that guesses, (m + 1) / 2, where R@10 is 0 for both.
        """
        return self._first(lambda ranks, chances: float((chances * ranks).sum()))

    def ndcg(self, k: int) -> Tensor:
        """Normalized discounted cumulative gain of the first k, `(n,)`, 0 … 1; every right answer gains 1.

        DCG = Σ over right answers at rank r ≤ k of 1 / log₂(r + 1), divided by the DCG of the best order. Unlike
        `hit` it wants all right answers, early. k above m means the whole bank.

        Source: Järvelin, Kekäläinen 2002, with the discount of Burges et al. 2005; ties as McSherry, Najork 2008.
        """
        _check_k(k)
        k = min(k, self.bank_size)
        discount = 1 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64))
        gained = torch.cat([torch.zeros(1, dtype=torch.float64), discount.cumsum(0)])  # up to rank 0 … k
        found = gained[(self.better + self.tied).clamp_max(k)] - gained[self.better.clamp_max(k)]
        totals = torch.zeros(self._answers.shape, dtype=torch.float64).scatter_add_(0, self.query, found / self.tied)
        return totals / gained[self._answers.clamp_max(k)]

    def __len__(self) -> int:
        return int(self.query[-1]) + 1

    def __repr__(self) -> str:
        return (
            f"Retrieval({len(self):,} queries, bank of {self.bank_size:,}, {len(self.query) / len(self):.1f} right "
            f"answers each: R@1 {self.hit(1).mean():.4f}, R@10 {self.hit(10).mean():.4f}, "
            f"MRR {self.reciprocal_rank.mean():.4f})"
        )

    @property
    def _answers(self) -> Tensor:
        """Right answers of each query, `(n,)`."""
        return torch.bincount(self.query)

    def _first(self, figure: Callable[[np.ndarray, np.ndarray], float]) -> Tensor:
        """A figure of the ranks that the first right answer may have and their chances, for each query, `(n,)`."""
        answers = np.stack([self.query, self.better, self.tied, self.right_tied])
        answers = answers[:, np.lexsort(answers[2::-1])]  # by query, and the best of each query first
        best = answers[1:, np.searchsorted(answers[0], np.arange(len(self)))]
        cases, which = np.unique(best, axis=1, return_inverse=True)
        return torch.tensor([figure(*_first_ranks(*case)) for case in cases.T], dtype=torch.float64)[which.ravel()]


def retrieval(output: Rows, bank: Rows, right: Right) -> Retrieval:
    """Looks for the right answers of each output in a bank, by cosine; one reading of the bank for any number of k.

    Args:
        output: `(n, dim)`, the queries.
        bank: known answers, `(m, dim)`; it may be a file or an array in a file, and is read in blocks.
        right: which answers are right. One of
            the targets, floating point `(n, dim)`: every bank entry equal to the target is right;
            an index for each query, `(n,)`: that entry is right, and every entry equal to it;
            a truth value for each query and entry, `(n, m)`;
            n collections of indices, such as a list of sets.
            Equal means a cosine above 0.999999. Each query needs a right answer.

    Returns:
        A Retrieval. Cosines less than 0.000001 apart count as tied. A zero vector has a cosine of 0 with everything,
        so a zero output scores what guessing would.

    Raises:
        DataError: shapes, types or indices that do not fit, numbers that are not finite, a query without an answer.
    """
    output, bank = check_rows("outputs", output), check_rows("bank entries", bank)
    check_widths(output, bank)
    query, entry = _right_answers(right, len(output), bank)
    missing = torch.bincount(query, minlength=len(output)) == 0
    if missing.any():
        raise DataError(
            f"EmbeddingMetrics.retrieval: {int(missing.sum())} of {len(output)} queries have no right answer in the "
            f"bank, the first is query {int(missing.nonzero()[0])}. Add their answers to the bank, or leave them out."
        )
    kind = common_type(output, bank)
    queries = joined(len(output), (unit(block.to(kind)) for block in row_blocks(output)))
    pairs = zip(query.split(BLOCK), entry.split(BLOCK), strict=True)
    own = joined(len(query), ((queries[which] * unit(bank[where].to(kind))).sum(1) for which, where in pairs))
    place = place_in_row(query)
    cosines = torch.full((len(output), int(place.max()) + 1), torch.inf, dtype=kind)  # a query's right answers
    cosines[query, place] = own
    limits = torch.cat([cosines + TIE, cosines - TIE], 1)
    above = torch.zeros(limits.shape, dtype=torch.long)
    for entries in row_blocks(bank):
        entries = unit(entries.to(kind)).T
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            above[rows] += _count_above(queries[rows] @ entries, limits[rows])
    better, close = (part[query, place] for part in above.chunk(2, 1))
    ordered = cosines.sort(1).values
    right_better, right_close = (
        torch.searchsorted(ordered, limit.contiguous(), right=True)[query, place] for limit in limits.chunk(2, 1)
    )
    right_tied = (right_better - right_close).clamp_min(1)
    return Retrieval(query, better, (close - better).maximum(right_tied), right_tied, len(bank))


def retrieval_ranks(output: Rows, bank: Rows, right: Tensor | np.ndarray) -> Tensor:
    """The place of the right answer when the bank is sorted by cosine with the output, 1 = first.

    Args:
        output: `(n, dim)`.
        bank: known answers, `(m, dim)`.
        right: index of each output's right answer in the bank, `(n,)`.

    Returns:
        `(n,)` ranks, 1 … m. Ties count against the model: a bank entry with the same cosine as the right answer
        ranks before it, unless it is the same vector. (`retrieval` averages over ties instead, and takes several right
        answers.)

    Raises:
        DataError: shapes or indices that do not fit, or numbers that are not finite.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> retrieval_ranks(torch.tensor([[0.8, 0.6]]), bank, torch.tensor([0])).tolist()
        [2]
    """
    right = torch.as_tensor(right).cpu()
    if tuple(getattr(output, "shape", ()))[:1] == (0,) == right.shape:
        return torch.empty(0, dtype=torch.long)
    output, bank = check_rows("outputs", output), check_rows("bank entries", bank)
    if output.shape[1] != bank.shape[1] or right.shape != output.shape[:1]:
        raise DataError(
            f"retrieval_ranks: takes outputs (n, dim), a bank (m, dim) and n indices; got {tuple(output.shape)}, "
            f"{tuple(bank.shape)} and {tuple(right.shape)}."
        )
    _check_indices(right, bank)

    def ranks() -> Iterator[Tensor]:
        both = zip(similarity_rows(output, bank), similarity_rows(bank[right], bank), strict=True)
        for (start, cosines), (_, to_right) in both:
            here = right[start : start + len(cosines), None]
            as_good = cosines >= cosines.gather(1, here)
            right_too = (to_right > COPY).scatter_(1, here, True)  # copies of the right answer are right as well
            yield (as_good & ~right_too).sum(1) + 1

    return joined(len(output), ranks())


def calculate_mrr(output: Rows, target: Rows) -> float:
    """Mean reciprocal rank of each item's own target among all targets, 0 … 1; ties as in `retrieval_ranks`.

    It depends on how many targets there are: compare figures of the same set only.

    Source: Voorhees, The TREC-8 question answering track report, 1999, section 3.

    Example:
        >>> calculate_mrr(torch.eye(3), torch.eye(3))
        1.0
    """
    output, target = check_pair(output, target)
    return retrieval_ranks(output, target, torch.arange(len(target))).double().reciprocal().mean().item()


def _first_ranks(better: int, tied: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks that the first of `right` among `tied` entries may have, and their chances if all orders are equal.

    Example:
        >>> _first_ranks(better=4, tied=3, right=2)         # first of its group in 2 of 3 orders, else second
        (array([5, 6]), array([0.66666667, 0.33333333]))
    """
    before = np.arange(tied - right + 1)  # wrong ones that come first
    another = (tied - right - before[:-1]) / (tied - before[:-1])  # the next one is wrong too
    return better + 1 + before, np.cumprod(np.append(1.0, another)) * right / (tied - before)


def _check_k(k: int) -> None:
    if k < 1:
        raise DataError(f"EmbeddingMetrics.retrieval: the first k answers are looked at, k at least 1; got {k}.")


def _check_indices(right: Tensor, bank: Tensor | VectorFile) -> None:
    if right.is_floating_point() or right.is_complex() or right.dtype == torch.bool:
        raise DataError(f"EmbeddingMetrics: indices of right answers must be whole numbers; got {right.dtype}.")
    if len(right) and not 0 <= int(right.min()) <= int(right.max()) < len(bank):
        raise DataError(f"EmbeddingMetrics: the right answers' indices must be 0 … {len(bank) - 1}.")


def _right_answers(right: Right, queries: int, bank: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Each right answer once: whose it is, and where it stands in the bank; sorted by query."""
    right = torch.as_tensor(right).cpu() if isinstance(right, (np.ndarray, Tensor)) else right
    if len(right) != queries:
        raise DataError(f"EmbeddingMetrics.retrieval: {queries} outputs, but right answers for {len(right)}.")
    if not isinstance(right, (Tensor, VectorFile)):
        if not all(isinstance(answers, Collection) for answers in right):
            raise DataError(
                "EmbeddingMetrics.retrieval: in a list of right answers each must be a collection of indices, such as "
                "{3, 7}. For one index each pass a tensor of whole numbers."
            )
        entry = torch.tensor([int(index) for answers in right for index in answers], dtype=torch.long)
        query = torch.arange(queries).repeat_interleave(torch.tensor([len(answers) for answers in right]))
        _check_indices(entry, bank)
    elif right.ndim == 1:
        _check_indices(right, bank)
        query, entry = _equal_entries(bank[right], bank)
        query, entry = torch.cat([query, torch.arange(queries)]), torch.cat([entry, right.long()])
    elif right.dtype == torch.bool and right.shape[1:] == (len(bank),):
        query, entry = right.nonzero().T
    elif right.dtype.is_floating_point and right.shape[1:] == bank.shape[1:]:
        query, entry = _equal_entries(check_rows("targets", right), bank)
    else:
        raise DataError(
            f"EmbeddingMetrics.retrieval: right answers as {right.dtype} of shape {tuple(right.shape)} do not fit "
            f"{queries} outputs and a bank of {tuple(bank.shape)}. Give targets (n, dim) in floating point, whole "
            "numbers (n,), truth values (n, m), or n collections of indices."
        )
    both = (query * len(bank) + entry).unique()
    return both // len(bank), both % len(bank)


def _equal_entries(targets: Tensor | VectorFile, bank: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Which targets have the direction of which bank entries."""
    kind, found = common_type(targets, bank), []
    directions = joined(len(targets), (unit(block.to(kind)) for block in row_blocks(targets)))
    for number, entries in enumerate(row_blocks(bank)):
        entries = unit(entries.to(kind)).T
        for start in range(0, len(directions), BLOCK):
            equal = (directions[start : start + BLOCK] @ entries > COPY).nonzero()
            if len(equal):
                found.append(equal + torch.tensor([start, number * BLOCK]))
    query, entry = torch.cat([torch.empty(0, 2, dtype=torch.long), *found]).T
    return query, entry


def _count_above(cosines: Tensor, limits: Tensor) -> Tensor:
    """How many cosines of a row `(b, w)` are above each of its limits `(b, l)`."""
    if limits.shape[1] <= FEW:
        return torch.stack([(cosines > limit[:, None]).sum(1) for limit in limits.T], 1)
    ordered = torch.from_numpy(np.sort(cosines.numpy(), axis=1))
    return cosines.shape[1] - torch.searchsorted(ordered, limits.contiguous(), right=True)
