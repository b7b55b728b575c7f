"""Global channels: the same numbers as the plain loops, the adapter it contains, and what stays local."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cubelib.lattice import CubicCore
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.reference import reference_states
from cubelib.lattice.rule import RULES

SIZE = (4, 3, 2)
EXACT = {"atol": 1e-10, "rtol": 0.0}


def cubes(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def some_damage() -> torch.Tensor:
    dead = torch.zeros(SIZE, dtype=torch.bool)
    dead[0, 0, 1] = dead[2, 1, 0] = dead[-1, 2, 0] = True
    return dead


@pytest.mark.parametrize("damaged", [False, True], ids=["intact", "damaged"])
@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_fast_equals_dense_equals_reference(random_core, rule, neighborhood, boundary, conduction, damaged):
    options = {
        "rule": rule,
        "neighborhood": neighborhood,
        "boundary": boundary,
        "conduction": conduction,
        "global_channels": 3,
    }
    damage = some_damage() if damaged else None
    cube = cubes(2, 3, 2, 2)
    with torch.no_grad():
        expected = reference_states(random_core(SIZE, steps=6, **options), cube[1], damage)
        for steps in (3, 4, 6):
            core = random_core(SIZE, steps=steps, **options)
            dense, states = core(cube, damage=damage, return_states=True)
            torch.testing.assert_close(states[1], expected[: steps + 1], **EXACT)
            torch.testing.assert_close(dense[1], expected[steps, -1, :, :, :2], **EXACT)
            torch.testing.assert_close(core(cube, damage=damage), dense, **EXACT)
            core.global_channels = None
            assert (core(cube, damage=damage) - dense).abs().max() > 1e-3  # they are read


def test_an_untrained_global_channels_says_nothing_and_learns():
    core = CubicCore(global_channels=4)
    cube = cubes(3, 8, 8, 12, dtype=torch.float32)
    assert torch.equal(core(cube), cube)
    core(cube).square().sum().backward()
    assert core.global_channels.read_weights.grad.abs().max() > 0


def test_a_global_channels_whose_cells_change_nothing_is_the_low_rank_adapter(random_core):
    core = random_core(SIZE, global_channels=2, linear_path=False)
    with torch.no_grad():
        core.rule.out[0].zero_()
        write = core.global_channels.write_weights.reshape(12, 2)
        answer = core.global_channels.read_weights.permute(0, 1, 3, 2).reshape(12, 2)
        cube = cubes(5, 3, 2, 2)
        flat = cube.flatten(1)
        torch.testing.assert_close(core(cube).flatten(1), flat + flat @ write @ answer.T, **EXACT)
        low_rank = torch.autograd.functional.jacobian(core, cube[:1]).reshape(12, 12) - torch.eye(12)
    assert int(torch.linalg.matrix_rank(low_rank)) == 2


@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
def test_only_the_back_face_hears_it_and_not_before_the_signal_arrives(random_core, conduction):
    core = random_core(SIZE, steps=5, global_channels=2, neighborhood="von_neumann", conduction=conduction)
    cube = cubes(8, 3, 2, 2)
    with torch.no_grad():
        _, loud = core(cube, return_states=True)
        core.global_channels = None
        _, quiet = core(cube, return_states=True)
    heard = (loud != quiet).any(-1).flatten(3).any(-1).any(0)  # (ticks, planes)
    assert heard.tolist() == [
        *[[False] * 4] * 3,
        [False, False, False, True],
        [False, False, True, True],
        [False, True, True, True],
    ]


def test_a_corner_hears_the_opposite_corner_at_once(random_core):
    """Not local: with von Neumann neighbors and the fewest ticks a cell else hears only the one in front of it."""
    cube = cubes(1, 3, 2, 2)
    for size, pairs in ((0, 6), (1, 36)):
        core = random_core(SIZE, global_channels=size, neighborhood="von_neumann", hidden=16)
        jacobian = torch.autograd.functional.jacobian(core, cube)[0, :, :, :, 0]  # (rows, columns, c, rows, columns, c)
        assert int((jacobian != 0).any(5).any(2).sum()) == pairs


def test_an_empty_lattice_stays_empty(random_core):
    core = random_core(SIZE, steps=6, global_channels=3)
    with torch.no_grad():
        for bias in core.rule.bias:
            bias.zero_()
        assert not core(torch.zeros(1, 3, 2, 2, dtype=torch.float64), return_states=True)[1].any()


def test_dead_cells_neither_write_nor_hear(random_core):
    core = random_core(SIZE, global_channels=3, linear_path=False)
    with torch.no_grad():
        core.rule.out[0].zero_()  # what is left is conduction and the global channels
        damage = torch.zeros(SIZE, dtype=torch.bool)
        damage[0, 1, 1] = damage[-1, 2, 0] = True
        cube = cubes(4, 3, 2, 2)
        silent = cube.clone()
        silent[:, 1, 1] = 0
        expected = core(silent)
        expected[:, 2, 0] = 0
        assert torch.equal(core(cube, damage=damage), expected)


def test_gradients_agree_with_finite_differences(random_core):
    core = random_core((3, 2, 2), 2, steps=3, global_channels=2, rule="shared")
    names = [name for name, parameter in core.named_parameters() if parameter.requires_grad]
    assert {"global_channels.write_weights", "global_channels.read_weights"} < set(names)

    def output(cube: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(core, dict(zip(names, weights, strict=True)), (cube,))

    weights = [core.get_parameter(name).detach().clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(output, (cubes(2, 2, 2, 2).requires_grad_(), *weights), fast_mode=True)


def test_gradient_checkpointing_changes_nothing(random_core):
    results = []
    for gradient_checkpointing in (False, True):
        core = random_core(SIZE, global_channels=2, steps=5, gradient_checkpointing=gradient_checkpointing)
        cube = cubes(3, 3, 2, 2).requires_grad_()
        core(cube).square().sum().backward()
        results.append([cube.grad, core.global_channels.write_weights.grad, core.global_channels.read_weights.grad])
    for plain, recomputed in zip(*results, strict=True):
        assert plain.abs().max() > 0
        assert torch.equal(plain, recomputed)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [3, 5])
def test_parameters_and_flops_of_the_global_channels(random_core, rule, steps):
    """Written from 12 numbers into 5, answered from 5 to 12."""
    core, plain = (random_core(SIZE, rule=rule, steps=steps, global_channels=size) for size in (5, 0))
    assert core.parameter_count - plain.parameter_count == 2 * 12 * 5
    core(cubes(2, 3, 2, 2)).square().sum().backward()
    assert all(int((weights.grad != 0).sum()) == 12 * 5 for weights in core.global_channels.parameters())
    for expected, dense in ((core.flops_per_sample, False), (core.dense_flops_per_sample, True)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            core(cubes(7, 3, 2, 2), return_states=dense)
        assert counter.get_total_flops() == 7 * expected


def test_without_a_global_channels_nothing_is_there():
    """Nor does it change the first weights of the cells: runs with and without a field start alike."""
    torch.manual_seed(5)
    plain = CubicCore()
    torch.manual_seed(5)
    core = CubicCore(global_channels=2)
    assert plain.global_channels is None
    assert set(core.state_dict()) - set(plain.state_dict()) == {
        "global_channels.write_weights",
        "global_channels.read_weights",
    }
    assert all(torch.equal(core.state_dict()[name], weights) for name, weights in plain.state_dict().items())
    assert repr(core) == repr(plain).replace("no bottleneck, 36,096", "no bottleneck, 2 global channels, 39,168")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"global_channels": -1}, r"global_channels is a whole number, 0 for none; got -1"),
        ({"global_channels": 1.5}, r"0 for none; got 1.5"),
        (
            {"global_channels": 8, "bottleneck": 4},
            r"bypass the bottleneck; got global_channels=8 and bottleneck=4. Use global_channels=0 or bottleneck=None",
        ),
        (
            {"global_channels": 8, "lattice_size": (1, 8, 8)},
            r"need two faces; this lattice has 1 plane. Use global_channels=0",
        ),
    ],
)
def test_global_channelss_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        CubicCore(**options)


def test_a_cell_that_skips_its_update_does_not_hear_the_global_channels_either(random_core):
    core = random_core((2, 3, 2), global_channels=2, cell_dropout=0.5)
    cube = cubes(1, 3, 2, 2).expand(50, 3, 2, 2)
    torch.manual_seed(6)
    with torch.no_grad():
        change = core(cube) - cube
        full = core.eval()(cube) - cube
    kept = (change.abs() > 1e-12).all(-1)  # (items, rows, columns)
    assert 0.3 < kept.double().mean() < 0.7
    torch.testing.assert_close(change, 2 * full * kept[..., None], atol=1e-12, rtol=0)
