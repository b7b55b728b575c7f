from __future__ import annotations

import pytest
import torch

from cubelib.evaluation.whole_plane import WholePlane
from cubelib.training.fit_core import fit_core


def alive(depth):
    return torch.zeros(depth, 2, 2, dtype=torch.bool)


def cubes():
    return torch.randn(5, 2, 2, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_it_begins_as_the_identity_at_any_depth(depth):
    torch.testing.assert_close(WholePlane((2, 2), 3, state_channels=4, hidden=5)(cubes(), damage=alive(depth)), cubes())


def test_a_dead_cell_loses_what_it_held_and_nothing_else():
    damage = alive(4)
    damage[2, 0, 1] = True
    expected = cubes()
    expected[:, 0, 1] = 0
    torch.testing.assert_close(WholePlane((2, 2), 3, state_channels=4, hidden=5)(cubes(), damage=damage), expected)


def test_it_learns_and_sees_the_whole_plane():
    rival = WholePlane((2, 2), 3, state_channels=6, hidden=32)
    losses = fit_core(rival, cubes(), cubes().flip(1, 2), steps=150, damage=lambda generator: alive(3))
    assert losses[-1] < 0.1 * losses[0]  # to the opposite corner, which no rule reaches in fewer ticks than cells


def test_stages_of_their_own_fit_one_depth_only():
    rival = WholePlane((2, 2), 3, state_channels=4, hidden=5, stages=3)
    assert rival(cubes(), damage=alive(4)).shape == (5, 2, 2, 3)
    with pytest.raises(ValueError, match="a depth of 8 takes 7 stages, and this network has 3"):
        rival(cubes(), damage=alive(8))


def test_parameters_are_counted():
    assert WholePlane((2, 2), 3, state_channels=4, hidden=5).parameter_count == 16 * 5 + 5 + 5 * 16 + 16


def test_a_state_has_room_for_the_input():
    with pytest.raises(ValueError, match="state_channels must be at least in_channels; got 2 and 3"):
        WholePlane((2, 2), 3, state_channels=2, hidden=5)
