"""Checks for the exercises of notebook 03.

The right answers come from the lattice itself, and the usual wrong ones are computed too, so that the message can name
the slip. The two exercises about the light cone are in `light_cone`.

Taught in notebook 03.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product

import torch
from torch import Tensor

from cubelib.exercises.light_cone import cells_that_know, ticks_until_known
from cubelib.exercises.verdict import Mistake, expect_tensor, expect_whole_number, in_groups, judge
from cubelib.lattice import CubicCore
from cubelib.lattice.perceive import NEIGHBORHOODS, neighbor_index

__all__ = ["cells_that_know", "neighbors", "parameters", "tick", "ticks_until_known"]

Cell = tuple[int, int, int]  # (plane, row, column)
Size = tuple[int, int, int]  # (depth, rows, columns)
Tick = Callable[[Tensor, float, float, float, float], Tensor]
Neighbors = Callable[[Cell, Size, str], Sequence[Cell]]
Parameters = Callable[[str, int, int, int, int], int]


# --- 3.1 -------------------------------------------------------------------------------------------------------------


def tick(function: Tick) -> None:
    """Exercise 3.1: one tick of a row of cells that hold one number each.

    Args:
        function: `function(row, behind, level, ahead, out)`, row `(depth,)` → the next row, `(depth,)`.

    Example:
        >>> tick(lambda row, behind, level, ahead, out: row)
        Exercise 3.1: check 2 of 4 does not pass. With out = 0 no cell changes anything, and [4, 0, 0] becomes \
[0, 4, 0]; tick gives [4, 0, 0]. The state of the cell behind is carried to the next cell.
    """
    judge("3.1", function, [_a_row_again, _it_conducts, _it_keeps, _same_as_the_core])


def _row(*numbers: float) -> Tensor:
    return torch.tensor(numbers)


def _shown(row: Tensor) -> str:
    return "[" + ", ".join(f"{number:g}" for number in row.tolist()) + "]"


def _a_row_again(function: Tick) -> None:
    row = _row(4.0, 0.0, 0.0)
    found = function(row, 1.0, -1.0, 0.5, 0.5)
    expect_tensor(found, (3,), "tick of a row of 3 cells", "One number for each cell.")
    if not torch.equal(row, _row(4.0, 0.0, 0.0)):
        raise Mistake(
            "tick changed the row it was given. All cells act at the same time and see the old row: write into a new "
            "one, new = torch.zeros_like(row)."
        )


def _it_conducts(function: Tick) -> None:
    found = function(_row(4.0, 0.0, 0.0), 1.0, -1.0, 0.5, 0.0)
    hint = "The state of the cell behind is carried to the next cell."
    if torch.equal(found, _row(4.0, 4.0, 0.0)):
        hint = "Only the last cell keeps what it holds; the others pass it on and are empty."
    if not torch.equal(found, _row(0.0, 4.0, 0.0)):
        raise Mistake(
            f"With out = 0 no cell changes anything, and [4, 0, 0] becomes [0, 4, 0]; tick gives {_shown(found)}. "
            f"{hint}"
        )


def _it_keeps(function: Tick) -> None:
    found = function(_row(0.0, 1.0, 2.0), 1.0, -1.0, 0.5, 0.0)
    hint = "The last cell keeps what it holds and adds what arrives: 2 + 1."
    if found[0] == 2.0:
        hint = (
            "In Python row[-1] is the last number, so the first cell hears the last. Nobody is behind the first cell."
        )
    elif found[2] == 1.0:
        hint = "What the last cell held is lost: the back face keeps it and adds what arrives, 2 + 1."
    if not torch.equal(found, _row(0.0, 0.0, 3.0)):
        raise Mistake(f"With out = 0, [0, 1, 2] becomes [0, 0, 3]; tick gives {_shown(found)}. {hint}")


def _same_as_the_core(function: Tick) -> None:
    weights = (1.0, -1.0, 0.5, 0.5)
    for old, right in pairwise(_row_states(weights, start=4.0)):
        found = function(old.clone(), *weights)
        if torch.allclose(found, right, atol=1e-5):
            continue
        hint = "The change is out · relu(behind · cell behind + level · own + ahead · cell ahead)."
        for slip, wrong in _tick_slips(old, *weights).items():
            if torch.allclose(found, wrong, atol=1e-5):
                hint = slip
        raise Mistake(
            f"With behind, level, ahead, out = {weights} the row {_shown(old)} becomes {_shown(right)}; tick gives "
            f"{_shown(found)}. {hint}"
        )


def _row_states(weights: tuple[float, float, float, float], start: float) -> Tensor:
    """What the lattice itself makes of a row of 4 cells in 6 ticks."""
    core = CubicCore(
        (4, 1, 1),
        1,
        state_channels=1,
        hidden=1,
        rule="shared",
        linear_path=False,
        neighborhood="von_neumann",
        steps=6,
    )
    rule = core.rule
    with torch.no_grad():
        for sheets, weight in zip((rule.behind, rule.level, rule.ahead, rule.out), weights, strict=True):
            sheets[0].fill_(weight)
        states: Tensor = core(torch.full((1, 1, 1, 1), start), return_states=True)[1]
    return states.flatten(0, 1).flatten(1)  # (ticks + 1, depth)


def _tick_slips(row: Tensor, behind: float, level: float, ahead: float, out: float) -> dict[str, Tensor]:
    """What a wrong tick gives → what to say about it."""
    nothing = torch.zeros(1)
    before, after = torch.cat([nothing, row[:-1]]), torch.cat([row[1:], nothing])
    carried = before.clone()
    carried[-1] += row[-1]
    seen = behind * before + level * row + ahead * after
    turned = behind * row.roll(1) + level * row + ahead * row.roll(-1)
    return {
        "The relu is missing: what is below zero becomes zero before it is multiplied by out.": carried + out * seen,
        "The relu acts on what is seen only, before the multiplication by out and before anything is carried.": (
            carried + out * seen
        ).relu(),
        "The change is missing: only what is carried is there.": carried,
        "What is carried is missing: only the change is there.": out * seen.relu(),
        "out is missing: multiply what relu gives by out.": carried + seen.relu(),
        "behind and ahead are exchanged: behind is the lower number, where the signal comes from.": carried
        + out * (behind * after + level * row + ahead * before).relu(),
        "The ends of the row hear each other. Nobody is behind the first cell or ahead of the last one.": carried
        + out * turned.relu(),
        "A cell sees the new state of the cell behind. All cells act at the same time: read from the old row only.": (
            _in_place(row, carried, behind, level, ahead, out)
        ),
    }


def _in_place(row: Tensor, carried: Tensor, behind: float, level: float, ahead: float, out: float) -> Tensor:
    new = row.clone()
    for z in range(len(row)):
        seen = level * row[z]
        seen = seen + (behind * new[z - 1] if z > 0 else 0) + (ahead * row[z + 1] if z + 1 < len(row) else 0)
        new[z] = carried[z] + out * seen.relu()
    return new


# --- 3.2 -------------------------------------------------------------------------------------------------------------


def neighbors(function: Neighbors) -> None:
    """Exercise 3.2: the Moore neighbors of a cell.

    Args:
        function: `function(cell, lattice_size, boundary)` → a list of cells (plane, row, column).

    Example:
        >>> neighbors(lambda cell, lattice_size, boundary: [cell])
        Exercise 3.2: check 1 of 4 does not pass. neighbors((3, 4, 4), (8, 8, 8), 'zero') has the cell (3, 4, 4) \
