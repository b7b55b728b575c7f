"""A mistake is answered with what was given, what was expected and what to do."""

from __future__ import annotations

import pytest
import torch

from cubelib.lattice import CubicCore


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 6}, r"in 6 ticks nothing can cross 8 planes.*Use steps=7 or more"),
        ({"steps": 7.5}, r"steps is a whole number of ticks, or None for depth − 1 = 7; got 7.5"),
        (
            {"bottleneck": 17},
            r"bottleneck is the number of channels that the middle plane passes on, 1 to 16 .* got 17",
        ),
        ({"bottleneck": 0}, r"1 to 16 \(state_channels\), or None for no bottleneck; got 0"),
        ({"lattice_size": (8, 0, 8)}, r"three whole numbers of at least 1; got \(8, 0, 8\).*default is \(8, 8, 8\)"),
        ({"lattice_size": (8, 8)}, r"lattice_size is \(depth, rows, columns\).*got \(8, 8\)"),
        ({"lattice_size": (8, 8.5, 8)}, r"three whole numbers of at least 1; got \(8, 8.5, 8\)"),
        ({"in_channels": 0}, r"in_channels must be a whole number of at least 1; got 0"),
        ({"hidden": -2}, r"hidden must be a whole number of at least 1; got -2"),
        ({"state_channels": 8}, r"state_channels 8 is less than in_channels 12. Use state_channels=12 or more"),
        ({"rule": "global"}, r"rule='global' is not known. Use one of shared, genome, local"),
        ({"neighborhood": "hex"}, r"neighborhood='hex' is not known. Use one of von_neumann, moore"),
        ({"boundary": "wrap"}, r"boundary='wrap' is not known. Use one of zero, reflect, periodic"),
        ({"cell_dropout": 1.0}, r"cell_dropout is a probability, 0 or more and below 1; got 1.0"),
        ({"cell_dropout": -0.1}, r"cell_dropout is a probability, 0 or more and below 1; got -0.1"),
        ({"cell_damage": 1.0}, r"cell_damage is a probability, 0 or more and below 1; got 1.0"),
        (
            {"persistent": True, "bottleneck": 4},
            r"a persistent core .* got steps=None, bottleneck=4, global_channels=0",
        ),
        ({"persistent": True, "steps": 0}, r"a persistent core holds its input for 1 tick or more.* got steps=0"),
        ({"cell_damage": -0.1}, r"cell_damage is a probability, 0 or more and below 1; got -0.1"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ValueError, match=message):
        CubicCore(**options)


@pytest.mark.parametrize("shape", [(8, 8, 12), (2, 768), (2, 8, 8, 16), (2, 8, 12, 8)])
def test_a_cube_of_the_wrong_shape(shape):
    message = r"the front face takes \(batch, 8, 8, 12\); got .*EmbeddingReshaper.fold"
    with pytest.raises(ValueError, match=message) as caught:
        CubicCore()(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_a_cube_of_another_number_type():
    message = r"the cube is torch.float64, the weights are torch.float32. Use cube.to\(torch.float32\)"
    with pytest.raises(ValueError, match=message):
        CubicCore()(torch.zeros(1, 8, 8, 12, dtype=torch.float64))


@pytest.mark.parametrize(
    "damage", [torch.zeros(8, 8, dtype=torch.bool), torch.zeros(8, 8, 9, dtype=torch.bool), torch.zeros(8, 8, 8)]
)
def test_a_damage_mask_of_the_wrong_shape_or_type(damage):
    with pytest.raises(ValueError, match=r"bool mask of dead cells, shape \(8, 8, 8\)") as caught:
        CubicCore()(torch.zeros(1, 8, 8, 12), damage=damage)
    assert f"got {damage.dtype}, shape {tuple(damage.shape)}" in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_input_that_is_not_finite(bad):
    cube = torch.zeros(2, 8, 8, 12)
    cube[1, 0, 0, :3] = bad
    message = r"NaN or infinite numbers after 7 ticks. Input shape \(2, 8, 8, 12\), 3 of its numbers not finite"
    with pytest.raises(FloatingPointError, match=message):
        CubicCore()(cube)


def test_weights_that_have_grown_too_large(random_core):
    core = random_core(dtype=torch.float32)
    with torch.no_grad():
        core.rule.out[0].fill_(1e30)
    with pytest.raises(
        FloatingPointError, match=r"0 of its numbers not finite.*lower the learning rate or clip gradients"
    ):
        core(torch.ones(1, 3, 2, 2))


def test_large_finite_numbers_are_no_mistake():
    """Their sum overflows, they do not, nor what the cells make of them, which is some 1e37 with any first weights."""
    cube = torch.full((1, 8, 8, 12), 1e37)
    assert torch.equal(CubicCore()(cube), cube)
