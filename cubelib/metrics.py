"""EmbeddingMetrics: how close outputs are to their targets, and whether the right answer is found.

No figure stands alone: `cubelib.report` prints each one beside its baselines, with an interval.

Taught in notebook 06.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

BLOCK = 1024  # rows of a similarity matrix held in memory at a time


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap_mean(values: Tensor, *, seed: int = 0, resamples: int = 2000) -> Interval:
    """Mean of one value per item, with a 95 % interval over resampled items.

    Args:
        values: `(n,)`, one figure for each held-out item. For a paired comparison of two models pass the differences.
        seed: for the resampling; the same values give the same interval.
        resamples: bootstrap samples.

    Returns:
        The mean, and the 2.5 % and 97.5 % quantiles of the mean over resamples. With one item, or equal values, the
        interval is the mean itself. It tells the spread over test items, not over training seeds.

    Raises:
        ValueError: no values, or values that are not finite.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3 (percentile interval).

    Example:
        >>> str(bootstrap_mean(torch.tensor([0.5, 0.5, 0.5])))
        '0.5000 [0.5000, 0.5000]'
    """
    items = np.asarray(values.detach().cpu(), dtype=np.float64)
    if items.ndim != 1 or not len(items) or not np.isfinite(items).all():
        raise ValueError(
            f"bootstrap_mean: takes one finite value for each item, (n,) with n at least 1; got shape {items.shape}, "
            f"{int((~np.isfinite(items)).sum())} values not finite."
        )
    mean = float(items.mean())
    if len(items) < 2 or np.ptp(items) == 0:
        return Interval(mean, mean, mean)
    found = bootstrap(
        (items,), np.mean, n_resamples=resamples, batch=200, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


class EmbeddingMetrics:
    """Measures of outputs against targets, both `(n, dim)`.

    Example:
        >>> output, target = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(EmbeddingMetrics.calculate_cosine_similarity(output, target), 4)
        0.6
    """

    @staticmethod
    def cosine_per_item(output: Tensor, target: Tensor) -> Tensor:
        """Cosine of each output with its target, `(n,)`, −1 … 1; 0 where either vector is zero.

        It does not see lengths, and a high mean says little where all targets lie close together: look at the mean
        vector's row in the report.
        """
        _check_pair(output, target)
        return cosine_similarity(output, target, dim=1)

    @classmethod
    def calculate_cosine_similarity(cls, output: Tensor, target: Tensor) -> float:
        """Mean cosine, −1 … 1."""
        return cls.cosine_per_item(output, target).mean().item()

    @staticmethod
    def mse_per_item(output: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over the numbers of each item, `(n,)`, 0 … ∞.

        For unit vectors of 768 numbers it is tiny whatever they say: two unrelated unit vectors have 2/768 = 0.0026.
        """
        _check_pair(output, target)
        return (output - target).square().mean(1)

    @classmethod
    def calculate_mse_loss(cls, output: Tensor, target: Tensor) -> float:
        """Mean squared error over all numbers."""
        return cls.mse_per_item(output, target).mean().item()

    @classmethod
    def calculate_semantic_preservation(cls, output: Tensor, target: Tensor) -> float:
        """cosine / (1 + mse), each a mean over the items, −1 … 1.

        The specification asks for it. For unit vectors mse is so small that it equals the cosine to two or three
        places: it tells nothing that the cosine does not.

        Example:
            >>> EmbeddingMetrics.calculate_semantic_preservation(torch.eye(2), torch.eye(2))
            1.0
        """
        return cls.calculate_cosine_similarity(output, target) / (1.0 + cls.calculate_mse_loss(output, target))

    @classmethod
    def compute_batch_metrics(cls, output: Tensor, target: Tensor) -> dict[str, float]:
        """The three figures above, by name."""
        return {
            "cosine_similarity": cls.calculate_cosine_similarity(output, target),
            "mse_loss": cls.calculate_mse_loss(output, target),
            "semantic_preservation": cls.calculate_semantic_preservation(output, target),
        }

    @classmethod
    def calculate_mrr(cls, output: Tensor, target: Tensor) -> float:
        """Mean reciprocal rank of each item's own target among all targets, 0 … 1.

        It depends on how many targets there are: compare figures of the same set only.

        Source: Voorhees, The TREC-8 question answering track report, 1999, section 3.

        Example:
            >>> EmbeddingMetrics.calculate_mrr(torch.eye(3), torch.eye(3))
            1.0
        """
        return cls.retrieval_ranks(output, target, torch.arange(len(target))).double().reciprocal().mean().item()

    @staticmethod
    def retrieval_ranks(output: Tensor, bank: Tensor, right: Tensor) -> Tensor:
        """The place of the right answer when the bank is sorted by cosine with the output, 1 = first.

        Args:
            output: `(n, dim)`.
            bank: known answers, `(m, dim)`.
            right: index of each output's right answer in the bank, `(n,)`.

        Returns:
            `(n,)` ranks, 1 … m. Ties count against the model: a bank entry with the same cosine as the right answer
            ranks before it, unless it is the same vector.

        Raises:
            ValueError: shapes or indices that do not fit, or numbers that are not finite.

        Example:
            >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
            >>> EmbeddingMetrics.retrieval_ranks(torch.tensor([[0.8, 0.6]]), bank, torch.tensor([0])).tolist()
            [2]
        """
        if output.ndim != 2 or bank.ndim != 2 or output.shape[1] != bank.shape[1] or right.shape != output.shape[:1]:
            raise ValueError(
                f"retrieval_ranks: takes outputs (n, dim), a bank (m, dim) and n indices; got {tuple(output.shape)}, "
                f"{tuple(bank.shape)} and {tuple(right.shape)}."
            )
        if len(right) and not 0 <= int(right.min()) <= int(right.max()) < len(bank):
            raise ValueError(f"retrieval_ranks: the right answers' indices must be 0 … {len(bank) - 1}.")
        for name, values in (("outputs", output), ("bank", bank)):
            _check_finite(name, values)
        bank = normalize(bank, dim=1)
        ranks = []
        for start in range(0, len(output), BLOCK):
            here = right[start : start + BLOCK]
            cosines = normalize(output[start : start + BLOCK], dim=1) @ bank.T  # (block, m)
            best = cosines.gather(1, here[:, None])
            as_good = cosines >= best
            right_too = (bank[here] @ bank.T) > 1 - 1e-6  # copies of the right answer are right as well
            right_too.scatter_(1, here[:, None], True)
            ranks.append((as_good & ~right_too).sum(1) + 1)
        return torch.cat(ranks) if ranks else torch.empty(0, dtype=torch.long)


def _check_pair(output: Tensor, target: Tensor) -> None:
    if output.ndim != 2 or output.shape != target.shape or not len(output):
        raise ValueError(
            f"EmbeddingMetrics: outputs and targets must both be (n, dim) with n at least 1; got "
            f"{tuple(output.shape)} and {tuple(target.shape)}."
        )
    for name, values in (("outputs", output), ("targets", target)):
        _check_finite(name, values)


def _check_finite(name: str, values: Tensor) -> None:
    bad = ~torch.isfinite(values).all(1)
    if bad.any():
        raise ValueError(
            f"EmbeddingMetrics: {int(bad.sum())} of {len(values)} {name} hold NaN or infinite numbers, the first at "
            f"row {int(bad.nonzero()[0])}. Remove those rows, or find what made them."
        )
