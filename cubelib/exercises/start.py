"""Checks for the exercises of notebook 00.

The right answers come from the cube itself, and the usual wrong ones are computed too, so that the message can name the
slip.

Taught in notebook 00.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cubelib.exercises.verdict import Mistake, expect_whole_number, in_groups, judge
from cubelib.lattice import CubicCore

Cell = tuple[int, int, int]  # (plane, row, column)
PlaneAtTick = Callable[[int, int], int]
NumbersThatArrive = Callable[[Sequence[Cell]], int]
ByChance = Callable[[int, int], float]


# --- 0.1 -------------------------------------------------------------------------------------------------------------


def plane_at_tick(function: PlaneAtTick) -> None:
    """Exercise 0.1: which plane holds the sentence after some ticks.

    Args:
        function: `function(tick, depth)` → the plane, 0 for the front face.

    Example:
        >>> plane_at_tick(lambda tick, depth: tick)
        Exercise 0.1: check 2 of 3 does not pass. plane_at_tick(9, 8) gives 9, expected 7. There are planes 0 to 7: \
what has arrived at the back face stays there.
    """
    ticks = [(0, 8), (1, 8), (6, 8), (7, 8)]
    judge("0.1", function, in_groups(_expect_plane, ticks, [(9, 8), (8, 8)], [(2, 5), (4, 5), (10, 5), (3, 1)]))


def _expect_plane(function: PlaneAtTick, tick: int, depth: int) -> None:
    call = f"plane_at_tick({tick}, {depth})"
    found, right = expect_whole_number(function(tick, depth), call), _seen_plane(tick, depth)
    if found == right:
        return
    hint = "One plane a tick, and it starts on plane 0."
    if found == min(tick, 7) and depth != 8:
        hint = f"Use depth: this lattice has {depth} planes, not 8."
    elif found >= depth:
        hint = f"There are planes 0 to {depth - 1}: what has arrived at the back face stays there."
    elif tick >= depth and found == tick % depth:
        hint = "From front to back the lattice is no ring: what has arrived at the back face stays there."
    elif found == tick + 1:
        hint = "Planes are counted from 0, and at tick 0 the sentence is on plane 0."
    elif found == depth - 1:
        hint = "That is the back face. The sentence needs a tick for each plane."
    raise Mistake(f"{call} gives {found}, expected {right}. {hint}")


def _seen_plane(tick: int, depth: int) -> int:
    """The plane that an untrained cube of one row of cells holds a number on."""
    core = CubicCore((depth, 1, 1), 1, state_channels=1, hidden=1, steps=max(tick, depth - 1))
    states = core(torch.ones(1, 1, 1, 1), return_states=True)[1]  # (1, ticks + 1, depth, 1, 1, 1)
    return int(states[0, tick].flatten().argmax())


# --- 0.2 -------------------------------------------------------------------------------------------------------------


def numbers_that_arrive(function: NumbersThatArrive) -> None:
    """Exercise 0.2: how many of 768 numbers cross an untrained cube in which some cells are dead.

    Args:
        function: `function(dead_cells)`, a list of (plane, row, column) → whole number.

    Example:
        >>> numbers_that_arrive(lambda dead_cells: 768 - 12 * len(dead_cells))
        Exercise 0.2: check 3 of 4 does not pass. numbers_that_arrive([(2, 4, 4), (5, 4, 4)]) gives 744, expected 756. \
Two dead cells one behind the other block the same 12 numbers: count them once.
    """
    wall = [(4, row, column) for row in range(8) for column in range(8)]
    judge(
        "0.2",
        function,
        in_groups(
            _expect_arrivals,
            [([],), ([(4, 2, 3)],)],
            [([(0, 0, 0), (4, 2, 3), (7, 5, 1)],), (wall,)],
            [([(2, 4, 4), (5, 4, 4)],), ([(1, 0, 7), (2, 0, 7), (2, 7, 0)],)],
            [([(4, 2, 3), (4, 2, 3)],), ([*wall, (3, 1, 1), (6, 1, 1)],)],
        ),
    )


def _expect_arrivals(function: NumbersThatArrive, dead: list[Cell]) -> None:
    named = str(dead) if len(dead) < 4 else f"[all of plane {dead[0][0]}{', and more' * (len(dead) > 64)}]"
    call = f"numbers_that_arrive({named})"
    found = expect_whole_number(function(list(dead)), call)
    damage = torch.zeros(8, 8, 8, dtype=torch.bool)
    for cell in dead:
        damage[cell] = True
    right = int((CubicCore((8, 8, 8), 12)(torch.ones(1, 8, 8, 12), damage=damage) != 0).sum())
    if found == right:
        return
    blocked = len({(row, column) for _, row, column in dead})
    hint = "A dead cell lets none of the 12 numbers pass that travel through it."
    if found == 768 - 12 * len(dead):
        hint = "Two dead cells one behind the other block the same 12 numbers: count them once."
    elif found == 12 * blocked:
        hint = "These are the numbers that are lost. How many arrive?"
    elif found == 64 - blocked:
        hint = "These are cells, and each of them carries 12 numbers."
    elif found == 768 - len(dead) or found == 768 - blocked:
        hint = "Each cell carries 12 numbers, not one."
    elif found == 768 and dead:
        hint = "Look at the picture of the dead plane: what reaches a dead cell is gone."
    elif found == 0 and blocked < 64:
        hint = "Only what travels through a dead cell is lost; the other rows and columns pass."
    elif found == 12 * (512 - len(dead)):
        hint = "Only the 64 cells of the front face hold numbers at the start: 64 · 12 = 768."
    raise Mistake(f"{call} gives {found}, expected {right}. {hint}")


# --- 0.3 -------------------------------------------------------------------------------------------------------------


def by_chance(function: ByChance) -> None:
    """Exercise 0.3: how often the right answer is among a few drawn at random.

    Args:
        function: `function(k, answers)` → a share, 0 … 1.

    Example:
        >>> by_chance(lambda k, answers: 1 / answers)
        Exercise 0.3: check 2 of 3 does not pass. by_chance(10, 2000) gives 0.0005, expected 0.0050. You draw k \
answers, not one: each of them may be the right one.
    """
    judge(
        "0.3",
        function,
        in_groups(_expect_chance, [(1, 4), (1, 2000)], [(10, 2000), (3, 4)], [(4, 4), (10, 4)]),
    )


def _expect_chance(function: ByChance, k: int, answers: int) -> None:
    call, found = f"by_chance({k}, {answers})", _share(function(k, answers), f"by_chance({k}, {answers})")
    right = min(1.0, k / answers)
    if abs(found - right) <= 1e-6:
        return
    hint = "Of `answers` equally likely places the right answer has one, and you look at k of them."
    for what, wrong in {
        "This is in percent; a share of all is 1.": 100 * right,
        "You draw k answers, not one: each of them may be the right one.": 1 / answers,
        "It is k of all answers: the other way round.": answers / k,
        "No share is above 1: where you draw them all, the right one is among them.": k / answers,
        "This counts k tries of one answer each, where the same wrong one may come twice. You draw k different ones.": (
            1 - (1 - 1 / answers) ** k
        ),
        "The right answer is one of them all: divide by answers, not by the others only.": k / max(1, answers - 1),
    }.items():
        if abs(found - wrong) <= 1e-9 * max(1.0, wrong):
            hint = what
            break
    raise Mistake(f"{call} gives {found:.4f}, expected {right:.4f}. {hint}")


def _share(value: Any, call: str) -> float:
    if value is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Mistake(f"{call} gives {value!r}, expected a number: a share between 0 and 1.")
    return float(value)
