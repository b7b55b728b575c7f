"""Exercises of notebook 00."""

from __future__ import annotations

from cubelib.exercises.exercise import Case, Exercise, cases

Cell = tuple[int, int, int]  # (plane, row, column)


# --- 0.1 -------------------------------------------------------------------------------------------------------------

plane_at_tick = Exercise(
    "0.1",
    "plane_at_tick(tick, depth) → the plane that holds the sentence in an untrained cube; 0 is the front face",
    right=lambda tick, depth: min(tick, depth - 1),
    checks=lambda: [
        cases((0, 8), (1, 8), (6, 8), (7, 8)),
        cases((9, 8), (8, 8)),
        cases((2, 5), (4, 5), (10, 5), (3, 1)),
    ],
    slips=lambda tick, depth: {
        "Use depth: this lattice does not have 8 planes.": min(tick, 7),
        "There is no such plane: what has arrived at the back face, plane depth - 1, stays there.": tick,
        "The last plane is depth - 1, since planes are counted from 0.": min(tick, depth),
        "From front to back the lattice is no ring: what has arrived at the back face stays there.": tick % depth,
        "Planes are counted from 0, and at tick 0 the sentence is on plane 0.": tick + 1,
        "That is the back face. The sentence needs a tick for each plane.": depth - 1,
    },
    hint="One plane a tick, and it starts on plane 0.",
)


# --- 0.2 -------------------------------------------------------------------------------------------------------------


def _arrive(dead_cells: list[Cell]) -> int:
    return 768 - 12 * len({(row, column) for _, row, column in dead_cells})


def _arrive_checks() -> list[list[Case]]:
    wall = [(4, row, column) for row in range(8) for column in range(8)]
    return [
        cases(([(4, 2, 3)],), ([],)),
        cases(
            ([(1, 2, 3), (1, 4, 5)],),
            ([(1, 2, 3), (2, 2, 5)],),
            ([(1, 3, 2), (2, 5, 2)],),
            ([(1, 2, 3), (1, 2, 5), (6, 4, 3)],),
            ([(1, 2, 3), (1, 5, 3), (6, 4, 5)],),
            (wall,),
        ),
        cases(([(2, 4, 4), (5, 4, 4)],), ([(1, 0, 7), (2, 0, 7), (2, 7, 0)],)),
        cases(([(4, 2, 3), (4, 2, 3)],), ([*wall, (3, 1, 1), (6, 1, 1)],)),
    ]


def _arrive_slips(dead_cells: list[Cell]) -> dict[str, int]:
    dead, blocked = len(dead_cells), len({cell[1:] for cell in dead_cells})
    by_row, by_column = len({cell[:2] for cell in dead_cells}), len({(cell[0], cell[2]) for cell in dead_cells})
    planes, rows, columns = (len({cell[axis] for cell in dead_cells}) for axis in range(3))
    return {
        "Two dead cells one behind the other block the same 12 numbers: count them once.": 768 - 12 * dead,
        "These are the numbers that are lost. How many arrive?": 12 * blocked,
        "These are cells, and each of them carries 12 numbers.": 64 - blocked,
        "Each cell carries 12 numbers, not one.": 768 - blocked,
        "What reaches a dead cell is gone: it hands nothing on.": 768,
        "Only what travels through a dead cell is lost; the other rows and columns pass.": 0,
        "Only the 64 cells of the front face hold numbers at the start: 64 · 12 = 768.": 12 * (512 - dead),
        "You count the planes with dead cells. Count the different pairs of row and column.": 768 - 12 * planes,
        "You count rows only. Each row and column has its own way through all planes.": 768 - 12 * rows,
        "You count columns only. Each row and column has its own way through all planes.": 768 - 12 * columns,
        "You left the column out. Each row and column has its own way through all planes.": 768 - 12 * by_row,
        "You left the row out. Each row and column has its own way through all planes.": 768 - 12 * by_column,
    }


numbers_that_arrive = Exercise(
    "0.2",
    "numbers_that_arrive(dead_cells) → how many of 768 numbers cross an untrained cube; cells are (plane, row, column)",
    right=_arrive,
    checks=_arrive_checks,
    slips=_arrive_slips,
    hint="A dead cell lets none of the 12 numbers pass that travel through it.",
)


# --- 0.3 -------------------------------------------------------------------------------------------------------------

by_chance = Exercise(
    "0.3",
    "by_chance(k, answers) → how likely the right answer is among k different ones, drawn at random; 0 … 1",
    right=lambda k, answers: min(1.0, k / answers),
    checks=lambda: [cases((1, 4), (1, 2000)), cases((10, 2000), (3, 4)), cases((4, 4), (10, 4))],
    slips=lambda k, answers: {
        "You draw k answers, not one: each of them may be the right one.": 1 / answers,
        "This is in percent; a share of all is 1.": 100 * min(1.0, k / answers),
        "It is k of all answers: the other way round.": answers / k,
        "No share is above 1: where you draw them all, the right one is among them.": k / answers,
        "In these k tries the same answer may come twice. You draw k different ones.": 1 - (1 - 1 / answers) ** k,
        "The right answer is one of them all: divide by answers, not by the others only.": min(1.0, k / (answers - 1)),
    },
    hint="Of `answers` equally likely places the right answer has one, and you look at k of them.",
)
