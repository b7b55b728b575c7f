"""One rule on lattices of any size."""

from __future__ import annotations

import pytest
import torch

from cubelib.lattice import CubicCore
from cubelib.lattice.reference import reference_states


def test_a_resized_core_has_the_same_weights_and_options_and_another_size(random_core):
    options = {
        "rule": "shared", "boundary": "periodic", "neighborhood": "von_neumann", "linear_path": False, "bottleneck": 1,
        "conduction": False, "cell_dropout": 0.1, "cell_damage": 0.2, "gradient_checkpointing": True, "steps": 5,
    }  # fmt: skip
    core = random_core((4, 3, 2), **options).eval()
    larger = core.resized(depth=6, rows=5, columns=7)
    assert larger.lattice_size == (6, 5, 7) and larger.steps == 7 and not larger.training
    assert core.lattice_size == (4, 3, 2) and core.steps == 5
    built = random_core((6, 5, 7), **{**options, "steps": 7})
    assert larger.state_dict().keys() == built.state_dict().keys()
    for name, weights in core.state_dict().items():
        assert torch.equal(larger.state_dict()[name], weights) and larger.state_dict()[name] is not weights
    assert {name: getattr(larger, name) for name in options if name not in ("rule", "steps")} == {
        name: value for name, value in options.items() if name not in ("rule", "steps")
    }
    cube = torch.randn(1, 5, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    larger.gradient_checkpointing = False
    expected = reference_states(larger, cube[0])[-1, -1, :, :, :2]
    torch.testing.assert_close(larger(cube)[0], expected, atol=1e-10, rtol=0)


def test_a_pattern_on_a_ring_is_computed_alike_on_a_larger_ring(random_core):
    core = random_core((4, 3, 4), rule="shared", boundary="periodic")
    cube = torch.randn(1, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    repeated = core.resized(rows=6, columns=12)(cube.repeat(1, 2, 3, 1))
    torch.testing.assert_close(repeated, core(cube).repeat(1, 2, 3, 1))


def test_ticks_follow_the_depth_and_stay_in_a_memory(random_core):
    assert random_core((4, 3, 2), rule="shared").resized(depth=9).steps == 8
    memory = random_core((4, 3, 2), rule="shared", persistent=True, steps=10)
    assert (memory.resized(depth=9).steps, memory.resized(steps=200).steps) == (10, 200)


@pytest.mark.parametrize("rule", ["genome", "local"])
def test_weights_of_single_cells_cannot_move(rule):
    message = rf"weights of the {rule} rule belong to single cells of a lattice of 8×8×8.*Use rule='shared'"
    with pytest.raises(ValueError, match=message):
        CubicCore(rule=rule).resized(depth=16)


def test_global_channels_cannot_move():
    with pytest.raises(ValueError, match=r"weights of the global channels belong to single cells"):
        CubicCore(rule="shared", global_channels=4).resized(rows=16)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"depth": 0}, r"three whole numbers of at least 1; got \(0, 8, 8\)"),
        ({"rows": 4.5}, r"three whole numbers of at least 1; got \(8, 4.5, 8\)"),
        ({"depth": 16, "steps": 7}, r"in 7 ticks nothing can cross 16 planes.*Use steps=15 or more"),
    ],
)
def test_sizes_that_cannot_work(size, message):
    with pytest.raises(ValueError, match=message):
        CubicCore(rule="shared").resized(**size)
