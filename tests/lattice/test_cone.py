"""Nothing moves faster than one cell a tick, and everything that can, does."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from cubelib.lattice import CubicCore, light_cone
from cubelib.lattice.cone import overlap


def test_light_cone_of_one_plane_a_tick():
    assert [list(planes) for planes in light_cone(8, 7)] == [[0], [1], [2], [3], [4], [5], [6], [7]]


def test_light_cone_with_time_to_spare():
    assert [list(planes) for planes in light_cone(4, 5)] == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3], [3]]


def test_light_cone_of_a_single_plane():
    assert [list(planes) for planes in light_cone(1, 0)] == [[0]]
    assert [list(planes) for planes in light_cone(1, 2)] == [[0], [0], [0]]


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
@pytest.mark.parametrize("extra", [0, 1, 3, 9])
def test_light_cone_is_what_is_reached_and_still_heard(depth, extra):
    """Both fronts found by walking, plane by plane, instead of by formula."""
    steps = depth - 1 + extra
    reached, heard = [{0}], [{depth - 1}]
    for _ in range(steps):
        reached.append({z + step for z in reached[-1] for step in (-1, 0, 1) if 0 <= z + step < depth})
        heard.append({z + step for z in heard[-1] for step in (-1, 0, 1) if 0 <= z + step < depth})
    expected = [now & later for now, later in zip(reached, reversed(heard), strict=True)]
    assert [set(planes) for planes in light_cone(depth, steps)] == expected


def test_light_cone_refuses_too_few_ticks_and_no_planes():
    with pytest.raises(ValueError, match=r"in 6 ticks nothing can cross 8 planes.*Use steps=7 or more"):
        light_cone(8, 6)
    with pytest.raises(ValueError, match=r"at least 1 plane; got depth=0"):
        light_cone(0, 3)


def test_overlap_of_slabs():
    now, then = range(1, 4), range(2, 6)
    assert {depth_offset: list(overlap(depth_offset, now, then)) for depth_offset in (-1, 0, 1)} == {
        -1: [2, 3, 4],
        0: [2, 3],
        1: [2],
    }


def distance(core: CubicCore, here: tuple[int, ...], there: tuple[int, ...]) -> int:
    """Cells between two places: the sum (von Neumann) or the largest (Moore) of the steps along the three axes.

    With the periodic boundary rows and columns are rings, and the shorter way round counts.
    """
    steps = [abs(a - b) for a, b in zip(here, there, strict=True)]
    if core.boundary == "periodic":
        sizes = core.lattice_size
        steps = [steps[0], *(min(step, size - step) for step, size in zip(steps[1:], sizes[1:], strict=True))]
    return sum(steps) if core.neighborhood == "von_neumann" else max(steps)


@pytest.mark.parametrize("source", [(0, 0), (2, 1)], ids=["corner", "inside"])
@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
@pytest.mark.parametrize("boundary", ["zero", "reflect", "periodic"])
@pytest.mark.parametrize("neighborhood", ["von_neumann", "moore"])
def test_a_signal_has_reached_exactly_the_cells_within_its_distance(
    random_core, neighborhood, boundary, conduction, source
):
    """Two inputs that differ in one front cell: after t ticks the states differ exactly within distance t of it."""
    size = (5, 6, 5)
    core = random_core(
        size, 2, state_channels=3, hidden=24, rule="local", neighborhood=neighborhood, boundary=boundary,
        conduction=conduction, steps=7,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    cube = torch.randn(1, *size[1:], 2, dtype=torch.float64, generator=generator)
    other = cube.clone()
    other[0, source[0], source[1]] += 1.0
    with torch.no_grad():
        states = [core(each, return_states=True)[1][0] for each in (cube, other)]
    differs = (states[0] != states[1]).any(-1)  # (ticks, depth, rows, columns)
    for t in range(core.steps + 1):
        reached = {tuple(cell) for cell in differs[t].nonzero().tolist()}
        cells = product(*map(range, size))
        # Plane 0 is written once, before the first tick, and the front cell itself is all that differs then.
        assert reached == {cell for cell in cells if distance(core, (0, *source), cell) <= t}, f"tick {t}"


def test_an_untrained_conducting_core_carries_a_delta_straight_through():
    core = CubicCore((5, 3, 3), 2, state_channels=4, hidden=4, steps=6)
    cube = torch.zeros(1, 3, 3, 2)
    cube[0, 1, 2, 1] = 1.0
    _, states = core(cube, return_states=True)
    where = [tuple(place[1:]) for place in states[0].nonzero().tolist()]
    assert where == [(0, 1, 2, 1), (1, 1, 2, 1), (2, 1, 2, 1), (3, 1, 2, 1), *[(4, 1, 2, 1)] * 3]


def test_without_conduction_a_silent_core_moves_nothing_and_an_untrained_one_can_learn():
    core = CubicCore((4, 2, 2), 2, state_channels=4, hidden=4, conduction=False)
    cube = torch.ones(1, 2, 2, 2)
    core(cube).square().sum().backward()
    assert all(sheet.grad is None or sheet.grad.any() for sheet in core.rule.out)
    for sheet in core.rule.out:
        torch.nn.init.zeros_(sheet)
    core.zero_grad()
    output, states = core(cube, return_states=True)
    output.sum().backward()
    assert output.abs().max() == 0
    assert torch.equal(states[0, -1, 0, :, :, :2], torch.ones(2, 2, 2))
    assert not any(weights.grad.any() for weights in core.parameters() if weights.grad is not None)  # and never will


def test_the_default_lets_every_front_cell_be_heard_at_every_back_cell_and_von_neumann_does_not(random_core):
    """In 7 ticks on 8×8×8 each Moore cell of the back face hears all 64 front cells; a von Neumann cell hears one."""
    for neighborhood, heard in (("moore", 64), ("von_neumann", 1)):
        core = random_core((8, 8, 8), 1, state_channels=2, hidden=8, rule="shared", neighborhood=neighborhood)
        cube = torch.randn(4, 8, 8, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(6)).requires_grad_()
        output = core(cube)
        for row, column in ((0, 0), (7, 3), (7, 7)):
            (gradient,) = torch.autograd.grad(output[:, row, column].sum(), cube, retain_graph=True)
            assert int((gradient != 0).any(0).sum()) == heard
