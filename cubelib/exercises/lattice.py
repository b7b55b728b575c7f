"""Exercises of notebook 03."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from cubelib.exercises.exercise import Case, Exercise, cases
from cubelib.exercises.verdict import Mistake

Cell = tuple[int, int, int]  # (plane, row, column)
Size = tuple[int, int, int]  # (depth, rows, columns)
Face = tuple[int, int]  # (row, column)


# --- 3.1 -------------------------------------------------------------------------------------------------------------


def _carried(row: Tensor) -> Tensor:
    """What each cell holds after a tick if no cell changes anything."""
    carried = torch.cat([torch.zeros(1), row[:-1]])
    carried[-1] += row[-1]
    return carried


def _seen(row: Tensor, behind: float, level: float, ahead: float) -> Tensor:
    nothing = torch.zeros(1)
    return behind * torch.cat([nothing, row[:-1]]) + level * row + ahead * torch.cat([row[1:], nothing])


def _tick(row: Tensor, behind: float, level: float, ahead: float, out: float) -> Tensor:
    return _carried(row) + out * _seen(row, behind, level, ahead).relu()


def _tick_checks() -> list[list[Case]]:
    still, weights = "With out = 0 no cell changes anything", (1.0, -1.0, 0.5, 0.5)
    states = [torch.tensor([4.0, 0.0, 0.0, 0.0])]
    for _ in range(5):
        states.append(_tick(states[-1], *weights))
    carried = "The state of the cell behind is carried to the next cell; the last keeps its own and adds what arrives."
    return [
        [Case((torch.tensor([4.0, 0.0, 0.0]), *weights), only_shape=True)],
        [Case((torch.tensor([4.0, 0.0, 3.0]), *weights[:3], 0.0), still, carried)],
        [Case((torch.tensor([0.0, 1.0, 2.0]), *weights[:3], 0.0), still, carried)],
        cases(*((state, *weights) for state in states)),
    ]


def _in_place(row: Tensor, carried: Tensor | None, behind: float, level: float, ahead: float, out: float) -> Tensor:
    """A tick that reads from the row it writes to; what is carried is read from there too, if it is not given."""
    new, zero = row.clone(), torch.zeros(())
    for z in range(len(row)):
        before = new[z - 1] if z > 0 else zero
        after = row[z + 1] if z + 1 < len(row) else zero
        arrives = before if carried is None else carried[z]
        if carried is None and z + 1 == len(row):
            arrives = arrives + row[z]
        new[z] = arrives + out * (behind * before + level * row[z] + ahead * after).relu()
    return new


def _tick_slips(row: Tensor, behind: float, level: float, ahead: float, out: float) -> dict[str, Tensor]:
    weights, first, last = (behind, level, ahead, out), torch.eye(len(row))[0], torch.eye(len(row))[-1]
    carried, seen = _carried(row), _seen(row, behind, level, ahead)
    right = carried + out * seen.relu()
    swapped = carried + out * _seen(row, ahead, level, behind).relu()
    ring = carried + out * (behind * row.roll(1) + level * row + ahead * row.roll(-1)).relu()
    around = "In Python row[-1] is the last number, so the first cell hears the last. Nobody is behind the first cell."
    relu_of_all = "The relu acts on what is seen only, before the multiplication by out and before anything is carried."
    ends = "The ends of the row hear each other. Nobody is behind the first cell or ahead of the last one."
    new_seen = (
        "A cell sees the new state of the cell behind. All cells act at the same time: read from the old row only."
    )
    new_row = "You read from the row that you write to. Write into a new one: new = torch.zeros_like(row)."
    return {
        "Only the last cell keeps what it holds; the others pass it on and are empty.": right + row * (1 - last),
        around: right + row[-1] * first,
        "What the last cell held is lost: the back face keeps it and adds what arrives.": right - row * last,
        "The relu is missing: what is below zero becomes zero before it is multiplied by out.": carried + out * seen,
        relu_of_all: (carried + out * seen).relu(),
        "The change is missing: only what is carried is there.": carried,
        "What is carried is missing: only the change is there.": right - carried,
        "out is missing: multiply what relu gives by out.": carried + seen.relu(),
        "behind and ahead are exchanged: behind is the lower number, where the signal comes from.": swapped,
        ends: ring,
        new_seen: _in_place(row, carried, *weights),
        new_row: _in_place(row, None, *weights),
    }


tick = Exercise(
    "3.1",
    "tick(row, behind, level, ahead, out) → the next state of a row of cells that hold one number each, (depth,)",
    right=_tick,
    checks=_tick_checks,
    slips=_tick_slips,
    hint="One number for each cell; its change is out · relu(behind · cell behind + level · own + ahead · cell ahead).",
    errors={IndexError: "The last cell has nobody ahead: read row[z + 1] only if z + 1 < len(row), and take 0 if not."},
)


# --- 3.2 -------------------------------------------------------------------------------------------------------------

STEPS = list(product((-1, 0, 1), repeat=3))


def _near(
    cell: Cell,
    size: Size,
    boundary: str,
    steps: Sequence[Sequence[int]] = STEPS,
    wrapped: Sequence[int] | None = None,
    open_ended: Sequence[int] = (),
) -> list[Cell]:
    """The cells at these steps, but for the cell itself.

    Axes in `wrapped` are rings (if not given, those of the boundary); in `open_ended` a cell may be outside.
    """
    rings = {"zero": (), "periodic": (1, 2)}[boundary] if wrapped is None else wrapped
    cells = set()
    for step in steps:
        place = [cell[axis] + step[axis] for axis in range(3)]
        for axis in rings:
            place[axis] %= size[axis]
        inside = all(axis in open_ended or place[axis] in range(size[axis]) for axis in range(3))
        if inside and any(step):
            cells.add((place[0], place[1], place[2]))
    return sorted(cells)


def _cells(value: Any) -> list[Cell]:
    """The cells in order, from a list, tuple, set or tensor of (plane, row, column)."""
    cells = value.tolist() if isinstance(value, Tensor) else value
    if not isinstance(cells, (list, tuple, set)) or any(
        not hasattr(cell, "__len__") or len(cell) != 3 for cell in cells
    ):
        raise Mistake("expected a list of cells, each a tuple (plane, row, column).")
    different = {(int(cell[0]), int(cell[1]), int(cell[2])) for cell in cells}
    if len(different) != len(cells):
        raise Mistake(f"which names a cell twice: {len(cells)} cells, {len(different)} different ones.")
    return sorted(different)


def _neighbor_slips(cell: Cell, size: Size, boundary: str) -> dict[str, list[Cell]]:
    inputs = (cell, size, boundary)
    right, outside = _near(*inputs), _near(*inputs, wrapped=(), open_ended=(1, 2))
    straight, flat = [step for step in STEPS if sum(map(abs, step)) < 2], [step for step in STEPS if step[0] == 0]
    far = _near(*inputs, steps=list(product((-2, -1, 0, 1, 2), repeat=3)))
    corners = "A Moore cell hears those at an edge or a corner too: each of the three directions by −1, 0 or 1."
    no_plane = "There is no plane -1: along depth the lattice is always open, whatever the boundary."
    zero = "With boundary 'zero' nothing is wrapped around: that cell is on the other side of the lattice."
    ring = "With boundary 'periodic' rows and columns are rings: after the last comes the first."
    depth = "The first and the last plane do not touch: along depth the lattice is always open."
    slips = {
        "A cell is not its own neighbor: leave out the step (0, 0, 0).": sorted([*right, cell]),
        corners: _near(*inputs, steps=straight),
        "The planes behind and ahead count too: −1, 0 and 1 along depth.": _near(*inputs, steps=flat),
        "A neighbor is at most one step away in each direction.": far,
        no_plane: _near(*inputs, open_ended=(0,)),
        zero: _near(cell, size, "periodic"),
        ring: _near(cell, size, "zero"),
        depth: _near(*inputs, wrapped=(0, 1, 2) if boundary == "periodic" else (0,)),
    }
    if boundary == "periodic":
        return slips | {"On a ring row −1 is the last row: use %.": outside}
    return slips | {"Rows and columns are counted from 0 and end: that cell is outside.": outside}


def _neighbor_checks() -> list[list[Case]]:
    size, small = (8, 8, 8), (2, 3, 5)
    every = product(product(*map(range, small)), (small,), ("zero", "periodic"))
    return [
        cases(((3, 4, 4), size, "zero")),
        cases(*((cell, size, "zero") for cell in ((0, 4, 4), (0, 0, 0), (7, 7, 7), (3, 0, 7)))),
        cases(*((cell, size, "periodic") for cell in ((3, 4, 4), (3, 0, 4), (0, 0, 0), (7, 7, 7)))),
        cases(*every),
    ]


neighbors = Exercise(
    "3.2",
    "neighbors(cell, lattice_size, boundary) → the list of the Moore neighbors of a cell (plane, row, column)",
    returns=_cells,
    right=_near,
    checks=_neighbor_checks,
    slips=_neighbor_slips,
    hint="A neighbor is one of the 26 cells at most one step away in each direction, if there is such a cell.",
)


# --- 3.3 -------------------------------------------------------------------------------------------------------------


def _distances(source: Face, size: Size, neighborhood: str) -> Tensor:
    """Ticks until each cell can know, `(depth, rows, columns)`."""
    plane, row, column = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    steps = torch.stack([plane, (row - source[0]).abs(), (column - source[1]).abs()])
    return steps.sum(0) if neighborhood == "von_neumann" else steps.amax(0)


def _where(known: Tensor) -> list[Cell]:
    """The cells of a mask `(depth, rows, columns)`, in order."""
    return [(plane, row, column) for plane, row, column in known.nonzero().tolist()]


def _knowing(ticks: int, source: Face, size: Size, neighborhood: str) -> list[Cell]:
    return _where(_distances(source, size, neighborhood) <= ticks)


def _endless(ticks: int, source: Face, depth: int, neighborhood: str) -> list[Cell]:
    """The cone where rows and columns do not end; some of its cells are outside of a lattice."""
    reach = 2 * ticks + 1
    cone = _knowing(ticks, (ticks, ticks), (depth, reach, reach), neighborhood)
    return sorted((plane, row + source[0] - ticks, column + source[1] - ticks) for plane, row, column in cone)


def _knowing_slips(ticks: int, source: Face, size: Size, neighborhood: str) -> dict[str, list[Cell]]:
    distances = _distances(source, size, neighborhood)
    known, planes = distances <= ticks, torch.arange(size[0])[:, None, None]
    first_plane = distances[0].expand(size) <= ticks
    rows, columns = torch.arange(size[1])[:, None] - source[0], torch.arange(size[2]) - source[1]
    signed = torch.stack([planes.expand(size), rows.expand(size), columns.expand(size)])
    one_way = (signed.sum(0) if neighborhood == "von_neumann" else signed.amax(0)) <= ticks
    is_moore = "That is the Moore cone. Steps of von Neumann cells add up: planes + rows + columns ≤ ticks."
    is_von_neumann = "That is the von Neumann cone. Moore cells hear diagonally: the largest step must be ≤ ticks."
    return {
        "You left out the planes: a cell on plane z is z steps away through the planes, too.": _where(first_plane),
        "Those hear at that very tick. List earlier ones too: a cell that knows keeps knowing.": _where(
            distances == ticks
        ),
        "That is one tick earlier.": _where(distances < max(ticks, 1)),
        "A step to the left or up takes as long as one to the right or down: use abs.": _where(one_way),
        "The source knows too.": _where(known & (distances > 0)),
        "That is the front face alone: go through all planes.": _where(known & (planes == 0)),
        "That is the cone in an endless plane. Rows and columns end at the walls.": _endless(
            ticks, source, size[0], neighborhood
        ),
        is_moore: _knowing(ticks, source, size, "moore"),
        is_von_neumann: _knowing(ticks, source, size, "von_neumann"),
    }


def _knowing_checks() -> list[list[Case]]:
    size, names = (8, 8, 8), ("moore", "von_neumann")
    walls = ((3, (0, 0), size), (7, (3, 3), size), (6, (1, 4), (3, 5, 9)))
    return [
        cases(*((0, (3, 3), size, name) for name in names)),
        cases(*((ticks, (3, 3), size, "moore") for ticks in (3, 1))),
        cases(*((ticks, (3, 3), size, "von_neumann") for ticks in (3, 1, 2))),
        cases(*((*wall, name) for wall, name in product(walls, names))),
    ]


cells_that_know = Exercise(
    "3.3",
    "cells_that_know(ticks, source, lattice_size, neighborhood) → the list of cells that can know about the source",
    returns=_cells,
    right=_knowing,
    checks=_knowing_checks,
    slips=_knowing_slips,
    hint="von Neumann: planes + rows + columns ≤ ticks. Moore: the largest of planes, rows and columns ≤ ticks.",
)


# --- 3.4 -------------------------------------------------------------------------------------------------------------


def _ticks(front: Face, back: Face, depth: int, neighborhood: str) -> int:
    steps = (depth - 1, abs(back[0] - front[0]), abs(back[1] - front[1]))
    return sum(steps) if neighborhood == "von_neumann" else max(steps)


def _ticks_slips(front: Face, back: Face, depth: int, neighborhood: str) -> dict[str, int]:
    signed = (depth - 1, back[0] - front[0], back[1] - front[1])
    sideways = max(abs(signed[1]), abs(signed[2]))
    all_planes = "From the first of `depth` planes to the last are depth - 1 steps."
    slips = {all_planes: _ticks(front, back, depth + 1, neighborhood)}
    if neighborhood == "von_neumann":
        diagonal = "A von Neumann cell hears nobody diagonally: every row and every column costs a tick of its own."
        return slips | {
            "A step to the left takes as long as a step to the right: use abs.": sum(signed),
            diagonal: _ticks(front, back, depth, "moore"),
            "A von Neumann cell hears nobody diagonally: rows and columns add up.": depth - 1 + sideways,
        }
    steps = "A Moore cell hears diagonally: a step ahead, a row and a column fit into the same tick."
    return slips | {
        "A step to the left takes as long as a step to the right: use abs.": max(signed),
        steps: _ticks(front, back, depth, "von_neumann"),
        "Both ways, through the planes and sideways, are gone at once: the longer one decides.": sideways,
        "The way sideways may be longer than through the planes: the longer one decides.": depth - 1,
    }


def _ticks_checks() -> list[list[Case]]:
    names = ("von_neumann", "moore")
    return [
        cases(*(((3, 3), (3, 3), depth, name) for depth, name in product((8, 3), names))),
        cases(*(((3, 3), back, 8, name) for back, name in product(((5, 4), (2, 0), (7, 7)), names))),
        cases(*(((1, 1), back, 4, name) for back, name in product(((0, 7), (6, 2)), names))),
    ]


ticks_until_known = Exercise(
    "3.4",
    "ticks_until_known(front, back, depth, neighborhood) → ticks until (row, column) of the back face can know",
    right=_ticks,
    checks=_ticks_checks,
    slips=_ticks_slips,
    hint="von Neumann: one step a tick, so steps add up. Moore: a step may be diagonal, so the longest way decides.",
)


# --- 3.5 -------------------------------------------------------------------------------------------------------------


def _parameters(rule: str, cells: int, seen: int, channels: int, hidden: int) -> int:
    matrices = seen * channels * (hidden + channels) + hidden * channels  # W and V, W_out
    if rule == "shared":
        return matrices + hidden
    if rule == "genome":
        return matrices + 2 * cells * hidden
    return cells * (matrices + hidden)


def _parameter_slips(rule: str, cells: int, seen: int, channels: int, hidden: int) -> dict[str, int]:
    first, linear, last = seen * channels * hidden, seen * channels * channels, hidden * channels
    matrices = first + linear + last
    network = matrices + hidden
    without_v = f"V is missing in the {rule} rule: seen × channels rows, channels columns."
    own = network - linear
    if rule == "shared":
        return {
            without_v: own,
            "The bias is missing: hidden numbers.": matrices,
            "The last layer W_out is missing: hidden × channels.": network - last,
            "V makes a change, not hidden numbers: it has `channels` columns.": own + first,
            "V looks at all that is seen, like W: seen × channels rows.": own + channels * channels,
            "Each neighbor has `channels` numbers, not one.": seen * (hidden + channels) + hidden + last,
            "W_out and V have no bias: a silent cell must stay silent.": network + channels,
            "All cells share one network: the number of cells does not matter.": cells * network,
        }
    if rule == "local":
        return {
            "Each cell has a network of its own: times cells.": network,
            without_v: cells * own,
            "V belongs to a cell's own network, like W: times cells.": cells * own + linear,
            "The biases are missing: hidden numbers a cell.": cells * matrices,
            "The local rule has no gain: its weights are its own already.": cells * (network + hidden),
        }
    tuned = matrices + 2 * cells * hidden
    return {
        "Beside the shared network each cell has a gain and a bias of its own.": network,
        without_v: tuned - linear,
        "All cells share V, as they share W and W_out: count it once.": tuned - linear + cells * linear,
        "A gain and a bias for each cell, hidden numbers each: one of them is missing.": network + cells * hidden,
        "The cells' own biases take the place of the shared one: do not count that too.": tuned + hidden,
        "Gain and bias are for the hidden numbers only: V has none.": tuned + 2 * cells * channels,
        "Gain and bias are not one number a cell but one for each hidden number.": matrices + 2 * cells,
        "That is the local rule. The genome rule shares the three weight matrices.": cells * network,
    }


def _parameter_checks() -> list[list[Case]]:
    sizes = [(448, 9, 16, 32), (448, 9, 3, 7), (75, 1, 16, 32), (75, 1, 3, 7)]
    return [cases(*((rule, *size) for size in sizes)) for rule in ("shared", "local", "genome")]


parameters = Exercise(
    "3.5",
    "parameters(rule, cells, seen, channels, hidden) → how many numbers a rule can learn",
    right=_parameters,
    checks=_parameter_checks,
    slips=_parameter_slips,
    hint="Count W, V, gain, bias and W_out.",
)
