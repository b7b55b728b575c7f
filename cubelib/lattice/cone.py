"""The light cone: which planes are worth computing at each tick.

Nothing moves faster than one cell a tick. Two facts follow:

- at tick t a signal from the front face has reached the planes z ≤ t, and all other cells are still silent;
- of those, only the planes z ≥ (depth − 1) − (steps − t) can still be heard at the back face when time is up.
"""

from __future__ import annotations


def light_cone(depth: int, steps: int) -> list[range]:
    """The planes that are worth computing, for every tick.

    Args:
        depth: planes of the lattice, at least 1.
        steps: ticks, at least depth − 1.

    Returns:
        steps + 1 ranges. Number t holds the planes that the front face has reached at tick t and from which the back
        face can still be reached in the steps − t ticks that remain.

    Raises:
        ValueError: no plane at all, or fewer steps than it takes to cross the lattice.

    Example:
        >>> [list(planes) for planes in light_cone(depth=3, steps=2)]
        [[0], [1], [2]]
        >>> [list(planes) for planes in light_cone(depth=3, steps=3)]
        [[0], [0, 1], [1, 2], [2]]
    """
    if depth < 1:
        raise ValueError(f"light_cone: a lattice has at least 1 plane; got depth={depth}. The default lattice has 8.")
    if steps < depth - 1:
        raise ValueError(
            f"light_cone: in {steps} ticks nothing can cross {depth} planes: a signal moves one plane a tick. "
            f"Use steps={depth - 1} or more (steps=None means {depth - 1})."
        )
    last = depth - 1
    return [range(max(0, last - (steps - t)), min(t, last) + 1) for t in range(steps + 1)]


def overlap(depth_offset: int, now: range, then: range) -> range:
    """The planes of `then` whose neighbors at a depth offset (−1, 0, 1) are among the planes `now`.

    Example:
        >>> list(overlap(-1, now=range(0, 2), then=range(0, 3)))
        [1, 2]
    """
    return range(max(then.start, now.start - depth_offset), min(then.stop, now.stop - depth_offset))


def group_planes_by_neighbors(now: range, then: range) -> list[tuple[range, tuple[int, ...]]]:
    """Groups the planes `then` by the depth offsets at which they have neighbors among the planes `now`.

    Example:
        >>> group_planes_by_neighbors(now=range(0, 3), then=range(0, 4))  # nothing is behind plane 0
        [(range(0, 1), (0, 1)), (range(1, 2), (-1, 0, 1)), (range(2, 3), (-1, 0)), (range(3, 4), (-1,))]
    """
    runs: list[tuple[range, tuple[int, ...]]] = []
    for z in then:
        depth_offsets = tuple(depth_offset for depth_offset in (-1, 0, 1) if z + depth_offset in now)
        if runs and runs[-1][1] == depth_offsets:
            runs[-1] = (range(runs[-1][0].start, z + 1), depth_offsets)
        else:
            runs.append((range(z, z + 1), depth_offsets))
    return runs
