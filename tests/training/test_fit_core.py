"""A bare lattice learns a rule from one example, on any size; where neighbors mean nothing it does not."""

from __future__ import annotations

import pytest
import torch

from cubelib import EmbeddingMetrics
from cubelib.lattice import CubicCore
from cubelib.training.fit_core import fit_core
from cubelib.training.losses import squared_distance

CHANCE = sum(1 / rank for rank in range(1, 101)) / 100


def faces(count: int, seed: int, rows: int = 6, columns: int = 6) -> torch.Tensor:
    return torch.randn(count, rows, columns, 4, generator=torch.Generator().manual_seed(seed))


def new_core(depth: int = 4) -> CubicCore:
    torch.manual_seed(0)
    return CubicCore((depth, 6, 6), 4, state_channels=6, hidden=16, rule="shared", boundary="periodic")


@torch.no_grad()
def mrr(core: CubicCore, input: torch.Tensor, target: torch.Tensor) -> float:
    return EmbeddingMetrics.calculate_mrr(core(input).flatten(1), target.flatten(1))


def test_one_example_gives_the_rule_and_the_rule_fits_a_larger_face():
    core, one, test, large = new_core(), faces(1, 1), faces(100, 2), faces(100, 3, 10, 12)
    losses = fit_core(core, one, one.roll(1, dims=2), steps=150, learning_rate=0.01)
    assert len(losses) == 150 and losses[-1] < 0.05 * losses[0] and not core.training
    assert mrr(core, test, test.roll(1, dims=2)) > 0.95
    assert mrr(core.resized(rows=10, columns=12), large, large.roll(1, dims=2)) > 0.95


def test_numbers_dealt_out_at_random_have_no_rule():
    order = torch.randperm(144, generator=torch.Generator().manual_seed(0))

    def dealt(cubes: torch.Tensor) -> torch.Tensor:
        return cubes.flatten(1)[:, order].view_as(cubes)

    core, one, test = new_core(), faces(1, 1), faces(100, 2)
    fit_core(core, dealt(one), dealt(one.roll(1, dims=2)), steps=150, learning_rate=0.01)
    assert mrr(core, dealt(test), dealt(test.roll(1, dims=2))) < 3 * CHANCE


@pytest.mark.parametrize(("columns", "learned"), [(2, True), (3, False)])
def test_nothing_moves_faster_than_a_column_a_tick(columns, learned):
    core, train, test = new_core(depth=3), faces(200, 1), faces(100, 2)
    fit_core(core, train, train.roll(columns, dims=2), steps=300, learning_rate=0.01, loss=squared_distance)
    score = mrr(core, test, test.roll(columns, dims=2))
    assert score > 0.9 if learned else score < 3 * CHANCE


def test_batches_and_damage_follow_from_the_seed():
    def losses(seed: int, **damage: object) -> list[float]:
        core = new_core()
        core.cell_damage = 0.0 if damage else 0.2
        return fit_core(core, faces(30, 1), faces(30, 1), steps=5, batch_size=4, seed=seed, **damage)

    def drawn(generator: torch.Generator) -> torch.Tensor:
        return torch.rand(4, 6, 6, generator=generator) < 0.2

    torch.manual_seed(1)
    first = losses(0), losses(0, damage=drawn)
    torch.manual_seed(2)
    assert (losses(0), losses(0, damage=drawn)) == first
    assert losses(1) != first[0] and losses(1, damage=drawn) != first[1]
    assert first[1][0] > 0.1  # an untrained lattice loses what its dead cells held


@pytest.mark.parametrize(("inputs", "targets"), [(faces(0, 1), faces(0, 1)), (faces(2, 1), faces(3, 1))])
def test_pairs_that_are_none(inputs, targets):
    with pytest.raises(ValueError, match=r"fit_core: training takes at least one pair of cubes of the same shape"):
        fit_core(new_core(), inputs, targets)


def test_a_plain_network_is_trained_as_a_rival():
    torch.manual_seed(0)
    vectors = torch.randn(8, 6)
    losses = fit_core(torch.nn.Linear(6, 6), vectors, 2 * vectors, steps=150, learning_rate=0.05, loss=squared_distance)
    assert losses[-1] < 0.01 * losses[0]
