"""Losses against sums done by hand, their gradients against differences."""

import math

import pytest
import torch

from cubelib import losses
from cubelib.losses import LOSSES

OUTPUT = torch.tensor([[3.0, 4.0], [0.0, -2.0]])
TARGET = torch.tensor([[4.0, 3.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cosine", 1 - (0.96 - 1) / 2), ("mse", (2 + 9) / 2), ("combined", (1.02 + 5.5) / 2)],
)
def test_losses_are_what_the_hand_calculates(name, expected):
    assert LOSSES[name](OUTPUT, TARGET).item() == pytest.approx(expected)


def test_the_contrastive_loss_is_the_mean_surprise_at_the_right_answer():
    # Cosines of the outputs with the targets: 0.96 and 0.8; −0.6 and −1.
    surprise = [-math.log(math.exp(0.96 / 0.5) / (math.exp(0.96 / 0.5) + math.exp(0.8 / 0.5)))]
    surprise.append(-math.log(math.exp(-1 / 0.5) / (math.exp(-0.6 / 0.5) + math.exp(-1 / 0.5))))
    assert losses.contrastive(OUTPUT, TARGET, temperature=0.5).item() == pytest.approx(sum(surprise) / 2)
    default = losses.contrastive(OUTPUT, TARGET)
    assert default.item() == pytest.approx(losses.contrastive(OUTPUT, TARGET, temperature=0.05).item())
    both = losses.contrastive_cosine(OUTPUT, TARGET).item()
    assert both == pytest.approx(default.item() + losses.cosine(OUTPUT, TARGET).item())


def test_a_copy_of_the_right_answer_is_no_wrong_answer():
    # A third item whose target is the first one's, in another length: item 1 must be told from item 2 only.
    output, target = torch.cat([OUTPUT, OUTPUT[:1]]), torch.cat([TARGET, 7 * TARGET[:1]])
    surprise = [math.log(1 + math.exp((0.8 - 0.96) / 0.5))] * 2
    surprise.append(math.log(1 + 2 * math.exp((-0.6 + 1) / 0.5)))
    assert losses.contrastive(output, target, 0.5).item() == pytest.approx(sum(surprise) / 3)
    assert losses.contrastive(OUTPUT, torch.ones(2, 2)).item() == 0  # all targets are copies
    assert losses.contrastive(OUTPUT[:1], TARGET[:1]).item() == 0


def test_answers_that_are_only_similar_stay_wrong_answers():
    target = torch.tensor([[1.0, 0.0], [0.98, 0.2]])  # cosine 0.98
    assert losses.contrastive(target, target, 1.0).item() > 0.6


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_differences(name):
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    target[3] = 2 * target[0]  # a copy, masked in the contrastive loss
    assert torch.autograd.gradcheck(LOSSES[name], (output, target))


@pytest.mark.parametrize("name", LOSSES)
def test_the_target_itself_costs_less_than_another_vector(name):
    target = torch.eye(4)
    assert LOSSES[name](target, target) < LOSSES[name](target.roll(1, 0), target)
    assert torch.isfinite(LOSSES[name](torch.zeros(4, 4), target))
