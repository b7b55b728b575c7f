"""The exercises of notebook 03: wrong answers are told what is wrong, and right ones pass."""

from itertools import product

import pytest
import torch

from cubelib import exercises as check


def row_tick(
    row,
    behind,
    level,
    ahead,
    out,
    *,
    carry=True,
    keep=True,
    leave=False,
    relu=torch.relu,
    outer=None,
    wrap=False,
    swap=False,
    in_place=False,
    into=None,
    times=None,
):
    """A tick with a slip to choose."""
    old, last = row, len(row) - 1
    new = row.clone() if in_place else torch.zeros_like(row) if into is None else row
    if swap:
        behind, ahead = ahead, behind
    for z in range(len(row)):
        source = new if in_place else old
        before = source[z - 1] if z > 0 or wrap else torch.tensor(0.0)
        after = old[(z + 1) % len(row)] if z < last or wrap else torch.tensor(0.0)
        carried = (old[z - 1] if z > 0 else 0.0) if carry else 0.0
        if (keep and z == last and carry) or (leave and z < last):
            carried = carried + old[z]
        value = carried + (out if times is None else times) * relu(behind * before + level * old[z] + ahead * after)
        new[z] = value if outer is None else outer(value)
    return new


def slip(**options):
    return lambda row, *weights: row_tick(row, *weights, **options)


def out_forgotten(row, behind, level, ahead, out):
    return row_tick(row, behind, level, ahead, out, times=1.0 if out else 0.0)


def change_forgotten(row, behind, level, ahead, out):
    return row_tick(row, behind, level, ahead, 0.0)


def carried_forgotten(row, behind, level, ahead, out):
    return row_tick(row, behind, level, ahead, out, carry=out == 0)


def nothing_below_zero(value):
    return torch.relu(torch.as_tensor(value))


def wrap_of_what_is_carried(row, behind, level, ahead, out):
    new = row_tick(row, behind, level, ahead, out)
    new[0] += row[-1]
    return new


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda row, *weights: row.tolist(), "gives a list, expected a torch.Tensor of shape (3,)"),
        (lambda row, *weights: row[:2], "has shape (2,), expected (3,)"),
        (slip(into="row"), "changed the row it was given"),
        (slip(leave=True), "Only the last cell keeps what it holds"),
        (lambda row, *weights: row, "The state of the cell behind is carried"),
        (wrap_of_what_is_carried, "In Python row[-1] is the last number"),
        (slip(keep=False), "What the last cell held is lost"),
        (slip(relu=lambda value: value), "The relu is missing"),
        (slip(relu=lambda value: value, outer=nothing_below_zero), "The relu acts on what is seen only"),
        (change_forgotten, "The change is missing"),
        (carried_forgotten, "What is carried is missing"),
        (out_forgotten, "out is missing"),
        (slip(swap=True), "behind and ahead are exchanged"),
        (slip(wrap=True), "The ends of the row hear each other"),
        (slip(in_place=True), "A cell sees the new state of the cell behind"),
        (slip(times=7.0, relu=torch.tanh), "With out = 0"),
        (slip(relu=torch.tanh), "The change is out · relu("),
    ],
)
def test_wrong_ticks_are_told_what_is_wrong(answer, lesson, capsys):
    check.lattice.tick(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 3.1: check ")


def near(
    cell,
    size,
    boundary,
    *,
    reach=1,
    steps=((-1, 0, 1),) * 3,
    own=False,
    wrap=None,
    open_depth=True,
    inside=True,
    most=3,
):
    """Neighbors with a slip to choose."""
    found = []
    for step in product(*steps):
        there = [place + reach * shift for place, shift in zip(cell, step, strict=True)]
        if boundary == "periodic" if wrap is None else wrap:
            there[1:] = [place % side for place, side in zip(there[1:], size[1:], strict=True)]
        if not open_depth:
            there[0] %= size[0]
        is_inside = all(place in range(side) for place, side in zip(there, size, strict=True))
        if (is_inside or not inside) and (own or any(step)) and sum(map(abs, step)) <= most:
            found.append(tuple(there))
    return found


@pytest.mark.parametrize(
    ("options", "lesson"),
    [
        ({"own": True}, "has the cell (3, 4, 4) itself in it"),
        ({"most": 1}, "A Moore cell hears those at an edge or a corner too"),
        ({"steps": ((0,), (-1, 0, 1), (-1, 0, 1))}, "The planes behind and ahead count too"),
        ({"steps": ((-1, 0, 1), (0, 1), (-1, 0, 1))}, "It has 26 neighbors, and yours are 17."),
        ({"reach": 2}, "A neighbor is at most one step away"),
        ({"inside": False}, "There is no plane -1: along depth the lattice is always open"),
        ({"wrap": True}, "With boundary 'zero' nothing is wrapped around"),
        ({"wrap": False}, "rows and columns are rings: after the last comes the first"),
        ({"open_depth": False}, "The first and the last plane do not touch"),
    ],
)
def test_wrong_neighbors_are_told_what_is_wrong(options, lesson, capsys):
    check.lattice.neighbors(lambda cell, size, boundary: near(cell, size, boundary, **options))
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 3.2: check ")


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda cell, size, boundary: 26, "must give a list of cells"),
        (lambda cell, size, boundary: [list(one) for one in near(cell, size, boundary)], "each a tuple"),
        (lambda cell, size, boundary: near(cell, size, boundary) * 2, "names a cell twice: 52 cells, 26 different"),
        (
            lambda cell, size, boundary: [
                one
                for one in near(cell, (*size[:1], 9, 9), boundary, inside=False)
                if one[0] in range(size[0]) and (boundary != "zero" or one in near(cell, size, boundary))
            ],
            "On a ring row −1 is the last row: use %.",
        ),
        (lambda cell, size, boundary: near(cell, (8, 8, 8), boundary), "check 4 of 4"),
    ],
)
def test_other_wrong_neighbors_are_told_what_is_wrong(answer, lesson, capsys):
    check.lattice.neighbors(answer)
    assert lesson in capsys.readouterr().out


