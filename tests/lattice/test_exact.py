"""The fast path, the dense path and the plain loops of reference.py give the same numbers, and the same gradients."""

from __future__ import annotations

import pytest
import torch

from cubelib.lattice import CubicCore, products
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.reference import reference_states
from cubelib.lattice.rule import RULES

SIZE = (4, 3, 2)  # 24 cells: rows have an inside, columns are all rim
EXACT = {"atol": 1e-10, "rtol": 0.0}


def some_damage(size: tuple[int, int, int]) -> torch.Tensor:
    dead = torch.zeros(size, dtype=torch.bool)
    dead[0, 0, 0] = dead[size[0] // 2, -1, 0] = dead[-1, 0, -1] = True
    return dead


LINEAR = pytest.mark.parametrize("linear_path", [True, False], ids=["linear", "relu_only"])


@LINEAR
@pytest.mark.parametrize("damaged", [False, True], ids=["intact", "damaged"])
@pytest.mark.parametrize("bottleneck", [None, 1], ids=["no_bottleneck", "bottleneck"])
@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_fast_equals_dense_equals_reference(
    random_core, rule, neighborhood, boundary, conduction, bottleneck, damaged, linear_path
):
    depth = SIZE[0]
    options = {
        "rule": rule, "neighborhood": neighborhood, "boundary": boundary, "conduction": conduction,
        "bottleneck": bottleneck, "linear_path": linear_path,
    }  # fmt: skip
    longest = random_core(SIZE, steps=2 * depth, **options)
    damage = some_damage(SIZE) if damaged else None
    cubes = torch.randn(2, *SIZE[1:], 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        # The state at tick t does not depend on how many ticks follow, so one slow run serves every number of steps.
        expected = reference_states(longest, cubes[1], damage)
        assert 1e-3 < expected[-1, -1].abs().max() < 1e3, "states too small or too large for 1e-10 to mean anything"
        for steps in range(depth - 1, 2 * depth + 1):
            core = random_core(SIZE, steps=steps, **options)
            fast = core(cubes, damage=damage)
            dense, states = core(cubes, damage=damage, return_states=True)
            torch.testing.assert_close(states[1], expected[: steps + 1], **EXACT)
            torch.testing.assert_close(dense[1], expected[steps, -1, :, :, :2], **EXACT)
            torch.testing.assert_close(fast, dense, **EXACT)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 2, 3), (2, 1, 1), (2, 1, 4), (3, 4, 1), (5, 2, 2)])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_odd_sizes_equal_the_reference(random_core, size, boundary, neighborhood):
    core = random_core(
        size, 3, state_channels=5, hidden=3, rule="local", boundary=boundary, neighborhood=neighborhood,
        steps=size[0] + 1, bottleneck=4,
    )  # fmt: skip
    cube = torch.randn(1, *size[1:], 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = reference_states(core, cube[0])
        output, states = core(cube, return_states=True)
        torch.testing.assert_close(states[0], expected, **EXACT)
        torch.testing.assert_close(core(cube), output, **EXACT)


@LINEAR
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_a_persistent_core_equals_the_reference(random_core, rule, neighborhood, boundary, linear_path):
    options = {"rule": rule, "neighborhood": neighborhood, "boundary": boundary, "linear_path": linear_path}
    core = random_core(SIZE, persistent=True, steps=5, **options)
    generator = torch.Generator().manual_seed(1)
    cubes = torch.randn(2, *SIZE[1:], 2, dtype=torch.float64, generator=generator)
    emptied = torch.rand(6, *SIZE, generator=generator) < 0.2  # other cells at each tick
    with torch.no_grad():
        for damage in (None, some_damage(SIZE), emptied):
            expected = reference_states(core, cubes[1], damage)
            output, states = core(cubes, damage=damage, return_states=True)
            torch.testing.assert_close(states[1], expected, **EXACT)
            torch.testing.assert_close(output[1], expected[-1, ..., :2].mean(0), **EXACT)
            torch.testing.assert_close(core(cubes, damage=damage), output, **EXACT)


def test_damage_tick_by_tick_equals_the_reference(random_core):
    core = random_core(SIZE, steps=6)
    generator = torch.Generator().manual_seed(1)
    cube = torch.randn(1, *SIZE[1:], 2, dtype=torch.float64, generator=generator)
    damage = torch.rand(7, *SIZE, generator=generator) < 0.2
    with torch.no_grad():
        expected = reference_states(core, cube[0], damage)
        output, states = core(cube, damage=damage, return_states=True)
        torch.testing.assert_close(states[0], expected, **EXACT)
        torch.testing.assert_close(core(cube, damage=damage), output, **EXACT)


@LINEAR
@pytest.mark.parametrize("extra_steps", [0, 2], ids=["shortest", "longer"])
@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_gradients_agree_with_finite_differences(
    random_core, rule, neighborhood, boundary, conduction, extra_steps, linear_path
):
    size = (3, 3, 2)
    core = random_core(
        size, 1, state_channels=2, hidden=2, rule=rule, neighborhood=neighborhood, boundary=boundary,
        conduction=conduction, steps=size[0] - 1 + extra_steps, bottleneck=1, linear_path=linear_path,
    )  # fmt: skip
    cube = torch.randn(2, *size[1:], 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    names = [name for name, parameter in core.named_parameters() if parameter.requires_grad]

    def output(cube: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(core, dict(zip(names, weights, strict=True)), (cube,))

    weights = [core.get_parameter(name).detach().clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(output, (cube.requires_grad_(), *weights), fast_mode=True)


@LINEAR
@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_column_by_column_gives_the_same_numbers_and_gradients_as_the_whole_plane(
    random_core, monkeypatch, boundary, rows, linear_path
):
    core = random_core((3, rows, 3), rule="local", steps=4, boundary=boundary, linear_path=linear_path)
    cube = torch.randn(2, rows, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    inputs = [cube, *(parameter for parameter in core.parameters() if parameter.requires_grad)]
    expected = [core(cube), *torch.autograd.grad(core(cube).square().sum(), inputs)]
    monkeypatch.setattr(products, "BLOCK_BYTES", 1)
    received = [core(cube), *torch.autograd.grad(core(cube).square().sum(), inputs)]
    for one, other in zip(received, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-11)


@LINEAR
@pytest.mark.parametrize("rule", RULES)
def test_fast_and_dense_paths_have_the_same_gradients(random_core, rule, linear_path):
    core = random_core(SIZE, rule=rule, steps=6, bottleneck=2, linear_path=linear_path)
    cube = torch.randn(3, *SIZE[1:], 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    learning = [parameter for parameter in core.parameters() if parameter.requires_grad]
    fast = torch.autograd.grad(core(cube).square().sum(), learning)
    dense = torch.autograd.grad(core(cube, return_states=True)[0].square().sum(), learning)
    for received, expected in zip(fast, dense, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(received, expected, atol=1e-9, rtol=1e-9)


def test_the_core_is_readable_by_the_reference_alone(random_core, monkeypatch):
    """The reference calls no method of the core: it stays an independent witness."""
    core = random_core(SIZE)
    for name in ("forward", "_tick", "_shift", "_apply_masks"):
        monkeypatch.setattr(CubicCore, name, None)
    states = reference_states(core, torch.ones(*SIZE[1:], 2, dtype=torch.float64))
    assert states.shape == (4, 4, 3, 2, 3)