itself in it. A cell is not its own neighbor: leave out the step (0, 0, 0).
    """
    size, small = (8, 8, 8), (2, 3, 5)
    judge(
        "3.2",
        function,
        in_groups(
            _expect_neighbors,
            [((3, 4, 4), size, "zero")],
            [(cell, size, "zero") for cell in ((0, 4, 4), (0, 0, 0), (7, 7, 7), (3, 0, 7))],
            [(cell, size, "periodic") for cell in ((3, 4, 4), (3, 0, 4), (0, 0, 0), (7, 7, 7))],
            [(cell, small, rim) for rim in ("zero", "periodic") for cell in product(*map(range, small))],
        ),
    )


def _moore(cell: Cell, size: Size, boundary: str) -> set[Cell]:
    (z, row, column), (depth, rows, columns) = cell, size
    found = set()
    for slab, offsets in NEIGHBORHOODS["moore"].items():
        for row_shift, column_shift in offsets:
            near_row = neighbor_index(row + row_shift, rows, boundary)
            near_column = neighbor_index(column + column_shift, columns, boundary)
            if 0 <= z + slab < depth and near_row is not None and near_column is not None:
                found.add((z + slab, near_row, near_column))
    return found - {cell}


def _expect_neighbors(function: Neighbors, cell: Cell, size: Size, boundary: str) -> None:
    call = f"neighbors({cell}, {size}, {boundary!r})"
    found = function(cell, size, boundary)
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if not isinstance(found, (list, tuple, set)) or not all(isinstance(one, tuple) and len(one) == 3 for one in found):
        raise Mistake(f"{call} must give a list of cells, each a tuple (plane, row, column).")
    if cell in found:
        raise Mistake(
            f"{call} has the cell {cell} itself in it. A cell is not its own neighbor: leave out the step (0, 0, 0)."
        )
    right, given = _moore(cell, size, boundary), set(found)
    if extra := sorted(given - right):
        raise Mistake(f"{call} has {extra[0]} in it. {_why_not(extra[0], cell, size, boundary)}")
    if missing := sorted(right - given):
        raise Mistake(f"{call} lacks {missing[0]}. {_why_so(missing, given, cell, size, boundary)}")
    if len(found) != len(given):
        raise Mistake(f"{call} names a cell twice: {len(found)} cells, {len(given)} different ones.")


def _why_not(extra: Cell, cell: Cell, size: Size, boundary: str) -> str:
    if extra[0] not in range(size[0]):
        return f"There is no plane {extra[0]}: along depth the lattice is always open, whatever the boundary."
    around = [abs(there - here) == side - 1 > 1 for here, there, side in zip(cell, extra, size, strict=True)]
    if around[0]:
        return "The first and the last plane do not touch: along depth the lattice is always open."
    if extra[1] not in range(size[1]) or extra[2] not in range(size[2]):
        place = "" if boundary == "zero" else " On a ring row −1 is the last row: use %."
        return f"Rows are 0 to {size[1] - 1} and columns 0 to {size[2] - 1}; that cell is outside.{place}"
    if any(around) and boundary == "zero":
        return "With boundary 'zero' nothing is wrapped around: that cell is on the other side of the lattice."
    return "A neighbor is at most one step away in each direction."


def _why_so(missing: list[Cell], given: set[Cell], cell: Cell, size: Size, boundary: str) -> str:
    steps = [tuple(abs(there - here) for here, there in zip(cell, near, strict=True)) for near in missing]
    if boundary == "periodic" and any(max(step) > 1 for step in steps):
        return "With boundary 'periodic' rows and columns are rings: after the last comes the first."
    if all(sum(step) > 1 for step in steps):
        return "A Moore cell hears those at an edge or a corner too: each of the three directions by −1, 0 or 1."
    if all(near[0] != cell[0] for near in missing):
        return "The planes behind and ahead count too: −1, 0 and 1 along depth."
    return f"It has {len(_moore(cell, size, boundary))} neighbors, and yours are {len(given)}."


# --- 3.5 -------------------------------------------------------------------------------------------------------------


def parameters(function: Parameters) -> None:
    """Exercise 3.5: parameters of the three rules.

    Args:
        function: `function(rule, cells, seen, channels, hidden)` → whole number.

    Example:
        >>> parameters(lambda rule, cells, seen, channels, hidden: hidden * (seen * channels + 1 + channels))
        Exercise 3.5: check 1 of 3 does not pass. parameters('shared', 448, 9, 16, 32) gives 5152, expected 7456. V is \
