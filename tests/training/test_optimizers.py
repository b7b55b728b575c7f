"""Steps: schedules against torch's own, and an optimizer's memory that comes back."""

import pytest
import torch
from torch import nn

from cubelib import TrainingConfig
from cubelib.training.optimizers import (
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
    rate_factor,
)


def rates(updates: int, **settings) -> list[float]:
    config = TrainingConfig(**settings)
    return [rate_factor(config, update, updates) for update in range(updates)]


def test_constant_is_constant():
    assert rates(7) == [1.0] * 7


@pytest.mark.parametrize("warmup", [0.1, 0.25, 0.55])
def test_a_warm_up_rises_evenly_and_reaches_the_peak(warmup):
    found = rates(20, warmup=warmup)
    rising = round(warmup * 20)
    assert found[:rising] == pytest.approx([(step + 1) / rising for step in range(rising)])
    assert found[rising:] == [1.0] * (20 - rising)


def test_cosine_is_torch_s():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, expected = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30), []
    for _ in range(30):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates(30, schedule="cosine") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("warmup", [None, 0.5])
def test_one_cycle_has_the_ends_and_the_middle_of_torch_s(warmup):
    """torch counts to the last step but one and so on; the curve between is the same half cosine."""
    found = rates(1000, schedule="one_cycle", warmup=warmup)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=1000, pct_start=warmup or 0.3, cycle_momentum=False
    )
    expected = []
    for _ in range(1000):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(expected, abs=0.01)
    assert found[0] == pytest.approx(1 / 25) and found[round((warmup or 0.3) * 1000)] == 1.0 and found[-1] < 1e-4


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_memory_of_an_optimizer_comes_back_bit_for_bit(name):
    def new() -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
        parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3, 2))]
        config = TrainingConfig(optimizer=name, weight_decay=0.1, learning_rate=0.1)
        return parameters, make_optimizer(config, parameters)

    def step(parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, number: int) -> None:
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 0.3 + number)
        optimizer.step()

    (parameters, optimizer), (others, again) = new(), new()
    for number in range(3):
        step(parameters, optimizer, number)
    tensors = {key: value.clone() for key, value in optimizer_tensors(optimizer, ["a", "b.c"]).items()}
    assert (set(tensors) == {f"{p}/{k}" for p in ("a", "b.c") for k in ("step", "exp_avg", "exp_avg_sq")}) == (
        name != "sgd"
    )
    with torch.no_grad():
        for parameter, other in zip(parameters, others, strict=True):
            other.copy_(parameter)
    load_optimizer_tensors(again, ["a", "b.c"], tensors)
    for number in (7, 8):
        step(parameters, optimizer, number)
        step(others, again, number)
    assert all(torch.equal(one, other) for one, other in zip(parameters, others, strict=True))
    assert not torch.equal(parameters[0], torch.ones(2))
