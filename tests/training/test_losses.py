"""Losses against sums done by hand, their gradients against differences."""

import math

import pytest
import torch

from cubelib.errors import ConfigError
from cubelib.training import losses
from cubelib.training.losses import LOSSES, make_loss

OUTPUT = torch.tensor([[3.0, 4.0], [0.0, -2.0]])
TARGET = torch.tensor([[4.0, 3.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cosine", 1 - (0.96 - 1) / 2), ("squared_distance", (2 + 9) / 2), ("combined", (1.02 + 5.5) / 2)],
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


# --- several processes, accumulation, other negatives -----------------------------------------------------------------


def pairs(items: int = 12, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pairs, where the answers of 1, 4 and 9 are the same one in three lengths."""
    generator = torch.Generator().manual_seed(3)
    output, target = torch.randn(2, items, dim, generator=generator, dtype=torch.float64)
    target[4], target[9] = 2 * target[1], 0.5 * target[1]
    return output, target


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("parts", [[6, 6], [1, 7, 4], [12]])
def test_the_parts_of_a_batch_add_up_to_its_loss_and_gradient(name, parts):
    output, target = pairs()
    loss = make_loss(name, temperature=0.3)
    whole = output.clone().requires_grad_()
    loss(whole, target).backward()
    cut = output.clone().requires_grad_()
    total = sum(
        len(rows) / len(output) * loss(rows, right, bank=target)
        for rows, right in zip(cut.split(parts), target.split(parts), strict=True)
    )
    total.backward()
    assert total.item() == pytest.approx(loss(output, target).item(), abs=1e-12)
    torch.testing.assert_close(cut.grad, whole.grad, atol=1e-12, rtol=0)
    singly = sum(
        len(rows) / len(output) * loss(rows.float(), right.float(), bank=target.float())
        for rows, right in zip(output.split(parts), target.split(parts), strict=True)
    )
    assert singly.item() == pytest.approx(loss(output, target).item(), rel=1e-6)


def test_a_bank_counts_the_right_answer_once_whether_it_holds_it_or_not():
    output, target = pairs()
    wrong = target[[0, 2, 3]]
    expected = losses.contrastive(output[1:2], target[1:2], 0.5, bank=wrong)
    for copies in ([1], [4], [1, 4, 9]):
        received = losses.contrastive(output[1:2], target[1:2], 0.5, bank=torch.cat([wrong, target[copies]]))
        assert received.item() == pytest.approx(expected.item(), abs=1e-12)
    cosines = [math.exp(torch.cosine_similarity(output[1], row, dim=0).item() / 0.5) for row in (target[1], *wrong)]
    assert expected.item() == pytest.approx(-math.log(cosines[0] / sum(cosines)))


def test_a_target_of_length_zero_is_no_wrong_answer_to_itself():
    target = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert losses.contrastive(target[:1], target[:1], 1.0).item() == 0
    assert losses.contrastive(target[:1], target[:1], 1.0, bank=target).item() == pytest.approx(math.log(2))


def test_half_precision_around_the_loss_does_not_blur_neighbors_into_copies():
    target = torch.nn.functional.normalize(torch.randn(64, 32, generator=torch.Generator().manual_seed(0)), dim=1)
    target[32:] = torch.nn.functional.normalize(target[:32] + 0.005 * target[32:].roll(1, 1), dim=1)  # cosine 1 − 1e-5
    target[48:] = torch.nn.functional.normalize(target[:16] + 0.03 * torch.eye(32)[:16], dim=1)  # cosine 1 − 4e-4
    expected = losses.contrastive(target, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert losses.contrastive(target, target).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_make_loss_sets_the_temperature_of_those_that_have_one(name):
    output, target = pairs()
    cold, default = make_loss(name, 0.01)(output, target), make_loss(name)(output, target)
    assert default == LOSSES[name](output, target)
    assert (cold == default) == ("contrastive" not in name)
    if name == "contrastive_cosine":
        assert cold == losses.contrastive(output, target, 0.01) + losses.cosine(output, target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("infonce",),
            r"no loss 'infonce'. Use one of cosine, squared_distance, combined, contrastive, contrastive_cosine",
        ),
        (("contrastive", 0.0), r"above 0 and finite; got 0.0. Try 0.05"),
        (("cosine", float("nan")), r"above 0 and finite; got nan"),
    ],
)
def test_a_loss_that_cannot_be_made(arguments, message):
    with pytest.raises(ConfigError, match=message):
        make_loss(*arguments)


def test_a_copy_of_the_right_answer_in_the_bank_is_no_wrong_answer_and_another_one_is():
    output = torch.randn(2, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target, wrong = torch.eye(4)[:2], torch.eye(4)[2:3]
    (plain,) = torch.autograd.grad(losses.contrastive(output, target), output)
    (pushed,) = torch.autograd.grad(losses.contrastive(output, target, bank=torch.cat([target, wrong])), output)
    assert not torch.allclose(pushed, plain, atol=1e-3)
    same = torch.eye(4)[:1].expand(2, 4)  # one answer to both questions of the batch
    assert losses.contrastive(output, same).item() == 0.0
    torch.testing.assert_close(losses.contrastive(output, target, bank=3 * target), losses.contrastive(output, target))
