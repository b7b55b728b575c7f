"""Training a bare lattice on pairs of cubes, for experiments that need neither sentences nor checkpoints.

`CubeTrainer` is for everything else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import OneCycleLR

from cubelib.lattice import CubicCore
from cubelib.training.losses import Loss, cosine

DrawDamage = Callable[[torch.Generator], Tensor]


def fit_core(
    core: nn.Module,
    input: Tensor,
    target: Tensor,
    *,
    steps: int = 100,
    learning_rate: float = 0.005,
    batch_size: int = 16,
    loss: Loss = cosine,
    damage: DrawDamage | None = None,
    seed: int = 0,
) -> list[float]:
    """Trains a core to turn each input cube into its target: AdamW with a one-cycle learning rate.

    Args:
        core: a CubicCore, or any network as a rival; trained in place, in evaluation mode afterwards. It is called with
            `damage=` only if that is given here.
        input: `(n, rows, columns, channels)`. One pair is enough to begin with.
        target: the same shape.
        steps: batches, drawn with replacement.
        learning_rate: at the top of the cycle.
        batch_size: pairs in a batch; with fewer pairs than that, a batch is all of them.
        loss: of `cubelib.training.losses`, on the flattened cubes.
        damage: draws the dead cells of each batch, if `core.cell_damage` is not the way; see `CubicCore.forward`.
        seed: of batches and damage.

    Returns:
        The loss of each step.

    Raises:
        ValueError: no pairs, or inputs and targets of different shapes; otherwise as in `CubicCore.forward`.

    Example:
        >>> from cubelib.lattice import CubicCore
        >>> cubes = torch.randn(1, 8, 8, 12, generator=torch.Generator().manual_seed(0))
        >>> core = CubicCore(rule="shared", boundary="periodic")
        >>> losses = fit_core(core, cubes, cubes.roll(1, dims=2), steps=60)         # move everything by one column
        >>> losses[-1] < 0.05 * losses[0]
        True
    """
    if len(input) == 0 or input.shape != target.shape:
        raise ValueError(
            "fit_core: training takes at least one pair of cubes of the same shape; got inputs "
            f"{tuple(input.shape)} and targets {tuple(target.shape)}."
        )
    parameters = [parameter for parameter in core.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    core.train()
    if isinstance(core, CubicCore):  # draws `cell_damage` and `cell_dropout`
        core.generator = torch.Generator(input.device).manual_seed(seed)
    try:
        for _ in range(steps):
            batch: slice | Tensor = slice(None)
            if len(input) > batch_size:
                batch = torch.randint(len(input), (batch_size,), generator=generator)
            output = core(input[batch]) if damage is None else core(input[batch], damage=damage(generator))
            value = loss(output.flatten(1), target[batch].flatten(1))
            optimizer.zero_grad()
            value.backward()
            clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(value.item())
    finally:
        core.eval()
        if isinstance(core, CubicCore):
            core.generator = None
    return losses
