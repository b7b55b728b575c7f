"""Metrics of an output and its target, one value per item, and their means."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.errors import DataError
from cubelib.metrics.rows import Embeddings, check_pair, common_type, concat_blocks, l2_normalize, row_blocks


def cosine_per_item(output: Embeddings, target: Embeddings) -> Tensor:
    """Cosine of each output with its target, `(n,)`, −1 … 1; 0 if either vector is zero.

    o·t / (|o| |t|), computed in float64. It ignores lengths. Where all targets point in similar directions a high mean
    says little: compare it with the row of the mean vector in the report.

    Example:
        >>> cosine_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))     # 24 / 25
        tensor([0.9600])
    """
    return _per_item(output, target, lambda o, t: (l2_normalize(o) * l2_normalize(t)).sum(1).clamp(-1, 1))


def mse_per_item(output: Embeddings, target: Embeddings) -> Tensor:
    """Mean squared error over the numbers of each item, `(n,)`, 0 … ∞.

    For unit vectors of 768 numbers it is tiny in any case: two unrelated ones have 2/768 = 0.0026.

    Example:
        >>> mse_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))        # (1 + 1) / 2
        tensor([1.])
    """
    return _per_item(output, target, lambda o, t: (o - t).square().mean(1))


def norm_ratio_per_item(output: Embeddings, target: Embeddings) -> Tensor:
    """|output| / |target|, `(n,)`, 0 … ∞; 1 if the length is right.

    It shows what the cosine ignores. A model that answers with an average gives vectors that are too short.

    Raises:
        DataError: a target has length 0.

    Example:
        >>> norm_ratio_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]))
        tensor([2.5000])
    """

    def ratio(o: Tensor, t: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(t, dim=1)
        if not lengths.all():
            raise DataError(
                f"EmbeddingMetrics: the norm ratio divides by the targets' lengths, and {int((lengths == 0).sum())} of "
                "them are 0. Remove those items."
            )
        ratios: Tensor = torch.linalg.vector_norm(o, dim=1) / lengths
        return ratios

    return _per_item(output, target, ratio)


def calculate_cosine_similarity(output: Embeddings, target: Embeddings) -> float:
    """Mean of `cosine_per_item`, −1 … 1."""
    return cosine_per_item(output, target).mean().item()


def calculate_mse_loss(output: Embeddings, target: Embeddings) -> float:
    """Mean of `mse_per_item`, 0 … ∞."""
    return mse_per_item(output, target).mean().item()


def calculate_semantic_preservation(output: Embeddings, target: Embeddings) -> float:
    """Mean cosine / (1 + mean squared error), −1 … 1.

    For unit vectors the error is so small that this equals the cosine to two or three decimals.

    Example:
        >>> calculate_semantic_preservation(torch.eye(2), torch.eye(2))
        1.0
    """
    return calculate_cosine_similarity(output, target) / (1.0 + calculate_mse_loss(output, target))


def compute_batch_metrics(output: Embeddings, target: Embeddings) -> dict[str, float]:
    """The three means above, by name."""
    return {
        "cosine_similarity": calculate_cosine_similarity(output, target),
        "mse_loss": calculate_mse_loss(output, target),
        "semantic_preservation": calculate_semantic_preservation(output, target),
    }


def _per_item(output: Embeddings, target: Embeddings, metric: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    output, target = check_pair(output, target)
    blocks = zip(row_blocks(output), row_blocks(target), strict=True)
    values = concat_blocks(len(output), (metric(o.double(), t.double()) for o, t in blocks))
    return values.to(common_type(output, target))
