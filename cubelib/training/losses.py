"""Losses on plain tensors: outputs and targets, both `(batch, dim)` → one number to make small.

All are called as `loss(output, target, bank=None)` and are means over the items. So a batch may be cut into parts, for
several processes or for gradient accumulation: the parts' losses, weighted by their fraction of the items, add up to
the loss of the whole batch. A contrastive loss also needs negatives: give each part `bank`, the targets of the whole
batch.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

from cubelib.errors import ConfigError

Loss = Callable[..., Tensor]  # loss(output, target, bank=None)

TEMPERATURE = 0.05


def cosine(output: Tensor, target: Tensor, *, bank: Tensor | None = None) -> Tensor:
    """1 − mean cosine, 0 … 2. Sees directions only.

    Example:
        >>> cosine(torch.eye(2), torch.eye(2).flip(0)).item()
        1.0
    """
    return 1.0 - cosine_similarity(output, target, dim=1).mean()


def squared_distance(output: Tensor, target: Tensor, *, bank: Tensor | None = None) -> Tensor:
    """Mean over items of the squared distance |output − target|², 0 … ∞.

    This is the mean squared error times the numbers of a vector. For unit vectors it is 2 − 2·cosine, on the scale of
    the other losses, so a learning rate that suits one suits all.

    Example:
        >>> squared_distance(torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0, 0.0]])).item().__round__(4)
        0.8
    """
    return (output - target).square().sum(1).mean()


def combined(output: Tensor, target: Tensor, *, bank: Tensor | None = None) -> Tensor:
    """Direction and length: (cosine + squared_distance) / 2, 0 … ∞.

    Example:
        >>> combined(2 * torch.eye(2), torch.eye(2)).item()      # the direction is right
        0.5
    """
    return (cosine(output, target) + squared_distance(output, target)) / 2


def contrastive(
    output: Tensor, target: Tensor, temperature: float = TEMPERATURE, *, bank: Tensor | None = None
) -> Tensor:
    """Each output must be closer to its own target than to the other targets (InfoNCE).

    loss = mean_i −log( exp(cos(oᵢ, tᵢ)/τ) / (exp(cos(oᵢ, tᵢ)/τ) + Σⱼ exp(cos(oᵢ, bⱼ)/τ)) ), where j skips tᵢ and its
    copies: the same answer to another question is not a negative.

    Args:
        output: `(batch, dim)`.
        target: `(batch, dim)`.
        temperature: τ; lower gives more weight to hard negatives.
        bank: `(m, dim)`, targets to tell apart; None means the batch's own. It makes no difference whether tᵢ is among
            them. Without negatives the loss is 0.

    Source: van den Oord, Li, Vinyals, Representation Learning with Contrastive Predictive Coding, 2018, eq. 4.

    Example:
        >>> contrastive(torch.eye(2), torch.eye(2), temperature=1.0).item().__round__(4)    # ln(1 + 1/e)
        0.3133
    """
    with torch.autocast(output.device.type, enabled=False):  # in half precision neighbors look like copies
        output, target = normalize(output, dim=1), normalize(target, dim=1)
        bank = target if bank is None else normalize(bank, dim=1)
        positive = (output * target).sum(1, keepdim=True)  # (b, 1)
        # cos > 1 − 1e-4, written as a squared distance so that a target of length zero is a copy of itself too.
        lengths = target.square().sum(1, keepdim=True) + bank.square().sum(1)
        copies = lengths - 2 * target @ bank.T < 2e-4  # (b, m)
        negatives = (output @ bank.T).masked_fill(copies, -torch.inf)
        logits = torch.cat([positive, negatives], 1) / temperature
        return cross_entropy(logits, torch.zeros(len(output), dtype=torch.long, device=output.device))


def contrastive_cosine(
    output: Tensor, target: Tensor, temperature: float = TEMPERATURE, *, bank: Tensor | None = None
) -> Tensor:
    """contrastive + cosine: find the answer, and come close to it."""
    return contrastive(output, target, temperature, bank=bank) + cosine(output, target)


LOSSES: dict[str, Loss] = {
    "cosine": cosine,
    "squared_distance": squared_distance,
    "combined": combined,
    "contrastive": contrastive,
    "contrastive_cosine": contrastive_cosine,
}


def make_loss(name: str, temperature: float = TEMPERATURE) -> Loss:
    """The loss of that name, called as `loss(output, target, bank=None)`.

    Args:
        name: a key of `LOSSES`.
        temperature: of the contrastive losses, above 0; the others have none.

    Raises:
        ConfigError: no such loss, or a temperature that cannot work.

    Example:
        >>> loss = make_loss("contrastive", temperature=1.0)
        >>> loss(torch.eye(3)[:1], torch.eye(3)[:1], bank=torch.eye(3)).item().__round__(4)    # ln(1 + 2/e)
        0.5514
    """
    if name not in LOSSES:
        raise ConfigError(f"make_loss: there is no loss {name!r}. Use one of {', '.join(LOSSES)}.")
    if not 0 < temperature < float("inf"):
        raise ConfigError(f"make_loss: a temperature is above 0 and finite; got {temperature}. Try {TEMPERATURE}.")
    if name.startswith("contrastive"):
        return partial(LOSSES[name], temperature=temperature)
    return LOSSES[name]
