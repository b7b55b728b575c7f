"""Losses on plain tensors: outputs and targets, both `(batch, dim)` → one number to make small.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, mse_loss, normalize

Loss = Callable[[Tensor, Tensor], Tensor]

TEMPERATURE = 0.05


def cosine(output: Tensor, target: Tensor) -> Tensor:
    """1 − mean cosine, 0 … 2. Sees directions only.

    Example:
        >>> cosine(torch.eye(2), torch.eye(2).flip(0)).item()
        1.0
    """
    return 1.0 - cosine_similarity(output, target, dim=1).mean()


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean over items of the squared distance |output − target|², 0 … ∞.

    The sum over the numbers of a vector rather than their mean: for unit vectors it is 2 − 2·cosine, of the size of the
    other losses, so a learning rate that suits one suits all.

    Example:
        >>> mse(torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0, 0.0]])).item().__round__(4)
        0.8
    """
    return mse_loss(output, target) * output.shape[1]


def combined(output: Tensor, target: Tensor) -> Tensor:
    """Half cosine, half mse: direction and length."""
    return 0.5 * cosine(output, target) + 0.5 * mse(output, target)


def contrastive(output: Tensor, target: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Each output must be closer to its own target than to the other targets of the batch (InfoNCE).

    loss = mean_i −log( exp(cos(oᵢ, tᵢ)/τ) / Σⱼ exp(cos(oᵢ, tⱼ)/τ) ), where j leaves out copies of tᵢ: the same
    answer to another question is not a wrong answer.

    Args:
        output: `(batch, dim)`.
        target: `(batch, dim)`; a batch of one has no wrong answers and gives 0.
        temperature: τ; smaller looks harder at the closest wrong answers.

    Source: van den Oord, Li, Vinyals, Representation Learning with Contrastive Predictive Coding, 2018, eq. 4.

    Example:
        >>> contrastive(torch.eye(2), torch.eye(2), temperature=1.0).item().__round__(4)    # ln(1 + 1/e)
        0.3133
    """
    target = normalize(target, dim=1)
    cosines = normalize(output, dim=1) @ target.T  # (b, b)
    copies = (target @ target.T) > 1 - 1e-4
    copies.fill_diagonal_(False)
    logits = (cosines / temperature).masked_fill(copies, -torch.inf)
    return cross_entropy(logits, torch.arange(len(output), device=output.device))


def contrastive_cosine(output: Tensor, target: Tensor) -> Tensor:
    """contrastive + cosine: find the right answer, and come close to it."""
    return contrastive(output, target) + cosine(output, target)


LOSSES: dict[str, Loss] = {
    "cosine": cosine,
    "mse": mse,
    "combined": combined,
    "contrastive": contrastive,
    "contrastive_cosine": contrastive_cosine,
}
