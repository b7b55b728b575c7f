"""Figures of single vectors against their targets: one for each item, and what many of them come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cubelib.errors import DataError
from cubelib.metrics.rows import Rows, check_pair, common_type, joined, row_blocks, unit

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def cosine_per_item(output: Rows, target: Rows) -> Tensor:
    """Cosine of each output with its target, `(n,)`, −1 … 1; 0 where either vector is zero.

    o·t / (|o| |t|), worked out in float64 and given in the type of the vectors (float32 unless they are float64).

    It does not see lengths, and a high mean says little where all targets lie close together: look at the mean
    vector's row in the report.

    Example:
        >>> cosine_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))     # 24 / 25
        tensor([0.9600])
    """
    return _per_item(output, target, lambda o, t: (unit(o) * unit(t)).sum(1).clamp(-1, 1))


def mse_per_item(output: Rows, target: Rows) -> Tensor:
    """Mean squared error over the numbers of each item, `(n,)`, 0 … ∞.

    For unit vectors of 768 numbers it is tiny whatever they say: two unrelated unit vectors have 2/768 = 0.0026.

    Example:
        >>> mse_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))        # (1 + 1) / 2
        tensor([1.])
    """
    return _per_item(output, target, lambda o, t: (o - t).square().mean(1))


def angular_error_per_item(output: Rows, target: Rows) -> Tensor:
    """The angle between each output and its target in degrees, `(n,)`, 0 … 180; 90 where either vector is zero.

    2·atan2(|u − v|, |u + v|) of the unit vectors, which is exact for small angles too, where the arc cosine of a
    rounded cosine is off by hundredths of a degree. It tells the same as the cosine, on a scale that does not flatten
    near its end: cosines of 0.99 and 0.9975 look alike, 8° and 4° do not. In 768 dimensions unrelated directions are
    near 90°.

    Source: Kahan, How futile are mindless assessments of roundoff in floating-point computation?, 2006, section 12.

    Example:
        >>> angular_error_per_item(torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0]]))
        tensor([45.])
    """

    def angle(o: Tensor, t: Tensor) -> Tensor:
        o, t = unit(o), unit(t)
        apart, together = (o - t).norm(dim=1), (o + t).norm(dim=1)
        return torch.rad2deg(2 * torch.atan2(apart, together)).where(apart + together > 0, 90.0)

    return _per_item(output, target, angle)


def norm_ratio_per_item(output: Rows, target: Rows) -> Tensor:
    """|output| / |target|, `(n,)`, 0 … ∞: 1 where the length is right.

    What the cosine leaves out; it says nothing of the direction. A model that answers with an average gives vectors
    that are too short.

    Raises:
        DataError: a target is zero and has no length to compare with.

    Example:
        >>> norm_ratio_per_item(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]))
        tensor([2.5000])
    """

    def ratio(o: Tensor, t: Tensor) -> Tensor:
        lengths = t.norm(dim=1)
        if not lengths.all():
            raise DataError(
                f"EmbeddingMetrics: the norm ratio divides by the targets' lengths, and {int((lengths == 0).sum())} of "
                "them are 0. Remove those items."
            )
        return o.norm(dim=1) / lengths

    return _per_item(output, target, ratio)


def calculate_cosine_similarity(output: Rows, target: Rows) -> float:
    """Mean cosine, −1 … 1: `cosine_per_item`, averaged."""
    return cosine_per_item(output, target).mean().item()


def calculate_mse_loss(output: Rows, target: Rows) -> float:
    """Mean squared error over all numbers: `mse_per_item`, averaged."""
    return mse_per_item(output, target).mean().item()


def calculate_semantic_preservation(output: Rows, target: Rows) -> float:
    """cosine / (1 + mse), each a mean over the items, −1 … 1.

    The specification asks for it. For unit vectors mse is so small that it equals the cosine to two or three
    places: it tells nothing that the cosine does not.

    Example:
        >>> calculate_semantic_preservation(torch.eye(2), torch.eye(2))
        1.0
    """
    return calculate_cosine_similarity(output, target) / (1.0 + calculate_mse_loss(output, target))


def compute_batch_metrics(output: Rows, target: Rows) -> dict[str, float]:
    """The three figures above, by name."""
    return {
        "cosine_similarity": calculate_cosine_similarity(output, target),
        "mse_loss": calculate_mse_loss(output, target),
        "semantic_preservation": calculate_semantic_preservation(output, target),
    }


@dataclass(frozen=True)
class Summary:
    """What one figure per item comes to.

    Attributes:
        mean: over the items.
        quantiles: share of the items → the value that so many do not exceed.
        target: the value to reach.
        share: of the items at or above the target, 0 … 1.
    """

    mean: float
    quantiles: dict[float, float]
    target: float
    share: float

    def __str__(self) -> str:
        low, *_, high = self.quantiles.values()
        return (
            f"{self.mean:.4f} on average, 90 % of the items in {low:.4f} … {high:.4f}, "
            f"{self.share:.0%} at or above {self.target:g}"
        )


def summary(values: Tensor | np.ndarray, target: float = 0.9) -> Summary:
    """Mean, quantiles (5, 25, 50, 75 and 95 %) and share at or above a target of one figure per item.

    A mean hides the items that are lost; the 5 % quantile shows them. Quantiles between two items are interpolated.
    One item is its own mean and quantiles.

    Args:
        values: `(n,)`, such as `cosine_per_item` gives.
        target: the value to reach.

    Raises:
        DataError: no values, or values that are not finite.

    Example:
        >>> print(summary(torch.tensor([0.5, 0.7, 0.9, 1.0, 0.9])))
        0.8000 on average, 90 % of the items in 0.5400 … 0.9800, 60% at or above 0.9
    """
    numbers = torch.as_tensor(values).detach().cpu()
    if numbers.ndim != 1 or not len(numbers) or not torch.isfinite(numbers).all():
        raise DataError(
            f"EmbeddingMetrics.summary: takes one finite value for each item, (n,) with n at least 1; got shape "
            f"{tuple(numbers.shape)}, {int((~torch.isfinite(numbers)).sum())} values not finite."
        )
    share = (numbers >= target).double().mean().item()  # in the values' own precision: 0.9 is not below 0.9
    found = np.quantile(numbers.double().numpy(), QUANTILES)
    return Summary(numbers.double().mean().item(), dict(zip(QUANTILES, found.tolist(), strict=True)), target, share)


def _per_item(output: Rows, target: Rows, figure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    output, target = check_pair(output, target)
    blocks = zip(row_blocks(output), row_blocks(target), strict=True)
    return joined(len(output), (figure(o.double(), t.double()) for o, t in blocks)).to(common_type(output, target))
