"""Checks for the exercises of notebook 03 about the light cone: who can know, and when.

Taught in notebook 03.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.exercises.verdict import Mistake, expect_whole_number, in_groups, judge

Size = tuple[int, int, int]  # (depth, rows, columns)
CellsThatKnow = Callable[[int, tuple[int, int], Size, str], int]
TicksUntilKnown = Callable[[tuple[int, int], tuple[int, int], int, str], int]


def cells_that_know(function: CellsThatKnow) -> None:
    """Exercise 3.3: how many cells can know about one cell of the front face after some ticks.

    Args:
        function: `function(ticks, source, lattice_size, neighborhood)` → whole number; source is (row, column).

    Example:
        >>> cells_that_know(lambda ticks, source, lattice_size, neighborhood: (2 * ticks + 1) ** 2 * (ticks + 1))
        Exercise 3.3: check 3 of 4 does not pass. cells_that_know(3, (3, 3), (8, 8, 8), 'von_neumann') gives 196, \
expected 44. That is the Moore cone. Steps of von Neumann cells add up: planes + rows + columns ≤ ticks.
    """
    size, both = (8, 8, 8), ("moore", "von_neumann")
    walls = ((3, (0, 0), size), (7, (3, 3), size), (6, (1, 4), (3, 5, 9)))
    judge(
        "3.3",
        function,
        in_groups(
            _expect_count,
            [(0, (3, 3), size, name) for name in both],
            [(ticks, (3, 3), size, "moore") for ticks in (3, 1)],
            [(ticks, (3, 3), size, "von_neumann") for ticks in (3, 1, 2)],
            [(*case, name) for case in walls for name in both],
        ),
    )


def _distances(source: tuple[int, int], size: Size, neighborhood: str) -> Tensor:
    """Ticks until each cell can know, `(depth, rows, columns)`."""
    z, row, column = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    apart = torch.stack([z, (row - source[0]).abs(), (column - source[1]).abs()])
    return apart.sum(0) if neighborhood == "von_neumann" else apart.amax(0)


def _expect_count(function: CellsThatKnow, ticks: int, source: tuple[int, int], size: Size, neighborhood: str) -> None:
    call = f"cells_that_know({ticks}, {source}, {size}, {neighborhood!r})"
    found = expect_whole_number(function(ticks, source, size, neighborhood), call)
    far = _distances(source, size, neighborhood)
    right = int((far <= ticks).sum())
    if found == right:
        return
    wide = tuple(2 * side + 4 * ticks for side in size[1:])  # walls too far away to matter
    open_far = _distances((wide[0] // 2, wide[1] // 2), (size[0], *wide), neighborhood)
    other = {"moore": "von_neumann", "von_neumann": "moore"}[neighborhood]
    both_ways = 2 * right - int((far[0] <= ticks).sum())
    moore = "Moore cells go aslant: the largest of planes, rows and columns must be ≤ ticks."
    straight = "Steps of von Neumann cells add up: planes + rows + columns ≤ ticks."
    slips = {
        int((far == ticks).sum()): "Those hear at that very tick. Count the earlier ones too: who knows keeps knowing.",
        int((far < ticks).sum()): "That is one tick earlier.",
        both_ways: "That is a cone in both directions of depth. No plane lies before the front face.",
        right - 1: "Count the source too.",
        int((far[0] <= ticks).sum()): "That is the front face alone: count all planes.",
        int((open_far <= ticks).sum()): "That is the cone in an endless plane. Rows and columns end at the walls.",
        int((_distances(source, size, other) <= ticks).sum()): (
            f"That is the {'Moore' if other == 'moore' else 'von Neumann'} cone. "
            f"{moore if neighborhood == 'moore' else straight}"
        ),
    }
    hint = slips.get(found, straight if neighborhood == "von_neumann" else moore)
    raise Mistake(f"{call} gives {found}, expected {right}. {hint}")


def ticks_until_known(function: TicksUntilKnown) -> None:
    """Exercise 3.4: ticks until a cell of the back face can know about a cell of the front face.

    Args:
        function: `function(front, back, depth, neighborhood)` → whole number; front and back are (row, column).

    Example:
        >>> ticks_until_known(lambda front, back, depth, neighborhood: depth)
        Exercise 3.4: check 1 of 3 does not pass. ticks_until_known((3, 3), (3, 3), 8, 'von_neumann') gives 8, \
expected 7. From the first of 8 planes to the last are 7 steps.
    """
    both = ("von_neumann", "moore")
    judge(
        "3.4",
        function,
        in_groups(
            _expect_ticks,
            [((3, 3), (3, 3), depth, name) for depth in (8, 3) for name in both],
            [((3, 3), back, 8, name) for back in ((5, 4), (2, 0), (7, 7)) for name in both],
            [((1, 1), back, 4, name) for back in ((0, 7), (6, 2)) for name in both],
        ),
    )


def _expect_ticks(
    function: TicksUntilKnown, front: tuple[int, int], back: tuple[int, int], depth: int, neighborhood: str
) -> None:
    call = f"ticks_until_known({front}, {back}, {depth}, {neighborhood!r})"
    found = expect_whole_number(function(front, back, depth, neighborhood), call)
    aside = [abs(there - here) for here, there in zip(front, back, strict=True)]
    signed = [there - here for here, there in zip(front, back, strict=True)]
    total, farthest, deep = depth - 1 + sum(aside), max(depth - 1, *aside), depth - 1
    right = total if neighborhood == "von_neumann" else farthest
    if found == right:
        return
    hint = "von Neumann: one step a tick, so steps add up. Moore: a step may go aslant, so the longest way decides."
    if found == right + 1:
        hint = f"From the first of {depth} planes to the last are {deep} steps."
    elif neighborhood == "von_neumann" and found == deep + sum(signed):
        hint = "A step to the left takes as long as a step to the right: use abs."
    elif neighborhood == "von_neumann" and found in (farthest, deep + max(aside)):
        hint = "A von Neumann cell hears nobody aslant: every row and every column costs a tick of its own."
    elif neighborhood == "moore" and found == total:
        hint = "A Moore cell hears aslant: a step ahead, a row and a column fit into the same tick."
    elif neighborhood == "moore" and found in (max(aside), deep):
        hint = "Both ways must be gone, through the planes and aside, at the same time: the longer one decides."
    raise Mistake(f"{call} gives {found}, expected {right}. {hint}")
