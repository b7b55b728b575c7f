"""Optimizers, the learning-rate schedule, and an optimizer's memory as named tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cubelib.training.checkpoint import check_tensors
from cubelib.training.config import TrainingConfig

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000  # of the peak, as in torch.optim.lr_scheduler.OneCycleLR


def make_optimizer(config: TrainingConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2014), AdamW (Loshchilov & Hutter 2017) or plain stochastic gradient descent.

    Example:
        >>> type(make_optimizer(TrainingConfig(optimizer="sgd"), [nn.Parameter(torch.zeros(1))])).__name__
        'SGD'
    """
    # fused: one pass over all numbers instead of a dozen
    options = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
    return OPTIMIZERS[config.optimizer](parameters, **options)  # type: ignore[arg-type]


def rate_factor(config: TrainingConfig, step: int, steps: int) -> float:
    """The learning rate of a step as a fraction of `learning_rate`, 0 … 1.

        constant    1
        cosine      falls from 1 to 0 along half a cosine
        one_cycle   rises from 1/25 and falls to almost 0, both along half a cosine

    In the first `warmup` of all steps the rate rises, with constant and cosine along a straight line. It follows from
    the number of the step alone, so a resumed run needs nothing saved.

    Args:
        config: schedule and warmup.
        step: counted from 0.
        steps: of the whole run.

    Source: Goyal et al., Accurate, large minibatch SGD, 2017 (warm-up); Loshchilov & Hutter, SGDR, 2016, eq. 5
    (cosine); Smith & Topin, Super-convergence, 2017 (one cycle).

    Example:
        >>> config = TrainingConfig(schedule="cosine", warmup=0.2)
        >>> [round(rate_factor(config, step, 10), 2) for step in range(10)]
        [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    one_cycle = config.schedule == "one_cycle"
    warmup = config.warmup
    if warmup is None:
        warmup = ONE_CYCLE_WARMUP if one_cycle else 0.0
    warmup_steps = warmup * steps
    if step < warmup_steps:
        if one_cycle:
            return _half_cosine(ONE_CYCLE_START, 1.0, step / warmup_steps)
        return (step + 1) / math.ceil(warmup_steps)
    if config.schedule == "constant":
        return 1.0
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return _half_cosine(1.0, ONE_CYCLE_END if one_cycle else 0.0, progress)


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


# --- the memory of an optimizer as named tensors --------------------------------------------------------------------


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The optimizer's memory as named tensors, as safetensors stores them.

    Args:
        optimizer: with one group of parameters.
        names: of its parameters, in their order.
    """
    tensors = {}
    for number, memory in optimizer.state_dict()["state"].items():
        tensors.update({f"{names[number]}/{key}": value for key, value in memory.items()})
    return tensors


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`, for the memory of an optimizer that has made at least one step.

    Raises:
        CheckpointError: tensors are missing, extra or of another shape; all differences are listed.
    """
    (group,) = optimizer.param_groups
    expected = {}
    if not isinstance(optimizer, torch.optim.SGD):
        for name, parameter in zip(names, group["params"], strict=True):
            expected[f"{name}/step"] = torch.tensor(0.0)
            expected[f"{name}/exp_avg"] = expected[f"{name}/exp_avg_sq"] = parameter
    check_tensors(tensors, expected, "(the optimizer's memory)")
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, memory = key.rsplit("/", 1)
        state.setdefault(names.index(name), {})[memory] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
