"""Lesions: which cells of a lattice are dead, and when.

    random_damage      cells scattered over the whole lattice
    ball_damage        all cells near one cell
    hole_damage        a rectangle of one plane
    make_damage        one of these by name: "scattered", "ball" or "hole"
    damage_from_tick   any of these, with a tick at which the cells die

Each gives a mask for `CubicCore.forward(cube, damage=…)`. Taught in notebook 04.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Size = tuple[int, int, int]
SHAPES = ("scattered", "ball", "hole")


def random_damage(lattice_size: Size, share: float, *, seed: int = 0) -> Tensor:
    """A mask of dead cells for `CubicCore.forward`, drawn among all cells of a lattice.

    With the same seed a larger share kills the same cells and more, so a curve over shares follows one lesion as it
    grows.

    Args:
        lattice_size: (depth, rows, columns).
        share: of the cells that are dead, 0 … 1; rounded to whole cells.
        seed: of the draw.

    Returns:
        bool, `(depth, rows, columns)`; True where a cell is dead.

    Raises:
        ValueError: a share that is none.

    Example:
        >>> damage = random_damage((8, 8, 8), 0.05)
        >>> damage.shape, int(damage.sum())  # 5 % of 512 cells
        (torch.Size([8, 8, 8]), 26)
        >>> bool((damage <= random_damage((8, 8, 8), 0.1)).all())  # all of them are dead at 10 %, too
        True
    """
    if not 0 <= share <= 1:
        raise ValueError(f"random_damage: share is the part of the cells that is dead, 0 … 1; got {share}.")
    cells = math.prod(lattice_size)
    dead = torch.randperm(cells, generator=torch.Generator().manual_seed(seed))[: round(share * cells)]
    damage = torch.zeros(cells, dtype=torch.bool)
    damage[dead] = True
    return damage.reshape(lattice_size)


def ball_damage(lattice_size: Size, radius: float, *, center: Size | None = None) -> Tensor:
    """A mask in which all cells within a radius of one cell are dead.

    Args:
        lattice_size: (depth, rows, columns).
        radius: in cells, 0 or more; 0 kills the center alone, 1 also the six cells that share a face with it.
        center: (plane, row, column); None is the middle of the lattice.

    Returns:
        bool, `(depth, rows, columns)`.

    Raises:
        ValueError: a radius below 0 or a center outside the lattice.

    Example:
        >>> [int(ball_damage((8, 8, 8), radius).sum()) for radius in (0, 1, 2)]
        [1, 7, 33]
    """
    if not radius >= 0:
        raise ValueError(f"ball_damage: radius is a number of cells, 0 or more; got {radius}.")
    depth, rows, columns = lattice_size
    plane, row, column = center or (depth // 2, rows // 2, columns // 2)
    _check_inside("ball_damage: center (plane, row, column)", (plane, row, column), lattice_size)
    z, r, c = torch.meshgrid(torch.arange(depth), torch.arange(rows), torch.arange(columns), indexing="ij")
    return (z - plane) ** 2 + (r - row) ** 2 + (c - column) ** 2 <= radius**2


def hole_damage(
    lattice_size: Size, size: tuple[int, int] = (3, 3), *, plane: int | None = None, corner: tuple[int, int] = (0, 0)
) -> Tensor:
    """A mask in which a rectangle of one plane is dead.

    Args:
        lattice_size: (depth, rows, columns).
        size: rows and columns of the hole.
        plane: 0 … depth − 1; None is the middle one.
        corner: (row, column) where the hole begins.

    Returns:
        bool, `(depth, rows, columns)`.

    Raises:
        ValueError: a hole that does not fit into the plane, or a plane outside the lattice.

    Example:
        >>> damage = hole_damage((8, 8, 8), plane=4, corner=(2, 5))
        >>> int(damage.sum()), bool(damage[4, 2:5, 5:].all())
        (9, True)
    """
    depth, rows, columns = lattice_size
    plane = depth // 2 if plane is None else plane
    _check_inside("hole_damage: the first cell of the hole (plane, row, column)", (plane, *corner), lattice_size)
    (row, column), (height, width) = corner, size
    if not (1 <= height <= rows - row and 1 <= width <= columns - column):
        raise ValueError(
            f"hole_damage: a hole of {height}×{width} cells from {corner} on does not fit into a plane of "
            f"{rows}×{columns}. Use a smaller size, at least (1, 1), or another corner."
        )
    damage = torch.zeros(lattice_size, dtype=torch.bool)
    damage[plane, row : row + height, column : column + width] = True
    return damage


def make_damage(shape: str, lattice_size: Size, share: float, *, plane: int | None = None, seed: int = 0) -> Tensor:
    """A lesion by the name of its shape, of about a share of the cells.

    Args:
        shape: "scattered" over the whole lattice, a "ball" about the middle of a plane, or a "hole", a square in the
            middle of a plane. A ball that reaches beyond the rim, and a hole larger than its plane, are cut off there.
        lattice_size: (depth, rows, columns).
        share: of the cells that are dead, 0 … 1.
        plane: of the ball's center or the hole, 0 … depth − 1; None is the middle one.
        seed: of the draw of scattered cells.

    Returns:
        bool, `(depth, rows, columns)`.

    Raises:
        ValueError: another shape, a share that is none, or a plane outside the lattice.

    Example:
        >>> [int(make_damage(shape, (8, 8, 8), 0.05).sum()) for shape in SHAPES]
        [26, 27, 25]
    """
    if shape not in SHAPES:
        raise ValueError(f"make_damage: shape {shape!r} is not known. Use one of {', '.join(SHAPES)}.")
    scattered = random_damage(lattice_size, share, seed=seed)
    dead = int(scattered.sum())
    if shape == "scattered" or not dead:
        return scattered
    depth, rows, columns = lattice_size
    plane = depth // 2 if plane is None else plane
    if shape == "ball":
        radius = (3 * dead / (4 * math.pi)) ** (1 / 3)  # of a ball with this many cells
        return ball_damage(lattice_size, radius, center=(plane, rows // 2, columns // 2))
    height, width = (min(side, max(1, round(dead**0.5))) for side in (rows, columns))
    corner = ((rows - height) // 2, (columns - width) // 2)
    return hole_damage(lattice_size, (height, width), plane=plane, corner=corner)


def damage_from_tick(damage: Tensor, tick: int, *, steps: int) -> Tensor:
    """Masks tick by tick, for cells that live until a tick and are dead from then on.

    A cell that dies after the signal has passed it costs nothing.

    Args:
        damage: the cells that die, bool `(depth, rows, columns)`.
        tick: the first tick at which they are dead, 0 … steps.
        steps: ticks of the core.

    Returns:
        bool, `(steps + 1, depth, rows, columns)`.

    Raises:
        ValueError: a tick outside the run.

    Example:
        >>> masks = damage_from_tick(random_damage((8, 8, 8), 0.05), 3, steps=7)
        >>> masks.flatten(1).sum(1).tolist()
        [0, 0, 0, 26, 26, 26, 26, 26]
    """
    if not 0 <= tick <= steps:
        raise ValueError(f"damage_from_tick: tick {tick} is not among the ticks 0 to {steps} of the core.")
    dying = torch.arange(steps + 1) >= tick
    return dying[:, None, None, None] & damage


def _check_inside(what: str, cell: tuple[int, ...], lattice_size: Size) -> None:
    if not all(0 <= index < side for index, side in zip(cell, lattice_size, strict=True)):
        last = tuple(side - 1 for side in lattice_size)
        raise ValueError(f"{what} {cell} lies outside the lattice, whose cells are (0, 0, 0) to {last}.")
