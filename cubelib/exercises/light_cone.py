"""Exercises of notebook 03 about the light cone: who can know, and when."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from cubelib.exercises.exercise import Case, Exercise, cases
from cubelib.exercises.verdict import whole_number

Size = tuple[int, int, int]  # (depth, rows, columns)
Face = tuple[int, int]  # (row, column)


# --- 3.3 -------------------------------------------------------------------------------------------------------------


def _distances(source: Face, size: Size, neighborhood: str) -> Tensor:
    """Ticks until each cell can know, `(depth, rows, columns)`."""
    plane, row, column = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    steps = torch.stack([plane, (row - source[0]).abs(), (column - source[1]).abs()])
    return steps.sum(0) if neighborhood == "von_neumann" else steps.amax(0)


def _knowing(ticks: int, source: Face, size: Size, neighborhood: str) -> int:
    return int((_distances(source, size, neighborhood) <= ticks).sum())


def _knowing_slips(ticks: int, source: Face, size: Size, neighborhood: str) -> dict[str, int]:
    distances = _distances(source, size, neighborhood)
    right, in_front = int((distances <= ticks).sum()), int((distances[0] <= ticks).sum())
    at_tick, before = int((distances == ticks).sum()), int((distances < max(ticks, 1)).sum())
    wide = (size[0], 2 * size[1] + 4 * ticks, 2 * size[2] + 4 * ticks)  # walls too far away to matter
    endless = _knowing(ticks, (wide[1] // 2, wide[2] // 2), wide, neighborhood)
    moore, von_neumann = (_knowing(ticks, source, size, name) for name in ("moore", "von_neumann"))
    is_moore = "That is the Moore cone. Steps of von Neumann cells add up: planes + rows + columns ≤ ticks."
    is_von_neumann = "That is the von Neumann cone. Moore cells hear diagonally: the largest step must be ≤ ticks."
    return {
        "You left out the planes: a cell on plane z is z steps away through the planes, too.": size[0] * in_front,
        "Those hear at that very tick. Count earlier ones too: a cell that knows keeps knowing.": at_tick,
        "That is one tick earlier.": before,
        "That is a cone in both directions of depth. No plane is before the front face.": 2 * right - in_front,
        "Count the source too.": right - 1,
        "That is the front face alone: count all planes.": in_front,
        "That is the cone in an endless plane. Rows and columns end at the walls.": endless,
        is_moore: moore,
        is_von_neumann: von_neumann,
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
    "cells_that_know(ticks, source, lattice_size, neighborhood) → how many cells can know about a cell of the front",
    returns=whole_number,
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
    returns=whole_number,
    right=_ticks,
    checks=_ticks_checks,
    slips=_ticks_slips,
    hint="von Neumann: one step a tick, so steps add up. Moore: a step may be diagonal, so the longest way decides.",
)
