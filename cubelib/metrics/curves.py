"""Figures as a setting is turned up: the size of the code, or the share of dead parts.

A model is given as a function from the setting to what predicts at it, so that anything can stand in a curve: a cube
with another bottleneck, PCA with more components, a network with dead units.

Taught in notebook 04.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor

from cubelib.errors import DataError
from cubelib.metrics.rows import Rows
from cubelib.metrics.vectors import calculate_cosine_similarity

Predict = Callable[[Tensor], Tensor]
Figure = TypeVar("Figure")


def rate_distortion(
    models: Mapping[str, Callable[[int], Predict]],
    latent_dims: Sequence[int],
    input: Tensor,
    target: Rows,
    figure: Callable[[Tensor, Rows], Figure] = calculate_cosine_similarity,
) -> dict[str, list[Figure]]:
    """What comes back through codes of different sizes, for several models; `cubelib.views.plots.rate_distortion` draws it.

    Args:
        models: name → function of the code size that gives a fitted model's `predict`. It may not look at `input`.
        latent_dims: numbers in the code.
        input: held-out vectors, `(n, dim)`.
        target: what should come back, `(n, dim)`.
        figure: of (output, target); the mean cosine, or `EmbeddingMetrics.cosine_per_item` for a figure of each item.

    Returns:
        Name → figure at each code size.

    Source: Shannon, Coding theorems for a discrete source with a fidelity criterion, 1959 (the idea of the curve).

    Example:
        >>> import torch
        >>> cut = lambda size: lambda vectors: vectors * (torch.arange(4) < size)      # keeps the first numbers
        >>> rate_distortion({"cut": cut}, [1, 4], torch.ones(3, 4), torch.ones(3, 4))
        {'cut': [0.5, 1.0]}
    """
    return {name: [figure(model(size)(input), target) for size in latent_dims] for name, model in models.items()}


def damage_curve(
    models: Mapping[str, Callable[[float, int], Predict]],
    shares: Sequence[float],
    input: Tensor,
    target: Rows,
    figure: Callable[[Tensor, Rows], Figure] = calculate_cosine_similarity,
    *,
    seeds: Iterable[int] = range(5),
) -> dict[str, list[Figure]]:
    """What is left of a figure when a share of a model's parts is dead: cells of a cube, hidden units of a network.

    Which parts die is drawn once for each seed, and the figure is the mean over seeds. A share of one model's parts is
    not the same harm as that share of another's: the curves compare how gracefully they fail, each from its own start.

    Args:
        models: name → function of (share, seed) that gives `predict` with that share of its parts dead, such as
            `cubelib.evaluation.baselines.MLP.damaged`.
        shares: 0 … 1.
        input: held-out vectors, `(n, dim)`.
        target: `(n, dim)`.
        figure: of (output, target), a number or a tensor.
        seeds: one draw each.

    Returns:
        Name → mean figure at each share.

    Raises:
        DataError: a share outside 0 … 1, or no seeds.

    Example:
        >>> import torch
        >>> deaf = lambda share, seed: lambda vectors: vectors * (torch.rand(8, generator=torch.Generator()
        ...     .manual_seed(seed)) >= share)
        >>> damage_curve({"deaf": deaf}, [0.0, 1.0], torch.ones(3, 8), torch.ones(3, 8))
        {'deaf': [1.0, 0.0]}
    """
    seeds = list(seeds)
    if not seeds or not all(0 <= share <= 1 for share in shares):
        raise DataError(f"damage_curve: shares are 0 … 1, with at least one seed; got {list(shares)}, seeds {seeds}.")

    def mean(model: Callable[[float, int], Predict], share: float) -> Figure:
        return sum(figure(model(share, seed)(input), target) for seed in seeds) / len(seeds)

    return {name: [mean(model, share) for share in shares] for name, model in models.items()}
