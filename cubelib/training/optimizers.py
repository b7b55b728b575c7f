"""The step from gradients to new weights: optimizers, the size of the step over time, normalized gradients.

Taught in notebook 04.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cubelib.training.checkpoint import check_shapes
from cubelib.training.config import TrainingConfig

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000  # of the peak: torch.optim.lr_scheduler.OneCycleLR's


def make_optimizer(config: TrainingConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2014), AdamW (Loshchilov & Hutter 2017) or plain stochastic gradient descent.

    Example:
        >>> type(make_optimizer(TrainingConfig(optimizer="sgd"), [nn.Parameter(torch.zeros(1))])).__name__
        'SGD'
    """
    # fused: one pass over all numbers instead of a dozen; a local rule has hundreds of sheets of parameters.
    return OPTIMIZERS[config.optimizer](
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def rate_factor(config: TrainingConfig, update: int, updates: int) -> float:
    """The learning rate of one step of the optimizer as a share of `learning_rate`, 0 … 1.

        constant    1
        cosine      falls from 1 to 0 along half a cosine
        one_cycle   rises from 1/25 and falls to almost 0, both along half a cosine

    Before that, or in one_cycle as its rise, come the first `warmup` of all steps: with constant and cosine the rate
    rises in them along a straight line.

    Args:
        config: schedule and warmup.
        update: the step, counted from 0.
        updates: steps of the whole run.

    Source: Goyal et al., Accurate, large minibatch SGD, 2017 (warm-up); Loshchilov & Hutter, SGDR, 2016, eq. 5
    (cosine); Smith & Topin, Super-convergence, 2017 (one cycle).

    Example:
        >>> config = TrainingConfig(schedule="cosine", warmup=0.2)
        >>> [round(rate_factor(config, update, 10), 2) for update in range(10)]
        [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    one_cycle = config.schedule == "one_cycle"
    warmup = (ONE_CYCLE_WARMUP if one_cycle else 0.0) if config.warmup is None else config.warmup
    rising = warmup * updates
    if update < rising:
        if one_cycle:
            return _half_cosine(ONE_CYCLE_START, 1.0, update / rising)
        return (update + 1) / math.ceil(rising)
    if config.schedule == "constant":
        return 1.0
    return _half_cosine(1.0, ONE_CYCLE_END if one_cycle else 0.0, (update - rising) / max(updates - rising, 1))


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def normalize_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Gives the gradient of each parameter length 1: the first steps of a lattice that runs for many ticks explode or
    vanish less.

    Source: Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (per-variable L2 normalization).

    Example:
        >>> parameter = nn.Parameter(torch.zeros(2))
        >>> parameter.grad = torch.tensor([3.0, 4.0])
        >>> normalize_gradients([parameter])
        >>> parameter.grad
        tensor([0.6000, 0.8000])
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for gradient, length in zip(gradients, torch._foreach_norm(gradients), strict=True):
        gradient.div_(length + 1e-8)


# --- the state of an optimizer as named tensors ---------------------------------------------------------------------


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The optimizer's memory, as tensors with a name: what safetensors can hold.

    Args:
        optimizer: with one group of parameters.
        names: of its parameters, in their order.
    """
    state = optimizer.state_dict()["state"]
    return {f"{names[number]}/{key}": value for number, memory in state.items() for key, value in memory.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`, into an optimizer that has the same parameters and made a step at least.

    Raises:
        CheckpointError: tensors are missing, extra or of another shape; all differences are listed.
    """
    (group,) = optimizer.param_groups
    memory = () if isinstance(optimizer, torch.optim.SGD) else ("exp_avg", "exp_avg_sq")
    wanted = {f"{name}/{key}": p for name, p in zip(names, group["params"], strict=True) for key in memory}
    wanted |= {f"{name}/step": torch.tensor(0.0) for name in names if memory}
    check_shapes(tensors, wanted, "(the optimizer's memory)")
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parameter, key = name.rsplit("/", 1)
        state.setdefault(names.index(parameter), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