missing: seen × channels rows, channels columns.
    """
    judge("3.5", function, in_groups(_expect_parameters, [("shared",)], [("local",)], [("genome",)]))


def _expect_parameters(function: Parameters, rule: str) -> None:
    """A core whose every parameter counts: no rim (periodic) and no channel that is silent or unheard at the ends."""
    for (depth, side, neighborhood), (channels, hidden) in product(
        ((8, 8, "moore"), (4, 5, "von_neumann")), ((16, 32), (3, 7))
    ):
        seen, cells = len(NEIGHBORHOODS[neighborhood][-1]), (depth - 1) * side * side
        core = CubicCore(
            (depth, side, side),
            channels,
            state_channels=channels,
            hidden=hidden,
            rule=rule,
            neighborhood=neighborhood,
            boundary="periodic",
        )
        call = f"parameters({rule!r}, {cells}, {seen}, {channels}, {hidden})"
        found = expect_whole_number(function(rule, cells, seen, channels, hidden), call)
        if found != core.parameter_count:
            hint = _parameter_slips(rule, cells, seen, channels, hidden).get(found, "Count W, V, gain, bias and W_out.")
            raise Mistake(f"{call} gives {found}, expected {core.parameter_count}. {hint}")


def _parameter_slips(rule: str, cells: int, seen: int, channels: int, hidden: int) -> dict[int, str]:
    first, linear, last = seen * channels * hidden, seen * channels * channels, hidden * channels
    matrices = first + linear + last
    network = matrices + hidden
    without_v = "V is missing: seen × channels rows, channels columns."
    if rule == "shared":
        return {
            network - linear: without_v,
            matrices: "The bias is missing: hidden numbers.",
            network - last: "The last layer W_out is missing: hidden × channels.",
            network - linear + first: "V makes a change, not hidden numbers: it has `channels` columns.",
            network - linear + channels * channels: "V looks at all that is seen, like W: seen × channels rows.",
            seen * (hidden + channels) + hidden + last: "Each neighbor that is seen has `channels` numbers, not one.",
            network + channels: "W_out and V have no bias: a silent cell must stay silent.",
            cells * network: "All cells share one network: the number of cells does not matter.",
        }
    if rule == "local":
        return {
            network: "Each cell has a network of its own: times cells.",
            cells * (network - linear): without_v,
            cells * (network - linear) + linear: "V belongs to a cell's own network, like W: times cells.",
            cells * matrices: "The biases are missing: hidden numbers a cell.",
            cells * (network + hidden): "The local rule has no gain: its weights are its own already.",
        }
    tuned = matrices + 2 * cells * hidden
    return {
        network: "Beside the shared network each cell has a gain and a bias of its own.",
        tuned - linear: without_v,
        tuned - linear + cells * linear: "All cells share V, as they share W and W_out: do not count it for each cell.",
        network + cells * hidden: "A gain and a bias for each cell, hidden numbers each: one of them is missing.",
        tuned + hidden: "The cells' own biases take the place of the shared one: do not count that too.",
        tuned + 2 * cells * channels: "Gain and bias are for the hidden numbers only: V has none.",
        matrices + 2 * cells: "Gain and bias are not one number a cell but one for each hidden number.",
        cells * network: "That is the local rule. The genome rule shares the three weight matrices.",
    }
