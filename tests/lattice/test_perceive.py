"""What a cell sees, against known answers."""

from __future__ import annotations

import pytest
import torch

from cubelib.lattice.perceive import AHEAD, BEHIND, BOUNDARIES, LEVEL, NEIGHBORHOODS, neighbor_index, perceive

SQUARE = NEIGHBORHOODS["moore"][LEVEL]

# What the cell at row 0, column 0 of this plane sees, offset by offset, row by row of its 3×3 surroundings.
PLANE = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]  # (2 rows, 3 columns)
CORNER = {
    "zero": [0, 0, 0, 0, 1, 2, 0, 4, 5],
    "reflect": [5, 4, 5, 2, 1, 2, 5, 4, 5],
    "periodic": [6, 4, 5, 3, 1, 2, 6, 4, 5],
}


def as_states(plane: list[list[float]]) -> torch.Tensor:
    return torch.tensor(plane)[None, :, :, None]  # (1, rows, columns, 1)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_corner_cell_sees_the_known_numbers(boundary):
    assert perceive(as_states(PLANE), SQUARE, boundary)[0, 0, 0].tolist() == CORNER[boundary]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_cell_inside_sees_the_same_with_every_boundary(boundary):
    plane = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
    assert perceive(as_states(plane), SQUARE, boundary)[0, 1, 1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("boundary", "before", "after"), [("zero", None, None), ("reflect", 1, 2), ("periodic", 3, 0)])
def test_neighbors_beyond_the_rim(boundary, before, after):
    assert [neighbor_index(index, 4, boundary) for index in (-1, 0, 3, 4)] == [before, 0, 3, after]


@pytest.mark.parametrize(("boundary", "seen"), [("zero", None), ("reflect", 0), ("periodic", 0)])
def test_a_single_cell_has_only_itself_for_a_neighbor(boundary, seen):
    assert neighbor_index(-1, 1, boundary) == neighbor_index(1, 1, boundary) == seen


def test_neighborhood_sizes():
    """Without the cell itself: 6 neighbors share a face with it, 26 a face, an edge or a corner."""
    counts = {name: sum(len(offsets) for offsets in slabs.values()) - 1 for name, slabs in NEIGHBORHOODS.items()}
    assert counts == {"von_neumann": 6, "moore": 26}


@pytest.mark.parametrize(("name", "distance"), [("von_neumann", sum), ("moore", max)], ids=["manhattan", "chebyshev"])
def test_neighborhoods_are_the_balls_of_their_distance(name, distance):
    slabs = NEIGHBORHOODS[name]
    inside = {
        (depth_offset, row, column) for depth_offset in (BEHIND, LEVEL, AHEAD) for row, column in slabs[depth_offset]
    }
    cube = [(z, row, column) for z in (-1, 0, 1) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    assert inside == {cell for cell in cube if distance(map(abs, cell)) <= 1}
    assert all(len(set(offsets)) == len(offsets) for offsets in slabs.values())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_every_cell_and_channel_against_index_by_index(boundary, rows, columns):
    planes = torch.randn(2, 3, rows, columns, 2, generator=torch.Generator().manual_seed(0))
    seen = perceive(planes, SQUARE, boundary)
    assert seen.shape == (2, 3, rows, columns, 18)
    for row in range(rows):
        for column in range(columns):
            for k, (row_shift, column_shift) in enumerate(SQUARE):
                near = (
                    neighbor_index(row + row_shift, rows, boundary),
                    neighbor_index(column + column_shift, columns, boundary),
                )
                expected = torch.zeros(2, 3, 2) if None in near else planes[:, :, near[0], near[1]]
                assert torch.equal(seen[:, :, row, column, 2 * k : 2 * k + 2], expected)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("offsets", [SQUARE, NEIGHBORHOODS["von_neumann"][LEVEL]], ids=["square", "plus"])
def test_gradients_go_back_to_where_the_numbers_came_from(boundary, offsets):
    planes = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda planes: perceive(planes, offsets, boundary), planes.requires_grad_())