def count(ticks, source, size, neighborhood, *, within=None, planes=None, far=None):
    """Cells that know, with a slip to choose."""
    far = far or {"von_neumann": sum, "moore": max}[neighborhood]
    within = within or (lambda away: away <= ticks)
    ways = [
        (z, abs(row - source[0]), abs(column - source[1]))
        for z, row, column in product(planes or range(size[0]), range(size[1]), range(size[2]))
    ]
    return sum(within(far(tuple(map(abs, way)))) for way in ways)


def endless(ticks, source, size, neighborhood):
    return count(ticks, (50, 50), (size[0], 101, 101), neighborhood)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda *case: count(*case) / 1, "expected a whole number"),
        (lambda *case: count(*case) - 1, "Count the source too."),
        (lambda *case: count(*case, within=lambda away: away == case[0]), "Those hear at that very tick"),
        (lambda ticks, *case: count(max(ticks - 1, 0), *case), "That is one tick earlier"),
        (lambda *case: count(*case, planes=range(-9, 8)), "No plane lies before the front face"),
        (lambda *case: count(*case, planes=range(1)), "That is the front face alone"),
        (lambda *case: count(*case, far=max), "That is the Moore cone. Steps of von Neumann cells add up"),
        (lambda *case: count(*case, far=sum), "That is the von Neumann cone. Moore cells go aslant"),
        (endless, "That is the cone in an endless plane"),
        (lambda ticks, source, size, name: count(ticks, (3, 3), size, name), "check 4 of 4"),
        (lambda ticks, source, size, name: count(ticks, source, (8, 8, 8), name), "check 4 of 4"),
    ],
)
def test_wrong_counts_are_told_what_is_wrong(answer, lesson, capsys):
    check.lattice.cells_that_know(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 3.3: check ")


def ticks(front, back, depth, name, *, sign=abs, von_neumann=sum, moore=max, deep=-1):
    way = (depth + deep, sign(back[0] - front[0]), sign(back[1] - front[1]))
    return von_neumann(way) if name == "von_neumann" else moore(way)


@pytest.mark.parametrize(
    ("options", "lesson"),
    [
        ({"deep": 0}, "From the first of 8 planes to the last are 7 steps"),
        ({"sign": lambda steps: steps}, "A step to the left takes as long as a step to the right: use abs."),
        ({"von_neumann": max}, "A von Neumann cell hears nobody aslant"),
        ({"von_neumann": lambda way: way[0] + max(way[1:])}, "A von Neumann cell hears nobody aslant"),
        ({"moore": sum}, "A Moore cell hears aslant"),
        ({"moore": lambda way: max(way[1:])}, "the longer one decides"),
        ({"moore": lambda way: way[0]}, "the longer one decides"),
        ({"moore": lambda way: -1}, "von Neumann: one step a tick, so steps add up"),
        ({"moore": lambda way: None}, "is there a return at the end?"),
        ({"moore": lambda way: True}, "expected a whole number"),
    ],
)
def test_wrong_ticks_until_known_are_told_what_is_wrong(options, lesson, capsys):
    check.lattice.ticks_until_known(lambda *case: ticks(*case, **options))
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 3.4: check ")


def counted(
    rule,
    cells,
    seen,
    channels,
    hidden,
    *,
    bias=1,
    gain=2,
    last=1,
    read=None,
    own=None,
    shared_bias=0,
    linear=True,
    linear_rows=None,
    linear_columns=None,
    linear_times=None,
):
    """Parameters of a rule, with a slip to choose."""
    v = linear * (linear_rows or seen) * (read or channels) * (linear_columns or channels)
    network = seen * (read or channels) * hidden + last * hidden * channels
    own_networks = cells if rule == "local" else 1
    v *= own_networks if linear_times is None else linear_times
    if rule == "genome":
        return v + network + gain * cells * (own or hidden) + shared_bias * hidden
    return v + (network + bias * hidden) * own_networks


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda *case: counted(*case, bias=0), "The bias is missing"),
        (lambda *case: counted(*case, last=0), "The last layer W_out is missing"),
        (lambda *case: counted(*case, read=1), "Each neighbor that is seen has `channels` numbers"),
        (lambda *case: counted(*case, linear=False), "V is missing"),
        (lambda *case: counted(*case, linear_columns=case[4]), "it has `channels` columns"),
        (lambda *case: counted(*case, linear_rows=1), "V looks at all that is seen, like W"),
        (lambda *case: counted(*case) + case[3], "W_out and V have no bias"),
        (lambda rule, *case: counted("local", *case), "All cells share one network"),
        (lambda rule, *case: counted("shared", *case), "Each cell has a network of its own"),
        (lambda rule, *case: counted(rule, *case, bias=rule == "shared"), "The biases are missing"),
        (lambda rule, *case: counted(rule, *case, bias=1 + (rule == "local")), "The local rule has no gain"),
        (lambda rule, *case: counted(rule, *case, linear=rule == "shared"), "V is missing"),
        (lambda *case: counted(*case, linear_times=1), "V belongs to a cell's own network"),
        (lambda rule, *case: counted(rule, *case, linear=rule != "genome"), "V is missing"),
        (lambda *case: counted(*case, linear_times=case[1] if case[0] != "shared" else 1), "All cells share V"),
        (lambda *case: counted(*case, gain=1, shared_bias=1), "one of them is missing"),
        (lambda *case: counted(*case, gain=0, shared_bias=1), "Beside the shared network"),
        (lambda *case: counted(*case, shared_bias=1), "do not count that too"),
        (lambda *case: counted(*case, own=1), "Gain and bias are not one number a cell"),
        (
            lambda rule, *case: counted(rule, *case) + (rule == "genome") * 2 * case[0] * case[2],
            "for the hidden numbers only: V has none",
        ),
        (lambda rule, *case: counted(rule.replace("genome", "local"), *case), "That is the local rule"),
        (lambda rule, *case: counted(rule, *case) if case[0] == 448 else 0, "Count W, V, gain, bias and W_out"),
    ],
)
def test_wrong_parameter_counts_are_told_what_is_wrong(answer, lesson, capsys):
    check.lattice.parameters(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 3.5: check ")


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("tick", row_tick),
        ("neighbors", near),
        ("cells_that_know", count),
        ("ticks_until_known", ticks),
        ("parameters", counted),
    ],
)
def test_what_the_slips_are_made_from_is_right(exercise, answer, capsys):
    getattr(check.lattice, exercise)(answer)
    assert "checks passed" in capsys.readouterr().out
